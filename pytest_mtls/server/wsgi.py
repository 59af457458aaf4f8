"""A WSGI application (PEP 3333) asked for its answer, whatever version of HTTP the request came by.

The environ carries the client's identity under the names of Apache's mod_ssl (``SSL_CLIENT_S_DN`` and so on) and the
`Handshake` itself as ``pytest_mtls.handshake``.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from pytest_mtls.proxies.environ import mod_ssl_variables
from pytest_mtls.tls.handshake import Handshake, parsed

__all__ = ["Answer", "Environ", "Request", "Respond", "WSGIApplication", "respond"]

Environ = dict[str, Any]
WSGIApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

#: Answers a request of a client.
Respond = Callable[["Request", Handshake], "Answer"]

log = logging.getLogger("pytest_mtls")


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    Attributes:
        method: such as ``GET``.
        target: the path with the query, percent-encoded as it came.
        protocol: such as ``HTTP/1.1``.
        headers: names and values in order; a name may come again.
        body: all of it.
    """

    method: str
    target: str
    protocol: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What the application said.

    Attributes:
        status: such as ``200 OK``.
        headers: names and values in order.
        body: all of it.
    """

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


def respond(app: WSGIApplication, request: Request, handshake: Handshake, *, variables: bool = True) -> Answer:
    """Have the application answer.

    Args:
        app: the application.
        request: what is asked.
        handshake: who asks.
        variables: whether the application reads the variables of mod_ssl.

    Returns:
        Its answer when it is complete. If it raises, status 500; the traceback goes to the log.
    """
    said: dict[str, Any] = {"status": "500 Internal Server Error", "headers": []}
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        said.update(status=status, headers=headers)
        return written.append

    try:
        chunks = app(_environ(request, handshake, variables=variables), start_response)
        try:
            written.extend(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
    except Exception:
        log.exception("the app raised on %s %s", request.method, request.target)
        plain = (("Content-Type", "text/plain"),)
        return Answer("500 Internal Server Error", plain, b"the app raised an exception; it is in the log\n")
    return Answer(said["status"], tuple(said["headers"]), b"".join(written))


@lru_cache(maxsize=256)
def _client_variables(chain: tuple[bytes, ...]) -> Mapping[str, str]:
    """The variables of mod_ssl that are about a client: the same for all requests of its connections."""
    return mod_ssl_variables(tuple(certificate for der in chain if (certificate := parsed(der)) is not None))


def _environ(request: Request, handshake: Handshake, *, variables: bool) -> Environ:
    path, _, query = request.target.partition("?")
    local_host, local_port = handshake.local_address or ("", 0)
    is_plain = handshake.accepted is None and not handshake.transcript
    peer_host, peer_port = handshake.peer_address or ("", 0)
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": handshake.server_name or local_host,
        "SERVER_PORT": str(local_port),
        "SERVER_PROTOCOL": request.protocol,
        "REMOTE_ADDR": peer_host,
        "REMOTE_PORT": str(peer_port),
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http" if is_plain else "https",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "HTTPS": "off" if is_plain else "on",
        "SSL_PROTOCOL": handshake.tls_version or "",
        "SSL_CIPHER": handshake.cipher or "",
        "SSL_TLS_SNI": handshake.server_name or "",
        "pytest_mtls.handshake": handshake,
    }
    if variables:
        environ.update(_client_variables(handshake.peer_chain_der))
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = environ[key] or value
        elif key != "CONTENT_LENGTH":
            before, separator = environ.get(f"HTTP_{key}"), "; " if key == "COOKIE" else ","
            environ[f"HTTP_{key}"] = value if before is None else f"{before}{separator}{value}"
    return environ
