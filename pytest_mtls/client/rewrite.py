"""A client's Certificate message replaced on its way, for what no TLS library would send of itself.

In TLS 1.2 the message is plain on the wire (RFC 5246 section 7.4.6). The client's TLS socket is one end of a socket pair;
what comes out of the other end goes on to the server, with that one message changed. It all happens in the caller's own
thread, whenever the TLS socket has to wait.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_mtls.tls.wire import Deadline, send_all, wait_for

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["CertificateRewriter"]

_CHANGE_CIPHER_SPEC, _HANDSHAKE = 20, 22
_CERTIFICATE = 11
_LARGEST_RECORD = 16384
_VERSION = b"\x03\x03"


class CertificateRewriter:
    """Stands between a client's TLS socket and its server.

    Args:
        server: the TCP connection to the server, non-blocking.
        rewrite: makes of the certificates in the message, DER, the message's new body.

    Attributes:
        client: what the client's TLS goes over in place of ``server``.
    """

    def __init__(self, server: socket.socket, rewrite: Callable[[tuple[bytes, ...]], bytes]) -> None:
        self.client, self._inside = socket.socketpair()
        self.client.setblocking(False)
        self._inside.setblocking(False)
        self._server = server
        self._rewrite = rewrite
        self._unread = b""
        self._messages = b""
        self._is_encrypted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._inside.close()
        self.client.close()

    def wait(self, sock: ssl.SSLSocket, seconds: float, *, to_write: bool = False) -> bool:
        """Pass on what the client has written, then wait for the server's answer and pass that on.

        Has the form of `wire.wait_for`, in whose place `wire.drive` calls it.
        """
        deadline = Deadline(seconds)
        flight = b"".join(self._outgoing())
        try:
            send_all(self._server, flight, deadline)  # in one piece, as from a client without a rewriter
        except ConnectionError:
            pass  # the server has heard enough: what it said is still to be read
        if to_write:
            return True
        if not wait_for(self._server, deadline.remaining):
            return False
        answer = self._server.recv(65536)
        if answer:
            self._inside.sendall(answer)
        else:
            self._inside.shutdown(socket.SHUT_WR)
        return True

    def _outgoing(self) -> Iterator[bytes]:
        """The records that the client has written since, its Certificate message replaced."""
        while wait_for(self._inside, 0) and (written := self._inside.recv(65536)):
            self._unread += written
        while len(self._unread) >= 5:
            size = int.from_bytes(self._unread[3:5], "big")
            if len(self._unread) < 5 + size:
                return
            record, self._unread = self._unread[: 5 + size], self._unread[5 + size :]
            self._is_encrypted = self._is_encrypted or record[0] == _CHANGE_CIPHER_SPEC
            if self._is_encrypted or record[0] != _HANDSHAKE:
                yield record
            else:
                self._messages += record[5:]
                yield from self._handshake_records()

    def _handshake_records(self) -> Iterator[bytes]:
        """Each handshake message that is complete, in records of its own."""
        while len(self._messages) >= 4:
            size = 4 + int.from_bytes(self._messages[1:4], "big")
            if len(self._messages) < size:
                return
            message, self._messages = self._messages[:size], self._messages[size:]
            if message[0] == _CERTIFICATE:
                body = self._rewrite(tuple(_certificates(message[7:])))
                message = bytes([_CERTIFICATE]) + len(body).to_bytes(3, "big") + body
            for start in range(0, len(message), _LARGEST_RECORD):
                part = message[start : start + _LARGEST_RECORD]
                yield bytes([_HANDSHAKE]) + _VERSION + len(part).to_bytes(2, "big") + part


def _certificates(entries: bytes) -> Iterator[bytes]:
    while entries:
        size = int.from_bytes(entries[:3], "big")
        yield entries[3 : 3 + size]
        entries = entries[3 + size :]
