"""Certificates, keys and requests read from bytes and files, in whichever form they come."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Union

import cryptography
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from pytest_mtls.certificates.key import PrivateKey, password_bytes, same_key
from pytest_mtls.certificates.name_lengths import problem_of_lengths
from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.readable import UNREADABLE, complaint, problem_of_names
from pytest_mtls.certificates.weak_hash import weak_hash_of_valid
from pytest_mtls.errors import (
    IncompleteChain,
    KeyMismatch,
    UnreadableCertificate,
    UnreadablePrivateKey,
    UnreadableSigningRequest,
    WrongPassword,
)

__all__ = [
    "Bundle",
    "Source",
    "is_self_issued",
    "issued",
    "load_bundle",
    "load_certificates",
    "load_private_key",
    "load_signing_request",
    "read",
]

#: Where something is read from: PEM, DER or PKCS#12 as bytes, PEM as text, or the path of a file.
Source = Union[bytes, str, "os.PathLike[str]"]

_PEM = b"-----BEGIN "
#: A cipher that is not known makes a `ValueError` in some versions of cryptography.
_CIPHER_UNKNOWN = re.compile(r"(?i)\bunknown\b")
_LABEL = re.compile(rb"^-----BEGIN ([A-Z0-9 ]+)-----", re.MULTILINE)


@dataclass(frozen=True)
class Bundle:
    """What belongs together: a certificate, those that lead to its root, and its private key.

    Attributes:
        chain: each certificate followed by its issuer's, the root not among them; or what was there, in its order, if not
            all of it is one chain.
        root: the self-signed certificate that the chain leads to, if it was there.
        private_key: that of the first certificate, if it was there.
    """

    chain: tuple[x509.Certificate, ...]
    root: x509.Certificate | None
    private_key: PrivateKey | None


def load_bundle(
    source: Source | x509.Certificate,
    key: Source | PrivateKey | None = None,
    *,
    password: str | bytes | None = None,
    others: Iterable[x509.Certificate] = (),
    as_it_is: bool = False,
) -> Bundle:
    """Read a certificate with its chain and key.

    Args:
        source: the certificate, those of its issuers in any order, and perhaps the key.
        key: the key, if it is elsewhere.
        password: of an encrypted key or PKCS#12 file.
        others: more certificates of the chain.
        as_it_is: take certificates that do not belong to the chain, too.

    Raises:
        UnreadableCertificate, UnreadablePrivateKey: there is none, or it cannot be parsed.
        WrongPassword: the password is missing or does not open the key.
        KeyMismatch: no certificate is that of the key.
        IncompleteChain: a certificate does not belong to the chain of the first, and not ``as_it_is``.
    """
    private_key: PrivateKey | None = None
    if isinstance(source, x509.Certificate):
        certificates: Sequence[x509.Certificate] = [source]
        _check_names([source], "the given certificate")
        label = describe_name(source.subject)
    else:
        data, label = read(source, UnreadableCertificate)
        certificates, private_key = _certificates_and_key(data, label, password, wants_key=key is None)
    if key is not None:
        private_key, label = _given_key(key, password)
    certificates = [*certificates, *others]
    _check_names(others, "the given chain")
    first = _certificate_of(private_key, certificates, label)
    chain, astray = _linked(first, certificates)
    last = chain[-1]
    root = last if len(chain) > 1 and is_self_issued(last) else None
    if astray and not as_it_is:
        lost = astray[0] if is_self_issued(last) else last
        raise IncompleteChain(describe_name(lost.subject), describe_name(lost.issuer))
    if astray:
        chain = tuple(dict.fromkeys([first, *certificates]))
    elif root is not None:
        chain = chain[:-1]
    return Bundle(chain, root, private_key)


def load_certificates(source: Source, *, password: str | bytes | None = None) -> tuple[x509.Certificate, ...]:
    """Read one or several certificates.

    Raises:
        UnreadableCertificate: there is none, or one cannot be parsed.
        WrongPassword: a PKCS#12 file does not open with this password.
    """
    data, label = read(source, UnreadableCertificate)
    return tuple(_certificates_and_key(data, label, password, wants_key=False)[0])


def load_private_key(source: Source, *, password: str | bytes | None = None) -> PrivateKey:
    """Read a private key.

    Raises:
        UnreadablePrivateKey: there is none, or it cannot be parsed.
        WrongPassword: the password is missing or does not open it.
    """
    data, label = read(source, UnreadablePrivateKey)
    if _is_pkcs12(data):
        key = _pkcs12(data, label, password)[1]
        if key is None:
            raise UnreadablePrivateKey(label, "the PKCS#12 data holds none")
        return key
    return _private_key(data, label, password)


def load_signing_request(source: Source) -> x509.CertificateSigningRequest:
    """Read a PKCS#10 request.

    Raises:
        UnreadableSigningRequest: there is none, it cannot be parsed, or a name in it has an attribute that is too long or
            too short.
    """
    data, label = read(source, UnreadableSigningRequest)
    load = x509.load_pem_x509_csr if _PEM in data else x509.load_der_x509_csr
    try:
        request = load(data)
        problem = problem_of_lengths(request.public_bytes(Encoding.DER))
        if problem:
            raise UnreadableSigningRequest(label, f"a name in it has {problem} (RFC 5280 appendix A.1)")
        request.subject.rfc4514_string()
    except UNREADABLE as error:
        raise UnreadableSigningRequest(label, _problem(data, "CERTIFICATE REQUEST", error)) from None
    return request


def read(source: Source, unreadable: Callable[[str, str], Exception] = UnreadableCertificate) -> tuple[bytes, str]:
    """The bytes that a caller gave, or those of the file that the caller named, and what to call them in an error."""
    if isinstance(source, (bytes, bytearray)):
        return bytes(source), "the given bytes"
    if isinstance(source, str) and _PEM.decode() in source:
        return source.encode(), "the given text"
    try:
        return Path(source).read_bytes(), os.fspath(source)
    except TypeError:
        raise unreadable(repr(source), "it is neither bytes nor a path") from None
    except (OSError, ValueError) as error:
        problem = (getattr(error, "strerror", None) or str(error)).lower()
        raise unreadable(str(source), problem) from None


def issued(issuer: x509.Certificate, certificate: x509.Certificate, *, weak_hashes: bool = False) -> bool:
    """Whether one certificate was signed with the key of another, whose subject it names as issuer.

    Args:
        issuer: that other.
        certificate: the one.
        weak_hashes: whether a signature by way of SHA-1 or MD5, which can be forged, counts.
    """
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return weak_hashes and weak_hash_of_valid(certificate, issuer) is not None
    return True


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether a certificate names itself as its issuer, as a root does."""
    return certificate.issuer == certificate.subject


def _certificates_and_key(
    data: bytes, label: str, password: str | bytes | None, *, wants_key: bool
) -> tuple[list[x509.Certificate], PrivateKey | None]:
    if _is_pkcs12(data):
        certificates, key = _pkcs12(data, label, password)
        if not certificates:
            raise UnreadableCertificate(label, "the PKCS#12 data holds none")
        _check_names(certificates, label)
        return certificates, key
    try:
        if _PEM not in data:
            certificates = [x509.load_der_x509_certificate(data)]
        else:
            certificates = x509.load_pem_x509_certificates(data)
    except UNREADABLE as error:
        raise UnreadableCertificate(label, _problem(data, "CERTIFICATE", error)) from None
    _check_names(certificates, label)
    has_key = wants_key and _PEM in data and b"PRIVATE KEY-----" in data
    return certificates, _private_key(data, label, password) if has_key else None


def _check_names(certificates: Iterable[x509.Certificate], label: str) -> None:
    """Raise for a certificate that nobody could name."""
    for certificate in certificates:
        problem = problem_of_names(certificate)
        if problem is not None:
            raise UnreadableCertificate(label, problem)


def _pkcs12(data: bytes, label: str, password: str | bytes | None) -> tuple[list[x509.Certificate], PrivateKey | None]:
    try:
        content = pkcs12.load_pkcs12(data, password_bytes(password))
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise WrongPassword(label, given=password is not None) from None
    found = [content.cert, *content.additional_certs]
    return [one.certificate for one in found if one is not None], content.key  # type: ignore[return-value]


def _private_key(data: bytes, label: str, password: str | bytes | None) -> PrivateKey:
    load = load_pem_private_key if _PEM in data else load_der_private_key
    try:
        return load(data, None)  # type: ignore[return-value]
    except TypeError:  # It is encrypted.
        if password is None:
            raise WrongPassword(label, given=False) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnreadablePrivateKey(label, _problem(data, "PRIVATE KEY", error)) from None
    try:
        return load(data, password_bytes(password))  # type: ignore[return-value]
    except UnsupportedAlgorithm as error:
        raise UnreadablePrivateKey(label, _unknown_cipher(error)) from None
    except ValueError as error:
        if _CIPHER_UNKNOWN.search(str(error)):  # what cryptography says of it has changed with its versions
            raise UnreadablePrivateKey(label, _unknown_cipher(error)) from None
        raise WrongPassword(label, given=True) from None


def _unknown_cipher(error: Exception) -> str:
    return (
        f"it is encrypted in a way that cryptography {cryptography.__version__} does not know "
        f"({str(error).strip().rstrip('.')}), so that no password opens it; `openssl pkcs8 -topk8 -v2 aes-256-cbc` "
        "encrypts it anew"
    )


def _given_key(key: Source | PrivateKey, password: str | bytes | None) -> tuple[PrivateKey, str]:
    if isinstance(key, (bytes, str, os.PathLike)):
        return load_private_key(key, password=password), read(key)[1]
    return key, "the given key"


def _certificate_of(key: PrivateKey | None, certificates: Sequence[x509.Certificate], label: str) -> x509.Certificate:
    if key is None:
        return certificates[0]
    public_key = key.public_key()
    for certificate in certificates:
        if same_key(certificate.public_key(), public_key):
            return certificate
    raise KeyMismatch(describe_name(certificates[0].subject), label)


def _linked(
    first: x509.Certificate, certificates: Iterable[x509.Certificate]
) -> tuple[tuple[x509.Certificate, ...], list[x509.Certificate]]:
    """The certificates in the order of a chain, up to a root or as far as it goes, and those that are not of it."""
    chain = [first]
    remaining = [certificate for certificate in dict.fromkeys(certificates) if certificate != first]
    while remaining and not is_self_issued(chain[-1]):
        # Of a CA that is certified by itself and by another, the root: what comes after the other one is not needed.
        issuers = (one for one in remaining if issued(one, chain[-1], weak_hashes=True))
        following = sorted(issuers, key=is_self_issued, reverse=True)
        if not following:
            break
        chain.append(following[0])
        remaining.remove(following[0])
    return tuple(chain), remaining


def _is_pkcs12(data: bytes) -> bool:
    # A PFX is a SEQUENCE that begins with the INTEGER 3, its version (RFC 7292 section 4).
    return data[:1] == b"\x30" and b"\x02\x01\x03" in data[2:9]


def _problem(data: bytes, wanted: str, error: Exception) -> str:
    """Why data cannot be read: it is nothing of the kind, it holds something else, or what the library says of it."""
    if not data.strip():
        return "it is empty"
    labels = [label.decode("ascii", "replace") for label in _LABEL.findall(data)]
    if _PEM in data and not any(label.endswith(wanted) for label in labels):
        return f"it holds no {wanted}" + (f", but {' and '.join(dict.fromkeys(labels))}" if labels else "")
    if _PEM not in data and data[:1] != b"\x30":  # what we read is a SEQUENCE in DER
        return "it is neither PEM nor DER"
    return f"what it holds cannot be parsed ({complaint(error)})"
