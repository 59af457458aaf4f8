"""Certificate policies: a CA demands that a policy holds down to the end of the chain (RFC 5280 section 6.1)."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import CertificatePoliciesOID

from pytest_mtls.cases.build import subordinate
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.reasons.reason import Reason

#: Two policies that nobody has defined; the OIDs are some for examples (RFC 5612 section 2).
_POLICY, _OTHER = x509.ObjectIdentifier("1.3.6.1.4.1.32473.2"), x509.ObjectIdentifier("1.3.6.1.4.1.32473.3")


def _extension(value: x509.ExtensionType, *, critical: bool = True) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical=critical, value=value)


def _policies(*oids: x509.ObjectIdentifier) -> x509.Extension[x509.ExtensionType]:
    return _extension(x509.CertificatePolicies([x509.PolicyInformation(oid, None) for oid in oids]), critical=False)


def _demanding(ca: CertificateAuthority, *more: x509.Extension[x509.ExtensionType]) -> CertificateAuthority:
    """An intermediate CA under which every chain has to have a policy."""
    demand = _extension(x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None))
    return subordinate(ca, extra_extensions=(demand, *more))


@case("both", Reason.POLICY_VIOLATED, tier=Tier.SETTING, requires=["policy"], rfc="section 6.1.5 (g)")
def policy_missing(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA demands a policy, and the certificate has none."""
    return leaf(_demanding(ca, _policies(_POLICY)))


@case("both", Reason.POLICY_VIOLATED, tier=Tier.SETTING, requires=["policy"], rfc="section 6.1.3 (d), (f)")
def policy_of_another(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA demands a policy, and the certificate has one that the CA itself has not."""
    return leaf(_demanding(ca, _policies(_POLICY)), extra_extensions=(_policies(_OTHER),))


@case("both", Reason.POLICY_VIOLATED, tier=Tier.SETTING, requires=["policy"], rfc="section 6.1.3 (d)(2)")
def any_policy_inhibited(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA demands a policy and inhibits anyPolicy, which is all that the certificate has."""
    inhibit = _extension(x509.InhibitAnyPolicy(0))
    middle = _demanding(ca, inhibit, _policies(_POLICY))
    return leaf(middle, extra_extensions=(_policies(CertificatePoliciesOID.ANY_POLICY),))


@case("both", tier=Tier.INFORMATIVE, rfc="section 6.1.5 (g)")
def policy_kept(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA demands a policy, and the certificate has it; some stacks know no policies and reject the demand."""
    return leaf(_demanding(ca, _policies(_POLICY)), extra_extensions=(_policies(_POLICY),))


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.2.1.11", limbo="rfc5280::pc::ica-noncritical-pc")
def policy_constraints_not_critical(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's policy constraints are not critical, which they have to be; they are kept."""
    demand = _extension(x509.PolicyConstraints(require_explicit_policy=3, inhibit_policy_mapping=None), critical=False)
    return leaf(subordinate(ca, extra_extensions=(demand,)))
