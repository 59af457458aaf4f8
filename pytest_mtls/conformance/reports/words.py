"""What the reports for people share: which results come first, and how a document's head reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pytest_mtls.conformance.reports.document import Document
from pytest_mtls.conformance.run import Outcome

__all__ = [
    "OUTCOMES",
    "REQUIREMENT_COLUMNS",
    "alert_of",
    "evidence_of",
    "failures",
    "left_out",
    "requirement_rows",
    "rests_on",
    "target_of",
    "verdict_of",
    "versions_of",
]

#: Each outcome in words, the most urgent first.
OUTCOMES: Mapping[Outcome, str] = {
    Outcome.DEVIATES: "failed",
    Outcome.EXCEPTION_GONE: "exceptions that no longer happen",
    Outcome.EXCEPTED: "as agreed in the policy",
    Outcome.LEFT_OUT: "left out",
    Outcome.REPORTED: "reported only",
    Outcome.CONFORMS: "as expected",
}


def failures(document: Document) -> list[Mapping[str, Any]]:
    """The results that fail, in order."""
    return [facts for facts in document["results"] if Outcome(facts["outcome"]).is_failure]


def left_out(document: Document) -> Counter[str]:
    """How many checks were left out for each cause."""
    return Counter(
        facts.get("note", "no cause is known")
        for facts in document["results"]
        if facts["outcome"] == Outcome.LEFT_OUT.value
    )


def target_of(document: Document) -> str:
    """The server as a URL, or the command of the client."""
    target = document["target"]
    if "command" in target:
        return str(target["command"])
    host = f"[{target['host']}]" if ":" in target["host"] else target["host"]
    return f"{target['protocol']}://{host}:{target['port']}{target['path']}"


def verdict_of(document: Document) -> str:
    """What the run came to, in a sentence."""
    failed = len(failures(document))
    if document["passed"]:
        return "Passed: no check failed."
    if failed:
        return f"Failed: {failed} of {len(document['results'])} checks."
    if any(change["kind"] == "weaker" for change in document.get("changes", ())):
        return "Failed: the server got weaker than in the baseline."
    if document["errors"]:
        return "Failed: tests ended without a result."
    return "Nothing was checked, so nothing was proved."


def rests_on(facts: Mapping[str, Any]) -> str:
    """The RFC or the advisories that a check rests on; a dash for none."""
    return str(facts.get("rfc") or facts.get("advisories") or "-")


def alert_of(facts: Mapping[str, Any]) -> str:
    """The alert with its number, or what the application answered; a dash for neither."""
    return f"{facts['alert']} ({facts['alert_number']})" if "alert" in facts else str(facts.get("answer", "-"))


#: The head of the table of requirements.
REQUIREMENT_COLUMNS = ("requirement", "what it asks for", "as expected", "failed", "agreed", "no evidence")


def requirement_rows(document: Document) -> list[tuple[str, ...]]:
    """For each requirement of the document how many checks are evidence for it, and against it."""
    kinds = ("as_expected", "failed", "agreed", "not_evidence")
    return [
        (str(one["id"]), str(one["says"]), *(str(one[kind]) for kind in kinds))
        for one in document.get("requirements", ())
    ]


def evidence_of(facts: Mapping[str, Any]) -> str:
    """The requirements that a check is evidence for, those of a source together."""
    sections: dict[str, list[str]] = {}
    for id in facts["requirements"]:
        source, _, section = str(id).partition(", ")
        sections.setdefault(source, []).append(section)
    return "; ".join(f"{source}, {' and '.join(ours)}" for source, ours in sections.items())


def versions_of(document: Document) -> str:
    """With what it was done: each name with its version, in a line."""
    told = (
        version if version.lower().startswith(name) else f"{name} {version}"
        for name, version in document["versions"].items()
    )
    return ", ".join(told)
