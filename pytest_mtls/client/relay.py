"""`Relay`: stands between a client's TLS and the server, and changes what the client writes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_mtls.tls.wire import Deadline, send_all, wait_for

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Change", "FirstRecord", "Relay", "split_into_records", "split_into_segments"]

#: Makes of what a client has written what is sent in its place, each part in a TCP segment of its own.
Change = Callable[[bytes], Iterable[bytes]]

_HEADER = 5


class Relay:
    """Passes on what both sides write, in the caller's own thread, whenever the client's TLS socket has to wait.

    The client's TLS socket is one end of a socket pair; what comes out of the other end goes on to the server, changed.

    Args:
        server: the TCP connection, non-blocking.
        outgoing: makes of what the client has written what is sent in its place, each part in a TCP segment of its own.

    Attributes:
        client: what the client's TLS goes over instead of ``server``.
    """

    def __init__(self, server: socket.socket, outgoing: Change) -> None:
        self.client, self._inside = socket.socketpair()
        self.client.setblocking(False)
        self._inside.setblocking(False)
        self._server = server
        self._outgoing = outgoing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._inside.close()
        self.client.close()

    def wait(self, sock: ssl.SSLSocket, seconds: float, *, to_write: bool = False) -> bool:
        """Pass on what the client has written, then the server's answer. Has the form of `wire.wait_for`."""
        deadline = Deadline(seconds)
        written = b""
        while wait_for(self._inside, 0) and (part := self._inside.recv(65536)):
            written += part
        try:
            for part in self._outgoing(written) if written else ():
                send_all(self._server, part, deadline)
        except ConnectionError:
            pass  # the server has heard enough: what it said is still to be read
        if to_write:
            return True
        if not wait_for(self._server, deadline.remaining):
            return False
        try:
            answer = self._server.recv(65536)
        except ConnectionError:
            answer = b""
        if answer:
            self._inside.sendall(answer)
        else:
            self._inside.shutdown(socket.SHUT_WR)
        return True


class FirstRecord:
    """Changes the first record that a client writes, its ClientHello, and passes on all else.

    Args:
        change: what makes of that record what is sent in its place.
    """

    def __init__(self, change: Change) -> None:
        self._change = change
        self._hello: bytes | None = b""

    def __call__(self, written: bytes) -> Iterable[bytes]:
        """What goes on to the server of it now."""
        if self._hello is None:
            return [written]
        self._hello += written
        size = _HEADER + int.from_bytes(self._hello[3:_HEADER], "big")
        if len(self._hello) < max(size, _HEADER + 1):
            return []
        record, rest = self._hello[:size], self._hello[size:]
        self._hello = None
        return [*self._change(record), *([rest] if rest else [])]


def split_into_records(record: bytes) -> Iterable[bytes]:
    """The same handshake message in records of 40 bytes (RFC 8446 section 5.1), in one TCP segment."""
    head, message = record[:3], record[_HEADER:]
    parts = [message[start : start + 40] for start in range(0, len(message), 40)]
    return [b"".join(head + len(part).to_bytes(2, "big") + part for part in parts)]


def split_into_segments(record: bytes) -> Iterable[bytes]:
    """The record as it is, in three TCP segments: the first is a single byte."""
    return [record[:1], record[1:60], record[60:]]
