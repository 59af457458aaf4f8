"""Texts into the names that certificates hold, and names into text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Union
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from pytest_mtls.certificates.readable import UNREADABLE
from pytest_mtls.errors import InvalidName

__all__ = [
    "NameText",
    "SubjectAttribute",
    "alternative_names",
    "common_name_of",
    "describe_general_name",
    "describe_name",
    "distinguished_name",
    "general_name",
    "name_constraint",
    "next_generation",
    "subject_attributes",
]

#: A name as callers give it.
NameText = Union[str, x509.GeneralName]
#: An attribute of a subject as callers give it: a type and a value, ``type=value``, or the attribute itself.
SubjectAttribute = Union[str, tuple[str, str], "x509.NameAttribute[str]"]

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII | re.IGNORECASE)
_LOCAL_PART = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+", re.ASCII | re.IGNORECASE)
_URI_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://|urn:", re.ASCII | re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_GENERATION = re.compile(r"(.*) G(\d+)")
#: The upper bound of each attribute's length (RFC 5280 appendix A.1).
_LONGEST_ATTRIBUTE = 64
_LONGEST_DNS_NAME = 253
#: The types of attribute that have a short name, each with the most characters that its value may have: RFC 4514
#: section 3, RFC 4519, and RFC 5280 appendix A.1.
_ATTRIBUTES = {
    "CN": (NameOID.COMMON_NAME, 64),
    "L": (NameOID.LOCALITY_NAME, 128),
    "ST": (NameOID.STATE_OR_PROVINCE_NAME, 128),
    "O": (NameOID.ORGANIZATION_NAME, 64),
    "OU": (NameOID.ORGANIZATIONAL_UNIT_NAME, 64),
    "C": (NameOID.COUNTRY_NAME, 2),
    "STREET": (NameOID.STREET_ADDRESS, 128),
    "DC": (NameOID.DOMAIN_COMPONENT, 63),
    "UID": (NameOID.USER_ID, 256),
    "serialNumber": (NameOID.SERIAL_NUMBER, 64),
    "emailAddress": (NameOID.EMAIL_ADDRESS, 255),
    "givenName": (NameOID.GIVEN_NAME, 64),
    "SN": (NameOID.SURNAME, 64),
    "title": (NameOID.TITLE, 64),
    "pseudonym": (NameOID.PSEUDONYM, 128),
    "dnQualifier": (NameOID.DN_QUALIFIER, 64),
    "organizationIdentifier": (NameOID.ORGANIZATION_IDENTIFIER, 256),
}
_ATTRIBUTES_BY_NAME = {name.lower(): (name, oid, longest) for name, (oid, longest) in _ATTRIBUTES.items()}
_LONGEST_OTHER = 256
_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,./:=?-]*", re.ASCII)
#: The attributes whose value is a PrintableString or an IA5String (RFC 5280 appendix A.1, RFC 4519 section 2.4).
_PRINTABLE_ATTRIBUTES = {NameOID.COUNTRY_NAME, NameOID.SERIAL_NUMBER, NameOID.DN_QUALIFIER}
_ASCII_ATTRIBUTES = {NameOID.DOMAIN_COMPONENT, NameOID.EMAIL_ADDRESS}
_DESCRIBED_ATTRIBUTES = {NameOID.EMAIL_ADDRESS: "emailAddress", NameOID.SERIAL_NUMBER: "serialNumber"}


def general_name(name: NameText) -> x509.GeneralName:
    """A subject alternative name (RFC 5280 section 4.2.1.6) of a text that shows its type.

    Args:
        name: a DNS name, also with a wildcard (``*.example.com``) or in Unicode; an IPv4 or IPv6 address; an e-mail
            address; a URI with ``scheme://`` or ``urn:``. A `x509.GeneralName` is taken as it is, sound or not.

    Raises:
        InvalidName: the text is none of these.
    """
    if isinstance(name, x509.GeneralName):
        return name
    if not isinstance(name, str):
        raise InvalidName(repr(name), "it is not a text")
    return _general_name(name)


@lru_cache(maxsize=1024)
def _general_name(text: str) -> x509.GeneralName:
    _check_text(text)
    if _URI_SCHEME.match(text):
        return x509.UniformResourceIdentifier(_uri(text))
    if "@" in text:
        local, _, domain = text.rpartition("@")
        if not _LOCAL_PART.fullmatch(local):
            raise InvalidName(text, "what stands before the @ of an e-mail address is plain ASCII without spaces")
        return x509.RFC822Name(f"{local}@{_dns_name(domain, text)}")
    address = _ip_address(text)
    if address is not None:
        return x509.IPAddress(address)
    if text.startswith("*."):
        return x509.DNSName(f"*.{_dns_name(text[2:], text)}")
    return x509.DNSName(_dns_name(text, text))


def name_constraint(name: NameText) -> x509.GeneralName:
    """One subtree of a name constraint (RFC 5280 section 4.2.1.10).

    Args:
        name: a DNS name, which stands for itself and all below it (a leading dot changes nothing); an IP address or
            network (``10.0.0.0/8``); an e-mail address, or ``@host`` for all of a host; a URI, of which only the
            host counts (``spiffe://example.org``). A `x509.GeneralName` is taken as it is.

    Raises:
        InvalidName: the text is none of these.
    """
    if isinstance(name, x509.GeneralName):
        return name
    if not isinstance(name, str):
        raise InvalidName(repr(name), "it is not a text")
    _check_text(name)
    if _URI_SCHEME.match(name):
        return x509.UniformResourceIdentifier(urlsplit(_uri(name)).hostname or "")
    if name.startswith("@"):
        return x509.RFC822Name(_dns_name(name[1:], name))
    if "@" in name:
        return general_name(name)
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError as error:
        if "/" in name:
            raise InvalidName(name, str(error)) from None
    return x509.DNSName(_dns_name(name.removeprefix("."), name))


def distinguished_name(
    common_name: str | None = None, organization: str | None = None, organizational_unit: str | None = None
) -> x509.Name:
    """A distinguished name of the given parts, from the general (O) to the special (CN); empty without any.

    Raises:
        InvalidName: a part is empty, holds control characters, or is longer than 64 characters.
    """
    parts = (
        (NameOID.ORGANIZATION_NAME, "an organization", organization),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "an organizational unit", organizational_unit),
        (NameOID.COMMON_NAME, "a common name", common_name),
    )
    return x509.Name([_attribute(oid, label, value) for oid, label, value in parts if value is not None])


def subject_attributes(attributes: Iterable[SubjectAttribute]) -> list[x509.NameAttribute[str]]:
    """Attributes of a subject that a caller gave.

    Args:
        attributes: each a pair such as ``("UID", "alice")``, the same as one text (``"UID=alice"``), or a
            `x509.NameAttribute`, which is taken as it is. A type is a short name, in upper or lower case (``CN``, ``O``,
            ``OU``, ``C``, ``ST``, ``L``, ``DC``, ``UID``, ``serialNumber``, ``emailAddress`` and others), or an OID.

    Raises:
        InvalidName: an unknown type, or a value that it cannot have.
    """
    if isinstance(attributes, (str, bytes)) or not isinstance(attributes, Iterable):
        raise InvalidName(repr(attributes), "a subject is a list of attributes, such as [('UID', 'alice')]")
    return [_subject_attribute(attribute) for attribute in attributes]


def _subject_attribute(attribute: SubjectAttribute) -> x509.NameAttribute[str]:
    if isinstance(attribute, x509.NameAttribute):
        return attribute
    parts = attribute.partition("=")[::2] if isinstance(attribute, str) and "=" in attribute else attribute
    if not isinstance(parts, (tuple, list)) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise InvalidName(
            repr(attribute), "an attribute of a subject is a pair such as ('UID', 'alice'), or 'UID=alice'"
        )
    kind, value = (part.strip() for part in parts)
    oid: x509.ObjectIdentifier
    if kind.lower() in _ATTRIBUTES_BY_NAME:
        kind, oid, longest = _ATTRIBUTES_BY_NAME[kind.lower()]
    else:
        try:
            oid, longest = x509.ObjectIdentifier(kind), _LONGEST_OTHER
        except ValueError:
            known = ", ".join(_ATTRIBUTES)
            raise InvalidName(kind, f"the type of an attribute is one of {known}, or an OID") from None
    made = _attribute(oid, kind, value, longest)
    if oid in _PRINTABLE_ATTRIBUTES and not _PRINTABLE.fullmatch(value):
        raise InvalidName(value, f"{kind} has letters, digits, spaces and '()+,-./:=? of ASCII only")
    if oid in _ASCII_ATTRIBUTES and not value.isascii():
        raise InvalidName(value, f"{kind} is ASCII only")
    return made


def describe_name(name: x509.Name) -> str:
    """A distinguished name as RFC 4514 text, such as ``CN=client``; ``(empty name)`` for one without attributes."""
    return name.rfc4514_string(_DESCRIBED_ATTRIBUTES) or "(empty name)"


def common_name_of(name: x509.Name) -> str | None:
    """The (first) common name of a distinguished name."""
    attributes = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attributes[0].value) if attributes else None


def next_generation(name: x509.Name, common_name: str | None = None) -> x509.Name:
    """The name of a CA's successor: the same except for one attribute.

    Args:
        name: the CA's own.
        common_name: the successor's common name. By default the common name, or else the last attribute that is text, gets a
            generation: "Example CA" is followed by "Example CA G2", and that by "Example CA G3".

    Raises:
        InvalidName: no certificate can hold it, or there is nothing that a generation could be added to.
    """
    attributes = list(name)
    if common_name is not None:
        others = [one for one in attributes if one.oid != NameOID.COMMON_NAME]
        return x509.Name([*others, *distinguished_name(common_name, None, None)])
    texts = [index for index, one in enumerate(attributes) if isinstance(one.value, str)]
    named = [index for index in texts if attributes[index].oid == NameOID.COMMON_NAME] or texts
    if not named:
        raise InvalidName(describe_name(name), "it has no text that a generation could be added to")
    index = named[-1]
    text = str(attributes[index].value)
    found = _GENERATION.fullmatch(text)
    following = f"{found[1]} G{int(found[2]) + 1}" if found else f"{text} G2"
    if len(following) > _LONGEST_ATTRIBUTE:
        raise InvalidName(following, f"it is longer than {_LONGEST_ATTRIBUTE} characters")
    attributes[index] = x509.NameAttribute(attributes[index].oid, following)
    return x509.Name(attributes)


def alternative_names(certificate: x509.Certificate, kind: type[x509.GeneralName]) -> list[str]:
    """The subject alternative names of one kind, as text; none where the extension is absent or cannot be read."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return []
    return [describe_general_name(name) for name in names if isinstance(name, kind)]


def describe_general_name(name: x509.GeneralName) -> str:
    """A subject alternative name as the text that `general_name` takes."""
    if isinstance(name, x509.DirectoryName):
        return describe_name(name.value)
    if isinstance(name, x509.OtherName):
        return f"otherName {name.type_id.dotted_string}"
    if isinstance(name, x509.RegisteredID):
        return name.value.dotted_string
    return str(name.value)


def _attribute(
    oid: x509.ObjectIdentifier, label: str, value: str, longest: int = _LONGEST_ATTRIBUTE
) -> x509.NameAttribute[str]:
    if not isinstance(value, str) or not value:
        raise InvalidName(value, f"{label} is a text that is not empty")
    if len(value) > longest:
        raise InvalidName(value, f"{label} has at most {longest} characters, and this has {len(value)}")
    if _CONTROL.search(value):
        raise InvalidName(value, f"{label} holds no control characters")
    if oid == NameOID.COUNTRY_NAME and len(value) != longest:
        raise InvalidName(value, f"{label} is a code of two letters (ISO 3166)")
    return x509.NameAttribute(oid, value)


def _check_text(text: str) -> None:
    if not text:
        raise InvalidName(text, "it is empty")
    if _CONTROL.search(text) or any(character.isspace() for character in text):
        raise InvalidName(text, "it holds spaces or control characters")


def _dns_name(text: str, whole: str) -> str:
    name = text if text.isascii() else _a_labels(text, whole)
    if len(name) > _LONGEST_DNS_NAME:
        raise InvalidName(whole, f"a DNS name has at most {_LONGEST_DNS_NAME} characters, and this has {len(name)}")
    labels = name.split(".")
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise InvalidName(
                whole, f"{label!r} is not a label of a DNS name: 1 to 63 letters, digits and inner hyphens (RFC 1034)"
            )
    if labels[-1].isdigit():
        raise InvalidName(whole, "it ends in a number as an IP address does, but is none")
    return name


def _a_labels(text: str, whole: str) -> str:
    import idna  # Only for names in Unicode: its tables cost 10 ms to load.

    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise InvalidName(whole, str(error).rstrip(".")) from None


def _ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if "/" in text:
        raise InvalidName(text, "networks and paths name no single host; a network may be a name constraint")
    if "%" in text:
        raise InvalidName(text, "a certificate holds no zone of an IPv6 address")
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _uri(text: str) -> str:
    if not text.isascii():
        raise InvalidName(text, "a URI is ASCII; percent-encode the rest")
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError as error:
        raise InvalidName(text, str(error)) from None
    if "://" in text and parts.scheme != "file" and not host:
        raise InvalidName(text, "the URI names no host")
    return text
