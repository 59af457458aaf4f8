"""What a CA answers when it is asked whether a certificate is revoked (OCSP, RFC 6960). No sockets here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal
from weakref import WeakKeyDictionary

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.clock import now
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind, PrivateKey, signature_hash
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.certificates.profile import CertificateProfile
from pytest_mtls.certificates.pss import pss_hash
from pytest_mtls.certificates.readable import UNREADABLE
from pytest_mtls.certificates.revocation import Revocation
from pytest_mtls.certificates.validity import AUTHORITY_LIFE, LEAF_LIFE, validity
from pytest_mtls.errors import InvalidArgument, MissingPrivateKey, UnsupportedKeyKind

__all__ = [
    "OCSP_MISBEHAVIOURS",
    "OCSPMisbehaviour",
    "StatusAnswer",
    "StatusAnswers",
    "checked_misbehaviour",
    "misbehaving_url",
    "misbehaviour_of_path",
]

OCSPMisbehaviour = Literal[
    "stale",
    "forged",
    "of another issuer",
    "of another certificate",
    "of an unauthorized signer",
    "unknown",
    "try later",
    "silent",
    "revoked",
]

#: What a responder does wrong on purpose, by name.
OCSP_MISBEHAVIOURS: Mapping[str, str] = {
    "stale": "the certificate was good, says an answer whose time ended a day ago",
    "forged": "the certificate is good, says an answer that somebody else signed in the responder's name",
    "of another issuer": "the certificate is good, says an answer that a CA signed which did not issue it",
    "of an unauthorized signer": "the certificate is good, says an answer that an ordinary client of the CA signed",
    "of another certificate": "the answer says that another certificate of the same issuer is good",
    "unknown": "the responder does not know the certificate",
    "try later": "the responder cannot answer now",
    "silent": "the responder takes the request and never answers",
    "revoked": "the certificate is revoked, though no CRL says so",
}

#: How old an answer with the status of a stale one is, and when its time ended.
_STALE_SINCE, _STALE_UNTIL = timedelta(days=2), timedelta(days=1)
#: A nonce has 1 to 128 octets (RFC 9654 section 2.1).
_NONCE_OCTETS = range(1, 129)
_MOST_KEPT = 20_000
#: The algorithms by which requests name an issuer.
_HASHES = {one.name: one for one in (hashes.SHA1, hashes.SHA224, hashes.SHA256, hashes.SHA384, hashes.SHA512)}
#: By CA and algorithm, the hashes of its name and its key.
_MARKS: WeakKeyDictionary[CertificateAuthority, dict[str, tuple[bytes, bytes]]] = WeakKeyDictionary()


def checked_misbehaviour(misbehaviour: str | None, known: Mapping[str, str] = OCSP_MISBEHAVIOURS) -> str | None:
    """A misbehaviour that a caller named.

    Raises:
        InvalidArgument: there is none of that name.
    """
    if misbehaviour is not None and misbehaviour not in known:
        raise InvalidArgument("misbehaviour", misbehaviour, f"None, or one of {', '.join(map(repr, known))}")
    return misbehaviour


def misbehaving_url(root: str, misbehaviour: str) -> str:
    """Where a responder whose URL is ``root`` misbehaves in one way, whatever it does elsewhere."""
    return f"{root}{_segment(misbehaviour)}/"


def misbehaviour_of_path(path: str) -> tuple[str | None, str]:
    """The misbehaviour that the path of a request asks for, and the rest of the path."""
    first, _, rest = path.lstrip("/").partition("/")
    named = next((name for name in OCSP_MISBEHAVIOURS if first == _segment(name)), None)
    return (None, path) if named is None else (named, rest)


def _segment(misbehaviour: str) -> str:
    return misbehaviour.replace(" ", "-")


@dataclass(frozen=True)
class StatusAnswer:
    """What was answered to one request.

    Attributes:
        status: "good", "revoked" or "unknown"; or, where there is no such answer, why: "malformed request",
            "unauthorized" (the certificate is of an issuer that this responder does not speak for), "try later" or
            "silent".
        serial_number: of the certificate that was asked about; None if the request could not be read.
        nonce: what the request had the answer repeat, if anything.
        der: the OCSPResponse, DER; empty if nothing is answered.
    """

    status: str
    serial_number: int | None
    nonce: bytes | None
    der: bytes


@dataclass(frozen=True)
class _Signer:
    """Who signs the answers about one CA's certificates."""

    ca: CertificateAuthority
    certificate: x509.Certificate
    key: PrivateKey
    sends_certificate: bool


class StatusAnswers:
    """The answers of a CA and of all related CAs whose key is here.

    They follow the CAs: who is revoked now is revoked in the next answer. An answer without a nonce is built once, and
    again when any of the CAs has revoked something or when the half of its time is over. It may be used from several
    threads at once.

    Args:
        ca: whose certificates are asked about.
        delegated: whether the CAs have others sign for them, each a responder whose certificate it issued for
            OCSPSigning (RFC 6960 section 4.2.2.2), instead of signing themselves.
        nonce: whether a nonce in a request is repeated in the answer (RFC 9654).

    Raises:
        InvalidArgument: ``ca`` is none.
        MissingPrivateKey: its key is not here.
        UnsupportedKeyKind: answers cannot be signed with such a key.
    """

    def __init__(self, ca: CertificateAuthority, *, delegated: bool = False, nonce: bool = True) -> None:
        if not isinstance(ca, CertificateAuthority):
            raise InvalidArgument("ca", ca, "a CertificateAuthority")
        if ca.private_key is None:
            raise MissingPrivateKey(ca.subject, "answering OCSP requests")
        self._ca = ca
        self._delegated = delegated
        self._nonce = nonce
        self._signers: dict[CertificateAuthority, _Signer] = {}
        self._issuers: dict[tuple[str, bytes, bytes], CertificateAuthority] = {}
        self._issuers_known: dict[str, int] = {}
        self._kept: tuple[tuple[int, str | None], datetime, dict[bytes, StatusAnswer]] = ((-1, None), now(), {})
        self._signer_of(ca)

    def answer(self, request: bytes, misbehaviour: str | None = None) -> StatusAnswer:
        """Answer one request.

        Args:
            request: an OCSPRequest, DER, about one certificate, as RFC 5019 section 2.1.1 has it. One about several is
                malformed here.
            misbehaviour: what is wrong with the answer on purpose, a name of `OCSP_MISBEHAVIOURS`.

        Raises:
            InvalidArgument: an unknown misbehaviour.
        """
        checked_misbehaviour(misbehaviour)
        state, moment = (self._ca.revision, misbehaviour), now()
        known, until, kept = self._kept
        if known != state or moment >= until or len(kept) >= _MOST_KEPT:
            kept = {}
            self._kept = state, moment + LEAF_LIFE / 2, kept
        found = kept.get(request)
        if found is None:
            found = self._build(request, misbehaviour, moment)
            if found.nonce is None:
                kept[request] = found
        return found

    def _build(self, der: bytes, misbehaviour: str | None, moment: datetime) -> StatusAnswer:
        try:
            request = ocsp.load_der_ocsp_request(der)
            serial = request.serial_number
            issuer = (request.hash_algorithm.name, request.issuer_name_hash, request.issuer_key_hash)
            nonce = _nonce_of(request) if self._nonce else None
        except (*UNREADABLE, NotImplementedError):
            return _unsuccessful("malformed request", ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if serial < 0:  # no CA may give one (RFC 5280 section 4.1.2.2), and no answer about it can be made
            return _unsuccessful("malformed request", ocsp.OCSPResponseStatus.MALFORMED_REQUEST, serial, nonce)
        if nonce is not None and len(nonce) not in _NONCE_OCTETS:
            return _unsuccessful("malformed request", ocsp.OCSPResponseStatus.MALFORMED_REQUEST, serial, nonce)
        if misbehaviour == "silent":
            return StatusAnswer("silent", serial, nonce, b"")
        if misbehaviour == "try later":
            return _unsuccessful("try later", ocsp.OCSPResponseStatus.TRY_LATER, serial, nonce)
        ca = self._issuer(issuer)
        if ca is None:
            return _unsuccessful("unauthorized", ocsp.OCSPResponseStatus.UNAUTHORIZED, serial, nonce)
        return self._signed(ca, request, nonce, misbehaviour, moment)

    def _signed(
        self,
        ca: CertificateAuthority,
        request: ocsp.OCSPRequest,
        nonce: bytes | None,
        misbehaviour: str | None,
        moment: datetime,
    ) -> StatusAnswer:
        signer, serial, named_by = self._signer_of(ca), request.serial_number, ocsp.OCSPResponderEncoding.HASH
        since, until = validity()
        revocation = ca.revocation_of(serial)
        if misbehaviour == "revoked":
            revocation = revocation or Revocation(serial, since, x509.ReasonFlags.unspecified)
            status = ocsp.OCSPCertStatus.REVOKED
        elif misbehaviour == "unknown":
            status = ocsp.OCSPCertStatus.UNKNOWN
        elif misbehaviour is not None or revocation is None:  # whoever forges an answer has the certificate be good
            status = ocsp.OCSPCertStatus.GOOD
        else:
            status = ocsp.OCSPCertStatus.REVOKED
        if misbehaviour == "stale":
            since, until = moment - _STALE_SINCE, moment - _STALE_UNTIL
        elif misbehaviour == "forged":
            signer, named_by = _forger(ca), ocsp.OCSPResponderEncoding.NAME
        elif misbehaviour == "of another issuer":
            signer = self._stranger
        elif misbehaviour == "of an unauthorized signer":
            signer = _unauthorized(ca)
        elif misbehaviour == "of another certificate":
            request = _about(request, serial + 1)
        is_revoked = revocation is not None and status is ocsp.OCSPCertStatus.REVOKED
        date = revocation.date.replace(tzinfo=None) if revocation is not None and is_revoked else None
        reason = revocation.reason if revocation is not None and is_revoked else None
        builder = _with_status(
            ca.certificate,
            request,
            cert_status=status,
            this_update=since.replace(tzinfo=None),
            next_update=until.replace(tzinfo=None),
            revocation_time=date,
            revocation_reason=None if reason is x509.ReasonFlags.unspecified else reason,
        )
        builder = builder.responder_id(named_by, signer.certificate)
        if signer.sends_certificate:
            # With the intermediates, by which a peer that trusts only the root gets to the signer.
            builder = builder.certificates([signer.certificate, *signer.ca.chain])
        if nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return StatusAnswer(status.name.lower(), serial, nonce, _sign(builder, signer))

    def _signer_of(self, ca: CertificateAuthority) -> _Signer:
        if ca not in self._signers:
            assert ca.private_key is not None
            signer = _Signer(ca, ca.certificate, ca.private_key, sends_certificate=False)
            if self._delegated:
                identity = _delegate(ca)
                assert identity.private_key is not None
                signer = _Signer(ca, identity.certificate, identity.private_key, sends_certificate=True)
            _check_signs(signer)
            self._signers[ca] = signer
        return self._signers[ca]

    @cached_property
    def _stranger(self) -> _Signer:
        other = CertificateAuthority.create("Another CA")
        assert other.private_key is not None
        return _Signer(other, other.certificate, other.private_key, sends_certificate=True)

    def _issuer(self, asked: tuple[str, bytes, bytes]) -> CertificateAuthority | None:
        """The CA that a request means by the hashes of its name and its key (RFC 6960 section 4.1.1)."""
        algorithm, family = asked[0], self._ca.family
        if algorithm not in _HASHES:
            return None
        for ca in family[self._issuers_known.get(algorithm, 0) :]:
            if ca.private_key is not None:
                name_hash, key_hash = _mark(ca, algorithm)
                self._issuers[algorithm, name_hash, key_hash] = ca
        self._issuers_known[algorithm] = len(family)
        return self._issuers.get(asked)


def _mark(ca: CertificateAuthority, algorithm: str) -> tuple[bytes, bytes]:
    """The hashes of a CA's name and key, by which requests mean it; they are made once."""
    marks = _MARKS.setdefault(ca, {})
    if algorithm not in marks:
        name = hashes.Hash(_HASHES[algorithm]())
        name.update(ca.certificate.subject.public_bytes())
        marks[algorithm] = name.finalize(), _about_itself(ca.certificate, _HASHES[algorithm]()).issuer_key_hash
    return marks[algorithm]


def _about_itself(certificate: x509.Certificate, algorithm: Any) -> ocsp.OCSPRequest:
    """A request that has the hash of this key; the name in it is that of the issuer."""
    return ocsp.OCSPRequestBuilder().add_certificate(certificate, certificate, algorithm).build()


def _about(request: ocsp.OCSPRequest, serial_number: int) -> ocsp.OCSPRequest:
    """The same request about another certificate."""
    issuer = request.issuer_name_hash, request.issuer_key_hash
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(*issuer, serial_number, request.hash_algorithm)
    return builder.build()


def _nonce_of(request: ocsp.OCSPRequest) -> bytes | None:
    try:
        return request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None


def _unsuccessful(
    status: str, code: ocsp.OCSPResponseStatus, serial: int | None = None, nonce: bytes | None = None
) -> StatusAnswer:
    der = ocsp.OCSPResponseBuilder.build_unsuccessful(code).public_bytes(Encoding.DER)
    return StatusAnswer(status, serial, nonce, der)


def _with_status(issuer: x509.Certificate, asked: ocsp.OCSPRequest, **status: Any) -> ocsp.OCSPResponseBuilder:
    builder: Any = ocsp.OCSPResponseBuilder()
    made: ocsp.OCSPResponseBuilder
    serial, algorithm = asked.serial_number, asked.hash_algorithm
    if hasattr(builder, "add_response_by_hash"):
        made = builder.add_response_by_hash(asked.issuer_name_hash, asked.issuer_key_hash, serial, algorithm, **status)
        return made
    # An older cryptography wants a certificate of that serial number.
    start, end = validity()
    profile = CertificateProfile(x509.Name([]), start, end, serial_number=serial)
    key = KeyKind.ED25519.generate()
    certificate = profile.sign(key.public_key(), issuer_name=issuer.subject, issuer_key=key, issuer_key_identifier=None)
    made = builder.add_response(certificate, issuer, algorithm, **status)
    return made


def _sign(builder: ocsp.OCSPResponseBuilder, signer: _Signer) -> bytes:
    key: Any = signer.key
    return builder.sign(key, signature_hash(signer.key)).public_bytes(Encoding.DER)


def _forger(ca: CertificateAuthority) -> _Signer:
    """Somebody of the CA's name, with a key of the same kind that is another."""
    impostor = ca.impostor(key_kind=KeyKind.of(ca.certificate.public_key()) or KeyKind.P256)
    assert impostor.private_key is not None
    return _Signer(ca, impostor.certificate, impostor.private_key, sends_certificate=False)


def _unauthorized(ca: CertificateAuthority) -> _Signer:
    """Somebody whom the CA certified, and not for this: the extended key usage is lacking (RFC 6960 section 4.2.2.2)."""
    client = ca.issue_client()
    assert client.private_key is not None
    return _Signer(ca, client.certificate, client.private_key, sends_certificate=True)


def _check_signs(signer: _Signer) -> None:
    """See that answers can be signed so, before anybody asks."""
    moment = now().replace(tzinfo=None)
    builder = _with_status(
        signer.ca.certificate,
        _about_itself(signer.ca.certificate, hashes.SHA256()),
        cert_status=ocsp.OCSPCertStatus.UNKNOWN,
        this_update=moment,
        next_update=moment,
        revocation_time=None,
        revocation_reason=None,
    )
    try:
        if pss_hash(signer.certificate) is not None:
            raise TypeError("its key is for RSASSA-PSS only")
        _sign(builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate), signer)
    except (*UNREADABLE, TypeError) as error:
        problem = (
            f"cryptography cannot sign OCSP answers with it ({error}). Use a CA with another key, or delegated=True."
        )
        raise UnsupportedKeyKind(str(KeyKind.of(signer.key)), problem) from None


def _delegate(ca: CertificateAuthority) -> Identity:
    """The certificate of a responder, which itself is not checked for revocation (RFC 6960 section 4.2.2.2.1)."""
    start, end = validity(life=AUTHORITY_LIFE)
    profile = CertificateProfile(
        distinguished_name("OCSP responder"),
        start,
        end,
        extended_key_usage=(ExtendedKeyUsageOID.OCSP_SIGNING,),
        extra_extensions=(x509.Extension(x509.OCSPNoCheck.oid, False, x509.OCSPNoCheck()),),
    )
    return ca.issue(profile)
