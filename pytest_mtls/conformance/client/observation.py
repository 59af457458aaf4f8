"""`Observation`: what became of one call of a client under test, from both ends; and what keeps its requests."""

from __future__ import annotations

import secrets
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pytest_mtls.conformance.client.call import Call
from pytest_mtls.conformance.client.target import ClientTarget
from pytest_mtls.server.connection import Handler, ServingSocket
from pytest_mtls.server.wsgi import Environ
from pytest_mtls.tls.handshake import Handshake

__all__ = ["Observation", "ReceivedRequest", "Recorder"]

#: What OpenSSL says of bytes that are not TLS.
_NO_TLS = (
    "http request",
    "https proxy request",
    "wrong version number",
    "record layer failure",
    "packet length too long",
)
_WITHOUT_TLS = "after a handshake that failed, the client came again and sent data without TLS"


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that the client sent.

    Attributes:
        method, path: of its first line.
        client_address: where it came from, (host, port).
        handshake: the handshake of its connection.
    """

    method: str
    path: str
    client_address: tuple[str, int]
    handshake: Handshake = field(repr=False)


class Recorder:
    """A WSGI application that keeps the requests, and answers each with a word that nobody can guess.

    For another protocol it hands each connection on to a handler, and whatever the client sends counts as its request.

    Args:
        handler: what speaks that protocol; None for HTTP.
    """

    def __init__(self, handler: Handler | None = None) -> None:
        self.token = secrets.token_hex(12)
        self.requests: list[ReceivedRequest] = []
        self._handler = handler
        self._ended = 0
        self._changed = threading.Condition()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Keep a request, and answer it."""
        address = environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])
        handshake = environ["pytest_mtls.handshake"]
        self.requests.append(ReceivedRequest(environ["REQUEST_METHOD"], environ["PATH_INFO"], address, handshake))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"pytest-mtls {self.token}\n".encode()]

    def handle(self, sock: ssl.SSLSocket, handshake: Handshake) -> None:
        """Speak the other protocol with an accepted client, and note whether it sent anything."""
        assert self._handler is not None
        try:
            self._handler(sock, handshake)
        finally:
            with self._changed:
                if handshake.peer_address is not None and (not isinstance(sock, ServingSocket) or sock.is_used):
                    self.requests.append(ReceivedRequest("", "", handshake.peer_address, handshake))
                self._ended += 1
                self._changed.notify_all()

    def wait_until_ended(self, connections: int, seconds: float) -> None:
        """Wait until so many connections of the other protocol have ended; a client that keeps one open is not waited for."""
        if self._handler is not None:
            with self._changed:
                self._changed.wait_for(lambda: self._ended >= connections, seconds)


@dataclass(frozen=True)
class Observation:
    """What became of one call of the client, from both ends.

    Attributes:
        target: what the client was told.
        call: how its call ended.
        handshakes: all that it began with the server, in the order in which they came.
        requests: those that arrived.
        has_read_answer: whether the server's answer is in what it printed; None where that cannot be known, since it
            printed nothing of it, or is a callable.
        is_all_heard: whether all that the client sent was read: it was a program, which has ended, and the server served.
        has_given_up: whether the client itself ended a connection after a handshake, without having sent any data over it,
            before its time was over.
        connections: how many came, with or without a handshake.
    """

    target: ClientTarget
    call: Call
    handshakes: tuple[Handshake, ...]
    requests: tuple[ReceivedRequest, ...]
    has_read_answer: bool | None
    is_all_heard: bool = True
    has_given_up: bool = False
    connections: int = 0

    @property
    def is_accepted(self) -> bool:
        """Whether the client sent a request, or data that are none: it trusted the server with them."""
        return bool(self.requests) or any(map(self._is_spoken_to, self.handshakes))

    def _is_spoken_to(self, seen: Handshake) -> bool:
        """Whether data came over this connection, though perhaps no request of HTTP."""
        if any(request.client_address == seen.peer_address for request in self.requests):
            return True
        return seen.accepted is True and self.is_all_heard and not seen.is_unused and not self.call.is_over_time

    @cached_property
    def verdict(self) -> Handshake:
        """The handshake that tells what the client made of the server, with the verdict of both ends.

        A request that arrived is acceptance, whatever the client says of it. A handshake that is complete, and that the
        client ended without a byte of data, is a rejection by the client, which judged late; no alert tells why. Where the
        client goes on without TLS after a handshake that failed, there is no verdict on the server, but on the client.
        """
        ranked = sorted(self.handshakes, key=self._rank)
        if not ranked:
            did = "connected, and began no handshake that came to an end" if self.connections else "did not connect"
            return Handshake("server", None, error=f"the client {did}; it {self.call.ending}")
        best = ranked[0]
        if self.has_gone_on_without_tls and not (best.accepted and self._is_spoken_to(best)):
            return replace(best, accepted=None, rejected_by=None, reason=None, layer=None, error=_WITHOUT_TLS)
        return self._without_request(best) if best.accepted and not self._is_spoken_to(best) else best

    @property
    def has_gone_on_without_tls(self) -> bool:
        """Whether the client sent bytes that are not TLS after a handshake: its request, perhaps, for all to read."""
        after_the_first = self.handshakes[1:] if self.handshakes and _has_hello(self.handshakes[0]) else ()
        return any(map(_is_plain, after_the_first))

    def _rank(self, seen: Handshake) -> int:
        if seen.accepted:
            return 0 if self._is_spoken_to(seen) else 2
        if seen.accepted is None:
            return 5
        if seen.rejected_by == "client":
            return 1 if seen.alert is not None else 3
        return 4

    def _without_request(self, seen: Handshake) -> Handshake:
        if self.call.is_over_time and not self.has_given_up:
            return replace(seen, accepted=None, error=f"no request came, and the client {self.call.ending}")
        return seen.rejected_late(f"the client completed the handshake and sent no data; it {self.call.ending}")

    @property
    def outcome(self) -> str:
        """What came of it inside, and how the call ended, in a few words."""
        if not self.requests:
            return f"{'data that are no request' if self.is_accepted else 'no request'}; {self.call.ending}"
        if not self.call.succeeded:
            return f"request arrived; {self.call.ending}"
        return "answer read" if self.has_read_answer else "request arrived"

    def story(self) -> str:
        """How the client ended and what it said, for a failure."""
        lines = [f"the client was called for {self.target.url} and {self.call.ending}"]
        lines.append(f"  requests that arrived: {len(self.requests)}; handshakes: {len(self.handshakes)}")
        if self.call.text.strip():
            lines += ["  it said:", *(f"    {line}" for line in self.call.text.strip().splitlines())]
        return "\n".join(lines)


def _has_hello(seen: Handshake) -> bool:
    return any(message.name == "ClientHello" for message in seen.transcript)


def _is_plain(seen: Handshake) -> bool:
    """Whether what the client sent cannot be TLS, as the server's TLS library says."""
    return seen.accepted is False and not _has_hello(seen) and seen.error in _NO_TLS
