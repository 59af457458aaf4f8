"""Revocation, and CRLs that are missing or no good (RFC 5280 section 6.3).

The peer that checks has the CRLs of the CA and of those below it, as `CertificateAuthority.crls` gives them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryptography import x509

from pytest_mtls.cases.build import UNKNOWN_EXTENSION, authority_name, intermediate, subordinate
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.issuer import Issuer
from pytest_mtls.certificates.key import KeyKind, signature_hash
from pytest_mtls.certificates.profile import authority_profile
from pytest_mtls.certificates.validity import validity
from pytest_mtls.reasons.reason import Reason


# Every server that checks revocation must reject these two; few clients check it at all.
@case("client", Reason.REVOKED, requires=["crl"], rfc="section 6.3.3", limbo="crl::revoked-certificate-with-crl")
@case(
    "server",
    Reason.REVOKED,
    tier=Tier.SETTING,
    requires=["crl"],
    rfc="section 6.3.3",
    limbo="crl::revoked-certificate-with-crl",
)
def revoked(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is on the CRL of its CA."""
    identity = leaf(ca)
    ca.revoke(identity)
    return identity


@case("client", Reason.REVOKED, requires=["crl"], rfc="section 6.3.3")
@case("server", Reason.REVOKED, tier=Tier.SETTING, requires=["crl"], rfc="section 6.3.3")
def revoked_intermediate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA is on the CRL of the CA above it."""
    middle = intermediate(ca, "revoked CA")
    ca.revoke(middle)
    return leaf(middle)


@case("both", Reason.CRL_MISSING, tier=Tier.SETTING, requires=["crl"], rfc="section 6.3.3")
def crl_missing(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA has no CRL."""
    middle = ca.issue(authority_profile(authority_name("CA without CRL"), path_length=None))
    return leaf(Issuer(middle.certificate, middle.private_key, parent=ca, files=ca.files))


@case("both", Reason.CRL_MISSING, tier=Tier.SETTING, requires=["crl"], rfc="section 6.3.3")
def crl_missing_above(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The CA above the intermediate CA has no CRL, so that nobody knows whether the intermediate is revoked."""
    upper = ca.issue(authority_profile(authority_name("CA without CRL"), path_length=None))
    issuer = Issuer(upper.certificate, upper.private_key, parent=ca, files=ca.files)
    lower = issuer.issue(authority_profile(authority_name("CA with CRL"), path_length=None))
    above = CertificateAuthority(upper.certificate, parent=ca)
    return leaf(CertificateAuthority(lower.certificate, lower.private_key, parent=above))


@case(
    "both",
    Reason.CRL_EXPIRED,
    tier=Tier.SETTING,
    requires=["crl"],
    rfc="section 6.3.3 (a)(1)",
    limbo="crl::temporal::next-update-in-past",
)
def crl_expired(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The next update of the intermediate CA's CRL was due a day ago."""
    middle = intermediate(ca, "CA with an old CRL")
    middle.publish(middle.crl(last_update=-10, next_update=-1))
    return leaf(middle)


@case(
    "both",
    Reason.CRL_NOT_YET_VALID,
    tier=Tier.SETTING,
    requires=["crl"],
    rfc="section 5.1.2.4",
    limbo="crl::temporal::this-update-in-future",
)
def crl_not_yet_valid(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's CRL is from tomorrow."""
    middle = intermediate(ca, "CA with a CRL of tomorrow")
    middle.publish(middle.crl(last_update=1, next_update=10))
    return leaf(middle)


@case(
    "both",
    Reason.CRL_BAD_SIGNATURE,
    tier=Tier.SETTING,
    requires=["crl"],
    rfc="section 6.3.3 (g)",
    limbo="crl::structure::crl-invalid-signature",
)
def crl_forged(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's CRL is signed with another key."""
    middle = intermediate(ca, "CA with a forged CRL")
    stranger = CertificateAuthority(middle.certificate, KeyKind.P256.generate())
    middle.publish(stranger.crl())
    return leaf(middle)


@case(
    "both",
    Reason.CRL_ISSUER_INVALID,
    tier=Tier.SETTING,
    requires=["crl"],
    rfc="section 6.3.3 (f)",
    limbo="crl::issuer-missing-crlsign",
)
def crl_issuer_without_crl_sign(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's key usage does not let it sign CRLs."""
    return leaf(subordinate(ca, key_usage=frozenset({"key_cert_sign"})))


@case("both", tier=Tier.GOOD, rfc="section 5.1", limbo="crl::certificate-serial-on-crl-different-issuer")
def serial_number_revoked_by_another_ca(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Another CA has revoked a certificate of the same serial number, which concerns nobody else."""
    other, own = intermediate(ca, "revoking CA"), intermediate(ca, "issuing CA")
    identity = leaf(own)
    namesake = other.issue(replace(leaf.profile(), serial_number=identity.serial_number))
    other.revoke(namesake)
    return identity


def _with_crl(ca: CertificateAuthority, *extensions: x509.Extension[x509.ExtensionType]) -> CertificateAuthority:
    """An intermediate CA whose CRL has these extensions beside its issuer's key identifier, and revokes nobody."""
    middle = intermediate(ca, "CA with an odd CRL")
    assert middle.private_key is not None
    begin, end = validity()
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=middle.certificate.subject,
        last_update=begin.replace(tzinfo=None),
        next_update=end.replace(tzinfo=None),
    )
    identifier = x509.AuthorityKeyIdentifier(middle.key_identifier, None, None)
    builder = builder.add_extension(identifier, critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    middle.publish(builder.sign(middle.private_key, signature_hash(middle.private_key)))
    return middle


def _extension(value: x509.ExtensionType, *, critical: bool) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical=critical, value=value)


@case("both", tier=Tier.INFORMATIVE, rfc="section 5.2.3", limbo="crl::crlnumber-missing")
def crl_without_number(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's CRL has no number, which it has to have."""
    return leaf(_with_crl(ca))


@case("both", Reason.CRL_NOT_APPLICABLE, tier=Tier.INFORMATIVE, rfc="section 5.2.3", limbo="crl::crlnumber-critical")
def crl_with_critical_number(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The number of the intermediate CA's CRL is critical, which it must not be."""
    return leaf(_with_crl(ca, _extension(x509.CRLNumber(1), critical=True)))


@case("both", Reason.CRL_NOT_APPLICABLE, tier=Tier.SETTING, requires=["crl"], rfc="section 5.2")
def crl_with_unknown_critical_extension(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A critical extension of the intermediate CA's CRL is one that nobody knows, so that it says nothing."""
    return leaf(_with_crl(ca, _extension(x509.CRLNumber(1), critical=False), UNKNOWN_EXTENSION))


@case("both", Reason.CRL_NOT_APPLICABLE, tier=Tier.SETTING, requires=["crl"], rfc="section 5.2.5")
def crl_of_attribute_certificates(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's CRL is about attribute certificates only."""
    scope = _issuing_distribution_point(only_contains_attribute_certs=True)
    return leaf(_with_crl(ca, _extension(x509.CRLNumber(1), critical=False), scope))


@case("both", Reason.CRL_MISSING, tier=Tier.INFORMATIVE, rfc="section 5.2.5")
def crl_that_is_indirect(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's CRL says that it is for other issuers' certificates too, which few can read."""
    scope = _issuing_distribution_point(indirect_crl=True)
    return leaf(_with_crl(ca, _extension(x509.CRLNumber(1), critical=False), scope))


@case("both", Reason.CRL_MISSING, tier=Tier.SETTING, requires=["crl"], rfc="section 5.2.4")
def crl_that_is_a_delta(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """All that there is of the intermediate CA's CRL is what has changed since another, which is not there."""
    delta = _extension(x509.DeltaCRLIndicator(1), critical=True)
    return leaf(_with_crl(ca, _extension(x509.CRLNumber(2), critical=False), delta))


def _issuing_distribution_point(**scope: bool) -> x509.Extension[x509.ExtensionType]:
    fields: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
        **scope,
    }
    return _extension(x509.IssuingDistributionPoint(**fields), critical=True)
