"""The tables of docs/reference/verdicts.md, made of the judge's own rules and of what answers and alerts mean."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mtls.client.protocols.meanings import MEANINGS
from pytest_mtls.reasons.alert_meaning import ALERT_MEANINGS
from pytest_mtls.verdict.judge import RULES

__all__ = ["as_markdown"]


def as_markdown() -> str:
    """All tables."""
    return "\n".join(_lines()).rstrip("\n")


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
    yield "By layer; the first pattern that the whole answer matches decides. `tests/client/test_meanings.py` has an example of each."
    yield ""
    yield "| layer | answer | means | source |"
    yield "|---|---|---|---|"
    for row in MEANINGS:
        pattern = row.pattern.replace("|", "\\|")
        yield f"| {row.layer} | `{pattern}` | {row.means.value} | {row.source} |"
    yield ""
    yield "## Alerts"
    yield ""
    yield "What an alert may stand for, by RFC 8446 section 6.2 and by what correct stacks were seen to send. A rejection counts"
    yield "for a reason only if its alert may stand for it; `tests/servers/test_servers.py` shows each stack's. The alert"
    yield "access_denied counts only where a good client of the same names gets in."
    yield ""
    yield "| alert | reason | seen in |"
    yield "|---|---|---|"
    for meaning in ALERT_MEANINGS:
        alert = meaning.alert.name.lower()
        yield from (f"| {alert} | {reason.words} | {', '.join(seen)} |" for reason, seen in meaning.seen.items())
        others = sorted(reason.words for reason in (meaning.allowed | {meaning.says}) - set(meaning.seen))
        if others:
            yield f"| {alert} | {', '.join(others)} | - |"
    yield ""
    yield "The words that allow it:"
    yield ""
    for meaning in ALERT_MEANINGS:
        yield from (meaning.alert.name.lower(), f": {meaning.allowed_by}", "")
