"""The report for code scanning: SARIF 2.1.0 (OASIS), as GitHub and other platforms take it.

A check is a rule (section 3.49), a requirement that it is evidence for a taxon (section 3.19.3), and a failure is a result (section 3.27). What is as it should be, or as agreed, is not
in it, because platforms show an alert for every result. They want a file and a line for each, which a server has not: it is the
policy's file, where what is agreed of the server stands, or pyproject.toml.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pytest_mtls.conformance.reports.document import Document
from pytest_mtls.conformance.reports.words import failures, target_of

__all__ = ["as_sarif"]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_DEFAULT_FILE = "pyproject.toml"


def as_sarif(document: Document) -> str:
    """The failures of a document as SARIF.

    Args:
        document: of `pytest_mtls.conformance.reports.document.make_document`.
    """
    checks: dict[str, Mapping[str, Any]] = {}
    for facts in document["results"]:
        checks.setdefault(facts["case"], facts)
    places = {case: place for place, case in enumerate(checks)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "pytest-mtls",
                "version": document["versions"]["pytest-mtls"],
                "rules": [_rule(case, facts) for case, facts in checks.items()],
            }
        },
        "automationDetails": {"id": f"pytest-mtls/{target_of(document)}"},
        "invocations": [{"executionSuccessful": not document["errors"], "startTimeUtc": document["date"]}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(document, facts, places[facts["case"]]) for facts in failures(document)],
    }
    if document.get("requirements"):
        run["taxonomies"] = list(_taxonomies(document["requirements"]))
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _taxonomies(requirements: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A taxonomy for each source, with its requirements as taxa."""
    for source in dict.fromkeys(one["source"] for one in requirements):
        ours = [one for one in requirements if one["source"] == source]
        yield {
            "name": source,
            "informationUri": ours[0]["url"],
            "taxa": [
                {"id": one["id"], "name": one["section"], "shortDescription": {"text": one["says"]}} for one in ours
            ],
        }


def _relevant(facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A reference to each requirement that a check is evidence for."""
    for id in facts.get("requirements", ()):
        yield {"target": {"id": id, "toolComponent": {"name": id.partition(", ")[0]}}, "kinds": ["relevant"]}


def _rule(case: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    title = facts.get("title", case)
    rests_on = facts.get("rfc") or facts.get("advisories")
    text = f"{title} Expected: {facts['expected']}." + (f" See {rests_on}." if rests_on else "")
    relationships = list(_relevant(facts))
    return {
        "id": case,
        **({"relationships": relationships} if relationships else {}),
        "shortDescription": {"text": title},
        "fullDescription": {"text": text},
        "help": {"text": facts.get("why") or text},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "mutual-tls", *([facts["theme"]] if "theme" in facts else [])]},
    }


def _result(document: Document, facts: Mapping[str, Any], place: int) -> dict[str, Any]:
    where = target_of(document)
    over = "" if facts["tls"] == "-" else f" over TLS {facts['tls']}"
    said = f"{where}: {facts['case']}{over}: expected {facts['expected']}, seen {facts['seen']}"
    parts = [said, *(facts[name] for name in ("note", "diagnosis") if name in facts)]
    identity = "\n".join((where, facts["case"], facts["tls"]))
    return {
        "ruleId": facts["case"],
        "ruleIndex": place,
        "level": "error",
        "kind": "fail",
        "message": {"text": ". ".join(part.rstrip(".") for part in parts) + "."},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(document["policy"].get("file", _DEFAULT_FILE))},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": where, "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"check/v1": hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()},
        "properties": {name: facts[name] for name in ("tls", "layer", "alert", "answer") if name in facts},
    }
