"""`CRLServer`: the CRLs of a CA by URL (RFC 5280 section 4.2.1.13; media type and form by RFC 2585 section 4)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.errors import InvalidArgument, MissingPrivateKey
from pytest_mtls.server.hostile import MisbehaviourOf
from pytest_mtls.server.plain import PlainServer, wait_for_end
from pytest_mtls.server.wsgi import Environ, WSGIApplication

__all__ = ["CRLMisbehaviour", "CRLServer"]

CRLMisbehaviour = Literal["stale", "forged", "of another issuer", "unknown", "try later", "silent"]

_MISBEHAVIOURS: Mapping[str, str] = {
    "stale": "a CRL without entries, whose time ended a day ago",
    "forged": "a CRL without entries, which somebody else signed in the CA's name",
    "of another issuer": "a CRL without entries of another CA",
    "unknown": "status 404",
    "try later": "status 503 with Retry-After",
    "silent": "takes the request and never answers",
}
_STALE_SINCE, _STALE_UNTIL = timedelta(days=-2), timedelta(days=-1)


class CRLServer(PlainServer):
    """Gives the CRL of a CA, and those of all related CAs whose key is here, over HTTP on loopback. A context manager.

    It follows the CAs: who is revoked now is on the next CRL that is fetched.

    Args:
        ca: whose CRL is at `url`; its key must be here.
        misbehaviour: what is wrong on purpose: a CRL without entries that is "stale", "forged" or "of another issuer";
            "unknown" (status 404); "try later" (503); or "silent", which never answers. It can be changed while the
            server runs.
        host: "localhost" (IPv4 and IPv6), "127.0.0.1" or "::1".
        port: TCP port; 0, the default, for any that is free.

    Raises:
        InvalidArgument: an argument is none that there can be.
        MissingPrivateKey: the CA's key is not here.
    """

    misbehaviour: MisbehaviourOf[CRLMisbehaviour] = MisbehaviourOf(_MISBEHAVIOURS)

    def __init__(
        self,
        ca: CertificateAuthority,
        *,
        misbehaviour: CRLMisbehaviour | None = None,
        host: str = "localhost",
        port: int = 0,
    ) -> None:
        if not isinstance(ca, CertificateAuthority):
            raise InvalidArgument("ca", ca, "a CertificateAuthority")
        if ca.private_key is None:
            raise MissingPrivateKey(ca.subject, "making a CRL")
        super().__init__(host, port)
        self._ca = ca
        self.misbehaviour = misbehaviour
        self._fetched = 0

    @property
    def url(self) -> str:
        """What goes into ``crl_urls``: where the CA's CRL is; raises as `port` does."""
        return self.url_of(self._ca)

    def url_of(self, ca: CertificateAuthority) -> str:
        """Where the CRL of a related CA is.

        Raises:
            InvalidArgument: it is not related to this server's.
            ServerNotRunning: the server does not run.
        """
        if ca not in self._ca.family:
            raise InvalidArgument("ca", ca, f"a CA related to {self._ca.subject}")
        return f"{self.root_url}{_path_of(ca)}"

    @property
    def fetched(self) -> int:
        """How often a CRL was asked for."""
        return self._fetched

    def application(self, sock: socket.socket) -> WSGIApplication:
        """What answers the requests of one connection."""

        def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            crl, status, headers = self._respond(environ)
            if self.misbehaviour == "silent":
                wait_for_end(sock)
            start_response(status, headers)
            return [crl]

        return answer

    def _respond(self, environ: Environ) -> tuple[bytes, str, list[tuple[str, str]]]:
        plain = ("Content-Type", "text/plain; charset=utf-8")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return b"a CRL is fetched by GET\n", "405 Method Not Allowed", [plain, ("Allow", "GET, HEAD")]
        found = [
            ca for ca in self._ca.family if environ["PATH_INFO"] == f"/{_path_of(ca)}" and ca.private_key is not None
        ]
        if not found or self.misbehaviour == "unknown":
            return b"there is no such CRL here\n", "404 Not Found", [plain]
        self._fetched += 1
        if self.misbehaviour == "try later":
            return b"try later\n", "503 Service Unavailable", [plain, ("Retry-After", "5")]
        body = self._crl(found[0]).public_bytes(Encoding.DER)
        return body, "200 OK", [("Content-Type", "application/pkix-crl"), ("Cache-Control", "no-store")]

    def _crl(self, ca: CertificateAuthority) -> x509.CertificateRevocationList:
        if self.misbehaviour == "of another issuer":
            return self._stranger.crl()
        if self.misbehaviour == "forged":
            # With the CA's own key identifier: a reader that goes by it has to look at the signature, too.
            kind = KeyKind.of(ca.certificate.public_key()) or KeyKind.P256
            return CertificateAuthority(ca.certificate, kind.generate()).crl()
        if self.misbehaviour == "stale":
            copy = CertificateAuthority(ca.certificate, ca.private_key)
            return copy.crl(last_update=_STALE_SINCE, next_update=_STALE_UNTIL)
        return ca.given_out_crl()

    @cached_property
    def _stranger(self) -> CertificateAuthority:
        return CertificateAuthority.create("Another CA")


def _path_of(ca: CertificateAuthority) -> str:
    return f"{ca.key_identifier.hex()}.crl"
