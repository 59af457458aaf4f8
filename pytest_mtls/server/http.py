"""What is spoken inside by default: HTTP/1.1 with keep-alive, or HTTP/2 where ALPN chose it, answered by a WSGI app."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from hashlib import sha256
from typing import Any

from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.readable import UNREADABLE, problem_of_names
from pytest_mtls.server.connection import Handler
from pytest_mtls.server.http1 import serve_http1
from pytest_mtls.server.http2 import HTTP2, serve_http2
from pytest_mtls.server.wsgi import Environ, WSGIApplication, respond
from pytest_mtls.tls.handshake import Handshake, parsed

__all__ = ["default_app", "http_handler"]


def default_app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer every request with what the server knows of its client, as JSON.

    The object has ``client`` (null without a certificate; else ``subject``, ``issuer``, ``serial_number`` in hex,
    ``fingerprint_sha256`` and ``not_after`` in ISO 8601), ``tls_version``, ``cipher``, ``server_name``, ``method`` and
    ``path``.
    """
    handshake: Handshake = environ["pytest_mtls.handshake"]
    body = {
        "client": _describe_client(handshake.peer_chain_der[0]) if handshake.peer_chain_der else None,
        "tls_version": handshake.tls_version,
        "cipher": handshake.cipher,
        "server_name": handshake.server_name,
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


@lru_cache(maxsize=256)
def _describe_client(der: bytes) -> dict[str, str] | None:
    certificate = parsed(der)
    if certificate is None:
        return None
    try:
        names = [describe_name(certificate.subject), describe_name(certificate.issuer)]
    except UNREADABLE:
        names = [problem_of_names(certificate) or "cannot be parsed"] * 2
    return {
        "subject": names[0],
        "issuer": names[1],
        "serial_number": f"{certificate.serial_number:x}",
        "fingerprint_sha256": sha256(der).hexdigest(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
    }


def http_handler(app: WSGIApplication) -> Handler:
    """A connection handler that serves a WSGI application, request after request.

    Args:
        app: the application. Its answer is sent when it is complete, with a Content-Length. If it raises, the client
            gets status 500 and the traceback goes to the log.
    """
    respond_to = partial(respond, app, variables=app is not default_app)

    def serve(sock: ssl.SSLSocket, handshake: Handshake) -> None:
        if handshake.alpn == HTTP2:
            serve_http2(sock, handshake, respond_to)
        else:
            serve_http1(sock, handshake, respond_to)

    return serve
