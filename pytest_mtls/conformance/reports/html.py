"""The report for people: one HTML file that loads nothing, to read, to filter, to print and to attach to a ticket.

Every text goes through `escape`; the Content-Security-Policy would not run what got past it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import chain as joined
from itertools import groupby
from typing import Any

from pytest_mtls.conformance.reports.document import Document
from pytest_mtls.conformance.reports.ladder import ladder
from pytest_mtls.conformance.reports.page import POLICY, SCRIPT, STYLE
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
    versions_of,
)
from pytest_mtls.conformance.run import Outcome

__all__ = ["as_html", "drawn", "frame", "moment", "page_of"]

Facts = Mapping[str, Any]

#: So many failures are told in full, and the handshakes of so many are drawn; all are in the table.
_MOST_TOLD = 200
_MOST_DRAWN = 60

_SIGNS = {
    Outcome.DEVIATES: "✗",
    Outcome.EXCEPTION_GONE: "✗",
    Outcome.EXCEPTED: "◐",
    Outcome.LEFT_OUT: "○",
    Outcome.REPORTED: "i",
    Outcome.CONFORMS: "✓",
}
_BADGES = {
    Outcome.DEVIATES: "failed",
    Outcome.EXCEPTION_GONE: "exception gone",
    Outcome.EXCEPTED: "agreed",
    Outcome.LEFT_OUT: "left out",
    Outcome.REPORTED: "reported",
    Outcome.CONFORMS: "as expected",
}
#: The fields of a certificate, with their names.
_FIELDS = (
    ("issuer", "issued by"),
    ("names", "names"),
    ("usage", "usage"),
    ("not_before", "not before"),
    ("not_after", "not after"),
    ("key", "key"),
    ("signature", "signature"),
    ("serial", "serial"),
    ("sha256", "SHA-256"),
)
_COLUMNS = ("check", "TLS", "what it is", "rests on", "expected", "seen", "layer", "alert or answer", "outcome")


def as_html(document: Document) -> str:
    """A document as one page.

    Args:
        document: of `pytest_mtls.conformance.reports.document.make_document`.
    """
    return "\n".join(_page(document)) + "\n"


def _page(document: Document) -> Iterator[str]:
    state = "passed" if document["passed"] else "failed"
    head = f"""<p class="kicker">Mutual TLS conformance report, {moment(document["date"])}</p>
<h1>{escape(target_of(document))}</h1>
<p class="verdict">{"✓" if document["passed"] else "✗"} {escape(verdict_of(document))}</p>
{_counts(document)}"""
    parts = (_summary, _changes, _failures, _requirements, _inventory, _server, _causes, _checks)
    body = joined.from_iterable(part(document) for part in parts)
    title = f"Mutual TLS of {target_of(document)}: {state}"
    yield from page_of(title, state, head, body, document["versions"]["pytest-mtls"])


def page_of(title: str, state: str, head: str, body: Iterable[str], version: str) -> Iterator[str]:
    """A page with our style and script, and nothing else that loads or runs.

    Args:
        title: of the page, as text.
        state: "passed" or "failed".
        head: HTML of what stands at the top.
        body: HTML of all the rest; something in it has the id ``checks``.
        version: of this package.
    """
    yield f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#checks">Skip to the table</a>
<header class="{state}"><div>
{head}
</div></header>
<main>"""
    yield from body
    yield f"""</main>
<footer>Written by pytest-mtls {escape(version)}. This page loads nothing and sends nothing.</footer>
<script>{SCRIPT}</script>
</body>
</html>"""


def moment(date: str) -> str:
    """HTML of a moment as people write it."""
    return f'<time datetime="{escape(date)}">{escape(date.replace("T", " ").replace("Z", " UTC"))}</time>'


def _counts(document: Document) -> str:
    counted = ((outcome, document["summary"].get(outcome.value, 0)) for outcome in OUTCOMES)
    items = "".join(
        f"<li><b>{count}</b><span>{escape(OUTCOMES[outcome])}</span></li>" for outcome, count in counted if count
    )
    return f'<ul class="counts">{items}</ul>' if items else ""


# --- the summary -----------------------------------------------------------------------------------------------------


def _summary(document: Document) -> Iterator[str]:
    policy, name = document["policy"], document["target"].get("server_name")
    answers = (
        "counts only if its alert fits the defect" if policy["reasons"] == "alert" else "counts whatever its alert"
    )
    rows = [
        ("Client", target_of(document)) if name is None else ("Target", f"{target_of(document)}, asked for as {name}"),
        ("Date", f"{document['date']}, for {document['seconds']} seconds"),
        ("Settings that it claims", ", ".join(document["settings"]) or "none"),
        ("Policy", f"a rejection {answers}; {_number(len(policy['exceptions']), 'agreed exception')}"),
        ("Versions", versions_of(document)),
    ]
    yield '<h2 id="summary">What was tested</h2>\n<div class="card"><dl>'
    yield "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    yield "</dl></div>"


def _inventory(document: Document) -> Iterator[str]:
    if "inventory" in document:
        yield "<h2>What the server offers</h2>"
        rows = "".join(
            f"<dt>{escape(name)}</dt><dd>{escape(', '.join(values))}</dd>"
            for name, values in document["inventory"].items()
        )
        yield f'<div class="card"><dl>{rows}</dl></div>'


def _server(document: Document) -> Iterator[str]:
    chains = document["server_chains"]
    if chains:
        yield f"<h2>{'The chain that the server presents' if len(chains) == 1 else 'The chains that the server presents'}</h2>"
        yield '<div id="server">'
        yield from (f'<div class="card">{_tree(certificates)}</div>' for certificates in chains)
        yield "</div>"


def _changes(document: Document) -> Iterator[str]:
    if "changes" in document:
        yield "<h2>What changed since the baseline</h2>"
        items = "".join(
            f'<li class="{escape(change["kind"])}"><b>{escape(change["kind"])}</b> {escape(change["text"])}</li>'
            for change in document["changes"]
        )
        yield f'<div class="card">{f"<ul class=changes>{items}</ul>" if items else "Nothing."}</div>'


def _requirements(document: Document) -> Iterator[str]:
    """What the checks are evidence for, each requirement with a link to its source."""
    rows = requirement_rows(document)
    if not rows:
        return
    yield "<h2>Requirements that the checks are evidence for</h2>"
    yield '<p class="why">Evidence is what this run saw; whether a requirement is met takes more than that.</p>'
    links = {one["id"]: one["url"] for one in document["requirements"]}
    top = "".join(f'<th scope="col">{column}</th>' for column in REQUIREMENT_COLUMNS)
    body = "".join(
        f'<tr><th scope="row"><a href="{escape(links[id])}" rel="noreferrer">{escape(id)}</a></th>'
        f'<td class="title">{escape(says)}</td>{"".join(f"<td>{count}</td>" for count in counts)}</tr>'
        for id, says, *counts in rows
    )
    yield (f"{frame('Requirements')}<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>")


def _number(count: int, word: str) -> str:
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"


# --- what failed -----------------------------------------------------------------------------------------------------


def _failures(document: Document) -> Iterator[str]:
    failed = failures(document)
    if failed or document["errors"]:
        yield f'<h2 id="failed">What failed ({len(failed)})</h2>'
    if len(failed) > 1:
        yield _contents(failed[:_MOST_TOLD])
    for number, facts in enumerate(failed[:_MOST_TOLD]):
        yield from _failure(number, facts)
    if len(failed) > _MOST_TOLD:
        yield f"<p>{len(failed) - _MOST_TOLD} more failed. They are in the table of all checks.</p>"
    if document["errors"]:
        items = "".join(f"<li>{escape(test)}</li>" for test in document["errors"][:_MOST_TOLD])
        yield f'<div class="card"><h3>Tests that ended without a result</h3><ul>{items}</ul></div>'


def _contents(failed: Sequence[Facts]) -> str:
    """A line for each check that failed, with a link to each version over which it did."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for number, facts in enumerate(failed):
        key = (facts["case"], facts.get("title", ""), facts["expected"], facts["seen"])
        name = "details" if facts["tls"] == "-" else f"TLS {facts['tls']}"
        lines.setdefault(key, []).append(f'<a href="#f{number}">{escape(name)}</a>')
    rows = "".join(
        f'<tr><th scope="row">{escape(case)}</th><td class="title">{escape(title)}</td><td>{escape(expected)}</td>'
        f'<td class="bad">{escape(seen)}</td><td>{" ".join(links)}</td></tr>'
        for (case, title, expected, seen), links in lines.items()
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("check", "what it is", "expected", "seen", "details"))
    return (
        f"{frame('Overview of what failed', 'contents')}<table>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _failure(number: int, facts: Facts) -> Iterator[str]:
    outcome = Outcome(facts["outcome"])
    over = "" if facts["tls"] == "-" else f" over TLS {facts['tls']}"
    yield f'<article class="card {_kind(facts)}" id="f{number}">'
    yield f"<header><h3>{escape(facts['case'])}{escape(over)}</h3>{_badge(outcome)}</header>"
    yield f"<p>{escape(facts.get('title', ''))}</p>"
    if "why" in facts:
        yield f'<p class="why">{escape(facts["why"])}</p>'
    parts = (
        ("expected", facts["expected"], ""),
        ("seen", facts["seen"], "bad"),
        ("layer", facts.get("layer", "-"), ""),
        ("alert or answer", alert_of(facts), ""),
        ("rests on", rests_on(facts), ""),
    )
    cells = "".join(
        f'<div><span>{name}</span> <b class="{kind}">{escape(str(value))}</b></div>'
        for name, value, kind in parts
        if value != "-"
    )
    yield f'<div class="against">{cells}</div>'
    note, diagnosis = escape(facts.get("note", "")), escape(facts.get("diagnosis", ""))
    if note or diagnosis:
        cause = f" <b>Likely cause:</b> {diagnosis}" if diagnosis else ""
        note = note[:1].upper() + note[1:]
        yield f'<p class="diagnosis">{note}{"." if note and not note.endswith(".") else ""}{cause}</p>'
    if "requirements" in facts:
        yield f'<p class="why">Evidence for {escape(evidence_of(facts))}.</p>'
    for handshake in facts.get("handshakes", ()) if number < _MOST_DRAWN else ():
        yield from drawn(handshake)
    yield "</article>"


def drawn(handshake: Facts) -> Iterator[str]:
    """HTML of a handshake: its ladder, and both chains as trees.

    Args:
        handshake: as `pytest_mtls.conformance.reports.evidence.handshake_facts` has it.
    """
    names = ("tls_version", "cipher", "alpn")
    told = [handshake[name] for name in names if name in handshake]
    if "server_name" in handshake:
        told.append(f"server name {handshake['server_name']}")
    if handshake.get("resumed"):
        told.append("a resumed session")
    yield '<div class="evidence"><div><h4>The handshake</h4>'
    yield ladder(handshake)
    yield f'<p class="kicker">{escape(", ".join(told))}</p></div><div class="chains">'
    for side in ("client", "server"):
        chain = handshake[f"{side}_chain"]
        yield f"<h4>What the {side} presented</h4>"
        yield _tree(chain) if chain else '<div class="tree"><div class="absent">no certificate</div></div>'
    yield "</div></div>"


def _tree(chain: Sequence[Facts]) -> str:
    """A chain from the top down: the issuer that was not presented, the CAs, and below them the own certificate."""
    top = chain[-1]
    is_whole = top.get("subject") == top.get("issuer")
    absent = (
        ""
        if is_whole
        else f'<div class="absent">{escape(top.get("issuer", "an unknown issuer"))}, which was not presented</div>'
    )
    nested = ""
    for certificate in chain:
        below = f"<ul>{nested}</ul>" if nested else ""
        nested = f"<li>{_certificate(certificate)}{below}</li>"
    return f'<ul class="tree">{f"<li>{absent}<ul>{nested}</ul></li>" if absent else nested}</ul>'


def _certificate(certificate: Facts) -> str:
    if "unreadable" in certificate:
        return f'<div class="absent">{escape(certificate["unreadable"])}</div>'
    fault = certificate.get("mark", {})
    rows = "".join(
        f"<dt>{words}</dt><dd{' class=mono' if name in ('serial', 'sha256') else ''}>{_field(certificate, name, fault)}</dd>"
        for name, words in _FIELDS
        if name in certificate or name == fault.get("field")
    )
    subject = _field(certificate, "subject", fault)
    ends = certificate.get("not_after", "")[: len("2000-01-01")]
    until = f' <span class="until">until {escape(ends)}</span>' if ends and not fault else ""
    state = ' class="faulty" open' if fault else ""
    return f"<details{state}><summary>{subject}{until}</summary><dl>{rows}</dl></details>"


def _field(certificate: Facts, name: str, fault: Facts) -> str:
    value = escape(certificate.get(name, "none"))
    if name == fault.get("field"):
        return f"<mark>{value}</mark> ✗ {escape(fault['text'])}"
    return value


# --- the rest --------------------------------------------------------------------------------------------------------


def _causes(document: Document) -> Iterator[str]:
    causes = left_out(document)
    if causes:
        yield f"<h2>What was left out ({sum(causes.values())})</h2>"
        yield _table(
            "What was left out", ("checks", "cause"), ((str(count), cause) for cause, count in causes.most_common())
        )
    agreed = [facts for facts in document["results"] if facts["outcome"] == Outcome.EXCEPTED.value]
    if agreed:
        yield f"<h2>What is agreed in the policy ({len(agreed)})</h2>"
        names = ("case", "tls", "expected", "seen", "note")
        cells = (tuple(str(facts.get(name, "-")) for name in names) for facts in agreed)
        yield _table("What is agreed in the policy", ("check", "TLS", "expected", "seen", "why"), cells)


def frame(label: str, kind: str = "") -> str:
    """The start of what holds a table: it scrolls where the table is wider, by keys too (WCAG 2.2, 2.1.1)."""
    return f'<div class="frame {kind}" tabindex="0" role="region" aria-label="{escape(label)}">'


def _table(label: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"{frame(label)}<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _checks(document: Document) -> Iterator[str]:
    results = document["results"]
    if not results:
        return
    numbers = {id(facts): number for number, facts in enumerate(failures(document)[:_MOST_TOLD])}
    kinds = [outcome for outcome in OUTCOMES if document["summary"].get(outcome.value)]
    buttons = "".join(
        f'<button type="button" aria-pressed="false" data-kind="{_kind_of(outcome)}">{_SIGNS[outcome]} {escape(OUTCOMES[outcome])}</button>'
        for outcome in kinds
    )
    yield f"""<h2>All checks ({len(results)})</h2>
<div class="filters" role="group" aria-label="Filter the checks" hidden>
<label class="sr" for="words">Words that a check has</label><input id="words" type="search" placeholder="Filter by words, such as revoked 1.3">{buttons}</div>
<p class="shown" id="shown" role="status"></p>
<div class="frame" id="checks" tabindex="0" role="region" aria-label="All checks"><table>
<thead><tr>{"".join(f'<th scope="col">{column}</th>' for column in _COLUMNS)}</tr></thead>
<tbody>"""
    for group in _groups(results, numbers):
        yield _row(group, numbers.get(id(group[0])))
    yield "</tbody></table></div>"


def _groups(results: Sequence[Facts], numbers: Mapping[int, int]) -> Iterator[list[Facts]]:
    """Results that follow each other and differ only in the TLS version share a row; what failed has one for each."""

    def key(facts: Facts) -> object:
        if id(facts) in numbers or facts["tls"] == "-":
            return id(facts)
        names = ("case", "title", "expected", "seen", "layer", "outcome", "note")
        return (*(facts.get(name) for name in names), rests_on(facts), alert_of(facts))

    for _, group in groupby(results, key):
        yield list(group)


def _row(group: Sequence[Facts], number: int | None) -> str:
    facts = group[0]
    outcome = Outcome(facts["outcome"])
    case = escape(facts["case"])
    note = f"<small>{escape(facts['note'])}</small>" if "note" in facts and number is None else ""
    if "requirements" in facts:
        note += f"<small>Evidence for {escape(evidence_of(facts))}</small>"
    cells = (
        " ".join(one["tls"] for one in group),
        None,
        rests_on(facts),
        facts["expected"],
        facts["seen"],
        facts.get("layer", "-"),
        alert_of(facts),
    )
    told = "".join(
        f'<td class="title">{escape(facts.get("title", "-"))}{note}</td>'
        if cell is None
        else f"<td{' class=none' if cell == '-' else ''}>{escape(cell)}</td>"
        for cell in cells
    )
    name = case if number is None else f'<a href="#f{number}">{case}</a>'
    count = f' data-count="{len(group)}"' if len(group) > 1 else ""
    return f'<tr class="{_kind(facts)}"{count}><th scope="row">{name}</th>{told}<td>{_badge(outcome)}</td></tr>'


def _kind(facts: Facts) -> str:
    return _kind_of(Outcome(facts["outcome"]))


def _kind_of(outcome: Outcome) -> str:
    return outcome.value.replace(" ", "-")


def _badge(outcome: Outcome) -> str:
    return f'<span class="badge">{_SIGNS[outcome]} {_BADGES[outcome]}</span>'
