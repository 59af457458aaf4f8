"""`CertificateProfile`: what it says is what is signed, sound or not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.certificates.profile import CertificateProfile, client_profile

ROOT = CertificateAuthority.create()
GOOD = client_profile("alice", sans=["alice.example"])
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
MOMENT = datetime(2030, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"subject": x509.Name([])},
        {"not_before": MOMENT, "not_after": MOMENT - timedelta(days=1)},
        {"sans": (x509.DNSName("not a name"),)},
        {"key_usage": None, "extended_key_usage": None, "authority": None},
        {"key_usage": frozenset({"key_cert_sign", "crl_sign"}), "authority": True, "path_length": 0},
        {"key_usage": frozenset({"key_agreement", "encipher_only"})},
        {"name_constraints": x509.NameConstraints([x509.DNSName("example.com")], None)},
        {"subject_key_identifier": False, "authority_key_identifier": False},
        {"extra_extensions": (x509.Extension(UNKNOWN.oid, True, UNKNOWN),)},
    ],
    ids=lambda changes: ", ".join(changes) or "good",
)
def test_round_trip(changes: dict[str, Any]) -> None:
    """The profile of a certificate is the one that it was signed from."""
    profile = replace(GOOD, **changes)
    assert profile == CertificateProfile.of(ROOT.issue(profile).certificate)


@pytest.mark.parametrize("number", [1, 2**159 - 1])
def test_serial_number(number: int) -> None:
    """A serial number may be given."""
    assert number == ROOT.issue(replace(GOOD, serial_number=number)).serial_number


def test_issuer() -> None:
    """The issuer's name may be another's."""
    name = distinguished_name("Somebody Else")
    assert name == ROOT.issue(replace(GOOD, issuer=name)).certificate.issuer


def test_authority_key_identifier() -> None:
    """The key identifier of the issuer is its own, or claimed."""
    own = x509.SubjectKeyIdentifier.from_public_key(ROOT.certificate.public_key()).digest
    for claimed, expected in ((True, own), (b"claimed", b"claimed")):
        certificate = ROOT.issue(replace(GOOD, authority_key_identifier=claimed)).certificate
        extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        assert expected == extension.value.key_identifier


def test_authority_without_identifier() -> None:
    """A CA without key identifier is known by that of its key."""
    ca = ROOT.issue_authority(replace(CertificateProfile.of(ROOT.certificate), subject_key_identifier=False))
    extension = ca.issue_client().certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert (
        x509.SubjectKeyIdentifier.from_public_key(ca.certificate.public_key()).digest == extension.value.key_identifier
    )


def test_signature_hash() -> None:
    """The hash of the signature may be chosen."""
    certificate = ROOT.issue(replace(GOOD, signature_hash=hashes.SHA512())).certificate
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA512)


def test_weak_key() -> None:
    """A certificate may be for a key that nobody should use."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    assert key is ROOT.issue(GOOD, private_key=key).private_key


def test_times_of_any_zone() -> None:
    """Times are written in UTC, whatever their zone, and taken for UTC without one."""
    east = timezone(timedelta(hours=2))
    for not_after in (MOMENT.astimezone(east), MOMENT.replace(tzinfo=None)):
        assert MOMENT == ROOT.issue(replace(GOOD, not_after=not_after)).certificate.not_valid_after_utc
