"""DER: one thing, told by what it can be read as."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key, pkcs7

from pytest_mtls.certificates.der import SEQUENCE, read_der
from pytest_mtls.certificates.readable import UNREADABLE, complaint
from pytest_mtls.inspection.found import Content, HeldKey, Unreadable

__all__ = [
    "is_pkcs12",
    "read_any",
    "read_certificate",
    "read_crl",
    "read_pkcs7",
    "read_public_key",
    "read_request",
    "read_trusted_certificate",
]

#: 1.2.840.113549.1.7, the arc of PKCS#7's content types, as an OBJECT IDENTIFIER of nine bytes.
_PKCS7_TYPE = bytes.fromhex("06092a864886f70d0107")
#: 1.2.840.113549.1.5.13 and the others of PKCS#5 and PKCS#12 by which a key is encrypted.
_ENCRYPTIONS = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))


def is_pkcs12(data: bytes) -> bool:
    """Whether it is a PFX: a SEQUENCE that begins with the INTEGER 3, its version, and PKCS#7 after it (RFC 7292)."""
    return data[:1] == b"\x30" and b"\x02\x01\x03" in data[2:9] and _PKCS7_TYPE in data[5:32]


def read_any(data: bytes, open_key: Callable[[Callable[[bytes | None], Content]], Content]) -> list[Content]:
    """What a DER file holds; empty for what is nothing of the kind."""
    if data[:1] != bytes([SEQUENCE]):
        return []
    if _PKCS7_TYPE in data[2:20]:
        return list(read_pkcs7(data))
    if any(encryption in data[4:24] for encryption in _ENCRYPTIONS):
        return [open_key(lambda password: _private_key(data, password))]
    for read in (read_certificate, read_request, read_crl, read_public_key):
        content = read(data)
        if not isinstance(content, Unreadable):
            return [content]
    try:
        return [_private_key(data, None)]
    except (ValueError, TypeError):
        pass
    if _looks_like_a_certificate(data):
        return [read_certificate(data)]
    return []


def read_certificate(data: bytes) -> Content:
    """A certificate (RFC 5280)."""
    return _read("certificate", x509.load_der_x509_certificate, data)


def read_trusted_certificate(data: bytes) -> Content:
    """A certificate with what OpenSSL adds to it: ``openssl x509 -trustout``."""
    try:
        _, _, rest = read_der(data)
    except ValueError:
        rest = b""
    return read_certificate(data[: len(data) - len(rest)])


def read_request(data: bytes) -> Content:
    """A certificate signing request (PKCS#10, RFC 2986)."""
    return _read("certificate signing request", x509.load_der_x509_csr, data)


def read_crl(data: bytes) -> Content:
    """A CRL (RFC 5280 section 5)."""
    return _read("certificate revocation list", x509.load_der_x509_crl, data)


def read_public_key(data: bytes) -> Content:
    """A public key."""
    return _read("public key", lambda data: HeldKey(load_der_public_key(data), is_private=False), data)  # type: ignore[arg-type]


def read_pkcs7(data: bytes) -> Iterator[Content]:
    """The certificates of PKCS#7 (RFC 2315): a chain without a key, as Windows and some CAs write it."""
    try:
        certificates = pkcs7.load_der_pkcs7_certificates(data)
    except UNREADABLE as error:
        yield Unreadable("PKCS#7", f"it holds no certificates ({complaint(error)})")
        return
    yield from certificates


def _read(what: str, load: Callable[[bytes], Any], data: bytes) -> Content:
    try:
        content: Content = load(data)
    except UNREADABLE as error:
        return Unreadable(what, f"it cannot be parsed ({complaint(error)})")
    return content


def _private_key(data: bytes, password: bytes | None) -> Content:
    is_encrypted = any(encryption in data[4:24] for encryption in _ENCRYPTIONS)
    try:
        key = load_der_private_key(data, password)
    except UnsupportedAlgorithm as error:
        return Unreadable("private key", f"it is of a kind that is not known here ({error})", is_wrong=False)
    return HeldKey(key.public_key(), is_encrypted=is_encrypted)  # type: ignore[arg-type]


def _looks_like_a_certificate(data: bytes) -> bool:
    """Whether it is SEQUENCE { SEQUENCE { [0] version..., as a certificate of version 3 begins."""
    try:
        _, content, _ = read_der(data)
        tag, inner, _ = read_der(content)
    except ValueError:
        return False
    return tag == SEQUENCE and inner[:1] == b"\xa0"
