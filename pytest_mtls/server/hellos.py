"""`HelloServer`: it takes each client's ClientHello, ends the handshake there, and keeps what was offered."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from pytest_mtls.errors import InvalidArgument
from pytest_mtls.server.misbehaviour import reset
from pytest_mtls.server.plain import PlainServer
from pytest_mtls.tls.hello import messages_in
from pytest_mtls.tls.transcript import Message

__all__ = ["ENDINGS", "HelloServer"]

_RECEIVED = 65536
_LONGEST = 1 << 18
_HANDSHAKE_RECORD = 22  # RFC 8446 section 5.1
_PROTOCOL_VERSION = bytes([21, 3, 3, 0, 2, 2, 70])  # an alert record, RFC 8446 sections 5.1 and 6

#: How it can end a handshake, and the bytes that it sends first.
ENDINGS: Mapping[str, bytes] = {"alert": _PROTOCOL_VERSION, "close": b"", "reset": b""}


class HelloServer(PlainServer):
    """A server with which no handshake goes beyond its first message, as for whoever cuts connections on the way.

    Args:
        host: "localhost" (IPv4 and IPv6), "127.0.0.1" or "::1".
        ending: one of `ENDINGS`: the alert protocol_version, the end of the stream, or a reset.

    Attributes:
        hellos: each ClientHello, in the order in which they came.
        is_followed_by_plain_data: whether data that are not TLS came after one of them.

    Raises:
        InvalidArgument: there is no such ending.
    """

    def __init__(self, host: str, ending: str) -> None:
        if ending not in ENDINGS:
            raise InvalidArgument("ending", ending, f"one of {', '.join(ENDINGS)}")
        super().__init__(host, 0)
        self.hellos: list[Message] = []
        self.is_followed_by_plain_data = False
        self._ending = ending

    def speak(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Read the ClientHello, and end the handshake; see `PlainServer`."""
        data = b""
        while not (messages := messages_in(data, "client")) and len(data) < _LONGEST and (more := sock.recv(_RECEIVED)):
            data += more
            if data[0] != _HANDSHAKE_RECORD:
                break
        if self.hellos and not messages and data and data[0] != _HANDSHAKE_RECORD:
            self.is_followed_by_plain_data = True
        self.hellos += [hello for hello in messages[:1] if hello.name == "ClientHello"]
        sock.sendall(ENDINGS[self._ending])
        if self._ending == "reset":
            reset(sock)
            sock.close()
