"""Write docs/reference/clients.md: what each client library takes, and what it raises, from real calls.

Run it where everything is installed that the tests need: ``python docs/generate/client_table.py``.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "reference" / "clients.md"

sys.path.insert(0, str(ROOT / "tests"))


def main() -> None:
    """Let every library call, and write down what came of it."""
    from clients import services
    from clients.drivers import DRIVERS
    from clients.rows import People, observe, page

    from pytest_mtls import CertificateAuthority
    from pytest_mtls.clients import LIBRARIES

    ca = CertificateAuthority.create()
    people = People.of(ca, ca.impostor())
    with ExitStack() as running:

        @cache
        def postgresql() -> int:
            return running.enter_context(services.postgresql(people.server, ca))

        rows = [observe(name, people, postgresql) for name in LIBRARIES if name in DRIVERS]
    PAGE.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
