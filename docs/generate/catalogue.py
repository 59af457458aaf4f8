"""Write the pages, or parts of pages, that a program makes: ``python docs/generate/catalogue.py cases stacks``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))

from support.generated_pages import DOCS, replace_generated_part


def cases() -> None:
    from pytest_mtls.cases.listing import as_markdown, select

    (DOCS / "reference" / "cases.md").write_text(as_markdown(select()) + "\n", encoding="utf-8")


def judges() -> None:
    from support.certificate_judges import subjects
    from support.judge_disagreements import as_markdown, rows

    from pytest_mtls import CertificateAuthority

    ca = CertificateAuthority.create()
    table = rows(subjects(ca), ca, Path(shutil.which("openssl") or "openssl"))
    replace_generated_part(DOCS / "explanation" / "judges.md", as_markdown(table))


def stacks() -> None:
    from support.other_stacks import STACKS, Minted
    from support.stack_causes import as_markdown

    from pytest_mtls import CertificateAuthority
    from pytest_mtls.cases.mint import mint

    ca = CertificateAuthority.create()
    with tempfile.TemporaryDirectory() as directory:
        minted = Minted(Path(directory) / "certs", ca, mint(Path(directory) / "certs", ca=ca))
        verdicts = {stack: judge(minted) for stack, judge in STACKS.items()}
    replace_generated_part(DOCS / "reference" / "stacks.md", as_markdown(verdicts))


def troubleshooting() -> None:
    from support.troubleshooting_page import PAGE, as_markdown

    replace_generated_part(PAGE, as_markdown())


def verdicts() -> None:
    from support.verdicts_page import as_markdown

    replace_generated_part(DOCS / "reference" / "verdicts.md", as_markdown())


def forwarded() -> None:
    from support.proxy_headers_page import as_markdown

    replace_generated_part(DOCS / "reference" / "forwarded.md", as_markdown())


def clients() -> None:
    from support import client_services as services
    from support.client_drivers import DRIVERS
    from support.client_rows import People, as_markdown, observe

    from pytest_mtls import CertificateAuthority
    from pytest_mtls.clients import LIBRARIES

    ca = CertificateAuthority.create()
    people = People.of(ca, ca.impostor())
    with ExitStack() as running:

        @cache
        def postgresql() -> int:
            return running.enter_context(services.postgresql(people.server, ca))

        rows = [observe(name, people, postgresql) for name in LIBRARIES if name in DRIVERS]
    replace_generated_part(DOCS / "reference" / "clients.md", as_markdown(rows))


def bypasses() -> None:
    from support.bypasses_page import as_markdown

    replace_generated_part(DOCS / "reference" / "bypasses.md", as_markdown())


def engines() -> None:
    from support.engines import as_markdown

    replace_generated_part(DOCS / "reference" / "engines.md", as_markdown())


def mapping() -> None:
    from support.mapping_page import as_markdown

    replace_generated_part(DOCS / "reference" / "mapping.md", as_markdown())


def rotation() -> None:
    from support.rotation_record import PAGE, as_markdown, recorded

    replace_generated_part(PAGE, as_markdown(recorded()))


def command_line() -> None:
    from support.command_line_page import PAGE, as_markdown

    replace_generated_part(DOCS.joinpath(*PAGE), as_markdown())


def client_programs() -> None:
    from support.client_record import PAGE, as_markdown, recorded

    replace_generated_part(PAGE, as_markdown(recorded()))


PAGES: Mapping[str, Callable[[], None]] = {
    "cases": cases,
    "judges": judges,
    "troubleshooting": troubleshooting,
    "verdicts": verdicts,
    "forwarded": forwarded,
    "clients": clients,
    "stacks": stacks,
    "bypasses": bypasses,
    "engines": engines,
    "mapping": mapping,
    "rotation": rotation,
    "client-programs": client_programs,
    "command-line": command_line,
}


if __name__ == "__main__":
    for name in sys.argv[1:] or PAGES:
        PAGES[name]()
