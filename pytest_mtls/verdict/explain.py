"""A handshake, and what was expected of it, as text for people who do not know OpenSSL's codes.

Every function here takes what a peer may have sent, so none may raise for it: what cannot be read is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.validity import now
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side, opposite
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.judge import judge

__all__ = ["explain", "headline", "likely_cause", "mark", "tell"]


def tell(handshakes: Sequence[Handshake], expected: Expected, remark: str | None = None) -> str:
    """The whole story of an expectation that was not met.

    Args:
        handshakes: those to tell of, in order.
        expected: what was expected of them.
        remark: what is wrong, where it is not told by the handshakes themselves.
    """
    lines = [remark or "no handshake happened", "", f"  expected: {expected}"]
    if not handshakes:
        lines.append("  seen:     nobody began a handshake")
    for handshake in handshakes:
        lines.append(f"  seen:     {headline(handshake)}")
    for handshake in handshakes:
        lines += ["", explain(handshake, expected)]
    return "\n".join(lines)


def headline(handshake: Handshake) -> str:
    """The verdict in one line."""
    if handshake.accepted:
        return "accepted by both sides"
    if handshake.accepted is None:
        return f"undecided: {handshake.error or 'no verdict'}"
    told = handshake.is_reason_exact or handshake.alert is None
    where = f", at the {handshake.layer} layer" if handshake.layer not in (None, "tls") else ""
    said = f": {handshake.answer}" if where and handshake.answer else ""
    if handshake.reason is None or handshake.reason is Reason.UNSPECIFIED:
        return f"refused by the {handshake.rejected_by}, which did not say why{where}{said}"
    source = "" if told else ", as its alert says"
    return f"refused by the {handshake.rejected_by} for {handshake.reason.words}{source}{where}{said}"


def explain(handshake: Handshake, expected: Expected | None = None) -> str:
    """One handshake in full: verdict, alert, parameters, both chains, messages, and where it matters the likely cause.

    Args:
        handshake: the handshake.
        expected: what it should have been, if anything was expected of it.
    """
    return "\n".join(_sections(handshake, expected))


def _sections(handshake: Handshake, expected: Expected | None) -> Iterator[str]:
    peer = "{}:{}".format(*handshake.peer_address) if handshake.peer_address else "an unknown address"
    yield f"handshake with the {opposite(handshake.side)} at {peer}, as the {handshake.side} saw it"
    yield f"  verdict: {headline(handshake)}"
    if handshake.alert is not None:
        yield f"  alert: {handshake.alert.label}, sent by the {handshake.rejected_by}"
    elif handshake.accepted is False:
        yield "  alert: none was seen"
    if handshake.verify_error is not None:
        yield f"  verification: {handshake.verify_error} (OpenSSL's code {handshake.verify_code})"
    yield f"  parameters: {_parameters(handshake)}"
    reasons = (handshake.reason,) if handshake.reason is not None else (expected.reasons if expected else ())
    refused = _refused_side(handshake, expected)
    for side, chain in (("client", handshake.client_chain_der), ("server", handshake.server_chain_der)):
        yield f"  the {side} presented {'' if chain else 'no certificate'}".rstrip() + (":" if chain else "")
        marked = reasons if side == refused else ()
        yield from (f"    {line}" for line in _chain(chain, marked, handshake.server_name))
    if handshake.transcript:
        yield "  messages:"
        yield from (f"    {message.sender}: {message}" for message in handshake.transcript)
    if not handshake.accepted or (expected is not None and not expected.accepted):
        yield f"  likely cause: {likely_cause(handshake, expected)}"


def _refused_side(handshake: Handshake, expected: Expected | None) -> Side:
    """The side whose certificates are in question."""
    if handshake.rejected_by is not None:
        return opposite(handshake.rejected_by)
    return opposite(expected.by) if expected is not None else "client"


def _parameters(handshake: Handshake) -> str:
    parts = [handshake.tls_version or "no TLS version agreed"]
    if handshake.cipher:
        parts.append(handshake.cipher)
    parts.append(f"server name {handshake.server_name}" if handshake.server_name else "no server name")
    if handshake.alpn:
        parts.append(f"ALPN {handshake.alpn}")
    if handshake.resumed:
        parts.append("a resumed session")
    return ", ".join(parts)


#: What reading a certificate may raise: cryptography's complaints, and its remarks where a suite makes errors of them.
_UNREADABLE = (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, Warning)


# --- the presented chain ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Presented:
    """One certificate of a chain, and where it stands."""

    certificate: x509.Certificate
    index: int
    is_last: bool
    server_name: str | None


def _chain(chain: Sequence[bytes], reasons: Sequence[Reason], server_name: str | None) -> Iterator[str]:
    """A line a certificate, with a mark where the reasons are about it."""
    for index, der in enumerate(chain):
        try:
            certificate = x509.load_der_x509_certificate(der)
            presented = _Presented(certificate, index, index == len(chain) - 1, server_name)
            marks = [mark for reason in reasons if (mark := _mark(presented, reason))]
            line = "; ".join(_fields(certificate)).replace("\n", "\\n")  # a name may hold what looks like lines of ours
        except _UNREADABLE as error:
            yield f"{index}: {len(der)} bytes that are no certificate ({error})"
            continue
        yield f"{index}: {line}" + (f"  <-- {', '.join(marks)}" if marks else "")


def _fields(certificate: x509.Certificate) -> Iterator[str]:
    yield describe_name(certificate.subject)
    yield f"issued by {describe_name(certificate.issuer)}"
    yield from _usage(certificate)
    yield from _names(certificate)
    yield f"valid {_moment(certificate.not_valid_before_utc)} to {_moment(certificate.not_valid_after_utc)}"


def mark(
    certificate: x509.Certificate, index: int, is_last: bool, server_name: str | None, reason: Reason
) -> str | None:
    """What is wrong with a certificate of a chain, if it is the one that the reason is about.

    Args:
        certificate: the certificate.
        index: its place in the chain, from 0.
        is_last: whether it is the last one.
        server_name: the name that was asked for.
        reason: why the chain is rejected.
    """
    return _mark(_Presented(certificate, index, is_last, server_name), reason)


def _mark(presented: _Presented, reason: Reason) -> str | None:
    """What is wrong with this certificate, if it is the one that the reason is about."""
    certificate, now_ = presented.certificate, now()
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if reason is Reason.EXPIRED:
        return f"not after {_moment(end)}: expired {_span(now_ - end)} ago" if end < now_ else None
    if reason is Reason.NOT_YET_VALID:
        return f"not before {_moment(start)}: not valid for another {_span(start - now_)}" if start > now_ else None
    if reason is Reason.SELF_SIGNED:
        return "issued by itself" if certificate.issuer == certificate.subject else None
    if reason is Reason.UNKNOWN_CA:
        return "no trusted CA has its issuer's name and key" if presented.is_last else None
    if presented.index or reason is Reason.UNSPECIFIED:
        return None
    if reason is Reason.HOSTNAME_MISMATCH:
        return f"none of its names is {presented.server_name}, which was asked for"
    if reason is Reason.REVOKED:
        return f"serial number {certificate.serial_number:x} is revoked, or a CA above it is"
    return _MARKS_ON_LEAF.get(reason, reason.words)


#: What is wrong with the peer's own certificate.
_MARKS_ON_LEAF = {
    Reason.WRONG_PURPOSE: "its usage is not for this side",
    Reason.POSSESSION_NOT_PROVED: "the peer did not prove that it has the private key",
    Reason.BAD_SIGNATURE: "its signature, or one above it, does not hold",
}


def _usage(certificate: x509.Certificate) -> Iterator[str]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    yield "for " + ", ".join(oid._name if oid._name != "Unknown OID" else oid.dotted_string for oid in usage)


def _names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    yield "names " + ", ".join(str(getattr(name, "value", name)) for name in names)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _span(span: timedelta) -> str:
    """A span in its largest unit, e.g. ``1 day``, ``3 hours``."""
    seconds = int(span.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


# --- the likely cause ------------------------------------------------------------------------------------------------

#: Why a peer that should be accepted is refused for a reason, and what to do.
_CAUSES = {
    Reason.EXPIRED: "the certificate was not renewed in time, or a clock is wrong. Renew it.",
    Reason.NOT_YET_VALID: "the certificate was issued for later, or the clock of one side is behind.",
    Reason.UNKNOWN_CA: (
        "the certificate comes from a CA that the other side does not trust, or an intermediate certificate was not "
        "sent along. Compare the issuer above with the CA file of the other side."
    ),
    Reason.SELF_SIGNED: "the certificate was issued by itself and not by the CA that the other side trusts.",
    Reason.WRONG_PURPOSE: (
        "the certificate's extended key usage is for the other role. Public CAs issue for serverAuth alone since 2026: "
        "their certificates are no client certificates any more. Issue one with clientAuth."
    ),
    Reason.REVOKED: "the certificate, or the CA above it, is on the CRL.",
    Reason.NO_CERTIFICATE: (
        "the client was not given a certificate, or its key can make no signature of a kind that the server takes."
    ),
    Reason.HOSTNAME_MISMATCH: "the name asked for is not among the names in the server's certificate.",
    Reason.POSSESSION_NOT_PROVED: "the private key is not the one that belongs to the certificate.",
    Reason.BAD_SIGNATURE: "a signature in the chain is not by the key of the issuer above it.",
    Reason.INVALID_CA: "a certificate was issued by one that is not a CA's.",
    Reason.PATH_LENGTH_EXCEEDED: "there are more intermediates than the path length of a CA above them allows.",
    Reason.NAME_CONSTRAINT_VIOLATED: "a CA in the chain may not issue for a name in the certificate.",
    Reason.WEAK_KEY: "the key is too short for the security level of the other side.",
    Reason.WEAK_SIGNATURE: "the hash in a signature is too weak for the security level of the other side.",
    Reason.PROFILE_VIOLATED: "a certificate breaks a rule of RFC 5280 that only strict verification checks.",
    Reason.CRL_MISSING: "the other side checks revocation and has no CRL of one of the CAs in the chain.",
    Reason.CRL_EXPIRED: "the CRL that the other side has is too old.",
    Reason.NOT_TLS: "one side does not speak TLS on this port: check the port, and whether the URL says https.",
    Reason.PROTOCOL_VERSION: "the two sides have no TLS version in common.",
    Reason.NO_COMMON_PARAMETERS: "the two sides have no cipher suite, group or signature algorithm in common.",
    Reason.ACCESS_DENIED: (
        "the application denied access after TLS had accepted the client. If the application goes by name, say which client "
        "it knows: `like=`, or `Endpoint(client=...)`."
    ),
    Reason.UNSPECIFIED: "the other side ended the connection without a word; its log may tell why.",
}


def likely_cause(handshake: Handshake, expected: Expected | None = None) -> str:
    """One sentence on why it came so, and what to do: of a handshake that was not accepted, or should not have been."""
    if handshake.accepted is None:
        return "the other side is not there, hangs, or is not yet ready; no verdict is possible."
    if handshake.accepted:
        return _cause_of_acceptance(handshake, expected or Expected(accepted=False))
    if expected is not None and judge(expected, [handshake]).is_met:
        return "this handshake is as expected; another one, or the lack of one, is not."
    if expected is not None and not expected.accepted and handshake.rejected_by != expected.by:
        return (
            f"the {handshake.rejected_by} gave up before the {expected.by} could judge: "
            f"{_CAUSES.get(handshake.reason or Reason.UNSPECIFIED, _CAUSES[Reason.UNSPECIFIED])}"
        )
    reason = handshake.reason or Reason.UNSPECIFIED
    if reason is Reason.UNSPECIFIED and handshake.answer:
        return (
            "TLS was fine with the client, or left it to the application, which refused; the server's log may tell why."
        )
    return _CAUSES.get(reason, _CAUSES[Reason.UNSPECIFIED])


def _cause_of_acceptance(handshake: Handshake, expected: Expected) -> str:
    side = expected.by
    if handshake.resumed:
        return f"the {side} resumed an earlier session and did not judge the certificate again."
    if Reason.NO_CERTIFICATE in expected.reasons or (side == "server" and not handshake.client_chain_der):
        return f"the {side} does not require a certificate: verification is off or optional (not ssl.CERT_REQUIRED)."
    if Reason.REVOKED in expected.reasons:
        return f"the {side} has no CRL, an old one, or checks the CRL for the wrong part of the chain."
    if Reason.HOSTNAME_MISMATCH in expected.reasons:
        return f"the {side} does not compare the name with the certificate (check_hostname is off)."
    return f"the {side} does not verify the certificate (not ssl.CERT_REQUIRED), or overlooks what is wrong with it."
