"""`Handshake`: what one end saw of one handshake, and the verdict.

No sockets here: the two ends (`probe`, `server`) bring what they saw, and this file judges it, by one set of rules.
"""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from cryptography import x509

from pytest_mtls.certificates.readable import UNREADABLE
from pytest_mtls.reasons.alert import Alert
from pytest_mtls.reasons.alert_meaning import reasons_of_alert
from pytest_mtls.reasons.reason import REASON_BY_SSL_ERROR, Reason, reason_of_verify_code
from pytest_mtls.reasons.side import Side, opposite
from pytest_mtls.reasons.verdict import Verdict
from pytest_mtls.tls.registry import group_name
from pytest_mtls.tls.transcript import (
    Message,
    acceptable_authorities,
    can_observe,
    certificates_from,
    failure,
    negotiated,
    negotiated_group,
    was_sent,
)

__all__ = ["Handshake", "describe_socket", "judge_failure", "parsed", "refused_by_alert"]


@dataclass(frozen=True)
class Handshake:
    """One observed handshake, from either side.

    Attributes:
        side: the end that observed it, "client" or "server".
        accepted: True, False for rejected, or None for undecided (a time-out, a peer that is not there).
        rejected_by: the side that rejected the other, "client" or "server"; None unless rejected.
        reason: why, as far as this end can know; None unless rejected. Where the other end rejected, this is what its
            alert says by its name, unless the other end is ours too: then it is the exact reason.
        alert: the fatal alert that one of the sides sent, if any.
        verify_error: what this end's verification found wrong with the peer, in OpenSSL's words.
        verify_code: the same as OpenSSL's X509_V_ERR number.
        layer: where it was rejected: "tls", or what is spoken inside, such as "http" or "postgres", where the server
            completed the handshake first; None unless rejected.
        answer: what the server's application said inside, in short, such as ``HTTP 400``; None where nothing was asked.
        error: what went wrong, as the network or TLS stack put it; None if accepted.
        tls_version: "TLSv1.2", "TLSv1.3", or None if it did not come to that.
        cipher: the name of the cipher suite.
        server_name: the host name that the client asked for (RFC 6066 section 3).
        alpn: the application protocol chosen (RFC 7301).
        resumed: whether an earlier session was resumed, in which case no certificate goes over the wire.
        local_address: this end's (host, port).
        peer_address: the other end's (host, port).
        peer_chain_der: the certificates that the peer presented, as DER, its own first; a rejected peer's too.
        sent_chain_der: those that this end presented.
        transcript: the handshake messages and alerts in order; empty on a Python that cannot observe them.
        counterpart: the same handshake as the other end saw it, where that end is ours as well.
        is_unused: whether the client of an accepted handshake ended the connection without having sent a byte of data,
            as one does that judges the server only after its handshake.
        observable: False where something else did the handshake, such as a probe of the user's own, or an engine that
            tells no messages.
    """

    side: Side
    accepted: bool | None
    rejected_by: Side | None = None
    reason: Reason | None = None
    alert: Alert | None = None
    verify_error: str | None = None
    verify_code: int | None = None
    layer: str | None = None
    answer: str | None = None
    error: str | None = None
    tls_version: str | None = None
    cipher: str | None = None
    server_name: str | None = None
    alpn: str | None = None
    resumed: bool = False
    local_address: tuple[str, int] | None = None
    peer_address: tuple[str, int] | None = None
    peer_chain_der: tuple[bytes, ...] = field(default=(), repr=False)
    sent_chain_der: tuple[bytes, ...] = field(default=(), repr=False)
    transcript: Sequence[Message] = field(default=(), repr=False)
    counterpart: Handshake | None = field(default=None, repr=False, compare=False)
    is_unused: bool = field(default=False, repr=False, compare=False)
    observable: bool = field(default=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.accepted is False and self.layer is None:
            object.__setattr__(self, "layer", "tls")

    @cached_property
    def peer_chain(self) -> tuple[x509.Certificate, ...]:
        """The certificates that the peer presented, its own first, as far as they can be parsed."""
        return tuple(certificate for der in self.peer_chain_der if (certificate := parsed(der)) is not None)

    @property
    def peer_certificate(self) -> x509.Certificate | None:
        """The peer's own certificate; None if it presented none, or one that cannot be parsed."""
        return parsed(self.peer_chain_der[0]) if self.peer_chain_der else None

    @property
    def client_chain_der(self) -> tuple[bytes, ...]:
        """The certificates that the client presented, whichever end this is, as DER."""
        return self.sent_chain_der if self.side == "client" else self.peer_chain_der

    @property
    def server_chain_der(self) -> tuple[bytes, ...]:
        """The certificates that the server presented, whichever end this is, as DER."""
        return self.sent_chain_der if self.side == "server" else self.peer_chain_der

    @cached_property
    def acceptable_cas(self) -> tuple[x509.Name, ...]:
        """The CAs that the server named in its certificate request; most servers name none."""
        return acceptable_authorities(self.transcript)

    @cached_property
    def group(self) -> str | None:
        """The group of the key exchange, such as "x25519" or, for a hybrid one, "X25519MLKEM768" (RFC 8446 section 4.2.7).

        None where the exchange had none, as with a static RSA key, and where no messages could be observed.
        """
        number = negotiated_group(self.transcript)
        return None if number is None else group_name(number)

    @property
    def began(self) -> bool:
        """Whether a ClientHello was seen at all: a connection opened and closed in silence is not a handshake."""
        hello = any(message.name == "ClientHello" for message in self.transcript)
        return hello or self.tls_version is not None or self.accepted is not None

    @property
    def is_observed(self) -> bool:
        """Whether messages could be observed at all; where they could not, an empty transcript proves nothing."""
        return self.observable and (can_observe() or bool(self.transcript))

    @property
    def verdict(self) -> Verdict:
        """The same as `accepted`, in a word."""
        return {True: Verdict.ACCEPTED, False: Verdict.REFUSED, None: Verdict.UNDECIDED}[self.accepted]

    @property
    def possible_reasons(self) -> frozenset[Reason]:
        """All reasons that what was seen can stand for: one where the reason is known, more behind a mere alert."""
        if self.reason is None:
            return frozenset()
        is_told_inside = self.layer != "tls" and self.reason is not Reason.UNSPECIFIED
        if self.is_reason_exact or is_told_inside:
            return frozenset({self.reason})
        return reasons_of_alert(self.alert)[1]

    @property
    def is_reason_exact(self) -> bool:
        """Whether the reason comes from the side that rejected, and not only from its alert."""
        there = self.counterpart
        return self.rejected_by == self.side or (there is not None and there.rejected_by == there.side)

    def rejected_late(self, error: str) -> Handshake:
        """This accepted handshake, rejected by the client after it was complete, for a reason that no alert tells.

        Args:
            error: what the client said of it.
        """
        return replace(self, accepted=False, rejected_by="client", reason=Reason.UNSPECIFIED, layer="tls", error=error)

    def seen_from_both_ends(self, counterpart: Handshake) -> Handshake:
        """This handshake completed by what the other end, where it is ours, knows better."""
        is_mere_end = self.accepted is False and self.alert is None and self.rejected_by == counterpart.side
        is_undecided_there = counterpart.accepted is None and bool(counterpart.transcript)
        if is_mere_end and (is_undecided_there or (counterpart.accepted is True and self.layer == "tls")):
            # The other end accepted, was stopped or ran out of time: the end of the stream is not its judgement.
            error = (
                counterpart.error or f"the connection ended without a judgement of the {counterpart.side}: {self.error}"
            )
            return replace(
                self, counterpart=counterpart, accepted=None, rejected_by=None, reason=None, layer=None, error=error
            )
        if counterpart.accepted is False and counterpart.rejected_by == counterpart.side:
            return replace(
                self,
                counterpart=counterpart,
                accepted=False,
                rejected_by=counterpart.rejected_by,
                reason=counterpart.reason,
                alert=self.alert if self.alert is not None else counterpart.alert,
                verify_error=counterpart.verify_error,
                verify_code=counterpart.verify_code,
            )
        return replace(self, counterpart=counterpart)


def parsed(der: bytes) -> x509.Certificate | None:
    """The certificate, or None: a peer may send anything, and a remark of cryptography's on it may be made an error."""
    try:
        return x509.load_der_x509_certificate(der)
    except (*UNREADABLE, Warning):
        return None


def describe_socket(sock: ssl.SSLSocket, side: Side, transcript: Sequence[Message], **more: Any) -> Handshake:
    """All the facts of a handshake that both verdicts share.

    Args:
        sock: the end of the connection.
        side: which side it plays.
        transcript: what was seen.
        **more: other fields of `Handshake`, such as its verdict, which is undecided otherwise.
    """
    established, version = sock.cipher(), sock.version()
    peer_chain = certificates_from(transcript, opposite(side))
    cipher: str | None
    if established is not None and version is not None:
        cipher = established[0]
        if not peer_chain:
            own = sock.getpeercert(binary_form=True)  # a resumed session, or no transcript
            peer_chain = (own,) if own else ()
    else:
        chosen, number = negotiated(transcript)
        version = version or chosen
        cipher = established[0] if established is not None else _cipher_name(sock.context, number)
    facts: dict[str, Any] = {
        "side": side,
        "accepted": None,
        "tls_version": version,
        "cipher": cipher,
        "alpn": sock.selected_alpn_protocol(),
        "resumed": bool(sock.session_reused),
        "peer_chain_der": peer_chain,
        "sent_chain_der": certificates_from(transcript, side),
        "transcript": transcript,
        "observable": getattr(sock.context, "tells_messages", True),
    }
    return Handshake(**{**facts, **more})


def _cipher_name(context: ssl.SSLContext, number: int | None) -> str | None:
    """A cipher suite's name; OpenSSL tells it itself only after the handshake."""
    if number is None:
        return None
    return next((cipher["name"] for cipher in context.get_ciphers() if cipher["id"] & 0xFFFF == number), None)


#: What ends a connection without a word of the peer: the network between, and this machine.
_NOT_THE_PEERS = frozenset(
    {
        errno.EACCES,
        errno.EAGAIN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EPERM,
    }
)


def judge_failure(seen: Handshake, error: Exception) -> Handshake:
    """The verdict on a handshake, or on its settling, that ended in an error.

    Args:
        seen: the facts so far, undecided.
        error: what the TLS or network stack raised.

    Returns:
        The handshake, rejected or (after a time-out, or a failure of the network) undecided, with the error in words.
    """
    text = _text_of(error)
    if isinstance(error, TimeoutError) or _is_between(error):
        return replace(seen, error=text)
    ending = failure(seen.transcript)
    if isinstance(error, ssl.SSLCertVerificationError):
        return replace(
            seen,
            accepted=False,
            rejected_by=seen.side,
            reason=reason_of_verify_code(error.verify_code),
            alert=ending.alert if ending else None,
            verify_error=error.verify_message.rstrip("."),
            verify_code=error.verify_code,
            error=text,
        )
    if ending is not None and ending.sender != seen.side:
        return replace(refused_by_alert(seen, ending), error=text)
    if _is_end_of_stream(error):  # to which OpenSSL itself answers with an alert, in vain
        if seen.side == "server" and not seen.began:
            return replace(seen, error="the client closed the connection without sending anything")
        return _refused(seen, opposite(seen.side), error=text)
    refused = _refused(seen, seen.side, error=text)
    if ending is not None:
        refused = refused_by_alert(refused, ending)
    return replace(refused, reason=_reason_of_ssl_error(error, seen) or refused.reason)


def _refused(seen: Handshake, by: Side, *, error: str) -> Handshake:
    """The handshake, rejected for a reason that is not known yet."""
    return replace(seen, accepted=False, rejected_by=by, reason=Reason.UNSPECIFIED, error=error)


def _is_between(error: Exception) -> bool:
    """Whether it is the network or this machine that failed. The numbers of TLS errors are OpenSSL's, and mean other things."""
    return isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno in _NOT_THE_PEERS


def _is_end_of_stream(error: Exception) -> bool:
    """Whether the other end is gone. If it sent an alert before, that was lost with the connection or never sent."""
    if isinstance(error, ssl.SSLError):
        is_kind = isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
        return is_kind or error.reason == "UNEXPECTED_EOF_WHILE_READING"
    return True


def refused_by_alert(seen: Handshake, message: Message) -> Handshake:
    """The handshake, rejected by the side that sent this alert, for what the alert says by its name."""
    said, _ = reasons_of_alert(message.alert)
    return replace(seen, accepted=False, rejected_by=message.sender, reason=said, alert=message.alert)


#: OpenSSL's errors about a signature that the other side made.
_BAD_PROOFS = ("BAD_SIGNATURE", "WRONG_SIGNATURE_TYPE", "WRONG_SIGNATURE_SIZE")


def _reason_of_ssl_error(error: Exception, seen: Handshake) -> Reason | None:
    """The reason for which this end itself gave up, if OpenSSL's error tells more than its alert."""
    name = getattr(error, "reason", None) or ""
    if name in _BAD_PROOFS:
        return _reason_of_bad_proof(name, seen)
    if name in REASON_BY_SSL_ERROR:
        return REASON_BY_SSL_ERROR[name]
    heard = [message.name for message in seen.transcript if message.sender != seen.side]
    ending = failure(seen.transcript)
    if heard[-1:] == ["Certificate"] and ending is not None and ending.alert is Alert.DECODE_ERROR:
        return Reason.MALFORMED_CERTIFICATE
    return None


def _reason_of_bad_proof(name: str, seen: Handshake) -> Reason:
    """A signature error after the peer's CertificateVerify (or ServerKeyExchange) is about possession of the key.

    So it is where no messages can be observed: a bad signature of a certificate is an error of the verification.
    """
    proof = "CertificateVerify" if seen.side == "server" or seen.tls_version == "TLSv1.3" else "ServerKeyExchange"
    if not seen.transcript or was_sent(seen.transcript, opposite(seen.side), proof):
        return Reason.POSSESSION_NOT_PROVED
    return REASON_BY_SSL_ERROR.get(name, Reason.BAD_SIGNATURE)


def _text_of(error: BaseException) -> str:
    """What an exception says, without the place in CPython's source; never empty."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return re.sub(r"\s*\(_ssl\.c:\d+\)$", "", text) or type(error).__name__
