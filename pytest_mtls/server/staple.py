"""The OCSP answer that a server staples to its certificate (RFC 6066 section 8, RFC 8446 section 4.4.2.1)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pytest_mtls.cases.behaviour import Staple
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.ocsp import StatusAnswers
from pytest_mtls.certificates.trust import Trust
from pytest_mtls.errors import InvalidArgument

__all__ = ["Stapler"]


class Stapler:
    """Answers about one server's certificate, each as its CA would give it at that moment.

    Args:
        identity: what the server presents.
        trust: the CAs that are at hand; one of them, or one related to them, issued the certificate.
        staple: "current" for the truth, or what is wrong with the answers.

    Raises:
        InvalidArgument: none of the CAs issued the certificate, or its key is not here.
    """

    def __init__(self, identity: Identity, trust: Trust | None, staple: Staple) -> None:
        issuer = _issuer(identity, trust)
        if issuer is None:
            allowed = "None where the key of the CA that issued the server's certificate is not among the trusted ones"
            raise InvalidArgument("staple", staple, allowed)
        # By SHA-1, the one hash that every client knows a certificate by (RFC 5019 section 2.1.1).
        builder = ocsp.OCSPRequestBuilder().add_certificate(identity.certificate, issuer.certificate, SHA1())
        self._request = builder.build().public_bytes(Encoding.DER)
        self._answers = StatusAnswers(issuer, nonce=False)
        self._misbehaviour = None if staple == "current" else staple

    def __call__(self) -> bytes:
        """The answer, DER."""
        return self._answers.answer(self._request, self._misbehaviour).der


def _issuer(identity: Identity, trust: Trust | None) -> CertificateAuthority | None:
    certificate = identity.certificate
    for known in trust.authorities if trust is not None else ():
        for ca in known.family:
            is_issuer = ca.certificate.subject == certificate.issuer and identity.chain[1:2] in ((), (ca.certificate,))
            if is_issuer and ca.private_key is not None:
                return ca
    return None
