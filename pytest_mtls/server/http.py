"""What is spoken inside by default: HTTP/1.1 with keep-alive, or HTTP/2 where ALPN chose it, answered by a WSGI app."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from pytest_mtls.certificates.names import describe_name
from pytest_mtls.server.connection import Handler
from pytest_mtls.server.http2 import HTTP2, serve_http2
from pytest_mtls.server.wsgi import Answer, Environ, Request, WSGIApplication, respond
from pytest_mtls.tls.handshake import Handshake

__all__ = ["default_app", "http_handler"]

_LONGEST_LINE = 65536

log = logging.getLogger("pytest_mtls")


def default_app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer every request with what the server knows of its client, as JSON.

    The object has ``client`` (null without a certificate; else ``subject``, ``issuer``, ``serial_number`` in hex,
    ``fingerprint_sha256`` and ``not_after`` in ISO 8601), ``tls_version``, ``cipher``, ``server_name``, ``method`` and
    ``path``.
    """
    handshake: Handshake = environ["pytest_mtls.handshake"]
    body = {
        "client": _describe_client(handshake),
        "tls_version": handshake.tls_version,
        "cipher": handshake.cipher,
        "server_name": handshake.server_name,
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


def _describe_client(handshake: Handshake) -> dict[str, str] | None:
    certificate = handshake.peer_certificate
    if certificate is None:
        return None
    from cryptography.hazmat.primitives.hashes import SHA256

    return {
        "subject": describe_name(certificate.subject),
        "issuer": describe_name(certificate.issuer),
        "serial_number": f"{certificate.serial_number:x}",
        "fingerprint_sha256": certificate.fingerprint(SHA256()).hex(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
    }


def http_handler(app: WSGIApplication) -> Handler:
    """A connection handler that serves a WSGI application, request after request.

    Args:
        app: the application. Its answer is sent when it is complete, with a Content-Length. If it raises, the client
            gets status 500 and the traceback goes to the log.
    """

    def serve(sock: ssl.SSLSocket, handshake: Handshake) -> None:
        if handshake.alpn == HTTP2:
            serve_http2(sock, handshake, app)
        else:
            _Requests(sock, handshake, app)

    return serve


class _Requests(BaseHTTPRequestHandler):
    """The requests of one connection. `BaseHTTPRequestHandler` parses them; making one serves them all."""

    protocol_version = "HTTP/1.1"
    server_version = "pytest-mtls"
    wbufsize = -1  # headers and body leave together
    disable_nagle_algorithm = True

    def __init__(self, sock: ssl.SSLSocket, handshake: Handshake, app: WSGIApplication) -> None:
        self._handshake = handshake
        self._app = app
        super().__init__(sock, handshake.peer_address, None)  # type: ignore[arg-type]

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(_LONGEST_LINE + 1)
        if not self.raw_requestline:
            self.close_connection = True
            return
        if len(self.raw_requestline) > _LONGEST_LINE:
            self.requestline = self.request_version = self.command = ""
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif self.parse_request():
            self._respond()
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s:%d %s", *self.client_address[:2], format % args)

    def _respond(self) -> None:
        request = Request(self.command, self.path, self.request_version, tuple(self.headers.items()), self._read_body())
        self._send(respond(self._app, request, self._handshake))

    def _send(self, answer: Answer) -> None:
        code, _, phrase = answer.status.partition(" ")
        self.send_response(int(code), phrase)
        for name, value in answer.headers:
            self.send_header(name, value)
        names = {name.lower() for name, _ in answer.headers}
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(answer.body)))
        if "connection" not in names and self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterable[bytes]:
        """The chunks of a request body (RFC 9112 section 7.1)."""
        while size := int(self.rfile.readline(_LONGEST_LINE).partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline(_LONGEST_LINE)
        while self.rfile.readline(_LONGEST_LINE).strip():
            pass  # trailer fields
