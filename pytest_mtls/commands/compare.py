"""``pytest-mtls compare``: what changed between two reports of the same server."""

from __future__ import annotations

import argparse

from pytest_mtls.commands.command import ACCEPTED, FAILED, Command

__all__ = ["COMPARE"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", help="a baseline, or a JSON report of any format")
    parser.add_argument("new", help="a later one")


def _run(options: argparse.Namespace) -> int:
    from pytest_mtls.conformance.baseline import compare, read_snapshot

    changes = compare(read_snapshot(options.old), read_snapshot(options.new))
    for change in changes:
        print(change)
    if not changes:
        print("nothing changed")
    return FAILED if any(change.is_regression for change in changes) else ACCEPTED


COMPARE = Command(
    "compare",
    "tell what changed between two reports",
    _add_arguments,
    _run,
    "Tells what changed between two reports of the same server, a line a change. "
    "Exit status 1: something got weaker. 0: nothing did. 2: a file cannot be read.",
)
