"""Revocation, and CRLs that are missing or no good (RFC 5280 section 6.3).

The peer that checks has the CRLs of the CA and of those below it, as `CertificateAuthority.crls` gives them.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_mtls.cases.build import authority_name, intermediate, subordinate
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.issuer import Issuer
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.profile import authority_profile
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
