"""``pytest-mtls cases``: the catalogue."""

from __future__ import annotations

import argparse

from pytest_mtls.commands.command import ACCEPTED, Command

__all__ = ["CASES"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("patterns", nargs="*", metavar="pattern", help="glob over case ids; all cases without one")
    parser.add_argument("--side", choices=["client", "server"], help="the cases of one side only")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON, for programs")
    form.add_argument("--markdown", action="store_true", help="as the reference page of the documentation")


def _run(options: argparse.Namespace) -> int:
    from pytest_mtls.cases.listing import as_json, as_markdown, as_table, select

    chosen = select(options.patterns, options.side)
    if options.json:
        print(as_json(chosen))
    else:
        print(as_markdown(chosen) if options.markdown else as_table(chosen))
    return ACCEPTED


CASES = Command("cases", "list the catalogue of good and bad peers", _add_arguments, _run)
