"""`Channel`: how a protocol speaks on one connection, first plain and then inside TLS, by one deadline."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from pytest_mtls.client.protocols.protocol import UnexpectedAnswer
from pytest_mtls.client.reading import read_verdict
from pytest_mtls.tls.wire import Deadline, drive, wait_for

__all__ = ["Channel"]

_LONGEST_ANSWER = 65536


class Channel:
    """Sends and receives on a non-blocking connection.

    Args:
        sock: the TCP connection.
        deadline: by when all has to be said.

    Attributes:
        notes: what a preamble leaves for the rest of its protocol.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.deadline = deadline
        self.notes: dict[str, bytes] = {}
        self._sock = sock
        self._wait: Callable[..., bool] = wait_for
        self._received = b""
        self._has_heard = False

    def go_inside(self, sock: ssl.SSLSocket, wait: Callable[..., bool]) -> None:
        """Go on inside TLS.

        Args:
            sock: the TLS socket, whose handshake is done at this end.
            wait: what waits for its bytes, instead of `wire.wait_for`.
        """
        self._sock, self._wait = sock, wait
        self._has_heard = False

    def expect_silence(self) -> None:
        """See that nothing has come that TLS would take for its own, or that would be taken for an answer inside it.

        Raises:
            UnexpectedAnswer: the server said more than it should before the handshake.
        """
        if self._received:
            raise UnexpectedAnswer(f"the server sent {len(self._received)} bytes too many before TLS")

    def begin_answer(self) -> None:
        """From here on, an end of the stream before any byte is one without an answer, whatever was said before."""
        self._has_heard = bool(self._received)

    def listen(self, seconds: float) -> None:
        """Wait for a TLS 1.3 server's judgement of the client, which shows as a session ticket, data, an alert or an end.

        A server that issues no tickets shows nothing before it is asked: then the time passes. Whoever speaks to a server
        before it has judged may lose its alert, for a connection with unread bytes is reset when it closes.

        Args:
            seconds: how long to wait at most.

        Raises:
            OSError: an alert, or the end of the stream.
        """
        sock = self._sock
        assert isinstance(sock, ssl.SSLSocket)
        try:
            data = read_verdict(sock, self.deadline.sooner(seconds), self._wait, _LONGEST_ANSWER)
        except TimeoutError:
            return  # it will have to be asked
        if data:
            self._take(data)

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: the connection is at its end, or was refused; a `TimeoutError` at the deadline.
        """
        rest = data
        while rest:
            try:
                sent = drive(self._sock, lambda: self._sock.send(rest), self.deadline, wait=self._wait, to_write=True)  # noqa: B023
            except TimeoutError:
                raise
            except OSError:
                self._fill()  # the server's last words say more than that it does not listen
                raise
            rest = rest[sent:]

    def exactly(self, count: int) -> bytes:
        """The next bytes, this many.

        Raises:
            UnexpectedAnswer: the stream ended in the middle.
            OSError: it ended before any byte, or an alert came; a `TimeoutError` at the deadline.
        """
        while len(self._received) < count:
            self._fill()
        taken, self._received = self._received[:count], self._received[count:]
        return taken

    def until(self, *ends: bytes) -> bytes:
        """The next bytes, up to and with any of these; raises as `exactly` does."""
        while True:
            found = [place + len(end) for end in ends if (place := self._received.find(end)) >= 0]
            if found:
                return self.exactly(min(found))
            if len(self._received) > _LONGEST_ANSWER:
                raise UnexpectedAnswer("the server's answer does not end")
            self._fill()

    def line(self) -> bytes:
        """The next line, without its end; raises as `exactly` does."""
        return self.until(b"\n").rstrip(b"\r\n")

    def rest(self, longest: int) -> bytes:
        """All that comes until the stream ends, at most so many bytes.

        Raises:
            TimeoutError: it did not end by the deadline.
        """
        try:
            while len(self._received) < longest:
                self._fill()
        except TimeoutError:
            raise
        except (OSError, UnexpectedAnswer):
            pass  # its end
        taken, self._received = self._received[:longest], self._received[longest:]
        return taken

    def _fill(self) -> None:
        self._take(drive(self._sock, lambda: self._sock.recv(_LONGEST_ANSWER), self.deadline, wait=self._wait))

    def _take(self, data: bytes) -> None:
        if not data and self._has_heard:
            raise UnexpectedAnswer("the server ended the connection in the middle of its answer")
        if not data:
            raise ConnectionError("the server ended the connection without a byte of data")
        self._has_heard = True
        self._received += data
