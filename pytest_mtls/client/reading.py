"""The one loop that reads until a TLS 1.3 server has judged its client.

Under TLS 1.3 a client's handshake is done before the server has looked at the client's certificate (RFC 8446 section 2).
What comes next tells: a session ticket or data from a server that accepted, an alert or the end of the stream otherwise.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from pytest_mtls.tls.transcript import failure, messages_of, was_sent
from pytest_mtls.tls.wire import Deadline, drive

__all__ = ["read_verdict"]


def read_verdict(sock: ssl.SSLSocket, deadline: Deadline, wait: Callable[..., bool], most: int = 1) -> bytes:
    """Read until the server has judged its client.

    Args:
        sock: the client's socket, non-blocking, its handshake done.
        deadline: when to give up.
        wait: what waits for bytes.
        most: how many bytes of data to take at most.

    Returns:
        The data by which the server showed that it accepted; empty where it did so by a session ticket.

    Raises:
        TimeoutError: it showed nothing in time.
        ConnectionError: it ended the stream without a byte.
        OSError: it sent an alert, or the connection broke.
    """

    def has_ticket() -> bool:
        seen = messages_of(sock)
        if seen or sock.session_reused:
            return was_sent(seen, "server", "NewSessionTicket")
        session = sock.session  # where no messages can be observed, as on PyPy
        return bool(getattr(session, "has_ticket", False))

    def read() -> bytes:
        try:
            data = sock.recv(most)
        except OSError as error:  # nothing there yet, an alert, or an end that is not an orderly one
            is_over = not isinstance(error, ssl.SSLWantReadError) and failure(messages_of(sock)) is not None
            if is_over or not has_ticket():
                raise
            return b""
        if not data and not has_ticket():
            raise ConnectionError("the server ended the connection without a byte of data")
        return data

    if not sock.pending() and not has_ticket():
        wait(sock, deadline.remaining)
    return drive(sock, read, deadline, wait=wait)
