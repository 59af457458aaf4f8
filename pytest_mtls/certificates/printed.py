"""What OpenSSL and Go print of a certificate: distinguished names, serial numbers, dates.

Their distinguished names differ from `x509.Name.rfc4514_string` and from each other: in the names of attributes, in what
is escaped, and in the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cryptography import x509

from pytest_mtls.certificates.der import element, read_der

__all__ = [
    "MONTHS",
    "Attribute",
    "go_text",
    "openssl_date",
    "openssl_one_line",
    "openssl_rfc2253",
    "openssl_serial",
    "openssl_text",
    "relative_names",
    "values_of",
]

#: In English whatever the locale.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: OpenSSL's short names (crypto/objects/objects.txt).
_OPENSSL_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.16": "postalAddress",
    "2.5.4.17": "postalCode",
    "2.5.4.20": "telephoneNumber",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.45": "x500UniqueIdentifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.3": "mail",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "1.2.840.113549.1.9.8": "unstructuredAddress",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
    "1.2.643.3.131.1.1": "INN",
    "1.2.643.100.1": "OGRN",
    "1.2.643.100.3": "SNILS",
}

#: Go's names (crypto/x509/pkix), in the order in which `Name.ToRDNSequence` has them.
_GO_NAMES = {
    "2.5.4.6": "C",
    "2.5.4.8": "ST",
    "2.5.4.7": "L",
    "2.5.4.9": "STREET",
    "2.5.4.17": "POSTALCODE",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.3": "CN",
    "2.5.4.5": "SERIALNUMBER",
}
_GO_SINGLE = frozenset({"2.5.4.3", "2.5.4.5"})
_GO_PRINTABLE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 '()+,-./:=?")

#: ASN.1 string types and how their bytes are text.
_ENCODINGS = {
    0x0C: "utf-8",  # UTF8String
    0x12: "latin-1",  # NumericString
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # T61String
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_UTF8_STRING = 0x0C
_PRINTABLE_STRING = 0x13
_SPECIAL = frozenset(',+"\\<>;')


@dataclass(frozen=True)
class Attribute:
    """One attribute of a distinguished name.

    Attributes:
        oid: its type, dotted.
        tag: the ASN.1 type of its value.
        content: the value's bytes, without tag and length.
        der: the value's whole encoding.
    """

    oid: str
    tag: int
    content: bytes
    der: bytes

    @cached_property
    def text(self) -> str | None:
        """The value as text; None if it is of no string type."""
        encoding = _ENCODINGS.get(self.tag)
        return None if encoding is None else self.content.decode(encoding)


def relative_names(name: x509.Name) -> tuple[tuple[Attribute, ...], ...]:
    """The relative distinguished names in the order of the certificate, each with its attributes."""
    return tuple(tuple(map(_attribute, relative)) for relative in name.rdns)


def _attribute(attribute: x509.NameAttribute[str | bytes]) -> Attribute:
    # SEQUENCE { SET { SEQUENCE { type, value } } }, of which only the value is wanted
    der = x509.Name([attribute]).public_bytes()
    for _ in range(3):
        _, der, _ = read_der(der)
    _, _, value = read_der(der)
    tag, content, _ = read_der(value)
    return Attribute(attribute.oid.dotted_string, tag, content, value)


def openssl_rfc2253(name: x509.Name, *, ascii_only: bool = True) -> str:
    """As ``X509_NAME_print_ex`` prints with ``XN_FLAG_RFC2253``.

    Args:
        name: the distinguished name.
        ascii_only: escape what is not ASCII, as that flag has it; Apache clears it (``ASN1_STRFLGS_ESC_MSB``).
    """
    relative = ["+".join(_openssl_pairs(reversed(one), ascii_only)) for one in relative_names(name)]
    return ",".join(reversed(relative))


def _openssl_pairs(attributes: Iterator[Attribute], ascii_only: bool) -> Iterator[str]:
    for attribute in attributes:
        label = _OPENSSL_NAMES.get(attribute.oid)
        if label is None or attribute.text is None:
            yield f"{label or attribute.oid}=#{attribute.der.hex().upper()}"
        else:
            yield f"{label}={_openssl_escaped(attribute.text, ascii_only)}"


def _openssl_escaped(text: str, ascii_only: bool) -> str:
    last = len(text) - 1
    parts = []
    for index, character in enumerate(text):
        if character in _SPECIAL or (index == 0 and character in " #") or (index == last and character == " "):
            parts.append(f"\\{character}")
        elif _is_control(character) or (not character.isascii() and ascii_only):
            parts.extend(f"\\{byte:02X}" for byte in character.encode())
        else:
            parts.append(character)
    return "".join(parts)


def openssl_text(text: str) -> str:
    """As ``ASN1_STRING_print_ex`` prints with ``ASN1_STRFLGS_ESC_CTRL``: control characters and backslashes escaped."""
    return "".join(
        f"\\{ord(character):02X}" if _is_control(character) else "\\\\" if character == "\\" else character
        for character in text
    )


def _is_control(character: str) -> bool:
    return ord(character) < 0x20 or ord(character) == 0x7F


def openssl_serial(certificate: x509.Certificate) -> str:
    """As ``i2a_ASN1_INTEGER``: upper-case hex, two digits a byte."""
    digits = f"{certificate.serial_number:X}"
    return digits.zfill(len(digits) + len(digits) % 2)


def openssl_date(moment: datetime) -> str:
    """As ``ASN1_TIME_print``: ``Nov  4 09:00:00 2026 GMT``."""
    return f"{MONTHS[moment.month - 1]} {moment.day:2d} {moment:%H:%M:%S} {moment.year} GMT"


def openssl_one_line(name: x509.Name) -> bytes:
    """The slash form with the bytes of the values as they are, which HAProxy makes (``ssl_sock_get_dn_oneline``)."""
    attributes = (attribute for relative in relative_names(name) for attribute in relative)
    return b"".join(b"/%s=%s" % (_OPENSSL_NAMES.get(one.oid, one.oid).encode(), one.content) for one in attributes)


def go_text(name: x509.Name) -> str:
    """As Go's ``pkix.Name.String`` prints a parsed name: by kind of attribute, not in the certificate's order."""
    attributes = [attribute for relative in relative_names(name) for attribute in relative]
    relative = [[one] for one in attributes if one.oid not in _GO_NAMES]
    for oid in _GO_NAMES:
        values = [one for one in attributes if one.oid == oid]
        relative += [values[-1:] if oid in _GO_SINGLE else values]
    return ",".join("+".join(map(_go_pair, one)) for one in reversed(relative) if one)


def _go_pair(attribute: Attribute) -> str:
    text = attribute.text or ""
    label = _GO_NAMES.get(attribute.oid)
    if label is None:
        return f"{attribute.oid}=#{_go_der(text).hex()}"
    escaped = [
        f"\\{character}" if character in _SPECIAL or _is_go_edge(text, index) else character
        for index, character in enumerate(text)
    ]
    return f"{label}={''.join(escaped)}"


def _is_go_edge(text: str, index: int) -> bool:
    if text[index] == " ":
        return index in (0, len(text) - 1)
    return text[index] == "#" and index == 0


def _go_der(text: str) -> bytes:
    content = text.encode()
    tag = _PRINTABLE_STRING if _GO_PRINTABLE.issuperset(content) else _UTF8_STRING
    return element(tag, content)


def values_of(name: x509.Name, oid: str) -> Sequence[str]:
    """The values of one kind of attribute, in order."""
    attributes = (attribute for relative in relative_names(name) for attribute in relative)
    return [attribute.text or "" for attribute in attributes if attribute.oid == oid]
