"""Handshake messages as they went over the wire, and what they tell.

CPython calls ``SSLContext._msg_callback`` with every handshake message and alert of a connection, decrypted, in TLS 1.3
too. That is the only way to see the certificates of a peer which was rejected: ``getpeercert()`` never gives them.
Nothing else may depend on the callback being there: on a Python without it (PyPy) a transcript is empty, and all else
still works.

Parsing follows RFC 8446 section 4 and RFC 5246 section 7.4. A message that does not parse is a fact about the peer,
not an error here: what cannot be read is left out.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from cryptography import x509

from pytest_mtls.certificates.der import load_name
from pytest_mtls.reasons.alert import Alert
from pytest_mtls.reasons.side import Side, opposite
from pytest_mtls.reasons.versions import VERSION_NUMBERS
from pytest_mtls.tls.engine import TLSContext, is_second_engine
from pytest_mtls.tls.standard import MESSAGE_CALLBACK

__all__ = ["ConnectedSocket", "Message", "ObservedSocket", "Transcript", "message_of", "observe"]

_HANDSHAKE = 22
_ALERT = 21
_KEPT = (_HANDSHAKE, _ALERT)
_TLS13 = 0x0304

_MESSAGE_NAMES = {
    0: "HelloRequest",
    1: "ClientHello",
    2: "ServerHello",
    4: "NewSessionTicket",
    5: "EndOfEarlyData",
    8: "EncryptedExtensions",
    11: "Certificate",
    12: "ServerKeyExchange",
    13: "CertificateRequest",
    14: "ServerHelloDone",
    15: "CertificateVerify",
    16: "ClientKeyExchange",
    20: "Finished",
    22: "CertificateStatus",
    24: "KeyUpdate",
    25: "CompressedCertificate",
}

_NUMBERS = {name: bytes((number,)) for number, name in _MESSAGE_NAMES.items()}

#: The random of a ServerHello that is a HelloRetryRequest (RFC 8446 section 4.1.3).
_RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

_EXTENSION_SERVER_NAME = 0
_EXTENSION_SIGNATURE_ALGORITHMS = 13
_EXTENSION_SUPPORTED_VERSIONS = 43
_EXTENSION_CERTIFICATE_AUTHORITIES = 47
_EXTENSION_KEY_SHARE = 51
#: The messages in which a server says what it chose.
_CHOICES = ("ServerHello", "HelloRetryRequest")
#: How a ServerKeyExchange with an elliptic curve begins (RFC 8422 section 5.4).
_NAMED_CURVE = b"\x03"

_VERSION_NAMES = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}


@dataclass(frozen=True)
class Message:
    """One handshake message or alert.

    Attributes:
        sender: which side sent it, "client" or "server".
        name: as the RFCs name it, e.g. "ClientHello", or "Alert".
        body: the message without its four-byte header; for an alert, its level and its description.
        tls13: whether it has the layout of TLS 1.3.
    """

    sender: Side
    name: str
    body: bytes
    tls13: bool = False

    @property
    def alert(self) -> Alert | None:
        """The description, if this is an alert that RFC 8446 knows; `None` otherwise."""
        if self.name != "Alert" or len(self.body) != 2:
            return None
        try:
            return Alert(self.body[1])
        except ValueError:
            return None

    @property
    def is_failure(self) -> bool:
        """Whether this alert ends the handshake, which all do but a warning and ``close_notify``."""
        if self.name != "Alert" or self.alert in (Alert.CLOSE_NOTIFY, Alert.USER_CANCELED):
            return False
        return self.tls13 or self.body[:1] == b"\x02"

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The DER of each certificate in a Certificate message, the sender's own first; empty for other messages."""
        return certificates_in(self.body, tls13=self.tls13) if self.name == "Certificate" else ()

    def __str__(self) -> str:
        if self.name == "Alert":
            number = self.body[1] if len(self.body) == 2 else "malformed"
            return f"Alert {self.alert.label if self.alert is not None else number}"
        if self.name == "Certificate":
            count = len(self.certificates)
            return f"Certificate ({count or 'no'} certificate{'' if count == 1 else 's'})"
        return self.name


def certificates_in(body: bytes, *, tls13: bool) -> tuple[bytes, ...]:
    """The DER of each certificate in the body of a Certificate message; empty if it is malformed."""
    try:
        return _certificates(body, tls13)
    except (_Malformed, IndexError):
        return ()


def message_of(sender: Side, content_type: int, data: bytes, *, tls13: bool) -> Message:
    """The message that a record holds.

    Args:
        sender: which side sent it.
        content_type: of the record (RFC 8446 section 5.1), which is that of the handshake or of alerts.
        data: the whole message.
        tls13: whether it has the layout of TLS 1.3.
    """
    if content_type == _HANDSHAKE:
        number = data[0] if data else -1
        name = _MESSAGE_NAMES.get(number, f"message {number}")
        if name == "ServerHello" and data[6:38] == _RETRY_RANDOM:
            name = "HelloRetryRequest"
        return Message(sender, name, data[4:], tls13)
    return Message(sender, "Alert", data, tls13)


#: What is kept of a message: "read" or "write", the version, the content type and the bytes.
Record = tuple[str, int, int, bytes]


class Transcript(Sequence[Message]):
    """The messages of a connection so far, in order. Each is parsed when it is asked for.

    Most handshakes end as they should, and then only a few messages are ever looked at.

    Args:
        side: which side the records are those of.
        records: what that side wrote and read.
    """

    __slots__ = ("_messages", "_records", "_side")

    def __init__(self, side: Side, records: Iterable[Record]) -> None:
        self._side = side
        self._records = tuple(records)
        self._messages: tuple[Message, ...] | None = None

    def first(self, sender: Side, name: str) -> Message | None:
        """The first message of this name that this side sent."""
        number = _NUMBERS.get(name)
        if number is None or name == "ServerHello":  # which has the number of a HelloRetryRequest
            return _first_of(self.all, sender, name)
        written = "write" if sender == self._side else "read"
        for record in self._records:
            if record[2] == _HANDSHAKE and record[0] == written and record[3].startswith(number):
                return self._message(record)
        return None

    @property
    def all(self) -> tuple[Message, ...]:
        """All of them."""
        if self._messages is None:
            self._messages = tuple(map(self._message, self._records))
        return self._messages

    @property
    def alerts(self) -> tuple[Message, ...]:
        """The alerts of both sides."""
        return tuple(self._message(record) for record in self._records if record[2] == _ALERT)

    def _message(self, record: Record) -> Message:
        direction, version, content_type, data = record
        sender = self._side if direction == "write" else opposite(self._side)
        return message_of(sender, content_type, data, tls13=version == _TLS13)

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Message, ...]: ...
    def __getitem__(self, index: int | slice) -> Message | tuple[Message, ...]:
        return self.all[index]

    def __add__(self, more: Iterable[Message]) -> tuple[Message, ...]:
        return (*self.all, *more)

    def __eq__(self, other: object) -> bool:
        return self.all == tuple(other) if isinstance(other, (Transcript, tuple)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.all)

    def __repr__(self) -> str:
        return repr(self.all)


class ObservedSocket(ssl.SSLSocket):
    """An SSL socket that keeps the messages of its handshake, in order.

    Attributes:
        observed: what was seen, from both sides.
        side: which side it plays.
    """

    # Instances are made by SSLContext.wrap_socket, never by calling the class; `observe` sees that each has these.
    observed: list[Record]
    side: Side

    def settimeout(self, value: float | None) -> None:  # noqa: D102
        # `ssl` sets again what is set already after each step of a handshake. It is a system call, in which another thread
        # takes the interpreter.
        if value != self.gettimeout():
            super().settimeout(value)


class ConnectedSocket(ObservedSocket):
    """One over a connection: if that has gone, it is closed, which `wrap_socket` forgets before CPython 3.13."""

    def getpeername(self) -> Any:  # noqa: D102
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "the other side has gone") from error


def observe(context: TLSContext, side: Side) -> None:
    """Have every socket that this context wraps keep its messages.

    Args:
        context: the context; its ``sslsocket_class`` is replaced.
        side: which side the context's own sockets play.
    """

    def keep(conn: Any, direction: str, version: Any, content_type: Any, message_type: Any, data: bytes) -> None:
        # Called some forty times in a handshake, by which everybody waits: what it means is found out when it is asked.
        if content_type not in _KEPT:
            return
        try:
            attributes = conn.__dict__
        except AttributeError:  # gevent's own object, which knows the socket that it is part of
            attributes = conn._sslsock().__dict__
        observed = attributes.get("observed")
        if observed is None:
            attributes.update(observed=[(direction, version, content_type, data)], side=side)
        else:
            observed.append((direction, version, content_type, data))

    context.sslsocket_class = ObservedSocket
    if is_second_engine(context):
        context.set_message_callback(keep)  # type: ignore[attr-defined]
    elif MESSAGE_CALLBACK is not None:
        MESSAGE_CALLBACK.__set__(context, keep)


def can_observe() -> bool:
    """Whether this Python tells of handshake messages, as CPython does."""
    return MESSAGE_CALLBACK is not None


def messages_of(sock: ssl.SSLSocket) -> Sequence[Message]:
    """What has been seen of a socket's handshake so far."""
    attributes = sock.__dict__
    observed = attributes.get("observed")
    return () if observed is None else Transcript(attributes["side"], observed)


# --- what a transcript tells -----------------------------------------------------------------------------------------


def failure(transcript: Sequence[Message]) -> Message | None:
    """The first alert that ended the handshake, from either side."""
    alerts = transcript.alerts if isinstance(transcript, Transcript) else transcript
    return next((message for message in alerts if message.is_failure), None)


def late_failure(transcript: Sequence[Message], sender: Side) -> Message | None:
    """The alert by which this side ended a handshake that was complete; None if there is none.

    What follows a second ClientHello is about a renegotiation, and does not undo the handshake before it.
    """
    ending = failure(transcript)
    if ending is None or ending.sender != sender:
        return None
    names = [message.name for message in transcript if message.sender == "client"]
    if "Finished" in names and "ClientHello" in names[names.index("Finished") :]:
        return None
    return ending


def was_sent(transcript: Sequence[Message], sender: Side, name: str) -> bool:
    """Whether this side sent a message of this name."""
    return first(transcript, sender, name) is not None


def first(transcript: Sequence[Message], sender: Side, name: str) -> Message | None:
    """The first message of this name that this side sent; None if it sent none."""
    return transcript.first(sender, name) if isinstance(transcript, Transcript) else _first_of(transcript, sender, name)


def _first_of(messages: Iterable[Message], sender: Side, name: str) -> Message | None:
    return next((message for message in messages if message.sender == sender and message.name == name), None)


def certificates_from(transcript: Sequence[Message], sender: Side) -> tuple[bytes, ...]:
    """The DER of the certificates that this side presented, its own first."""
    message = first(transcript, sender, "Certificate")
    return () if message is None else message.certificates


def server_name(transcript: Sequence[Message]) -> str | None:
    """The host name in the ClientHello's server_name extension (RFC 6066 section 3)."""
    hello = first(transcript, "client", "ClientHello")
    try:
        return None if hello is None else _server_name(hello.body)
    except (_Malformed, IndexError):
        return None


def versions_offered(hello: Message) -> tuple[int, ...]:
    """The numbers of the TLS versions that a ClientHello offers, the highest first; empty if it is malformed.

    They are in its extension supported_versions (RFC 8446 section 4.2.1); without it, its legacy_version is the highest one.
    The values that stand for no version (RFC 8701) are left out.
    """
    body = _Reader(hello.body)
    try:
        legacy = body.number(2)
        body.skip(32)  # random
        body.vector(1)  # legacy_session_id
        body.vector(2)  # cipher_suites
        body.vector(1)  # legacy_compression_methods
        extension = _extensions(body).get(_EXTENSION_SUPPORTED_VERSIONS)
        if extension is None:
            return (legacy,)
        offered, found = extension.vector(1), set()
        while offered.has_more:
            found.add(offered.number(2))
    except _Malformed:
        return ()
    return tuple(sorted(found & set(VERSION_NUMBERS.values()), reverse=True))


def negotiated(transcript: Sequence[Message]) -> tuple[str | None, int | None]:
    """The TLS version and the number of the cipher suite that the ServerHello chose."""
    for message in transcript:
        if message.name in _CHOICES:
            try:
                return _negotiated(_Reader(message.body))
            except _Malformed:
                return None, None
    return None, None


def negotiated_group(transcript: Sequence[Message]) -> int | None:
    """The number of the group of the key exchange, as the server named it; None for an exchange without one, or without name.

    Under TLS 1.3 it is in the key share of the ServerHello or HelloRetryRequest (RFC 8446 section 4.2.8), before that in the
    ServerKeyExchange (RFC 8422 section 5.4).
    """
    for message in transcript:
        try:
            if message.name in _CHOICES:
                share = _server_extensions(_Reader(message.body)).get(_EXTENSION_KEY_SHARE)
                if share is not None:
                    return share.number(2)
            elif message.name == "ServerKeyExchange" and message.body[:1] == _NAMED_CURVE:
                return int.from_bytes(message.body[1:3], "big")
        except _Malformed:
            return None
    return None


def signature_schemes_asked(transcript: Sequence[Message]) -> tuple[int, ...]:
    """The numbers of the signature schemes by which the server's CertificateRequest lets a client sign; empty without one."""
    request = first(transcript, "server", "CertificateRequest")
    try:
        return () if request is None else tuple(_signature_schemes(_Reader(request.body), request.tls13))
    except _Malformed:
        return ()


def acceptable_authorities(transcript: Sequence[Message]) -> tuple[x509.Name, ...]:
    """The CA names by which the server's CertificateRequest says whom it would take; empty if it names none."""
    request = first(transcript, "server", "CertificateRequest")
    try:
        names = [] if request is None else _authority_names(_Reader(request.body), request.tls13)
        return tuple(load_name(name) for name in names)
    except (_Malformed, ValueError):
        return ()


# --- the layouts -----------------------------------------------------------------------------------------------------


class _Malformed(Exception):
    """A message is shorter than it says."""


class _Reader:
    """Takes length-prefixed fields from the front of a part of some bytes, which are never copied before they are wanted."""

    __slots__ = ("_at", "_end", "_whole")

    def __init__(self, whole: bytes, at: int = 0, end: int | None = None) -> None:
        self._whole = whole
        self._at = at
        self._end = len(whole) if end is None else end

    @property
    def data(self) -> bytes:
        """What is left."""
        return self._whole[self._at : self._end]

    @property
    def has_more(self) -> bool:
        """Whether anything is left."""
        return self._at < self._end

    def skip(self, count: int) -> int:
        """Pass over some bytes; gives where they begin."""
        start = self._at
        if self._end - start < count:
            raise _Malformed
        self._at = start + count
        return start

    def number(self, size: int) -> int:
        start = self.skip(size)
        return int.from_bytes(self._whole[start : start + size], "big")

    def vector(self, size: int) -> _Reader:
        length = self.number(size)
        start = self.skip(length)
        return _Reader(self._whole, start, start + length)


def _extensions(body: _Reader) -> dict[int, _Reader]:
    found: dict[int, _Reader] = {}
    if body.has_more:
        block = body.vector(2)
        while block.has_more:
            kind = block.number(2)
            found[kind] = block.vector(2)
    return found


def _certificates(body: bytes, tls13: bool) -> tuple[bytes, ...]:
    """By hand, since every handshake asks for them: a `_Reader` takes five times as long."""
    at = 1 + body[0] if tls13 else 0  # after certificate_request_context
    end = at + 3 + int.from_bytes(body[at : at + 3], "big")
    if end > len(body):  # before the loop, which would go on to that end: a peer can name 16 MB and send 3 bytes
        raise _Malformed
    at += 3
    found = []
    while at < end:
        start = at + 3
        at = start + int.from_bytes(body[at:start], "big")
        found.append(body[start:at])
        if tls13:
            at += 2 + int.from_bytes(body[at : at + 2], "big")  # extensions
    if at != end:
        raise _Malformed
    return tuple(found)


def _server_name(body: bytes) -> str | None:
    """That of a ClientHello; by hand for the same reason."""
    at = 2 + 32  # legacy_version, random
    at += 1 + body[at]  # legacy_session_id
    at += 2 + int.from_bytes(body[at : at + 2], "big")  # cipher_suites
    at += 1 + body[at]  # legacy_compression_methods
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    at += 2
    while at + 4 <= end:
        kind, size = int.from_bytes(body[at : at + 2], "big"), int.from_bytes(body[at + 2 : at + 4], "big")
        at += 4
        if kind == _EXTENSION_SERVER_NAME:
            names = _Reader(body, at, min(at + size, len(body))).vector(2)
            while names.has_more:
                kind, name = names.number(1), names.vector(2).data
                if kind == 0:
                    return name.decode("ascii", "backslashreplace")
            return None
        at += size
    return None


def _server_extensions(body: _Reader) -> dict[int, _Reader]:
    body.skip(2 + 32)  # legacy_version, random
    body.vector(1)  # legacy_session_id_echo
    body.skip(2 + 1)  # cipher_suite, legacy_compression_method
    return _extensions(body)


def _signature_schemes(body: _Reader, tls13: bool) -> Iterator[int]:
    body.vector(1)  # certificate_request_context; up to TLS 1.2 certificate_types
    if tls13:
        extension = _extensions(body).get(_EXTENSION_SIGNATURE_ALGORITHMS)
        schemes = _Reader(b"") if extension is None else extension.vector(2)
    else:
        schemes = body.vector(2)
    while schemes.has_more:
        yield schemes.number(2)


def _negotiated(body: _Reader) -> tuple[str | None, int | None]:
    version = body.number(2)
    body.skip(32)
    body.vector(1)
    cipher = body.number(2)
    body.skip(1)
    chosen = _extensions(body).get(_EXTENSION_SUPPORTED_VERSIONS)
    return _VERSION_NAMES.get(chosen.number(2) if chosen is not None else version), cipher


def _authority_names(body: _Reader, tls13: bool) -> list[bytes]:
    if tls13:
        body.vector(1)  # certificate_request_context
        extension = _extensions(body).get(_EXTENSION_CERTIFICATE_AUTHORITIES)
        if extension is None:
            return []
        names = extension.vector(2)
    else:
        body.vector(1)  # certificate_types
        body.vector(2)  # supported_signature_algorithms
        names = body.vector(2)
    found = []
    while names.has_more:
        found.append(names.vector(2).data)
    return found
