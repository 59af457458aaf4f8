"""What is spoken inside by default: HTTP/1.1 with keep-alive, or HTTP/2 where ALPN chose it, answered by a WSGI app."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterable
from typing import Any

from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.readable import problem_of_names
from pytest_mtls.server.connection import Handler
from pytest_mtls.server.http1 import serve_http1
from pytest_mtls.server.http2 import HTTP2, serve_http2
from pytest_mtls.server.wsgi import Environ, WSGIApplication
from pytest_mtls.tls.handshake import Handshake

__all__ = ["default_app", "http_handler"]


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

    problem = problem_of_names(certificate)

    return {
        "subject": problem or describe_name(certificate.subject),
        "issuer": problem or describe_name(certificate.issuer),
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
            serve_http1(sock, handshake, app)

    return serve
