"""Certificates changed below what `cryptography` would sign: a few lines of DER (X.690), taken apart and put together.

Only what a case needs: the fields of the part of a certificate that is signed (TBSCertificate, RFC 5280 section 4.1).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from pytest_mtls.certificates.key import PrivateKey, signature_hash

__all__ = [
    "ECDSA_WITH_SHA1",
    "ECDSA_WITH_SHA256",
    "ECDSA_WITH_SHA384",
    "EMPTY_NAME",
    "EXTENSIONS",
    "ISSUER",
    "MD5_WITH_RSA",
    "SERIAL",
    "SIGNATURE",
    "VERSION",
    "Edit",
    "assemble",
    "element",
    "resign",
    "take_apart",
]

#: Changes the fields of a TBSCertificate in place.
Edit = Callable[[list[bytes]], None]

#: Where fields of a version 3 TBSCertificate are.
VERSION, SERIAL, SIGNATURE, ISSUER, EXTENSIONS = 0, 1, 2, 3, -1

EMPTY_NAME = b"\x30\x00"

_SEQUENCE = 0x30
_BIT_STRING = 0x03

#: AlgorithmIdentifiers (RFC 5758 section 3.2, RFC 3279 section 2.2).
ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ECDSA_WITH_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
ECDSA_WITH_SHA1 = bytes.fromhex("300906072a8648ce3d0401")
MD5_WITH_RSA = bytes.fromhex("300d06092a864886f70d0101040500")


def element(tag: int, content: bytes) -> bytes:
    """One DER element."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def take_apart(sequence: bytes) -> list[bytes]:
    """The elements of a SEQUENCE, each whole."""
    content, rest = _split(sequence)
    assert not rest
    parts = []
    while content:
        _, rest = _split(content)
        parts.append(content[: len(content) - len(rest)])
        content = rest
    return parts


def assemble(tbs: bytes, algorithm: bytes, signature: bytes) -> x509.Certificate:
    """A certificate of its three parts, whether they fit together or not."""
    with warnings.catch_warnings():  # of serial numbers that are not positive
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(
            element(_SEQUENCE, tbs + algorithm + element(_BIT_STRING, b"\x00" + signature))
        )


def resign(
    certificate: x509.Certificate,
    key: PrivateKey,
    edit: Edit,
    *,
    digest: hashes.HashAlgorithm | None = None,
) -> x509.Certificate:
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
    tbs = element(_SEQUENCE, b"".join(fields))
    return assemble(tbs, algorithm, _sign(key, tbs, digest or signature_hash(key)))


def _sign(key: PrivateKey, data: bytes, digest: hashes.HashAlgorithm | None) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey) and digest is not None:
        return key.sign(data, PKCS1v15(), digest)
    if isinstance(key, ec.EllipticCurvePrivateKey) and digest is not None:
        return key.sign(data, ec.ECDSA(digest))
    return key.sign(data)  # type: ignore[call-arg]  # Ed25519 and ML-DSA have a hash of their own


def _split(data: bytes) -> tuple[bytes, bytes]:
    """The content of the first element, and what follows it."""
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    return data[start : start + size], data[start + size :]
