"""XMPP, with TLS on request (RFC 6120 section 5), and MQTT (version 3.1.1 and later)."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.meanings import answer_of
from pytest_mtls.client.protocols.protocol import Answer, UnexpectedAnswer, shortened
from pytest_mtls.client.protocols.target import Target

__all__ = ["STARTTLS", "connect", "hear_features", "hear_proceed", "open_stream", "starttls_xmpp", "stream_header"]


# --- XMPP ------------------------------------------------------------------------------------------------------------

STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
_FEATURES = (b"</stream:features>", b"<stream:features/>", b"<stream:features />")
_ERRORS = (b"</stream:error>", b"</stream:stream>")
#: The stream errors about the state that the server is in (RFC 6120 section 4.9.3).
_NOT_READY = (b"<internal-server-error", b"<resource-constraint", b"<system-shutdown")


def starttls_xmpp(channel: Channel, endpoint: Target) -> None:
    """Open a stream, and ask for TLS."""
    hear_features(channel, endpoint)
    channel.send(STARTTLS)
    hear_proceed(channel)


def hear_features(channel: Channel, endpoint: Target) -> None:
    """Open a stream, and see that TLS is offered.

    Raises:
        UnexpectedAnswer: it is not.
    """
    channel.send(stream_header(endpoint))
    features = channel.until(*_FEATURES, *_ERRORS)
    if b"urn:ietf:params:xml:ns:xmpp-tls" not in features:
        raise UnexpectedAnswer(f"the server does not offer STARTTLS: {shortened(features[-100:])!r}")


def hear_proceed(channel: Channel) -> None:
    """See that the server goes on by TLS.

    Raises:
        UnexpectedAnswer: it does not.
    """
    answer = channel.until(b">")
    if b"<proceed" not in answer:
        raise UnexpectedAnswer(f"the server declined STARTTLS: {shortened(answer)!r}")
    if not answer.endswith(b"/>"):
        channel.until(b"</proceed>")


def open_stream(channel: Channel, endpoint: Target) -> Answer:
    """Open the stream anew, as RFC 6120 section 5.4.3.3 wants it. Features accept, and a stream error rejects."""
    channel.send(stream_header(endpoint))
    answer = channel.until(*_FEATURES, *_ERRORS)
    if answer.endswith(_FEATURES):
        return Answer(True, "stream features")
    if any(condition in answer for condition in _NOT_READY):
        raise UnexpectedAnswer(f"the server is not ready: {shortened(answer[-100:])}")
    return Answer(False, shortened(answer[-100:]))


def stream_header(endpoint: Target) -> bytes:
    """How a client opens a stream."""
    header = (
        f"<?xml version='1.0'?><stream:stream to='{endpoint.name}' version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams'>"
    )
    return header.encode()


# --- MQTT ------------------------------------------------------------------------------------------------------------

_CONNECT, _CONNACK = 0x10, 0x20
_CLEAN_SESSION, _HAS_PASSWORD, _HAS_USER = 0x02, 0x40, 0x80
_KEEP_ALIVE = b"\x00\x3c"
#: Return codes of MQTT 3.1.1 (table 3.1) that are about who the client is, in words.
_REFUSALS: Mapping[int, str] = {4: "bad user name or password", 5: "not authorized"}


def connect(channel: Channel, endpoint: Target) -> Answer:
    """CONNECT, with the endpoint's user and password if it has them. CONNACK tells."""
    flags = _CLEAN_SESSION
    payload = _text("")  # the server gives the client a name
    if endpoint.user is not None:
        flags |= _HAS_USER
        payload += _text(endpoint.user)
        if endpoint.password is not None:
            flags |= _HAS_PASSWORD
            payload += _text(endpoint.password)
    body = _text("MQTT") + bytes([4, flags]) + _KEEP_ALIVE + payload
    channel.send(bytes([_CONNECT, *_remaining_length(len(body))]) + body)
    kind, length, _, code = channel.exactly(4)
    if (kind, length) != (_CONNACK, 2):
        raise UnexpectedAnswer(f"the server's answer is not MQTT: it begins with {kind:#x}")
    said = f", {_REFUSALS[code]}" if code in _REFUSALS else ""
    return answer_of("mqtt", f"CONNACK {code}{said}")


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _remaining_length(size: int) -> bytes:
    """Seven bits a byte, the lowest first (MQTT 3.1.1 section 2.2.3)."""
    head, low = divmod(size, 128)
    return bytes([low | 0x80]) + _remaining_length(head) if head else bytes([low])
