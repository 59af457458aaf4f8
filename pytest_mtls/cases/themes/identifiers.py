"""Key identifiers, by which an issuer is found (RFC 5280 sections 4.2.1.1 and 4.2.1.2)."""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509

from pytest_mtls.cases.build import authority_name, intermediate, subordinate
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.profile import CertificateProfile, authority_profile
from pytest_mtls.reasons.reason import Reason

_AUTHORITY, _SUBJECT = "section 4.2.1.1", "section 4.2.1.2"


def _authority(ca: CertificateAuthority, *, identified: bool, serial_number: int) -> x509.Extension[x509.ExtensionType]:
    """An authority key identifier with the name of the CA's issuer and a serial number."""
    value = x509.AuthorityKeyIdentifier(
        ca.key_identifier if identified else None, [x509.DirectoryName(ca.certificate.issuer)], serial_number
    )
    return x509.Extension(value.oid, critical=False, value=value)


@case(
    "both",
    Reason.UNKNOWN_CRITICAL_EXTENSION,
    tier=Tier.INFORMATIVE,
    rfc=_AUTHORITY,
    limbo="rfc5280::aki::critical-aki",
)
def critical_authority_key_identifier(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The authority key identifier is critical, which it must not be; some take it for an extension that they do not know."""
    value = x509.AuthorityKeyIdentifier(ca.key_identifier, None, None)
    extension = x509.Extension(value.oid, critical=True, value=value)
    return leaf(ca, authority_key_identifier=False, extra_extensions=(extension,))


@case(
    "both",
    Reason.UNKNOWN_CRITICAL_EXTENSION,
    tier=Tier.INFORMATIVE,
    rfc=_SUBJECT,
    limbo="rfc5280::ski::critical-ski",
)
def critical_subject_key_identifier(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The subject key identifier is critical, which it must not be; some take it for an extension that they do not know."""
    value = x509.SubjectKeyIdentifier(bytes(range(20)))
    extension = x509.Extension(value.oid, critical=True, value=value)
    return leaf(ca, subject_key_identifier=False, extra_extensions=(extension,))


@case("both", tier=Tier.GOOD, rfc=_AUTHORITY, limbo="webpki::aki::root-with-aki-all-fields")
def authority_key_identifier_of_all_fields(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The authority key identifier has the issuer's issuer and serial number beside its key identifier, all of them right."""
    middle = intermediate(ca, "intermediate CA")
    extension = _authority(middle, identified=True, serial_number=middle.certificate.serial_number)
    return leaf(middle, authority_key_identifier=False, extra_extensions=(extension,))


@case(
    "both",
    Reason.PROFILE_VIOLATED,
    tier=Tier.SETTING,
    requires=["strict"],
    rfc=_AUTHORITY,
    limbo="webpki::aki::root-with-aki-missing-keyidentifier",
)
def authority_key_identifier_without_key(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The authority key identifier names the issuer's issuer and serial number, and no key."""
    middle = intermediate(ca, "intermediate CA")
    extension = _authority(middle, identified=False, serial_number=middle.certificate.serial_number)
    return leaf(middle, authority_key_identifier=False, extra_extensions=(extension,))


@case(
    "both",
    Reason.UNKNOWN_CA,
    tier=Tier.INFORMATIVE,
    rfc=_AUTHORITY,
    limbo="webpki::aki::root-with-aki-authoritycertserialnumber",
)
def authority_key_identifier_of_another_serial_number(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The authority key identifier has the issuer's key, and the serial number of another certificate."""
    middle = intermediate(ca, "intermediate CA")
    extension = _authority(middle, identified=True, serial_number=middle.certificate.serial_number ^ 1)
    return leaf(middle, authority_key_identifier=False, extra_extensions=(extension,))


@case(
    "both",
    Reason.PROFILE_VIOLATED,
    tier=Tier.SETTING,
    requires=["strict"],
    rfc=_AUTHORITY,
    limbo="rfc5280::aki::cross-signed-root-missing-aki",
)
def cross_signed_without_authority_key_identifier(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A root that the trusted CA has signed as well does not say which key signed it, as only a root need not."""
    stranger = CertificateAuthority.self_signed(authority_profile(authority_name("cross-signed CA"), path_length=0))
    profile = replace(CertificateProfile.of(stranger.certificate), authority_key_identifier=False)
    return leaf(ca.issue_authority(profile, private_key=stranger.private_key))


@case("both", tier=Tier.INFORMATIVE, rfc=_SUBJECT, limbo="webpki::aki::root-with-aki-ski-mismatch")
def intermediate_of_another_key_identifier(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's subject key identifier is not made of its key; the certificate below names it rightly."""
    value = x509.SubjectKeyIdentifier(bytes(range(20)))
    extension = x509.Extension(value.oid, critical=False, value=value)
    middle = subordinate(ca, subject_key_identifier=False, extra_extensions=(extension,))
    return leaf(middle, authority_key_identifier=value.digest)
