"""Signatures by way of SHA-1 and MD5, which `cryptography` does not verify in certificates and requests.

They can be forged (RFC 6194, RFC 6151), and are told from those that are wrong.
"""

from __future__ import annotations

from typing import Union

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from pytest_mtls.certificates.readable import UNREADABLE

__all__ = ["weak_hash_of_valid"]

_Signed = Union[x509.Certificate, x509.CertificateSigningRequest]


def weak_hash_of_valid(signed: _Signed, signer: _Signed) -> str | None:
    """The weak hash by way of which a signature is valid, "SHA-1" or "MD5"; None for any other signature.

    Args:
        signed: the certificate or request.
        signer: what has the public key that it should be signed with: its issuer, or the request itself.
    """
    try:
        digest, key = signed.signature_hash_algorithm, signer.public_key()
        if not isinstance(digest, (hashes.SHA1, hashes.MD5)):
            return None
        data = signed.tbs_certificate_bytes if isinstance(signed, x509.Certificate) else signed.tbs_certrequest_bytes
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signed.signature, data, PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signed.signature, data, ec.ECDSA(digest))
        else:
            return None
    except (*UNREADABLE, InvalidSignature):
        return None
    return "SHA-1" if isinstance(digest, hashes.SHA1) else "MD5"
