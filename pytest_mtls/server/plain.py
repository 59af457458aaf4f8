"""HTTP without TLS on loopback, for what relying parties fetch in the clear: OCSP answers and CRLs (RFC 5280 section 8).

The requests are those of `http1` and the port that of `listener`. One thread accepts, and each connection has one of its
own, so that a stuck one delays nobody.
"""

from __future__ import annotations

import logging
import socket
import threading
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_mtls.errors import ServerNotRunning
from pytest_mtls.server.acceptor import Acceptor
from pytest_mtls.server.http1 import serve_http1
from pytest_mtls.server.listener import Listener
from pytest_mtls.server.wsgi import WSGIApplication, respond
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.wire import Deadline, drain

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PlainServer", "wait_for_end"]

log = logging.getLogger("pytest_mtls")

_IDLE_SECONDS = 60.0
_DRAIN_SECONDS = 1.0
_JOIN_SECONDS = 5.0
_RECEIVED = 65536


class PlainServer:
    """A server of HTTP/1.1 in this process, on loopback. It runs once.

    Args:
        host: "localhost" (IPv4 and IPv6), "127.0.0.1" or "::1".
        port: TCP port; 0 for any that is free.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self._wanted_port = port
        self._acceptor: Acceptor | None = None
        self._stopped = False
        self._lock = threading.Lock()
        self._live: dict[socket.socket, threading.Thread] = {}

    def application(self, sock: socket.socket) -> WSGIApplication:
        """What answers the requests of one connection."""
        raise NotImplementedError

    def speak(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Speak with one client, until all is said.

        Args:
            sock: its connection, in blocking mode, with a time-out.
            address: the client's (host, port).

        Raises:
            OSError: the client has gone, or is silent for too long.
        """
        plain = Handshake("server", None, local_address=sock.getsockname()[:2], peer_address=address)
        serve_http1(sock, plain, partial(respond, self.application(sock), variables=False))

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._acceptor is not None

    @property
    def port(self) -> int:
        """The TCP port it listens on.

        Raises:
            ServerNotRunning: it has not been started, or has been stopped.
        """
        if self._acceptor is None:
            raise ServerNotRunning("the port", self._stopped)
        return self._acceptor.port

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) pair; raises as `port` does."""
        return self.host, self.port

    @property
    def root_url(self) -> str:
        """The URL of its root, such as ``http://localhost:40123/``; raises as `port` does."""
        return f"http://[{self.host}]:{self.port}/" if ":" in self.host else f"http://{self.host}:{self.port}/"

    def start(self) -> Self:
        """Listen and serve, in threads of its own.

        Raises:
            InvalidArgument: the host is not on loopback, or the port is none.
            PortUnavailable: the port is in use.
            ServerNotRunning: it was stopped before; a server runs once.
            OSError, RuntimeError: this process can have no more descriptors, or no more threads.
        """
        if self._stopped:
            raise ServerNotRunning("start()", stopped=True)
        if self._acceptor is None:
            listener = Listener(self.host, self._wanted_port)
            self._acceptor = Acceptor(listener, "mtls-plain-accept", self._take, self._note_exhaustion)
            try:
                self._acceptor.start()
            except BaseException:
                self._acceptor = None
                raise
        return self

    def stop(self) -> None:
        """Close the port and every connection, and end the threads. Stopping twice is not an error."""
        acceptor, self._acceptor, self._stopped = self._acceptor, None, True
        if acceptor is None:
            return
        acceptor.stop()
        with self._lock:
            live = dict(self._live)
        for sock in live:
            _abort(sock)
        for thread in live.values():
            thread.join(_JOIN_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _note_exhaustion(self, problem: str) -> None:
        log.error("the server on port %d goes on, and %s", self._wanted_port, problem)

    def _take(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Serve a connection, on a thread of its own."""
        thread = threading.Thread(target=self._serve, args=(sock, address), name="mtls-plain", daemon=True)
        with self._lock:
            self._live[sock] = thread
        try:
            thread.start()
        except RuntimeError as error:  # there can be no more threads
            with self._lock:
                del self._live[sock]
            sock.close()
            log.error("the server on port %d cannot serve a connection: %s", self._wanted_port, error)

    def _serve(self, sock: socket.socket, address: tuple[str, int]) -> None:
        try:
            sock.settimeout(_IDLE_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            self.speak(sock, address)
            drain(sock, Deadline(_DRAIN_SECONDS))
        except OSError as error:
            log.debug("the connection from %s:%d ended: %s", *address, error)
        finally:
            self._forget(sock)
            sock.close()

    def _forget(self, sock: socket.socket) -> None:
        """Let go of a connection: it has ended, or is somebody else's now."""
        with self._lock:
            del self._live[sock]


def _abort(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended by itself


def wait_for_end(sock: socket.socket) -> None:
    """Wait until the client gives up, or the server is stopped."""
    try:
        sock.settimeout(None)
        while sock.recv(_RECEIVED):
            pass
    except OSError:
        pass  # which is an end too
