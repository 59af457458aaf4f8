"""HTTP/2 (RFC 9113) on an accepted connection, answered by a WSGI application; by `h2`, which the extra ``h2`` brings.

Requests come over as many streams as the client opens, and are answered one after the other.
"""

from __future__ import annotations

import logging
import ssl
from collections import deque
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from pytest_mtls.errors import MissingExtra
from pytest_mtls.server.wsgi import Answer, Request, Respond
from pytest_mtls.tls.handshake import Handshake

__all__ = ["HTTP2", "require_http2", "serve_http2"]

#: HTTP/2 over TLS, as ALPN names it (RFC 9113 section 3.1).
HTTP2 = "h2"

#: What belongs to a connection of HTTP/1.1 and may not be in HTTP/2 (RFC 9113 section 8.2.2).
_CONNECTION_HEADERS = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})

log = logging.getLogger("pytest_mtls")


def require_http2() -> None:
    """Make sure that HTTP/2 can be spoken.

    Raises:
        MissingExtra: h2 is not installed.
    """
    if find_spec("h2") is None:
        raise MissingExtra("h2", "h2, with which alpn's 'h2' is served,")


def serve_http2(sock: ssl.SSLSocket, handshake: Handshake, respond: Respond) -> None:
    """Answer requests until the client ends the connection, breaks the protocol, or is silent for too long.

    Raises:
        OSError: the client has gone.
    """
    _Conversation(sock, handshake, respond).run()


@dataclass
class _Stream:
    """A request on its way in.

    Attributes:
        number: the stream's identifier.
        headers: with the pseudo-headers first.
        body: what has arrived of it.
    """

    number: int
    headers: list[tuple[str, str]]
    body: bytearray = field(default_factory=bytearray)

    def request(self) -> Request:
        """The request, now that it is complete."""
        pseudo = {name: value for name, value in self.headers if name.startswith(":")}
        headers = [(name, value) for name, value in self.headers if not name.startswith(":")]
        if ":authority" in pseudo:
            headers = [("host", pseudo[":authority"]), *((name, value) for name, value in headers if name != "host")]
        return Request(pseudo[":method"], pseudo.get(":path", ""), "HTTP/2.0", tuple(headers), bytes(self.body))


class _Conversation:
    """One connection. What `h2` knows of it is moved on only by `_receive`, also while an answer waits to be sent."""

    def __init__(self, sock: ssl.SSLSocket, handshake: Handshake, respond: Respond) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        self._sock = sock
        self._handshake = handshake
        self._respond = respond
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self._incoming: dict[int, _Stream] = {}
        self._complete: deque[_Stream] = deque()
        self._reset: set[int] = set()
        self._ended = False

    def run(self) -> None:
        self._h2.initiate_connection()
        self._flush()
        try:
            while self._receive():
                while self._complete and not self._ended:
                    stream = self._complete.popleft()
                    if stream.number not in self._reset:
                        self._answer(stream, self._respond(stream.request(), self._handshake))
        except TimeoutError:  # the client is silent
            self._h2.close_connection()
            self._flush()

    def _receive(self) -> bool:
        """Take in what the client sends next. False if this is the end of the connection."""
        from h2.exceptions import ProtocolError

        data = self._sock.recv(65536)
        try:
            for event in self._h2.receive_data(data) if data else ():
                self._take(event)
        except ProtocolError as error:  # h2 has made the GOAWAY that says so
            log.debug("the client broke HTTP/2: %s", error)
            self._ended = True
        self._flush()
        self._ended = self._ended or not data
        return not self._ended

    def _take(self, event: Any) -> None:
        from h2 import events

        if isinstance(event, events.RequestReceived):
            headers = [(str(name), str(value)) for name, value in event.headers]
            self._incoming[event.stream_id] = _Stream(event.stream_id, headers)
        elif isinstance(event, events.DataReceived):
            self._incoming[event.stream_id].body += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, events.StreamEnded):
            self._complete.append(self._incoming.pop(event.stream_id))
        elif isinstance(event, events.StreamReset):
            self._incoming.pop(event.stream_id, None)
            self._reset.add(event.stream_id)
        elif isinstance(event, events.ConnectionTerminated):
            self._ended = True

    def _answer(self, stream: _Stream, answer: Answer) -> None:
        headers = [(name.lower(), value) for name, value in answer.headers]
        if all(name != "content-length" for name, _ in headers):
            headers.append(("content-length", str(len(answer.body))))
        kept = [(name, value) for name, value in headers if name not in _CONNECTION_HEADERS]
        body = memoryview(b"" if stream.request().method == "HEAD" else answer.body)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept]
        status = (b":status", answer.status[:3].encode("ascii"))
        self._h2.send_headers(stream.number, [status, *encoded], end_stream=not body)
        self._flush()
        while body:
            size = min(self._h2.local_flow_control_window(stream.number), self._h2.max_outbound_frame_size)
            if size > 0:
                part, body = body[:size], body[size:]
                self._h2.send_data(stream.number, bytes(part), end_stream=not body)
                self._flush()
            elif not self._receive() or stream.number in self._reset:  # the client takes no more for now
                return

    def _flush(self) -> None:
        self._sock.sendall(self._h2.data_to_send())
