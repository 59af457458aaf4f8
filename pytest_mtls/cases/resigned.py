"""Certificates changed below what `cryptography` would sign, and signed again.

Only what a case needs: the fields of the part of a certificate that is signed (TBSCertificate, RFC 5280 section 4.1).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PSS, PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import SignatureAlgorithmOID

from pytest_mtls.certificates.der import BIT_STRING, element, sequence, take_apart
from pytest_mtls.certificates.key import PrivateKey, signature_hash

__all__ = [
    "ECDSA_WITH_SHA1",
    "ECDSA_WITH_SHA256",
    "ECDSA_WITH_SHA384",
    "EMPTY_NAME",
    "EXTENSIONS",
    "ISSUER",
    "MD5_WITH_RSA",
    "PUBLIC_KEY",
    "SERIAL",
    "SIGNATURE",
    "VALIDITY",
    "VERSION",
    "Edit",
    "assemble",
    "resign",
    "resign_der",
]

#: Changes the fields of a TBSCertificate in place.
Edit = Callable[[list[bytes]], None]

#: Where fields of a version 3 TBSCertificate are.
VERSION, SERIAL, SIGNATURE, ISSUER, VALIDITY, PUBLIC_KEY, EXTENSIONS = 0, 1, 2, 3, 4, 6, -1

EMPTY_NAME = b"\x30\x00"

#: AlgorithmIdentifiers (RFC 5758 section 3.2, RFC 3279 section 2.2).
ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ECDSA_WITH_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
ECDSA_WITH_SHA1 = bytes.fromhex("300906072a8648ce3d0401")
MD5_WITH_RSA = bytes.fromhex("300d06092a864886f70d0101040500")


def assemble(tbs: bytes, algorithm: bytes, signature: bytes) -> x509.Certificate:
    """A certificate of its three parts, whether they fit together or not."""
    return _load(_put_together(tbs, algorithm, signature))


def _put_together(tbs: bytes, algorithm: bytes, signature: bytes) -> bytes:
    return sequence(tbs, algorithm, element(BIT_STRING, b"\x00" + signature))


def _load(der: bytes) -> x509.Certificate:
    with warnings.catch_warnings():  # of serial numbers that are not positive
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(der)


def resign(
    certificate: x509.Certificate,
    key: PrivateKey,
    edit: Edit,
    *,
    digest: hashes.HashAlgorithm | None = None,
) -> x509.Certificate:
    """Change a certificate's fields, and sign it again; as `resign_der`, for what `cryptography` can load."""
    return _load(resign_der(certificate, key, edit, digest=digest))


def resign_der(
    certificate: x509.Certificate,
    key: PrivateKey,
    edit: Edit,
    *,
    digest: hashes.HashAlgorithm | None = None,
) -> bytes:
    """Change a certificate's fields, and sign it again.

    Args:
        certificate: one of version 3.
        key: the issuer's, EC or RSA.
        edit: what changes the fields.
        digest: the hash to sign with; the one that fits the key by default.
    """
    fields = take_apart(certificate.tbs_certificate_bytes)
    _, algorithm, _ = take_apart(certificate.public_bytes(Encoding.DER))
    unchanged = fields[SIGNATURE]
    edit(fields)
    if fields[SIGNATURE] != unchanged and digest is not None:
        algorithm = fields[SIGNATURE]
    tbs = sequence(*fields)
    if certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS and digest is None:
        pss, by_way_of = certificate.signature_algorithm_parameters, certificate.signature_hash_algorithm
        assert isinstance(key, rsa.RSAPrivateKey)
        assert isinstance(pss, PSS)
        assert by_way_of is not None
        return _put_together(tbs, algorithm, key.sign(tbs, pss, by_way_of))
    return _put_together(tbs, algorithm, _sign(key, tbs, digest or signature_hash(key)))


def _sign(key: PrivateKey, data: bytes, digest: hashes.HashAlgorithm | None) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey) and digest is not None:
        return key.sign(data, PKCS1v15(), digest)
    if isinstance(key, ec.EllipticCurvePrivateKey) and digest is not None:
        return key.sign(data, ec.ECDSA(digest))
    return key.sign(data)  # type: ignore[call-arg]  # Ed25519 and ML-DSA have a hash of their own
