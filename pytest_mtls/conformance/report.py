"""What a conformance run prints at its end: a table, and how many of each outcome, made of `Result.facts`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mtls.conformance.run import Outcome

__all__ = ["summary", "table"]

Facts = Mapping[str, Any]

_COLUMNS = ("case", "TLS", "expected", "seen", "layer", "alert", "")
#: So many clients that were not tried, for the same cause, have a line each; more have one together.
_MANY = 4


def table(results: Sequence[Facts], *, only_failures: bool = False) -> Iterator[str]:
    """The lines of a table: case, TLS version, expected, seen, layer, alert.

    Versions that agree share a line, and so do many clients that could not be tried.

    Args:
        results: the facts of each result.
        only_failures: leave out what does not fail, except how many checks were left out, and why.
    """
    untried = Counter(facts["note"] for facts in results if _is_untried(facts))
    rows: dict[tuple[str, ...], list[str]] = {}
    for facts in results:
        outcome = Outcome(facts["outcome"])
        if only_failures and not outcome.is_failure:
            continue
        if not _is_untried(facts) or untried[facts["note"]] <= _MANY:
            rows.setdefault(_row(facts, outcome), []).append(facts["tls"])
    lines = [(row[0], " ".join(sorted(tls)), *row[1:]) for row, tls in rows.items()]
    widths = [max(len(line[column]) for line in (_COLUMNS, *lines)) for column in range(len(_COLUMNS))]
    for line in (_COLUMNS, *lines) if lines else ():
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    if only_failures:
        untried = Counter(
            facts.get("note", "no cause is known") for facts in results if facts["outcome"] == Outcome.LEFT_OUT.value
        )
    for note, count in untried.items():
        if count > _MANY or only_failures:
            yield f"{count} left out: {note}"


def _is_untried(facts: Facts) -> bool:
    return (facts["outcome"], facts["seen"]) == (Outcome.LEFT_OUT.value, "-")


def _row(facts: Facts, outcome: Outcome) -> tuple[str, ...]:
    alert = f"{facts['alert']} ({facts['alert_number']})" if "alert" in facts else facts.get("answer", "-")
    remark = {
        Outcome.DEVIATES: f"FAILED: {facts.get('note', '')}",
        Outcome.EXCEPTION_GONE: f"FAILED: {facts.get('note', '')}",
        Outcome.EXCEPTED: f"as agreed: {facts.get('note', '')}",
        Outcome.LEFT_OUT: f"left out: {facts.get('note', '')}",
    }.get(outcome, "")
    return (facts["case"], facts["expected"], facts["seen"], facts.get("layer", "-"), alert, remark)


def summary(results: Sequence[Facts]) -> str:
    """One line: how many of each outcome."""
    counts = Counter(Outcome(facts["outcome"]) for facts in results)
    words = {
        Outcome.CONFORMS: "as expected",
        Outcome.REPORTED: "reported only",
        Outcome.EXCEPTED: "as agreed in the policy",
        Outcome.LEFT_OUT: "left out",
        Outcome.DEVIATES: "FAILED",
        Outcome.EXCEPTION_GONE: "exceptions that no longer happen FAILED",
    }
    told = ", ".join(f"{counts[outcome]} {text}" for outcome, text in words.items() if counts[outcome])
    return f"{len(results)} checks: {told}"
