"""The first messages of a handshake written and read by hand, to learn what a server chooses of an offer.

Python's `ssl` offers only what its own OpenSSL has. No secrets are needed here: under TLS 1.3 an offer without a key share is
answered by a HelloRetryRequest that names the version, the suite and the group (RFC 8446 section 4.1.4), and up to TLS 1.2 the
server's choice is in its ServerHello and ServerKeyExchange (RFC 5246 section 7.4, RFC 8422 section 5.4).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_mtls.reasons.alert import Alert
from pytest_mtls.reasons.side import Side
from pytest_mtls.reasons.versions import VERSION_NUMBERS
from pytest_mtls.tls.transcript import Message, message_of, negotiated, negotiated_group, server_name

__all__ = ["Choice", "Offer", "choice_of", "client_hello", "is_tls", "messages_in", "name_asked_for"]

#: The versions by which users name them, with their numbers on the wire (RFC 8446 section 4.2.1).
_RECORD_HEADER = 5
_HANDSHAKE = 22

#: Every scheme that a server may sign with (RFC 8446 section 4.2.3), the old ones too.
_SIGNATURE_SCHEMES = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B),
    *(0x0401, 0x0501, 0x0601, 0x0203, 0x0201, 0x0402, 0x0202),
)


@dataclass(frozen=True)
class Offer:
    """What a ClientHello offers.

    Attributes:
        version: the only version, "1.0" to "1.3".
        suites: numbers of cipher suites.
        groups: numbers of groups for the key exchange (RFC 8446 section 4.2.7).
        server_name: the host name to ask for; None for none.
    """

    version: str
    suites: tuple[int, ...]
    groups: tuple[int, ...]
    server_name: str | None = None


@dataclass(frozen=True)
class Choice:
    """What a server chose of an offer.

    Attributes:
        version: as OpenSSL names it, such as "TLSv1.2"; None if it chose nothing.
        suite: the number of the cipher suite.
        group: the number of the group, where the exchange has one.
        alert: the alert by which it declined.
    """

    version: str | None = None
    suite: int | None = None
    group: int | None = None
    alert: Alert | None = None


def client_hello(offer: Offer) -> bytes:
    """The record of a ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2)."""
    is_newest = offer.version == "1.3"
    legacy = min(VERSION_NUMBERS[offer.version], VERSION_NUMBERS["1.2"])
    extensions = b"".join(_extension(kind, data) for kind, data in _extensions(offer, is_newest))
    body = b"".join(
        (
            _number(legacy, 2),
            os.urandom(32),
            _vector(1, os.urandom(32) if is_newest else b""),
            _vector(2, _numbers(offer.suites)),
            _vector(1, b"\0"),
            _vector(2, extensions),
        )
    )
    message = b"\x01" + _vector(3, body)
    return bytes([_HANDSHAKE]) + _number(VERSION_NUMBERS["1.0"], 2) + _vector(2, message)


def _extensions(offer: Offer, is_newest: bool) -> Iterator[tuple[int, bytes]]:
    if offer.server_name is not None:
        yield 0, _vector(2, b"\0" + _vector(2, offer.server_name.encode("idna")))
    yield 10, _vector(2, _numbers(offer.groups))
    if not is_newest:
        yield 11, _vector(1, b"\0")  # points are not compressed
        yield 0xFF01, _vector(1, b"")  # secure renegotiation (RFC 5746)
    if VERSION_NUMBERS[offer.version] >= VERSION_NUMBERS["1.2"]:
        yield 13, _vector(2, _numbers(_SIGNATURE_SCHEMES))
    if is_newest:
        yield 43, _vector(1, _number(VERSION_NUMBERS["1.3"], 2))
        yield 51, _vector(2, b"")  # no key share: the server has to name a group


def _extension(kind: int, data: bytes) -> bytes:
    return _number(kind, 2) + _vector(2, data)


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def _numbers(values: Iterable[int]) -> bytes:
    return b"".join(_number(value, 2) for value in values)


def _vector(size: int, data: bytes) -> bytes:
    return _number(len(data), size) + data


def messages_in(data: bytes, sender: Side) -> list[Message]:
    """The messages that are whole in what one side sent so far, before anything is encrypted.

    Args:
        data: what it sent.
        sender: which side that is.
    """
    handshake = b""
    alerts: list[Message] = []
    while len(data) >= _RECORD_HEADER:
        size = int.from_bytes(data[3:5], "big")
        kind, content, data = data[0], data[_RECORD_HEADER : _RECORD_HEADER + size], data[_RECORD_HEADER + size :]
        if len(content) < size:
            break
        if kind == _HANDSHAKE:
            handshake += content
        else:
            alerts.append(message_of(sender, kind, content, tls13=False))
    messages: list[Message] = []
    while len(handshake) >= 4 and len(handshake) >= (size := 4 + int.from_bytes(handshake[1:4], "big")):
        messages.append(message_of(sender, _HANDSHAKE, handshake[:size], tls13=False))
        handshake = handshake[size:]
    return [*messages, *alerts]


def is_tls(data: bytes) -> bool:
    """Whether what a client says first is a TLS record with a handshake message; anything else is another protocol."""
    return data[:1] == bytes([_HANDSHAKE])


def name_asked_for(data: bytes) -> tuple[bool, str | None]:
    """Whether the ClientHello in what a client sent so far is whole, and the server name that it asks for, if any."""
    messages = messages_in(data, "client")
    return bool(messages), server_name(messages)


def choice_of(messages: Iterable[Message]) -> Choice | None:
    """What the server chose, if its messages so far tell; None if there has to come more."""
    known = list(messages)
    failed = next((message for message in known if message.is_failure), None)
    if failed is not None:
        return Choice(alert=failed.alert)
    version, suite = negotiated(known)
    names = {message.name for message in known}
    is_newest = version == "TLSv1.3"
    if version is None or not (is_newest or names & {"ServerKeyExchange", "ServerHelloDone"}):
        return None
    return Choice(version, suite, negotiated_group(known))
