"""The thread that takes the connections which come to a listener."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable

from pytest_mtls.server.listener import Listener
from pytest_mtls.tls.wire import is_readable, wait_for

__all__ = ["Acceptor"]

#: How long a connection is left that cannot be taken, for want of a descriptor, before it is tried again, in seconds.
_RETRY_SECONDS = 0.05


class Acceptor:
    """Takes connections until it is stopped, and then closes the port.

    Args:
        listener: where they come.
        name: what its thread is called, before the number of the port.
        take: called with each connection and its client's (host, port). It raises nothing.
        on_exhaustion: called when a connection cannot be taken, with the problem in words. It is tried again until that
            works, and only then called for the next problem.
        on_change: called whenever `is_queue_empty` may have changed.
    """

    def __init__(
        self,
        listener: Listener,
        name: str,
        take: Callable[[socket.socket, tuple[str, int]], None],
        on_exhaustion: Callable[[str], None],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._listener = listener
        self._take = take
        self._on_exhaustion = on_exhaustion
        self._on_change = on_change
        self._is_taking = False
        self._is_exhausted = False
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name=f"{name}-{listener.port}", daemon=True)

    def start(self) -> None:
        """Begin to take connections."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more, and close the port."""
        self._wake.close()
        self._thread.join()

    def is_queue_empty(self) -> bool:
        """Whether ``take`` was told of every connection that has come."""
        return not self._is_taking and not any(map(is_readable, self._listener.sockets))

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector, self._woken:
            for sock in (*self._listener.sockets, self._woken):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                self._set_taking(False)
                if self._is_exhausted and wait_for(self._woken, _RETRY_SECONDS):
                    break
                ready = {key.fileobj for key, _ in selector.select()}
                self._set_taking(True)
                if self._woken in ready:
                    break
                for sock in self._listener.sockets:
                    if sock in ready:
                        self._accept(sock)
        self._listener.close()
        self._set_taking(False)

    def _accept(self, listening: socket.socket) -> None:
        """Take one connection. If more wait, the next look tells of them."""
        try:
            sock, address = listening.accept()
        except (BlockingIOError, ConnectionError):
            return  # the client has gone before it was taken
        except OSError as error:
            if not self._is_exhausted:
                self._is_exhausted = True
                self._on_exhaustion(f"cannot take a connection: {error.strerror or error}")
            return
        self._is_exhausted = False
        self._take(sock, address[:2])

    def _set_taking(self, taking: bool) -> None:
        self._is_taking = taking
        self._on_change()
