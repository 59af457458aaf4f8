"""Reports of an ordinary suite: the handshakes of each of its tests, as JSON, HTML or Markdown.

There is no server under test, and no expectation beyond the tests' own, so that these are documents of their own kind.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from pytest_mtls.conformance.reports.document import Document, Facts, cleaned, versions
from pytest_mtls.conformance.reports.evidence import handshake_facts
from pytest_mtls.conformance.reports.html import drawn, frame, moment, page_of
from pytest_mtls.conformance.reports.markdown import escaped
from pytest_mtls.conformance.reports.words import versions_of
from pytest_mtls.tls.handshake import Handshake

__all__ = ["SUITE_FORMS", "make_suite_document", "test_facts", "write_suite_report"]

_FORMAT = 1
#: So many handshakes of a test are told, the last ones, and so many of a run are drawn. All are counted.
_MOST_TOLD = 20
_MOST_DRAWN = 150
#: So many tests are listed in Markdown, whose page is bounded.
_MOST_LISTED = 1000

_VERDICTS = {"accepted": "accepted", "refused": "rejected", "undecided": "undecided"}
#: By a test's outcome, the class that gives a row its colour, and the badge.
_BADGES = {"failed": ("deviates", "✗ failed"), "passed": ("conforms", "✓ passed"), "skipped": ("left-out", "○ skipped")}


def test_facts(handshakes: Sequence[Handshake]) -> dict[str, Any]:
    """What a report has of the handshakes of one test, as plain data.

    Args:
        handshakes: in their order. Of many the last ones are told, and all are counted.
    """
    counts = Counter(handshake.verdict.value for handshake in handshakes)
    facts: dict[str, Any] = cleaned(
        {
            "verdicts": {verdict: counts[verdict] for verdict in _VERDICTS},
            "handshakes": [
                {**handshake_facts(handshake), **_reason(handshake)} for handshake in handshakes[-_MOST_TOLD:]
            ],
        }
    )
    return facts


def _reason(handshake: Handshake) -> dict[str, str]:
    return {} if handshake.reason is None else {"reason": handshake.reason.words}


def make_suite_document(
    suite: str, tests: Sequence[Facts], *, date: datetime, passed: bool, seconds: float = 0.0
) -> dict[str, Any]:
    """All handshakes of a run, by test.

    Args:
        suite: its name.
        tests: of each test that had a handshake its id, its outcome, and what `test_facts` has.
        date: when the run began, in UTC.
        passed: whether the whole run passed.
        seconds: how long it took.

    Returns:
        What the JSON report holds, by the schema that the documentation publishes.
    """
    counts: Counter[str] = Counter()
    for test in tests:
        counts.update(test["verdicts"])
    document: dict[str, Any] = cleaned(
        {
            "handshakes_by_test": _FORMAT,
            "suite": suite,
            "date": f"{date:%Y-%m-%dT%H:%M:%SZ}",
            "seconds": round(seconds, 1),
            "versions": versions(),
            "passed": passed,
            "summary": {verdict: counts[verdict] for verdict in _VERDICTS},
            "tests": list(tests),
        }
    )
    return document


def write_suite_report(path: str | os.PathLike[str], document: Document) -> None:
    """Write a document in the form that the ending stands for.

    Args:
        path: the file; what was there is replaced.
        document: of `make_suite_document`.

    Raises:
        OSError: it cannot be written.
    """
    text = SUITE_FORMS[Path(path).suffix.lower()](document)
    Path(path).write_text(text, encoding="utf-8", newline="\n")


def _as_json(document: Document) -> str:
    return json.dumps(document, indent=2) + "\n"


# --- HTML ------------------------------------------------------------------------------------------------------------


def _as_html(document: Document) -> str:
    state = "passed" if document["passed"] else "failed"
    counts = "".join(
        f"<li><b>{document['summary'][verdict]}</b><span>{words}</span></li>" for verdict, words in _VERDICTS.items()
    )
    head = f"""<p class="kicker">Handshakes by test, {moment(document["date"])}</p>
<h1>{escape(document["suite"])}</h1>
<p class="verdict">{"✓" if document["passed"] else "✗"} {escape(_verdict_of(document))}</p>
<ul class="counts"><li><b>{len(document["tests"])}</b><span>tests</span></li>{counts}</ul>"""
    title = f"Handshakes of {document['suite']}: {state}"
    body = _body(document)
    return "\n".join(page_of(title, state, head, body, document["versions"]["pytest-mtls"])) + "\n"


def _verdict_of(document: Document) -> str:
    failed = sum(test["outcome"] == "failed" for test in document["tests"])
    if document["passed"]:
        return "The run passed."
    if failed:
        return f"Failed: {failed} of {len(document['tests'])} tests with handshakes."
    return "Failed, in tests without handshakes."


def _body(document: Document) -> Iterator[str]:
    tests = document["tests"]
    yield f'<h2>What was run</h2>\n<div class="card"><dl><dt>Date</dt><dd>{escape(document["date"])}, for {document["seconds"]} seconds</dd>'
    yield f"<dt>Versions</dt><dd>{escape(versions_of(document))}</dd></dl></div>"
    yield f"<h2>Tests ({len(tests)})</h2>"
    kinds = [outcome for outcome in _BADGES if any(test["outcome"] == outcome for test in tests)]
    buttons = "".join(
        f'<button type="button" aria-pressed="false" data-kind="{_BADGES[kind][0]}">{_BADGES[kind][1]}</button>'
        for kind in kinds
    )
    yield f"""<div class="filters" role="group" aria-label="Filter the tests" hidden>
<label class="sr" for="words">Words that a test has</label><input id="words" type="search" placeholder="Filter by words, such as expired">{buttons}</div>
<p class="shown" id="shown" role="status" data-what="tests"></p>
<div id="checks">{frame("All tests")}<table>
<thead><tr><th scope="col">test</th><th scope="col">handshakes</th><th scope="col">outcome</th></tr></thead><tbody>"""
    for number, test in enumerate(tests):
        kind, badge = _badge(test)
        yield (
            f'<tr class="{kind}"><th scope="row"><a href="#t{number}">{escape(test["test"])}</a></th>'
            f'<td class="title">{escape(_told(test))}</td><td><span class="badge">{badge}</span></td></tr>'
        )
    yield "</tbody></table></div></div>"
    left = _MOST_DRAWN
    # Those of the tests that failed are drawn first, should there be too many.
    order = sorted(range(len(tests)), key=lambda number: tests[number]["outcome"] != "failed")
    drawn_of: dict[int, int] = {}
    for number in order:
        drawn_of[number] = min(left, len(tests[number]["handshakes"]))
        left -= drawn_of[number]
    if tests:
        yield "<h2>Handshakes</h2>"
    for number in order:
        yield from _test(number, tests[number], drawn_of[number])


def _badge(test: Facts) -> tuple[str, str]:
    return _BADGES.get(test["outcome"], _BADGES["skipped"])


def _told(test: Facts) -> str:
    """How many handshakes came to which verdict, and why those were rejected that are told."""
    counts = ", ".join(f"{count} {_VERDICTS[verdict]}" for verdict, count in test["verdicts"].items() if count)
    reasons = list(dict.fromkeys(one["reason"] for one in test["handshakes"] if "reason" in one))
    return f"{counts} ({', '.join(reasons)})" if reasons else counts


def _test(number: int, test: Facts, drawn_here: int) -> Iterator[str]:
    kind, badge = _badge(test)
    yield f'<article class="card {kind}" id="t{number}">'
    yield f'<header><h3>{escape(test["test"])}</h3><span class="badge">{badge}</span></header>'
    yield f"<p>{escape(_told(test))}</p>"
    if "message" in test:
        yield f'<p class="diagnosis">{escape(test["message"])}</p>'
    if test["handshakes"] and drawn_here:
        state = " open" if test["outcome"] == "failed" else ""
        yield f'<details class="handshakes"{state}><summary>{_number(drawn_here)}</summary>'
        for handshake in test["handshakes"][-drawn_here:]:
            yield from drawn(handshake)
        yield "</details>"
    missing = sum(test["verdicts"].values()) - drawn_here
    if missing:
        yield f'<p class="why">{missing} more {"is" if missing == 1 else "are"} not drawn.</p>'
    yield "</article>"


def _number(count: int) -> str:
    return f"{count} handshake{'' if count == 1 else 's'}"


# --- Markdown --------------------------------------------------------------------------------------------------------


def _as_markdown(document: Document) -> str:
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"## {'✅' if document['passed'] else '❌'} Handshakes of {escaped(document['suite'])}"
    yield ""
    counts = ", ".join(f"{document['summary'][verdict]} {words}" for verdict, words in _VERDICTS.items())
    yield f"**{escaped(_verdict_of(document))}** {len(document['tests'])} tests had handshakes: {counts}."
    yield ""
    yield "| test | handshakes | outcome |"
    yield "|---|---|---|"
    for test in document["tests"][:_MOST_LISTED]:
        yield f"| {escaped(test['test'], 200)} | {escaped(_told(test), 200)} | {escaped(test['outcome'])} |"
    if len(document["tests"]) > _MOST_LISTED:
        yield ""
        yield f"{len(document['tests']) - _MOST_LISTED} more are not listed here."


#: By the ending of the file's name, what makes the text of a document.
SUITE_FORMS: Mapping[str, Callable[[Document], str]] = {".json": _as_json, ".html": _as_html, ".md": _as_markdown}
