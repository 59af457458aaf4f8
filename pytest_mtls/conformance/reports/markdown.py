"""The report as Markdown, for the summary page of a CI job (``$GITHUB_STEP_SUMMARY``) or a comment.

A job's summary holds 1 MiB, so that the text is bounded. What a peer chose is escaped: it makes no links, no markup and no
rows of a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_mtls.conformance.reports.document import Document
from pytest_mtls.conformance.reports.words import (
    OUTCOMES,
    REQUIREMENT_COLUMNS,
    alert_of,
    evidence_of,
    failures,
    left_out,
    requirement_rows,
    rests_on,
    target_of,
    verdict_of,
)
from pytest_mtls.conformance.run import Outcome

__all__ = ["as_markdown", "escaped"]

#: So many failures are told in full, and so many checks are listed: less than half of what a summary holds.
_MOST_TOLD = 50
_MOST_LISTED = 1500
#: A cell of a table is cut after so many characters, and a paragraph.
_LONGEST_CELL = 120
_LONGEST = 500

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~#&@$]|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE)


def escaped(text: str, longest: int = _LONGEST) -> str:
    """A text that means itself in Markdown, on one line.

    Args:
        text: any text.
        longest: how many of its characters are told.
    """
    line = " ".join(text.split())
    if len(line) > longest:
        line = f"{line[: longest - 3]}..."
    return _SPECIAL.sub(r"\\\g<0>", line)


def as_markdown(document: Document) -> str:
    """A document for a summary page.

    Args:
        document: of `pytest_mtls.conformance.reports.document.make_document`.
    """
    return "\n".join((*_head(document), *_changes(document), *_failures(document), *_rest(document))) + "\n"


def _head(document: Document) -> Iterator[str]:
    mark = "✅" if document["passed"] else "❌"
    yield f"## {mark} Mutual TLS of {escaped(target_of(document))}"
    yield ""
    yield f"**{escaped(verdict_of(document))}** Tested on {document['date']}, in {document['seconds']} seconds."
    yield ""
    counts = [(words, document["summary"].get(outcome.value, 0)) for outcome, words in OUTCOMES.items()]
    yield from _table(("outcome", "checks"), ((words, str(count)) for words, count in counts if count))
    yield ""
    for chain in document["server_chains"]:
        for certificate in chain[:1]:
            subject = escaped(certificate.get("subject", certificate.get("unreadable", "")))
            ends = f", valid until {escaped(certificate['not_after'])}" if "not_after" in certificate else ""
            yield f"- The server presents {subject}{ends}."
    for name, values in document.get("inventory", {}).items():
        yield f"- {name}: {escaped(', '.join(values))}"
    yield f"- Settings that the server claims: {escaped(', '.join(document['settings']) or 'none')}."
    told = (f"{name} {version}" for name, version in document["versions"].items())
    yield f"- Versions: {escaped(', '.join(told))}."
    yield ""


def _changes(document: Document) -> Iterator[str]:
    if "changes" in document:
        yield "### What changed since the baseline"
        yield ""
        for change in document["changes"][:_MOST_TOLD]:
            kind = f"**{change['kind']}**" if change["kind"] == "weaker" else change["kind"]
            yield f"- {kind}: {escaped(change['text'])}"
        if len(document["changes"]) > _MOST_TOLD:
            yield f"- and {len(document['changes']) - _MOST_TOLD} more"
        yield "" if document["changes"] else "Nothing.\n"


def _failures(document: Document) -> Iterator[str]:
    failed = failures(document)
    if failed:
        yield "### What failed"
        yield ""
    for facts in failed[:_MOST_TOLD]:
        over = "" if facts["tls"] == "-" else f" over TLS {facts['tls']}"
        yield f"#### {escaped(facts['case'])}{over}"
        yield ""
        yield escaped(facts.get("title", ""))
        yield ""
        yield f"- expected {escaped(facts['expected'])}, seen **{escaped(facts['seen'])}**: {escaped(facts.get('note', ''))}"
        if "diagnosis" in facts:
            yield f"- likely cause: {escaped(facts['diagnosis'])}"
        yield f"- layer {escaped(facts.get('layer', '-'))}, alert or answer {escaped(alert_of(facts))}, rests on {escaped(rests_on(facts))}"
        if "requirements" in facts:
            yield f"- evidence for {escaped(evidence_of(facts))}"
        yield ""
    if len(failed) > _MOST_TOLD:
        yield f"{len(failed) - _MOST_TOLD} more failed; they are in the table below.\n"
    for test in document["errors"][:_MOST_TOLD]:
        yield f"- ended without a result: {escaped(test)}"
    if document["errors"]:
        yield ""


def _rest(document: Document) -> Iterator[str]:
    requirements = requirement_rows(document)
    if requirements:
        yield "### Requirements that the checks are evidence for"
        yield ""
        yield from _table(REQUIREMENT_COLUMNS, requirements)
        yield ""
    causes = left_out(document)
    if causes:
        yield "### What was left out"
        yield ""
        yield from _table(("checks", "cause"), ((str(count), cause) for cause, count in causes.most_common(_MOST_TOLD)))
        yield ""
    agreed = [facts for facts in document["results"] if facts["outcome"] == Outcome.EXCEPTED.value]
    if agreed:
        yield "### What is agreed in the policy"
        yield ""
        cells = ((facts["case"], facts["tls"], facts["seen"], facts.get("note", "")) for facts in agreed[:_MOST_TOLD])
        yield from _table(("check", "TLS", "seen", "why"), cells)
        yield ""
    results = document["results"]
    if results:
        yield f"<details><summary>All {len(results)} checks</summary>"
        yield ""
        head = ("check", "TLS", "expected", "seen", "layer", "alert or answer", "outcome")
        yield from _table(head, map(_row, results[:_MOST_LISTED]))
        if len(results) > _MOST_LISTED:
            yield f"\n{len(results) - _MOST_LISTED} more are not listed here."
        yield ""
        yield "</details>"


def _row(facts: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("case", "tls", "expected", "seen")
    return (*(facts[name] for name in names), facts.get("layer", "-"), alert_of(facts), facts["outcome"])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(escaped(cell, _LONGEST_CELL) for cell in row)} |"
