"""The command line: ``python -m pytest_mtls``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pytest_mtls.errors import MtlsError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Args:
        arguments: without the program's name; those of this process by default.

    Returns:
        The exit status: 0, or 2 where something given was wrong.
    """
    options = _parser().parse_args(arguments)
    try:
        print(options.run(options), flush=True)
    except MtlsError as error:
        print(f"pytest_mtls: {error}", file=sys.stderr)
        return 2
    except (
        BrokenPipeError
    ):  # The reader, such as `head`, has seen enough. What is left must not be flushed at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytest_mtls", description="Certificates to test mutual TLS with.")
    commands = parser.add_subparsers(required=True, metavar="command")

    cases = commands.add_parser("cases", help="list the catalogue of good and bad peers")
    cases.add_argument("patterns", nargs="*", metavar="pattern", help="glob over case ids; all cases without one")
    cases.add_argument("--side", choices=["client", "server"], help="the cases of one side alone")
    form = cases.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON, for programs")
    form.add_argument("--markdown", action="store_true", help="as the reference page of the documentation")
    cases.set_defaults(run=_cases)

    mint = commands.add_parser("mint", help="write a CA, a good server, a good client and every case as files")
    mint.add_argument("directory", help="where to; it must not be there yet, or be empty")
    mint.add_argument(
        "--days", type=float, default=0, help="days that they are to be good, beyond half a day; 0 by default"
    )
    mint.add_argument("--replace", action="store_true", help="replace an earlier mint in that directory")
    mint.set_defaults(run=_mint)
    return parser


def _cases(options: argparse.Namespace) -> str:
    from pytest_mtls.cases.listing import as_json, as_markdown, as_table, select

    chosen = select(options.patterns, options.side)
    if options.json:
        return as_json(chosen)
    return as_markdown(chosen) if options.markdown else as_table(chosen)


def _mint(options: argparse.Namespace) -> str:
    from pytest_mtls.cases.mint import mint

    cases = mint(options.directory, days=options.days, replace_old=options.replace)
    written = {
        side: sum(m.case.side == side and m.identity is not None for m in cases) for side in ("client", "server")
    }
    return (
        f"{options.directory}: a CA with its CRLs, a server, a client, {written['client']} client cases and "
        f"{written['server']} server cases. README.md names them all."
    )


if __name__ == "__main__":
    sys.exit(main())
