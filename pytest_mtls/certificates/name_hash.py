"""The hash of a distinguished name by which OpenSSL finds files in a directory, as ``openssl crl -hash`` prints it."""

from __future__ import annotations

import hashlib
import re

from cryptography import x509

from pytest_mtls.certificates.der import element, read_der, sequence, set_of, take_apart

__all__ = ["name_hash"]

_UTF8_STRING = 0x0C
#: The types of strings that are compared as text, by their tags (X.680 section 8.6), and how each holds it.
_ENCODINGS = {
    _UTF8_STRING: "utf-8",
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # TeletexString, as OpenSSL reads it
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_SPACES = " \t\n\v\f\r"
_CAPITALS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def name_hash(name: x509.Name) -> str:
    """The hash: eight hexadecimal digits.

    It is of the name in OpenSSL's canonical form: the relative distinguished names one after the other, each text in UTF-8,
    without capitals of ASCII, and without white space at its ends and more than one space in it (openssl-x509(1), ``-hash``).

    Raises:
        ValueError: the name cannot be read, or a text of it is none of its encoding.
    """
    form = b"".join(
        set_of(*(_attribute(attribute) for attribute in take_apart(relative)))
        for relative in take_apart(name.public_bytes())
    )
    digest = hashlib.sha1(form, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _attribute(whole: bytes) -> bytes:
    identifier, value = take_apart(whole)
    tag, content, _ = read_der(value)
    if tag in _ENCODINGS:
        text = re.sub(f"[{_SPACES}]+", " ", content.decode(_ENCODINGS[tag]).strip(_SPACES)).translate(_CAPITALS)
        value = element(_UTF8_STRING, text.encode())
    return sequence(identifier, value)
