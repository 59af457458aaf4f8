"""The OCSP answer that a server staples to its certificate (RFC 6066 section 8, RFC 8446 section 4.4.2.1). No sockets here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.ocsp import StatusAnswers
from pytest_mtls.certificates.readable import UNREADABLE
from pytest_mtls.errors import InvalidArgument

__all__ = ["ABSENT", "CURRENT", "Staple", "Stapler"]

#: The OCSP answer that a server staples to its certificate: the truth; what is wrong with it, a name of
#: `certificates.ocsp.OCSP_MISBEHAVIOURS`; or none, whatever else says that there should be one. An answer about another
#: certificate is not among them: OpenSSL since 3.6 sends none that is not about the certificate beside it.
Staple = Literal[
    "current",
    "revoked",
    "stale",
    "forged",
    "of another issuer",
    "of an unauthorized signer",
    "unknown",
    "try later",
    "absent",
]
CURRENT: Staple = "current"
ABSENT: Staple = "absent"


class Stapler:
    """Answers about one server's certificate, each as its CA would give it at that moment.

    Args:
        identity: what the server presents.
        authorities: the CAs that are at hand; one of them, or one related to them, issued the certificate.
        staple: "current" for the truth, or what is wrong with the answers.

    Raises:
        InvalidArgument: none of the CAs issued the certificate, or its key is not here.
    """

    def __init__(self, identity: Identity, authorities: Iterable[CertificateAuthority], staple: Staple) -> None:
        issuer = _issuer(identity, authorities)
        if issuer is None:
            allowed = "None where the key of the CA that issued the server's certificate is not among the trusted ones"
            raise InvalidArgument("staple", staple, allowed)
        # By SHA-1, the one hash that every client knows a certificate by (RFC 5019 section 2.1.1).
        builder = ocsp.OCSPRequestBuilder().add_certificate(identity.certificate, issuer.certificate, SHA1())
        self._request = builder.build().public_bytes(Encoding.DER)
        self._answers = StatusAnswers(issuer, nonce=False)
        self._misbehaviour = None if staple == CURRENT else staple

    def __call__(self) -> bytes:
        """The answer, DER."""
        return self._answers.answer(self._request, self._misbehaviour).der


def _issuer(identity: Identity, authorities: Iterable[CertificateAuthority]) -> CertificateAuthority | None:
    """The CA that issued the certificate: of several with the issuer's name, that whose key made the signature."""
    for known in authorities:
        for ca in known.family:
            if ca.private_key is not None and _has_signed(ca, identity.certificate):
                return ca
    return None


def _has_signed(ca: CertificateAuthority, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca.certificate)
    except InvalidSignature:
        return False
    except (*UNREADABLE, TypeError, UnsupportedAlgorithm):  # a signature that cryptography does not check
        return certificate.issuer == ca.certificate.subject
    return True
