"""What the tests of reports share: the published schema, and documents of runs that never were."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from pytest_mtls import CertificateAuthority, Endpoint, Identity, probe
from pytest_mtls.conformance.chains import chain_facts
from pytest_mtls.conformance.policy import ExpectedException, Policy
from pytest_mtls.conformance.reports.document import make_document
from pytest_mtls.conformance.reports.evidence import record
from pytest_mtls.conformance.run import Outcome, Result, checks
from pytest_mtls.tls.handshake import Handshake

__all__ = ["DATE", "SCHEMA", "document_of", "number_of", "result_of", "seen_of", "validate"]

ROOT = Path(__file__).parent.parent.parent
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/schemas/report-2.json").read_text(encoding="utf-8"))
DATE = datetime(2026, 3, 14, 15, 9, 26, tzinfo=timezone.utc)


def validate(document: Any) -> None:
    """See to it that a report is as the documentation says."""
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(document)))


def seen_of(endpoint: Any, client: Identity | None = None, **known: Any) -> Handshake:
    """A real handshake."""
    return probe(endpoint, client, **known)


def result_of(number: int, handshake: Handshake | None, outcome: Outcome, note: str = "") -> Result:
    """A result of the catalogue's check of this number, as if it had come to this."""
    every = list(checks())
    case, tls = every[number % len(every)]
    return Result(case, tls, "accepted" if case.accepted else "refused", outcome, handshake, note)


def number_of(case: str) -> int:
    """The number of the first check of a case."""
    return next(number for number, (known, _) in enumerate(checks()) if known.id == case)


def document_of(
    results: list[Result], *, ca: CertificateAuthority | None = None, target: Endpoint | None = None, **known: Any
) -> dict[str, Any]:
    """The document of some results."""
    policy = Policy(frozenset({"crl"}), exceptions=(ExpectedException("sha1*", "accepted", "ticket 7", "1.2"),))
    chains = [] if ca is None else [chain_facts([ca.issue_server().der])]
    where = target or Endpoint("bank.example", 8443, "https", path="/login")
    facts = [record(result) for result in results]
    return make_document(where, policy, facts, **{"date": DATE, "seconds": 12.34, "server_chains": chains, **known})
