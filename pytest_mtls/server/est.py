"""`ESTServer`: enrolment over secure transport (RFC 7030), in process: a CA's front door for clients under test."""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cryptography import x509

from pytest_mtls.cases.presentation import PeerArgument
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.enrolment import (
    EST_MISBEHAVIOURS,
    CSRAttribute,
    ESTMisbehaviour,
    ca_certificates,
    certs_only,
    check_renewal,
    csr_attributes,
    misissued,
    signing_request,
    to_base64,
)
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.loading import issued
from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.signing_request import CertificateSigningRequest, SigningPolicy
from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.certificates.validity import Instant
from pytest_mtls.errors import InvalidArgument, MissingPrivateKey, SigningRequestRefused, UnreadableSigningRequest
from pytest_mtls.server.hostile import MisbehaviourOf
from pytest_mtls.server.server import MutualTLSServer
from pytest_mtls.server.wsgi import Environ
from pytest_mtls.tls.handshake import Handshake

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ESTRequest", "ESTServer"]

#: Where RFC 7030 section 3.2.2 has it.
_PREFIX = "/.well-known/est"
_PKCS7 = "application/pkcs7-mime"
_CERTS_ONLY = f"{_PKCS7}; smime-type=certs-only"
_KEPT = 1000
#: No request for one certificate is longer.
_LONGEST_REQUEST = 262_144
_HUGE = 24 * 2**20  #: octets before base64
_HTML = b"<!DOCTYPE html><title>Welcome</title><p>Please log in to use this network.\n"

_CA_CERTS, _ENROLL, _REENROLL, _ATTRIBUTES = "cacerts", "simpleenroll", "simplereenroll", "csrattrs"
#: Operations of RFC 7030 that a server may lack.
_LACKING = ("fullcmc", "serverkeygen")
#: Where a client is to ask again, with its password or later. Bouncy Castle does not if there is a body, which it never reads.
_TO_ASK_AGAIN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.ACCEPTED)
_METHODS = {_CA_CERTS: "GET", _ATTRIBUTES: "GET", _ENROLL: "POST", _REENROLL: "POST"}


@dataclass(frozen=True)
class ESTRequest:
    """One request that an EST server was sent.

    Attributes:
        operation: "cacerts", "simpleenroll", "simplereenroll" or "csrattrs"; the path for anything else.
        status: the HTTP status of the answer.
        detail: why, if it was rejected or put off.
        client: the subject of the client's certificate; None without one.
        user: who gave the right password; None without one.
        subject: what the certificate was asked for; None if nothing was, or the request could not be read.
        label: the part of the path between "est" and the operation (RFC 7030 section 3.2.2); empty without one.
    """

    operation: str
    status: int
    detail: str = ""
    client: str | None = None
    user: str | None = None
    subject: str | None = None
    label: str = ""


class ESTServer:
    """Enrols clients over HTTPS, on loopback, as RFC 7030 has it. A context manager.

    Who asks for a first certificate (``/simpleenroll``) shows another certificate of the CA, or a password; who renews
    (``/simplereenroll``) shows the certificate that is to be renewed, and asks for the same subject and alternative
    names, with the same key or a new one. ``/cacerts`` and ``/csrattrs`` are for everybody.

    Args:
        ca: what issues; its key must be here.
        users: passwords by user name, for HTTP Basic authentication (RFC 7617); none by default.
        policy: what may be asked for; see `SigningPolicy` for what is checked without one.
        pending: how many times each request is put off, with status 202 and a Retry-After, before it is granted.
        retry_after: the seconds that the Retry-After names; nothing here waits for them.
        csr_attributes: what ``/csrattrs`` asks for in requests: dotted object identifiers, or pairs of one and its
            values; nothing by default, which is status 204.
        not_before, not_after: of what is issued; as for `CertificateAuthority.sign`.
        crl_urls, ocsp_urls: what certificates say about their revocation; as for `CertificateAuthority.sign`.
        misbehaviour: what is wrong on purpose: the right body as another "content type"; a certificate that is "expired"
            or "for another key"; "html"; "huge", 32 MiB; certificates "of another issuer"; or "truncated" base64. It can be
            changed while the server runs.
        cert: what the server presents; a certificate of the CA for localhost by default.
        trust: the CAs whose clients it accepts; ``ca`` by default.
        host: "localhost" (IPv4 and IPv6), "127.0.0.1" or "::1".
        port: TCP port; 0, the default, for any that is free.

    Attributes:
        server: the `MutualTLSServer` that it runs on, with its handshakes.

    Raises:
        InvalidArgument: an argument that cannot be.
        MissingPrivateKey: the CA's key is not here.
    """

    misbehaviour: MisbehaviourOf[ESTMisbehaviour] = MisbehaviourOf(EST_MISBEHAVIOURS)

    def __init__(
        self,
        ca: CertificateAuthority,
        *,
        users: Mapping[str, str] | None = None,
        policy: SigningPolicy | None = None,
        pending: int = 0,
        retry_after: int = 1,
        csr_attributes: Iterable[CSRAttribute] = (),
        not_before: Instant | None = None,
        not_after: Instant | None = None,
        crl_urls: str | Iterable[str] = (),
        ocsp_urls: str | Iterable[str] = (),
        misbehaviour: ESTMisbehaviour | None = None,
        cert: PeerArgument | None = None,
        trust: TrustArgument | None = None,
        host: str = "localhost",
        port: int = 0,
    ) -> None:
        if not isinstance(ca, CertificateAuthority):
            raise InvalidArgument("ca", ca, "a CertificateAuthority")
        if ca.private_key is None:
            raise MissingPrivateKey(ca.subject, "enrolling clients")
        for name, count in (("pending", pending), ("retry_after", retry_after)):
            if not isinstance(count, int) or count < 0:
                raise InvalidArgument(name, count, "a whole number from 0")
        for user in users or {}:
            if ":" in user:
                raise InvalidArgument("users", user, "names without a colon (RFC 7617 section 2)")
        self._ca = ca
        self._users = dict(users or {})
        self._policy = policy or SigningPolicy()
        self._pending, self._retry_after = pending, retry_after
        self._attributes = _attributes(csr_attributes)
        self._issuing: dict[str, Any] = {
            "not_before": not_before,
            "not_after": not_after,
            "crl_urls": crl_urls,
            "ocsp_urls": ocsp_urls,
        }
        self.misbehaviour = misbehaviour
        self._lock = threading.Lock()
        self._put_off: Counter[bytes] = Counter()
        self._requests: deque[ESTRequest] = deque(maxlen=_KEPT)
        self._issued: deque[Identity] = deque(maxlen=_KEPT)
        self.server = MutualTLSServer(
            self._application,
            cert=ca.issue_server() if cert is None else cert,
            trust=ca if trust is None else trust,
            client_certs="optional",
            host=host,
            port=port,
        )

    # --- where it is -------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where the operations are, such as ``https://localhost:40123/.well-known/est``.

        Raises:
            ServerNotRunning: it has not been started, or has been stopped.
        """
        return self.server.url + _PREFIX

    @property
    def port(self) -> int:
        """The TCP port it listens on; raises as `url` does."""
        return self.server.port

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self.server.is_running

    def start(self) -> Self:
        """Listen and serve, in threads of its own.

        Raises:
            PortUnavailable: the port is in use.
            ServerNotRunning: it was stopped before; a server runs once.
        """
        self.server.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection, and end the threads. Stopping twice is not an error."""
        self.server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # --- what it does, and did ---------------------------------------------------------------------------------------

    @property
    def users(self) -> Mapping[str, str]:
        """Passwords by user name."""
        return dict(self._users)

    @property
    def requests(self) -> tuple[ESTRequest, ...]:
        """What it was asked and what came of it, in this order; the last 1,000."""
        return tuple(self._requests)

    @property
    def issued(self) -> tuple[Identity, ...]:
        """What it has issued by right, in this order, without keys; the last 1,000."""
        return tuple(self._issued)

    # --- answers -----------------------------------------------------------------------------------------------------

    def _application(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        handshake: Handshake = environ["pytest_mtls.handshake"]
        certificate = handshake.peer_certificate
        label, operation = _parts(environ["PATH_INFO"])
        asking = ESTRequest(
            operation or environ["PATH_INFO"],
            HTTPStatus.OK,
            client=None if certificate is None else describe_name(certificate.subject),
            user=self._user(environ.get("HTTP_AUTHORIZATION", "")),
            label=label,
        )
        answer = self._answer(environ, operation, asking, certificate)
        self._requests.append(answer.request)
        start_response(f"{answer.request.status} {HTTPStatus(answer.request.status).phrase}", list(answer.headers))
        return [answer.body]

    def _answer(
        self, environ: Environ, operation: str, asking: ESTRequest, certificate: x509.Certificate | None
    ) -> _Answer:
        if operation in _LACKING:
            return _rejection(asking, HTTPStatus.NOT_IMPLEMENTED, f"this server has no /{operation}")
        if operation not in _METHODS:
            return _rejection(asking, HTTPStatus.NOT_FOUND, f"EST is at {_PREFIX}/ and one of {', '.join(_METHODS)}")
        if environ["REQUEST_METHOD"] != _METHODS[operation]:
            method = _METHODS[operation]
            return _rejection(asking, HTTPStatus.METHOD_NOT_ALLOWED, f"/{operation} is asked by {method}", Allow=method)
        if operation == _CA_CERTS:
            issuer = self._ca.impostor() if self.misbehaviour == "of another issuer" else self._ca
            return self._granted(asking, certs_only(ca_certificates(issuer)), _CERTS_ONLY)
        if operation == _ATTRIBUTES:
            if not self._attributes:
                return _Answer(replace(asking, status=HTTPStatus.NO_CONTENT))
            return self._granted(asking, self._attributes, "application/csrattrs")
        return self._enroll(environ, operation, asking, certificate)

    def _enroll(
        self, environ: Environ, operation: str, asking: ESTRequest, certificate: x509.Certificate | None
    ) -> _Answer:
        """Answer a request for a certificate (RFC 7030 section 4.2)."""
        if certificate is None and (asking.user is None or operation == _REENROLL):
            who = "the certificate that is to be renewed" if operation == _REENROLL else "a client certificate"
            with_password = " or a password" if self._users and operation == _ENROLL else ""
            headers = {"WWW-Authenticate": 'Basic realm="est", charset="UTF-8"'} if with_password else {}
            status = HTTPStatus.UNAUTHORIZED if with_password else HTTPStatus.FORBIDDEN
            return _rejection(asking, status, f"/{operation} needs {who}{with_password}", **headers)
        kind = environ["CONTENT_TYPE"].partition(";")[0].strip().lower()
        if kind != "application/pkcs10":
            text = f"a request is application/pkcs10, and not {kind or 'without a type'} (RFC 7030 section 4.2.1)"
            return _rejection(asking, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text)
        try:
            request = signing_request(environ["wsgi.input"].read(_LONGEST_REQUEST))
        except UnreadableSigningRequest as error:
            return _rejection(asking, HTTPStatus.BAD_REQUEST, f"the request cannot be read: {error.problem}")
        asking = replace(asking, subject=request.subject)
        try:
            if operation == _REENROLL and certificate is not None:
                changed = check_renewal(request, certificate)
                if not any(issued(ca.certificate, certificate) for ca in self._ca.family):
                    changed = "the certificate that is to be renewed is none of this CA's"
                if changed:
                    return _rejection(asking, HTTPStatus.FORBIDDEN, f"{changed} (RFC 7030 section 4.2.2)")
            self._policy.check(request)
        except SigningRequestRefused as error:
            is_malformed = error.field in ("signature", "extensions")
            return _rejection(asking, HTTPStatus.BAD_REQUEST if is_malformed else HTTPStatus.FORBIDDEN, str(error))
        if self._is_put_off(request):
            text = f"the request waits for approval; ask again after {self._retry_after} s"
            return _rejection(asking, HTTPStatus.ACCEPTED, text, **{"Retry-After": str(self._retry_after)})
        granted = self._ca.sign(request, policy=self._policy, **self._issuing)
        if self.misbehaviour is None:
            self._issued.append(granted)
        given = misissued(self._ca, request, self.misbehaviour, granted)
        return self._granted(asking, certs_only([given]), _CERTS_ONLY)

    def _granted(self, asking: ESTRequest, der: bytes, content_type: str) -> _Answer:
        body = to_base64(der)
        misbehaviour = self.misbehaviour
        if misbehaviour == "content type":
            content_type = "text/plain"
        elif misbehaviour == "html":
            return _Answer(asking, (("Content-Type", "text/html; charset=utf-8"),), _HTML)
        elif misbehaviour == "huge":
            body = to_base64(bytes(_HUGE))
        elif misbehaviour == "truncated":
            body = body[: len(body) // 2]
        # RFC 8951 section 3 has receivers ignore the transfer encoding; only clients of RFC 7030 look for it.
        return _Answer(asking, (("Content-Type", content_type), ("Content-Transfer-Encoding", "base64")), body)

    # --- who asks, and how often -------------------------------------------------------------------------------------

    def _user(self, authorization: str) -> str | None:
        """Whose name and password a header holds (RFC 7617); None if they are not known here."""
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(credentials.strip(), validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            return None
        known = self._users.get(name)
        if known is None or not hmac.compare_digest(known.encode(), password.encode()):
            return None
        return name

    def _is_put_off(self, request: CertificateSigningRequest) -> bool:
        with self._lock:
            self._put_off[request.pem] += 1
            if self._put_off[request.pem] <= self._pending:
                return True
            del self._put_off[request.pem]
            return False

    def __repr__(self) -> str:
        where = self.url if self.is_running else "not running"
        return f"<ESTServer of {self._ca.subject}, {where}>"


@dataclass(frozen=True)
class _Answer:
    """What is sent back, and what is kept of it."""

    request: ESTRequest
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def _attributes(wanted: Iterable[CSRAttribute]) -> bytes:
    if isinstance(wanted, (str, bytes)):
        raise InvalidArgument("csr_attributes", wanted, "a list of object identifiers")
    return csr_attributes(wanted)


def _parts(path: str) -> tuple[str, str]:
    """The label and the operation that a path names; both empty if it is not a path of EST."""
    below = path[len(_PREFIX) :].split("/") if path.startswith(f"{_PREFIX}/") else []
    if len(below) == 2:
        return "", below[1]
    return (below[1], below[2]) if len(below) == 3 else ("", "")


def _rejection(asking: ESTRequest, status: HTTPStatus, why: str, **headers: str) -> _Answer:
    request = replace(asking, status=int(status), detail=why)
    if status in _TO_ASK_AGAIN:
        return _Answer(request, tuple(headers.items()))
    plain = ("Content-Type", "text/plain; charset=utf-8")
    return _Answer(request, (plain, *headers.items()), f"{why}\n".encode())
