"""What is spoken inside by default: HTTP/1.1 with keep-alive, answered by a WSGI application (PEP 3333).

The environ carries the client's identity under the names of Apache's mod_ssl (``SSL_CLIENT_S_DN`` and so on) and the
`Handshake` itself as ``pytest_mtls.handshake``.
"""

from __future__ import annotations

import io
import json
import logging
import ssl
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

from pytest_mtls.certificates.environ import mod_ssl_variables
from pytest_mtls.certificates.names import describe_name
from pytest_mtls.tls.connection import Handler
from pytest_mtls.tls.handshake import Handshake

__all__ = ["WSGIApplication", "default_app", "http_handler"]

Environ = dict[str, Any]
WSGIApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

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
        answer: dict[str, Any] = {"status": "500 Internal Server Error", "headers": []}
        written: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            answer.update(status=status, headers=headers)
            return written.append

        request_body = self._read_body()
        try:
            chunks = self._app(self._environ(request_body), start_response)
            try:
                written.extend(chunks)
            finally:
                if hasattr(chunks, "close"):
                    chunks.close()
        except Exception:
            log.exception("the app raised on %s", self.requestline)
            answer.update(status="500 Internal Server Error", headers=[("Content-Type", "text/plain")])
            written[:] = [b"the app raised an exception; it is in the log\n"]
        self._send(answer["status"], answer["headers"], b"".join(written))

    def _send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        code, _, phrase = status.partition(" ")
        self.send_response(int(code), phrase)
        for name, value in headers:
            self.send_header(name, value)
        names = {name.lower() for name, _ in headers}
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(body)))
        if "connection" not in names and self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

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

    def _environ(self, body: bytes) -> Environ:
        path, _, query = self.path.partition("?")
        local_host, local_port = self._handshake.local_address or ("", 0)
        environ: Environ = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": self._handshake.server_name or local_host,
            "SERVER_PORT": str(local_port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_PORT": str(self.client_address[1]),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "HTTPS": "on",
            "SSL_PROTOCOL": (self._handshake.tls_version or ""),
            "SSL_CIPHER": self._handshake.cipher or "",
            "SSL_TLS_SNI": self._handshake.server_name or "",
            "pytest_mtls.handshake": self._handshake,
        }
        environ.update(mod_ssl_variables(self._handshake.peer_chain))
        for name, value in self.headers.items():
            key = "HTTP_" + name.upper().replace("-", "_")
            if key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
                environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ
