"""Certificates as header values, and back. What cannot be read is a `ValueError` whose text says what is wrong."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.certificates.der import read_der
from pytest_mtls.certificates.readable import UNREADABLE

__all__ = [
    "base64_der",
    "der",
    "from_wire",
    "pem",
    "percent_encoded_pem",
    "read_base64",
    "read_base64_der",
    "read_certificate",
    "read_certificates",
    "read_pem",
    "read_percent_encoded_pem",
    "wire",
]

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)\n-----END CERTIFICATE-----\n?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TRUNCATED = "it is truncated"
_DOUBLE = "it is encoded twice"


def wire(text: str) -> str:
    """Text as UTF-8 bytes in the form that header values have in Python: a character for each byte (PEP 3333)."""
    return text.encode().decode("latin-1")


def from_wire(value: str) -> str:
    """The text that `wire` made a header value of.

    Raises:
        ValueError: it is not UTF-8.
    """
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        raise ValueError("it is not UTF-8, a character for each byte") from None


def der(certificate: x509.Certificate) -> bytes:
    """A certificate as DER."""
    return certificate.public_bytes(Encoding.DER)


def pem(certificates: Iterable[x509.Certificate]) -> str:
    """Certificates as PEM, each with a newline at its end."""
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)


def base64_der(certificate: x509.Certificate) -> str:
    """A certificate as base64 of its DER, in one line."""
    return base64.b64encode(der(certificate)).decode()


def percent_encoded_pem(certificates: Iterable[x509.Certificate], safe: str = "") -> str:
    """Certificates as PEM, percent-encoded (RFC 3986 section 2.1) except for letters, digits, ``-._~`` and what is safe."""
    return quote(pem(certificates), safe=safe)


def read_percent_encoded_pem(value: str) -> tuple[x509.Certificate, ...]:
    """The certificates that `percent_encoded_pem` wrote."""
    if re.search(r"\s", value):
        raise ValueError("it is not percent-encoded")
    if _BAD_ESCAPE.search(value):
        raise ValueError(f"{_TRUNCATED}, or no percent-encoding")
    text = unquote(value, errors="strict")
    if "%" in text:
        raise ValueError(_DOUBLE)
    return read_pem(text)


def read_pem(text: str) -> tuple[x509.Certificate, ...]:
    """The certificates in PEM text, which holds nothing else."""
    certificates, end = [], 0
    for block in _PEM.finditer(text):
        if block.start() != end:
            break
        certificates.append(read_base64_der(block[1].replace("\n", "")))
        end = block.end()
    if end == len(text) and certificates:
        return tuple(certificates)
    if re.search(r"\n[A-Za-z0-9/+=]* [A-Za-z0-9/+= ]*\n", text):
        raise ValueError("it has spaces where base64 has +, as a form decoder leaves them")
    if text.count("-----BEGIN ") > text.count("-----END CERTIFICATE-----"):
        raise ValueError(_TRUNCATED)
    raise ValueError("it is not PEM of certificates")


def read_base64(value: str, *, padded: bool | None = True) -> bytes:
    """The bytes that base64 (RFC 4648 section 4) stands for.

    Args:
        value: the text.
        padded: whether its ``=`` are there; None for either.
    """
    if "%" in value:
        raise ValueError(f"{_DOUBLE}: percent-encoding around base64")
    if not _BASE64.fullmatch(value):
        raise ValueError("it is not base64")
    if not padded and "=" not in value:
        value += "=" * (-len(value) % 4)
    if len(value) % 4:
        raise ValueError(_TRUNCATED)
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError("it is not base64") from None


def read_base64_der(value: str) -> x509.Certificate:
    """The certificate that `base64_der` wrote."""
    return read_certificate(read_base64(value))


def read_certificate(data: bytes) -> x509.Certificate:
    """The certificate in DER, with nothing after it."""
    (certificate, *others) = read_certificates(data)
    if others:
        raise ValueError("it holds more than one certificate")
    return certificate


def read_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in DER, one after the other; at least one."""
    if not data:
        raise ValueError("it is empty")
    if data.startswith((b"-----BEGIN", b"MII")):
        raise ValueError(_DOUBLE)
    certificates = []
    while data:
        _, _, rest = read_der(data)
        try:
            certificate = x509.load_der_x509_certificate(data[: len(data) - len(rest)])
            _ = certificate.subject, certificate.issuer  # which are read only now
        except UNREADABLE:
            raise ValueError("it holds no certificate") from None
        certificates.append(certificate)
        data = rest
    return tuple(certificates)
