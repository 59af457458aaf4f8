"""What a report tells of a check beyond its verdict: what it is, what it rests on, and of a deviation the handshake.

A handshake is reduced to plain data: its messages in order, both chains with the faulty field marked, and the diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from pytest_mtls.cases import Tier
from pytest_mtls.certificates.names import describe_general_name, describe_name
from pytest_mtls.conformance.bypassing import BypassResult
from pytest_mtls.conformance.reports.document import cleaned
from pytest_mtls.conformance.run import Result
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side, opposite
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.chain import mark
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import likely_cause

__all__ = ["chain_facts", "handshake_facts", "record", "server_chain"]

#: What reading a certificate of a peer may raise: cryptography's complaints, and its remarks where a suite makes errors of
#: them.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    Warning,
)
#: How much of what a peer sent is told: messages of a handshake, certificates of a chain, names of a certificate.
_MOST_MESSAGES = 40
_MOST_CERTIFICATES = 12
_MOST_NAMES = 12
#: Of the handshakes of a bypass, the last ones are told.
_MOST_HANDSHAKES = 3

#: The field that each reason is about; the subject for all others.
_FIELDS: Mapping[Reason, str] = {
    Reason.EXPIRED: "not_after",
    Reason.NOT_YET_VALID: "not_before",
    Reason.UNKNOWN_CA: "issuer",
    Reason.SELF_SIGNED: "issuer",
    Reason.INVALID_CA: "issuer",
    Reason.HOSTNAME_MISMATCH: "names",
    Reason.NAME_CONSTRAINT_VIOLATED: "names",
    Reason.REVOKED: "serial",
    Reason.WRONG_PURPOSE: "usage",
    Reason.BAD_SIGNATURE: "signature",
    Reason.WEAK_SIGNATURE: "signature",
    Reason.WEAK_KEY: "key",
    Reason.POSSESSION_NOT_PROVED: "key",
}


def record(result: Result | BypassResult) -> dict[str, Any]:
    """All that a report has of a check: its facts, and beside them what it is, and the handshakes where it fails.

    Args:
        result: what the check came to.
    """
    facts: dict[str, Any] = dict(result.facts())
    if isinstance(result, BypassResult):
        seen, expected = result.finding.handshakes[-_MOST_HANDSHAKES:], None
        facts["why"] = result.finding.bypass.mechanism
    else:
        case = result.case
        seen = () if result.handshake is None else (result.handshake,)
        expected = Expected(accepted=case.tier is Tier.GOOD, by=opposite(case.side), reasons=case.reasons)
        facts["title"] = case.summary
        if case.rfc:
            facts["rfc"] = f"RFC 5280 {case.rfc}" if case.rfc.startswith("section") else case.rfc
    if result.outcome.is_failure and seen:
        facts["diagnosis"] = likely_cause(seen[-1], expected)
        facts["handshakes"] = [handshake_facts(handshake, expected) for handshake in seen]
    whole: dict[str, Any] = cleaned(facts)
    return whole


def server_chain(result: Result | BypassResult) -> tuple[bytes, ...]:
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


def chain_facts(
    chain: Sequence[bytes], reasons: Sequence[Reason] = (), server_name: str | None = None
) -> list[dict[str, Any]]:
    """A chain as plain data, its own certificate first.

    Args:
        chain: the certificates, DER.
        reasons: why it was refused, or should have been: the fields that they are about are marked.
        server_name: the name that was asked for.
    """
    told = chain[:_MOST_CERTIFICATES]
    facts = [_certificate(der, index, index == len(chain) - 1, reasons, server_name) for index, der in enumerate(told)]
    if len(chain) > len(told):
        facts.append({"unreadable": f"{len(chain) - len(told)} more certificates"})
    return facts


def _certificate(
    der: bytes, index: int, is_last: bool, reasons: Sequence[Reason], server_name: str | None
) -> dict[str, Any]:
    try:
        certificate = x509.load_der_x509_certificate(der)
    except _UNREADABLE as error:
        return {"unreadable": f"{len(der)} bytes that are no certificate ({error})"}
    facts = {name: value for name, read in _READERS.items() if (value := _readable(read, certificate)) is not None}
    facts["sha256"] = _sha256(der)
    for reason in reasons:
        try:
            words = mark(certificate, index, is_last, server_name, reason)
        except _UNREADABLE:
            continue
        if words is not None:
            facts["mark"] = {"field": _FIELDS.get(reason, "subject"), "text": words}
            break
    return facts


def _readable(read: Callable[[x509.Certificate], Any], certificate: x509.Certificate) -> Any:
    """A field, or what cannot be read in it."""
    try:
        return read(certificate)
    except _UNREADABLE as error:
        return f"cannot be read ({error})"


def _sha256(der: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize().hex()


def _names(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    told = [describe_general_name(name) for _, name in zip(range(_MOST_NAMES), names, strict=False)]
    more = len(list(names)) - len(told)
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")


def _usage(certificate: x509.Certificate) -> str | None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return ", ".join(oid._name if oid._name != "Unknown OID" else oid.dotted_string for oid in usage)


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, (rsa.RSAPublicKey, dsa.DSAPublicKey)):
        return f"{'RSA' if isinstance(key, rsa.RSAPublicKey) else 'DSA'} {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey")


_READERS: Mapping[str, Callable[[x509.Certificate], str | None]] = {
    "subject": lambda certificate: describe_name(certificate.subject),
    "issuer": lambda certificate: describe_name(certificate.issuer),
    "names": _names,
    "usage": _usage,
    "serial": lambda certificate: f"{certificate.serial_number:x}",
    "not_before": lambda certificate: f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
    "not_after": lambda certificate: f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    "key": _key,
    "signature": lambda certificate: certificate.signature_algorithm_oid._name,
}
