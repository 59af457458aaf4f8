"""``pytest-mtls mint``: the catalogue as files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mtls.commands.command import ACCEPTED, Command

if TYPE_CHECKING:
    from pytest_mtls.cases.mint import MintedCase

__all__ = ["MINT"]

_ENDINGS = {"cert": "crt", "key": "key", "pem": "pem"}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", help="the directory to write; it must not exist yet, or be empty")
    parser.add_argument(
        "--days",
        type=float,
        default=0,
        help="how many days the certificates are valid, beyond half a day; 0 by default",
    )
    parser.add_argument("--replace", action="store_true", help="replace an earlier mint in that directory")
    parser.add_argument("--json", action="store_true", help="tell what was written as JSON, for programs")


def _run(options: argparse.Namespace) -> int:
    from pytest_mtls.cases.mint import mint

    cases = mint(options.directory, days=options.days, replace_old=options.replace)
    if options.json:
        print(json.dumps(facts(Path(options.directory), cases), indent=2))
        return ACCEPTED
    written = {
        side: sum(m.case.side == side and m.identity is not None for m in cases) for side in ("client", "server")
    }
    print(
        f"{options.directory}: a CA with its CRLs, a server, a client, {written['client']} client cases and "
        f"{written['server']} server cases. README.md names them all."
    )
    return ACCEPTED


def facts(directory: Path, cases: Sequence[MintedCase]) -> dict[str, Any]:
    """What was written, for machines."""

    def files(stem: str) -> dict[str, str]:
        return {name: str(directory / f"{stem}.{ending}") for name, ending in _ENDINGS.items()}

    return {
        "ca": str(directory / "ca.crt"),
        "crl": str(directory / "ca.crl.pem"),
        "crls": str(directory / "crls"),
        "server": files("server"),
        "client": files("client"),
        "cases": [
            {"id": one.case.id, "side": one.case.side, **files(one.path.removesuffix(".crt"))}
            for one in cases
            if one.identity is not None
        ],
    }


MINT = Command("mint", "write a CA, a good server, a good client and every case as files", _add_arguments, _run)
