"""Non-blocking steps on a socket, each with a deadline; and the drain after a rejection.

Waiting is always for the peer and always in the kernel: nothing here sleeps or polls in a loop.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from pytest_mtls.certificates.clock import clock

__all__ = [
    "Deadline",
    "complete_handshake",
    "drain",
    "drive",
    "is_readable",
    "send_all",
    "send_close_notify",
    "silence",
    "wait_for",
]

T = TypeVar("T")

#: The least that a socket's time-out may be, for 0 means not to wait.
_LEAST_SECONDS = 0.001


class Deadline:
    """A moment by which something has to be done.

    Args:
        seconds: how long there is, from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = clock() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self._end - clock())

    def sooner(self, seconds: float) -> Deadline:
        """The one that comes first: this, or so many seconds from now."""
        return Deadline(min(self.remaining, seconds))


def wait_for(sock: socket.socket, seconds: float | None, *, to_write: bool = False) -> bool:
    """Wait until a socket can be read from, or written to; None for as long as it takes. False if the time is over first."""
    if hasattr(select, "poll"):
        poller = select.poll()
        poller.register(sock, select.POLLOUT if to_write else select.POLLIN)
        return bool(poller.poll(None if seconds is None else seconds * 1000))
    readers, writers, _ = select.select([] if to_write else [sock], [sock] if to_write else [], [], seconds)
    return bool(readers or writers)


def is_readable(sock: socket.socket) -> bool:
    """Whether bytes, an end of stream or (for a listener) a connection are there to be taken now; not if it is closed."""
    try:
        return wait_for(sock, 0)
    except ValueError:  # between a look and the next another thread may have closed it
        return False


def drive(
    sock: socket.socket,
    step: Callable[[], T],
    deadline: Deadline,
    *,
    wait: Callable[..., bool] = wait_for,
    to_write: bool = False,
) -> T:
    """Call a step of a non-blocking socket, TLS or plain, until it is done.

    Args:
        sock: the socket, non-blocking.
        step: e.g. ``sock.do_handshake``.
        deadline: when to give up.
        wait: what waits, instead of `wait_for`.
        to_write: what a plain socket's step waits for; TLS says so itself.

    Returns:
        What the step returned.

    Raises:
        TimeoutError: the deadline came first.
        OSError: what the step raised (`ssl.SSLError` is one).
    """
    while True:
        try:
            return step()
        except ssl.SSLWantReadError:
            ready = wait(sock, deadline.remaining)
        except ssl.SSLWantWriteError:
            ready = wait(sock, deadline.remaining, to_write=True)
        except BlockingIOError:
            ready = wait(sock, deadline.remaining, to_write=to_write)
        if not ready:
            raise silence(deadline)


def complete_handshake(sock: ssl.SSLSocket, deadline: Deadline, wait: Callable[..., bool] = wait_for) -> None:
    """Do a TLS handshake, as `drive` does.

    The waiting is left to Python's binding of OpenSSL: that saves a way through the interpreter for each flight of the
    peer, in which a server of this process could compute.

    Args:
        sock: the socket, non-blocking, whose handshake has not begun.
        deadline: when to give up.
        wait: what waits, if it is not the system.

    Raises:
        TimeoutError, OSError: as `drive` does.
    """
    if wait is not wait_for:
        drive(sock, sock.do_handshake, deadline, wait=wait)
        return
    sock.settimeout(max(deadline.remaining, _LEAST_SECONDS))
    try:
        sock.do_handshake()
    except TimeoutError as error:
        if error.errno is not None:  # TCP's own
            raise
        raise silence(deadline) from None
    finally:
        sock.settimeout(0.0)


def silence(deadline: Deadline) -> TimeoutError:
    """The error of a wait for the peer that went on until a deadline."""
    return TimeoutError(f"the other side was silent until the deadline of {deadline.seconds:g} s")


def send_all(sock: socket.socket, data: bytes, deadline: Deadline) -> None:
    """Send all of it on a non-blocking socket, however slowly the peer takes it.

    Raises:
        TimeoutError: the deadline came first.
        OSError: the connection is at its end.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[drive(sock, partial(sock.send, rest), deadline, to_write=True) :]


def drain(sock: socket.socket, deadline: Deadline) -> None:
    """Send the end of our stream, plain or under TLS, and take what the peer still sends until it ends its own.

    A socket that is closed while unread bytes are left resets the connection, and a reset can overtake the alert that
    was sent before it: the peer then sees a broken pipe instead of the reason.
    """
    try:
        # By the plain socket's own methods: a TLS socket would decrypt what comes.
        socket.socket.shutdown(sock, socket.SHUT_WR)
        sock.settimeout(0.0)
        while wait_for(sock, deadline.remaining):
            if not socket.socket.recv(sock, 65536):
                break
    except OSError:
        pass  # the peer has reset the connection: it does not want to hear more


def send_close_notify(sock: ssl.SSLSocket) -> None:
    """Send close_notify (RFC 8446 section 6.1), so that the peer sees an orderly end; its own is not waited for."""
    try:
        sock.settimeout(0.0)
        sock.unwrap()
    except (OSError, ValueError):
        pass  # it has not answered yet, or is gone already
