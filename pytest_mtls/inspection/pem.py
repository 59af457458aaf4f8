"""PEM as people have it (RFC 7468, and what came before): with text around, CRLF, a byte order mark, cut off, indented."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pytest_mtls.certificates.readable import complaint
from pytest_mtls.inspection import der
from pytest_mtls.inspection.found import Content, HeldKey, Unreadable

__all__ = ["read_pem"]

_BOUNDARY = re.compile(r"-----(BEGIN|END) ([A-Z0-9 #]+?)-----")


def read_pem(text: str, open_key: Callable[[Callable[[bytes | None], Content]], Content]) -> Iterator[Content]:
    """What is in the PEM blocks of a text, in order; what is between them is left aside.

    Args:
        text: the text.
        open_key: calls what reads a private key with the password that there is; see `pytest_mtls.inspection.reading`.
    """
    begin: re.Match[str] | None = None
    for boundary in _BOUNDARY.finditer(text):
        kind, label = boundary.groups()
        if kind == "BEGIN":
            if begin is not None:
                yield _cut_off(begin[2])
            begin = boundary
        elif begin is not None:
            if label == begin[2]:
                yield from _block(label, text[begin.end() : boundary.start()], open_key)
            else:
                yield Unreadable(begin[2].lower(), f"its BEGIN line says {begin[2]} and its END line {label}")
            begin = None
    if begin is not None:
        yield _cut_off(begin[2])


def _cut_off(label: str) -> Unreadable:
    return Unreadable(label.lower(), "it has no END line: the file is cut off there, or its last line was not copied")


def _block(
    label: str, body: str, open_key: Callable[[Callable[[bytes | None], Content]], Content]
) -> Iterator[Content]:
    lines = [line.strip() for line in body.strip().splitlines()]
    headers = [line for line in lines if ":" in line]
    encoded = "".join(line for line in lines if ":" not in line)
    if label in _OTHERS:
        yield _OTHERS[label]
        return
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except binascii.Error as error:
        yield Unreadable(label.lower(), f"what is between its BEGIN and END lines is not base64 ({str(error).lower()})")
        return
    if label in {"PKCS7", "CMS"}:
        yield from der.read_pkcs7(data)
    elif label.endswith("PRIVATE KEY"):
        pem = "\n".join([f"-----BEGIN {label}-----", *_head(headers), *_wrapped(encoded), f"-----END {label}-----", ""])
        yield open_key(lambda password: _private_key(pem.encode("ascii"), password))
    elif label in _READERS:
        yield _READERS[label](data)
    else:
        yield Unreadable(label.lower(), "it is nothing that TLS has a use for", is_wrong=False)


def _head(headers: list[str]) -> list[str]:
    return [*headers, ""] if headers else []


def _wrapped(encoded: str) -> list[str]:
    return [encoded[start : start + 64] for start in range(0, len(encoded), 64)]


def _private_key(pem: bytes, password: bytes | None) -> Content:
    """The public half of a private key.

    Raises:
        TypeError: it is encrypted, and there is no password.
        ValueError: the password does not open it, or it cannot be parsed.
    """
    is_encrypted = b"ENCRYPTED" in pem
    try:
        key = load_pem_private_key(pem, password if is_encrypted else None)
    except UnsupportedAlgorithm as error:
        return Unreadable("private key", f"it is of a kind that is not known here ({error})", is_wrong=False)
    except ValueError as error:
        if is_encrypted:
            raise
        return Unreadable("private key", f"it cannot be parsed ({complaint(error)})")
    return HeldKey(key.public_key(), is_encrypted=is_encrypted)  # type: ignore[arg-type]


_READERS: dict[str, Callable[[bytes], Content]] = {
    "CERTIFICATE": der.read_certificate,
    "X509 CERTIFICATE": der.read_certificate,
    "TRUSTED CERTIFICATE": der.read_trusted_certificate,
    "CERTIFICATE REQUEST": der.read_request,
    "NEW CERTIFICATE REQUEST": der.read_request,
    "X509 CRL": der.read_crl,
    "PUBLIC KEY": der.read_public_key,
    "RSA PUBLIC KEY": der.read_public_key,
}
_OTHERS: dict[str, Unreadable] = {
    "OPENSSH PRIVATE KEY": Unreadable(
        "OpenSSH private key", "TLS libraries do not read this form: convert a copy with ssh-keygen -p -m PKCS8 -f COPY"
    ),
    "DH PARAMETERS": Unreadable("Diffie-Hellman parameters", "they belong to a server's settings", is_wrong=False),
    "EC PARAMETERS": Unreadable("name of a curve", "it belongs to the key that follows", is_wrong=False),
    "PGP PUBLIC KEY BLOCK": Unreadable("OpenPGP key", "OpenPGP is not TLS"),
    "PGP PRIVATE KEY BLOCK": Unreadable("OpenPGP key", "OpenPGP is not TLS"),
    "PGP MESSAGE": Unreadable("OpenPGP message", "OpenPGP is not TLS"),
    "SSH2 PUBLIC KEY": Unreadable("SSH public key", "SSH is not TLS"),
}
