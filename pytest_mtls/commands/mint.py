"""``pytest-mtls mint``: the catalogue as files."""

from __future__ import annotations

import argparse

from pytest_mtls.commands.command import ACCEPTED, Command

__all__ = ["MINT"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", help="the directory to write; it must not exist yet, or be empty")
    parser.add_argument(
        "--days",
        type=float,
        default=0,
        help="how many days the certificates are valid, beyond half a day; 0 by default",
    )
    parser.add_argument("--replace", action="store_true", help="replace an earlier mint in that directory")


def _run(options: argparse.Namespace) -> int:
    from pytest_mtls.cases.mint import mint

    cases = mint(options.directory, days=options.days, replace_old=options.replace)
    written = {
        side: sum(m.case.side == side and m.identity is not None for m in cases) for side in ("client", "server")
    }
    print(
        f"{options.directory}: a CA with its CRLs, a server, a client, {written['client']} client cases and "
        f"{written['server']} server cases. README.md names them all."
    )
    return ACCEPTED


MINT = Command("mint", "write a CA, a good server, a good client and every case as files", _add_arguments, _run)
