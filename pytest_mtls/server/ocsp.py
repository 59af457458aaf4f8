"""`OCSPResponder`: the responder of a CA over HTTP (RFC 6960 appendix A), GET and POST."""

from __future__ import annotations

import base64
import binascii
import socket
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.ocsp import (
    OCSP_MISBEHAVIOURS,
    OCSPMisbehaviour,
    StatusAnswers,
    checked_misbehaviour,
    misbehaving_url,
    misbehaviour_of_path,
)
from pytest_mtls.server.hostile import MisbehaviourOf
from pytest_mtls.server.plain import PlainServer, wait_for_end
from pytest_mtls.server.wsgi import Environ, WSGIApplication

__all__ = ["OCSPQuery", "OCSPResponder"]

_REQUEST_TYPE, _ANSWER_TYPE = "application/ocsp-request", "application/ocsp-response"
_KEPT = 1000
#: No request about one certificate is longer.
_LONGEST_REQUEST = 65536


@dataclass(frozen=True)
class OCSPQuery:
    """One request that a responder was sent.

    Attributes:
        method: "GET" or "POST".
        serial_number: of the certificate that was asked about; None if the request could not be read.
        nonce: what the answer had to repeat, if anything.
        status: what was answered: "good", "revoked", "unknown", "malformed request", "unauthorized", "try later", or
            "silent" where nothing was.
    """

    method: str
    serial_number: int | None
    nonce: bytes | None
    status: str


class OCSPResponder(PlainServer):
    """Tells over HTTP, on loopback, whether a CA's certificates are revoked. A context manager.

    It answers for the CA and all related CAs whose key is here, and follows them: who is revoked now is revoked in the
    next answer. Every other serial number of theirs is good.

    Args:
        ca: whose certificates are asked about; its key must be here.
        delegated: whether a responder signs whose certificate the CA issued for that, instead of the CA itself (RFC 6960
            section 4.2.2.2).
        nonce: whether a nonce in a request is repeated in the answer (RFC 9654); many responders do not.
        misbehaviour: what is wrong on purpose: answers that are "stale", "forged", "of another issuer", "of another
            certificate" or "of an unauthorized signer", all of which say "good" whatever is revoked; "revoked", whatever a
            CRL says; "unknown"; "try later"; or "silent", which never answers. It can be changed while the responder runs.
        host: "localhost" (IPv4 and IPv6), "127.0.0.1" or "::1".
        port: TCP port; 0, the default, for any that is free.

    Raises:
        InvalidArgument: an argument is none that there can be.
        MissingPrivateKey: the CA's key is not here.
        UnsupportedKeyKind: answers cannot be signed with such a key.
    """

    misbehaviour: MisbehaviourOf[OCSPMisbehaviour] = MisbehaviourOf(OCSP_MISBEHAVIOURS)

    def __init__(
        self,
        ca: CertificateAuthority,
        *,
        delegated: bool = False,
        nonce: bool = True,
        misbehaviour: OCSPMisbehaviour | None = None,
        host: str = "localhost",
        port: int = 0,
    ) -> None:
        super().__init__(host, port)
        self._answers = StatusAnswers(ca, delegated=delegated, nonce=nonce)
        self.misbehaviour = misbehaviour
        self._queries: deque[OCSPQuery] = deque(maxlen=_KEPT)

    @property
    def url(self) -> str:
        """What goes into ``ocsp_urls``; raises as `port` does."""
        return self.root_url

    def url_of(self, misbehaviour: OCSPMisbehaviour) -> str:
        """A URL at which it always misbehaves in this way, whatever it does at others.

        Raises:
            InvalidArgument: there is no such misbehaviour.
            ServerNotRunning: it has no URL yet, or no longer.
        """
        checked_misbehaviour(misbehaviour)
        return misbehaving_url(self.url, misbehaviour)

    @property
    def queries(self) -> tuple[OCSPQuery, ...]:
        """What it was asked and what it answered, in this order; the last 1,000."""
        return tuple(self._queries)

    def answer(self, request: bytes) -> bytes:
        """The answer to a request, both DER, without HTTP; empty if it is silent."""
        return self._answers.answer(request, self.misbehaviour).der

    def application(self, sock: socket.socket) -> WSGIApplication:
        """What answers the requests of one connection."""

        def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            status, headers, body = self._respond(environ)
            if body is None:
                wait_for_end(sock)
                body = b""
            start_response(status, headers)
            return [body]

        return answer

    def _respond(self, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes | None]:
        method = environ["REQUEST_METHOD"]
        by_path, path = misbehaviour_of_path(environ["PATH_INFO"])
        if method == "GET":
            request = _from_path(path)
            if request is None:
                return _refusal("400 Bad Request", "the path is not an OCSP request in base64 (RFC 6960 appendix A.1)")
        elif method == "POST":
            if environ["CONTENT_TYPE"].partition(";")[0].strip().lower() != _REQUEST_TYPE:
                return _refusal("415 Unsupported Media Type", f"a request is {_REQUEST_TYPE} (RFC 6960 appendix A.1)")
            request = environ["wsgi.input"].read(_LONGEST_REQUEST)
        else:
            status, headers, body = _refusal("405 Method Not Allowed", "requests come by GET or POST")
            return status, [*headers, ("Allow", "GET, POST")], body
        given = self._answers.answer(request, by_path or self.misbehaviour)
        self._queries.append(OCSPQuery(method, given.serial_number, given.nonce, given.status))
        # RFC 5019 section 6 has answers cached; here the next revocation must be seen by the next request.
        headers = [("Content-Type", _ANSWER_TYPE), ("Cache-Control", "no-store")]
        return "200 OK", headers, given.der or None


def _refusal(status: str, why: str) -> tuple[str, list[tuple[str, str]], bytes]:
    return status, [("Content-Type", "text/plain; charset=utf-8")], f"{why}\n".encode()


def _from_path(path: str) -> bytes | None:
    """The request of a GET: its base64 is the rest of the path, in which a slash may be doubled or missing its escape."""
    text = path.lstrip("/")
    try:
        return base64.b64decode(text.encode("ascii"), validate=True) if text else None
    except (binascii.Error, ValueError):
        return None
