"""The tables of docs/reference/verdicts.md, made of the judge's own rules and of what answers mean."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mtls.client.protocols.meanings import MEANINGS
from pytest_mtls.verdict.judge import RULES

__all__ = ["as_markdown"]


def as_markdown() -> str:
    """Both tables."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "## Rules of the judge"
    yield ""
    yield "In this order; the first that applies decides. Each has a row in `tests/verdict/test_judge.py`."
    yield ""
    yield "| rule | the expectation is met | what was seen, and what it means |"
    yield "|---|---|---|"
    yield from (f"| `{rule.id}` | {'yes' if rule.is_met else 'no'} | {rule.meaning} |" for rule in RULES)
    yield ""
    yield "## Answers of an application"
    yield ""
    yield "By layer; the first pattern that the whole answer matches decides. `tests/client/test_protocols.py` shows them."
    yield ""
    yield "| layer | answer | means | source |"
    yield "|---|---|---|---|"
    for row in MEANINGS:
        pattern = row.pattern.replace("|", "\\|")
        yield f"| {row.layer} | `{pattern}` | {row.means.value} | {row.source} |"
