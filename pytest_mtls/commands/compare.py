"""``pytest-mtls compare``: what changed between two reports of the same server."""

from __future__ import annotations

import argparse
import json

from pytest_mtls.commands.command import ACCEPTED, FAILED, Command

__all__ = ["COMPARE"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", help="a baseline, or a JSON report of any format")
    parser.add_argument("new", help="a later one")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def _run(options: argparse.Namespace) -> int:
    from pytest_mtls.conformance.baseline import compare, read_snapshot

    changes = compare(read_snapshot(options.old), read_snapshot(options.new))
    is_weaker = any(change.is_regression for change in changes)
    if options.json:
        rows = [{"kind": change.kind, "text": change.text} for change in changes]
        print(json.dumps({"weaker": is_weaker, "changes": rows}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(map(str, changes)) or "nothing changed")
    return FAILED if is_weaker else ACCEPTED


COMPARE = Command(
    "compare",
    "tell what changed between two reports",
    _add_arguments,
    _run,
    "Tells what changed between two reports of the same server, a line a change. "
    "Exit status 1: something got weaker. 0: nothing did. 2: a file cannot be read.",
)
