"""The tables of docs/reference/troubleshooting.md: every symptom that the diagnosis knows, as a failure tells of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from support.generated_pages import DOCS
from support.symptom_rows import ROWS

from pytest_mtls import CertificateAuthority
from pytest_mtls.verdict.diagnosis.causes import CAUSES
from pytest_mtls.verdict.diagnosis.symptoms import SYMPTOMS, diagnose

__all__ = ["PAGE", "as_markdown"]

PAGE = DOCS / "reference" / "troubleshooting.md"

#: The first symptom of each part of the table, and what the part is about.
_PARTS = {
    SYMPTOMS[0].id: "There is no verdict",
    "case-is-good": "A peer was accepted that should have been rejected",
    "as-expected": "A peer was rejected",
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def as_markdown() -> str:
    """The symptoms in the order in which they are looked for, then the causes that go with a reason."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    ca = CertificateAuthority.create("Example CA")
    for symptom, row, _ in ROWS:
        if symptom in _PARTS:
            yield from (f"## {_PARTS[symptom]}", "", "| symptom | likely cause | remedy |", "|---|---|---|")
        diagnosis = diagnose(row(ca))
        yield f"| `{symptom}` | {_shown(diagnosis.cause)} | {_shown(diagnosis.remedy or '')} |"
        if symptom == ROWS[-1][0] or _next(symptom) in _PARTS:
            yield ""
    yield from ("## By the reason alone", "", "| reason | likely cause | remedy |", "|---|---|---|")
    for reason, (cause, remedy) in CAUSES.items():
        yield f"| {reason.words} | {_shown(cause)} | {_shown(remedy or '')} |"
    ca.remove_files()


def _next(symptom: str) -> str | None:
    ids = [row[0] for row in ROWS]
    index = ids.index(symptom) + 1
    return ids[index] if index < len(ids) else None


def _shown(text: str) -> str:
    return _MOMENT.sub("DATE", text).replace("|", "\\|").replace("*", "\\*")
