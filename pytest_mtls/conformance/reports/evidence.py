"""What a report tells of a check beyond its verdict: what it is, what it rests on, and of a deviation the handshake.

A handshake is reduced to plain data: its messages in order, both chains with the faulty field marked, and the diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_mtls.cases import Tier
from pytest_mtls.conformance.bypassing import BypassResult
from pytest_mtls.conformance.chains import chain_facts
from pytest_mtls.conformance.offers import OfferResult
from pytest_mtls.conformance.reports.document import cleaned
from pytest_mtls.conformance.run import Result
from pytest_mtls.reasons.side import Side, opposite
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import likely_cause

__all__ = ["handshake_facts", "record", "server_chain"]

#: So many messages of a handshake are told.
_MOST_MESSAGES = 40
#: Of the handshakes of a bypass, the last ones are told.
_MOST_HANDSHAKES = 3


def record(result: Result | BypassResult | OfferResult) -> dict[str, Any]:
    """All that a report has of a check: its facts, and beside them what it is, and the handshakes where it fails.

    Args:
        result: what the check came to.
    """
    facts: dict[str, Any] = dict(result.facts())
    if isinstance(result, BypassResult):
        seen, expected = result.finding.handshakes[-_MOST_HANDSHAKES:], None
        facts["why"] = result.finding.bypass.mechanism
    elif isinstance(result, OfferResult):
        seen, expected = (() if result.handshake is None else (result.handshake,)), None
        facts |= {"title": result.title, "rfc": result.rfc}
    else:
        case = result.case
        seen = () if result.handshake is None else (result.handshake,)
        expected = Expected(accepted=case.tier is Tier.GOOD, by=opposite(case.side), reasons=case.reasons)
        facts["title"] = case.summary
        if case.rfc:
            facts["rfc"] = case.rests_on
    if result.outcome.is_failure and seen:
        if expected is not None or not isinstance(result, OfferResult):
            facts["diagnosis"] = likely_cause(seen[-1], expected)
        facts["handshakes"] = [handshake_facts(handshake, expected) for handshake in seen]
    whole: dict[str, Any] = cleaned(facts)
    return whole


def server_chain(result: Result | BypassResult | OfferResult) -> tuple[bytes, ...]:
    """The certificates, DER, that the server presented; empty if none was seen."""
    seen = result.finding.handshakes if isinstance(result, BypassResult) else (result.handshake,)
    return next((one.server_chain_der for one in seen if one is not None and one.server_chain_der), ())


def handshake_facts(handshake: Handshake, expected: Expected | None = None) -> dict[str, Any]:
    """A handshake as plain data.

    Args:
        handshake: the handshake.
        expected: what it should have been.
    """
    # What is wrong with a bad client is known, whatever the server says of it.
    known = expected.reasons if expected is not None else ()
    reasons = known or (() if handshake.reason is None else (handshake.reason,))
    by = handshake.rejected_by or (expected.by if expected is not None and not expected.accepted else "server")
    accused: Side = opposite(by)
    client, server = (
        chain_facts(chain, reasons if side == accused else (), handshake.server_name)
        for side, chain in (("client", handshake.client_chain_der), ("server", handshake.server_chain_der))
    )
    facts = {
        "verdict": handshake.verdict.value,
        "rejected_by": handshake.rejected_by,
        "tls_version": handshake.tls_version,
        "cipher": handshake.cipher,
        "server_name": handshake.server_name,
        "alpn": handshake.alpn,
        "resumed": handshake.resumed or None,
        "verify_error": handshake.verify_error,
        "messages": list(_messages(handshake)),
        "client_chain": client,
        "server_chain": server,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _messages(handshake: Handshake) -> Iterator[dict[str, Any]]:
    """Who sent what, in order, and at the end what decided: an alert, an answer inside, or the end of the connection."""
    transcript = handshake.transcript
    skipped = len(transcript) - _MOST_MESSAGES
    for number, message in enumerate(transcript):
        if skipped > 0 and number == _MOST_MESSAGES - 1:
            yield {"from": message.sender, "text": f"{skipped} more messages"}
        if skipped > 0 and _MOST_MESSAGES - 1 <= number < len(transcript) - 1:
            continue
        ends = {"ends": True} if message.is_failure else {}
        yield {"from": message.sender, "text": str(message), **ends}
    if any(message.is_failure for message in transcript):
        return
    ends = {"ends": True} if handshake.accepted is False else {}
    if handshake.answer is not None:
        yield {"from": "server", "text": handshake.answer, "inside": True, **ends}
    elif handshake.accepted is False and handshake.rejected_by is not None:
        yield {"from": handshake.rejected_by, "text": handshake.error or "ended the connection", "ends": True}
    elif handshake.accepted is None:
        yield {"from": opposite(handshake.side), "text": handshake.error or "no answer", "ends": True}
