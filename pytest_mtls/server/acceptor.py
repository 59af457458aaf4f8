"""The threads that take the connections which come to a listener, and lead their first steps."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from operator import attrgetter
from typing import Protocol

from pytest_mtls.server.listener import Listener
from pytest_mtls.tls.wire import Deadline, is_readable

__all__ = ["Acceptor", "Guest"]

log = logging.getLogger("pytest_mtls")

#: How long a connection is left that cannot be taken, for want of a descriptor, before it is tried again, in seconds.
_RETRY_SECONDS = 0.05


class Guest(Protocol):
    """A connection that the thread which took it leads on, among others. No method waits, or raises anything."""

    @property
    def sock(self) -> socket.socket:
        """Its socket, which may become another object for the same connection in `begin`."""

    @property
    def deadline(self) -> Deadline:
        """By when it has to be ready."""

    def begin(self) -> int:
        """Take the first step.

        Returns:
            What it waits for then: `selectors.EVENT_READ`, `selectors.EVENT_WRITE`, or 0 when it is ready.
        """

    def advance(self, *, in_time: bool) -> int:
        """Take the next step.

        Args:
            in_time: whether what it waited for came before the deadline. If not, this is its last step.

        Returns:
            As `begin`.
        """

    def abort(self) -> None:
        """End the connection, by which its socket can be read from."""

    def leave(self) -> None:
        """Go on elsewhere: it is ready."""


class Acceptor:
    """Takes connections until it is stopped, and then closes the port.

    One thread does so. Where guests come while it leads others, more are begun, up to a number.

    Args:
        listener: where they come.
        name: what its threads are called, before the number of the port.
        take: called with each connection and its client's (host, port). It returns the guest that these threads are to
            lead on, or None if the connection is handled elsewhere. It raises nothing.
        on_exhaustion: called when a connection cannot be taken, with the problem in words. It is tried again until that
            works, and only then called for the next problem.
        on_change: called whenever `is_queue_empty` may have changed.
        threads: how many threads there may be.

    Attributes:
        port: the TCP port of the listener.

    Raises:
        OSError: no file descriptor is left for the sockets that wake the threads. The port is closed then.
    """

    def __init__(
        self,
        listener: Listener,
        name: str,
        take: Callable[[socket.socket, tuple[str, int]], Guest | None],
        on_exhaustion: Callable[[str], None],
        on_change: Callable[[], None] = lambda: None,
        threads: int = 1,
    ) -> None:
        self._listener = listener
        self._name = name
        self._take = take
        self._on_exhaustion = on_exhaustion
        self._on_change = on_change
        self._most = threads
        self._lock = threading.Lock()
        self._is_exhausted = False
        self.port = listener.port
        with ExitStack() as opened:
            opened.callback(listener.close)
            self._wake, self._woken = map(opened.enter_context, socket.socketpair())
            self._loops = [_Loop(self, self._woken)]
            opened.pop_all()

    def start(self) -> None:
        """Begin to take connections.

        Raises:
            RuntimeError: there can be no more threads. The port is closed then.
        """
        try:
            self._loops[0].start()
        except BaseException:
            self._loops.pop().close()
            self.stop()
            raise

    def stop(self) -> None:
        """Take no more, abort those that are led on here, and close the port."""
        self._wake.close()
        for loop in self._loops:  # the first ones may still begin another, which is then seen here
            loop.join()
        self._woken.close()
        self._listener.close()

    def is_queue_empty(self) -> bool:
        """Whether ``take`` was told of every connection that has come."""
        # In this order: one that has left the queue by the first look is in the hands of a thread that says so by the second.
        return not any(map(is_readable, self._listener.sockets)) and not any(loop.is_taking for loop in self._loops)

    # --- for the threads ---------------------------------------------------------------------------------------------

    @property
    def thread_name(self) -> str:
        """What a thread is called."""
        return f"{self._name}-{self.port}"

    @property
    def listening(self) -> tuple[socket.socket, ...]:
        """The sockets to take connections from."""
        return self._listener.sockets

    def take(self, loop: _Loop, listening: socket.socket) -> tuple[bool, Guest | None]:
        """Take one connection. If more wait, the next look tells of them.

        Returns:
            Whether there was a way to take one, and who is to be led on.
        """
        loop.is_taking = True
        try:
            return self._take_one(listening)
        finally:
            loop.is_taking = False
            self._on_change()

    def _take_one(self, listening: socket.socket) -> tuple[bool, Guest | None]:
        try:
            sock, address = listening.accept()
        except (BlockingIOError, ConnectionError):
            return True, None  # the client has gone before it was taken, or another thread has taken it
        except OSError as error:
            with self._lock:
                is_known, self._is_exhausted = self._is_exhausted, True
            if not is_known:
                self._on_exhaustion(f"cannot take a connection: {error.strerror or error}")
            return False, None
        with self._lock:
            self._is_exhausted = False
        return True, self._take(sock, address[:2])

    def get_help(self) -> None:
        """Begin one more thread, if there may be one."""
        with self._lock:
            if len(self._loops) >= self._most:
                return
            try:
                loop = _Loop(self, self._woken)
            except OSError as error:
                self._go_on_without_help(error)
                return
            self._loops.append(loop)  # before it takes its first connection: see `is_queue_empty`
            try:
                loop.start()
            except RuntimeError as error:
                self._loops.pop().close()
                self._go_on_without_help(error)

    def _go_on_without_help(self, error: Exception) -> None:
        log.debug("the server on port %d goes on with %d threads: %s", self.port, len(self._loops), error)


class _Loop:
    """A thread that takes connections, and leads on those that it took.

    Attributes:
        is_taking: whether it is about to take one.
    """

    def __init__(self, acceptor: Acceptor, woken: socket.socket) -> None:
        self.is_taking = False
        self._acceptor = acceptor
        self._woken = woken
        self._guests: dict[Guest, int] = {}  # what each waits for
        self._soonest: Deadline | None = None  # no guest's deadline is before this
        self._retry: Deadline | None = None
        self._is_open = True
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, name=acceptor.thread_name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def close(self) -> None:
        self._selector.close()

    def _run(self) -> None:
        with self._selector:
            self._selector.register(self._woken, selectors.EVENT_READ, self._shut)
            self._listen()
            while self._is_open or self._guests:
                for key, _ in self._selector.select(self._patience()):
                    key.data()
                self._tell_time()

    def _patience(self) -> float | None:
        """For how long nothing has to be done but what comes."""
        deadlines = [deadline.remaining for deadline in (self._soonest, self._retry) if deadline is not None]
        return min(deadlines, default=None)

    def _tell_time(self) -> None:
        """Do what has to be done by now."""
        if self._retry is not None and not self._retry.remaining:
            self._retry = None
            self._listen()
        if self._soonest is not None and not self._soonest.remaining:
            for guest in [guest for guest in self._guests if not guest.deadline.remaining]:
                self._see_to(guest, guest.advance(in_time=False))
            self._soonest = min((guest.deadline for guest in self._guests), key=attrgetter("remaining"), default=None)

    def _listen(self) -> None:
        for sock in self._acceptor.listening:
            self._selector.register(sock, selectors.EVENT_READ, partial(self._receive, sock))

    def _shut(self) -> None:
        """Take no more connections, and come to an end with those that are here."""
        self._is_open = False
        self._selector.unregister(self._woken)
        if self._retry is None:
            self._leave_queue()
        self._retry = None
        for guest in self._guests:
            guest.abort()

    def _leave_queue(self) -> None:
        for sock in self._acceptor.listening:
            self._selector.unregister(sock)

    def _receive(self, listening: socket.socket) -> None:
        if not self._is_open or self._retry is not None:
            return  # since this look it does not listen any more
        can_take, guest = self._acceptor.take(self, listening)
        if not can_take:
            self._leave_queue()
            self._retry = Deadline(_RETRY_SECONDS)
        if guest is None:
            return
        if self._guests:
            self._acceptor.get_help()
        if self._soonest is None or guest.deadline.remaining < self._soonest.remaining:
            self._soonest = guest.deadline
        self._see_to(guest, guest.begin())

    def _lead_on(self, guest: Guest) -> None:
        self._see_to(guest, guest.advance(in_time=True))

    def _see_to(self, guest: Guest, awaited: int) -> None:
        """Wait for what a guest waits for now, and let it go if that is nothing."""
        before = self._guests.get(guest, 0)
        if awaited and not before:
            self._selector.register(guest.sock, awaited, partial(self._lead_on, guest))
        elif before and not awaited:
            self._selector.unregister(guest.sock)
        elif awaited != before:
            self._selector.modify(guest.sock, awaited, partial(self._lead_on, guest))
        if awaited:
            self._guests[guest] = awaited
        else:
            self._guests.pop(guest, None)
            guest.leave()
