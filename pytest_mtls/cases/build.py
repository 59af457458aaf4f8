"""Bad things that several cases are made of."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from cryptography import x509

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.der import element, sequence, take_apart
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.certificates.profile import CertificateProfile, authority_profile

__all__ = [
    "UNKNOWN_EXTENSION",
    "authority_name",
    "intermediate",
    "raw_constraints",
    "raw_extension",
    "raw_name",
    "raw_names",
    "self_signed",
    "subordinate",
]

#: A critical extension that nobody knows; the OID is one for examples (RFC 5612 section 2).
UNKNOWN_EXTENSION = x509.Extension(
    x509.ObjectIdentifier("1.3.6.1.4.1.32473.1"),
    critical=True,
    value=x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.1"), b"\x05\x00"),
)


def authority_name(common_name: str) -> x509.Name:
    """The name of a CA that is like no other's."""
    return distinguished_name(_unique(common_name))


def intermediate(ca: CertificateAuthority, common_name: str, **options: Any) -> CertificateAuthority:
    """An intermediate CA of a name that no other has, since a CRL is looked up by its issuer's name.

    Args:
        ca: what issues it.
        common_name: how its name begins.
        **options: as for `CertificateAuthority.intermediate`.
    """
    return ca.intermediate(_unique(common_name), **options)


def subordinate(ca: CertificateAuthority, *, key_kind: KeyKind = KeyKind.P256, **changes: Any) -> CertificateAuthority:
    """An intermediate CA whose profile is changed, however unsound that makes it.

    Args:
        ca: what issues it.
        key_kind: of its key.
        **changes: fields of `CertificateProfile`.
    """
    profile = authority_profile(authority_name("intermediate CA"), path_length=None)
    return ca.issue_authority(replace(profile, **changes), key_kind=key_kind)


def self_signed(profile: CertificateProfile) -> Identity:
    """A leaf certificate that is its own issuer."""
    key = KeyKind.P256.generate()
    certificate = profile.sign(
        key.public_key(), issuer_name=profile.subject, issuer_key=key, issuer_key_identifier=None
    )
    return Identity((certificate,), key)


def raw_extension(oid: x509.ObjectIdentifier, content: bytes, *, critical: bool = False) -> x509.Extension[Any]:
    """An extension with any content, which `cryptography` would not write.

    Args:
        oid: of the extension.
        content: its DER.
        critical: whether it is.
    """
    return x509.Extension(oid, critical=critical, value=x509.UnrecognizedExtension(oid, content))


def raw_name(kind: int, content: bytes) -> bytes:
    """A GeneralName of any content (RFC 5280 section 4.2.1.6).

    Args:
        kind: its number in the CHOICE: 1 for an e-mail address, 2 for a DNS name, 7 for an IP address.
        content: the bytes of the name.
    """
    return element(0x80 | kind, content)


def raw_names(*names: bytes, ordinary: Iterable[x509.GeneralName] = ()) -> x509.Extension[Any]:
    """Subject alternative names, some of which `cryptography` would not write.

    Args:
        *names: GeneralNames as DER.
        ordinary: those that stand before them.
    """
    known = take_apart(x509.SubjectAlternativeName(ordinary).public_bytes()) if ordinary else []
    return raw_extension(x509.SubjectAlternativeName.oid, sequence(*known, *names))


def raw_constraints(
    permitted: Iterable[bytes] | None = None, excluded: Iterable[bytes] | None = None
) -> x509.Extension[Any]:
    """Name constraints as they are, sound or not (RFC 5280 section 4.2.1.10); critical.

    Args:
        permitted, excluded: the bases of the subtrees, GeneralNames as DER; None leaves the field out.
    """
    fields = [
        element(tag, b"".join(map(sequence, bases)))
        for tag, bases in ((0xA0, permitted), (0xA1, excluded))
        if bases is not None
    ]
    return raw_extension(x509.NameConstraints.oid, sequence(*fields), critical=True)


def _unique(common_name: str) -> str:
    return f"{common_name} {secrets.token_hex(4)}"
