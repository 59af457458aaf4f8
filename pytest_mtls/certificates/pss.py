"""CAs whose key is only for RSASSA-PSS, so that they may not sign by PKCS#1 v1.5 (RFC 4055 section 1.2)."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from pytest_mtls.certificates.der import object_identifier, take_apart

__all__ = ["pss_hash", "pss_padding"]

_RSASSA_PSS = object_identifier("1.2.840.113549.1.1.10")
#: The hashes that the parameters of a key may bind it to; SHA-256 serves for a key without any.
_HASHES: tuple[tuple[bytes, hashes.SHA256 | hashes.SHA384 | hashes.SHA512], ...] = (
    (object_identifier("2.16.840.1.101.3.4.2.2"), hashes.SHA384()),
    (object_identifier("2.16.840.1.101.3.4.2.3"), hashes.SHA512()),
)
_VERSION = 0xA0


def pss_hash(certificate: x509.Certificate) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The hash that a certificate's key signs with by RSASSA-PSS; None if its algorithm is another.

    cryptography loads such a key as any RSA key, so that only the certificate tells.
    """
    try:
        parts = take_apart(certificate.tbs_certificate_bytes)
        key = parts[6 if parts[0][0] == _VERSION else 5]
        algorithm = take_apart(key)[0]
        if take_apart(algorithm)[0] != _RSASSA_PSS:
            return None
    except (ValueError, IndexError):
        return None
    return next((known for oid, known in _HASHES if oid in algorithm), hashes.SHA256())


def pss_padding(digest: hashes.HashAlgorithm) -> padding.PSS:
    """With a salt as long as the hash, as RFC 8446 section 4.2.3 and most parameters of keys have it."""
    return padding.PSS(padding.MGF1(digest), digest.digest_size)
