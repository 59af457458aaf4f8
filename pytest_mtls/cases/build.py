"""Bad things that several cases are made of."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from cryptography import x509

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.certificates.profile import CertificateProfile, authority_profile

__all__ = ["UNKNOWN_EXTENSION", "authority_name", "intermediate", "self_signed", "subordinate"]

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


def _unique(common_name: str) -> str:
    return f"{common_name} {secrets.token_hex(4)}"
