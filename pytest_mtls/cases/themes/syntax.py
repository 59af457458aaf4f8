"""Constraints and names that are not written as RFC 5280 has them, so that it is not clear what they mean."""

from __future__ import annotations

from typing import Any

from cryptography import x509

from pytest_mtls.cases.build import raw_constraints, raw_extension, raw_name, raw_names, subordinate
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.names import general_name
from pytest_mtls.certificates.profile import LOCALHOST
from pytest_mtls.reasons.reason import Reason

_CONSTRAINTS, _NAMES = "section 4.2.1.10", "section 4.2.1.6"
_EMAIL, _DNS, _IP = 1, 2, 7
#: What the ordinary server is called: constraints that permit some DNS names have to permit it as well.
_LOCALHOST = raw_name(_DNS, b"localhost")


def _below(ca: CertificateAuthority, *permitted: bytes) -> CertificateAuthority:
    """An intermediate CA that may issue only for these."""
    return subordinate(ca, extra_extensions=(raw_constraints(permitted=permitted),))


def _also_named(leaf: Leaf, *names: bytes) -> dict[str, Any]:
    """Changes of a certificate that give it names of any bytes, after the ordinary ones."""
    ordinary = map(general_name, LOCALHOST) if leaf.side == "server" else ()
    return {"sans": (), "extra_extensions": (raw_names(*names, ordinary=list(ordinary)),)}


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    tier=Tier.INFORMATIVE,
    rfc=_CONSTRAINTS,
    limbo="rfc5280::nc::invalid-dnsname-leading-period",
)
def dns_constraint_with_leading_period(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The constraint on DNS names begins with a period, as only one on URIs may; many take it for all hosts below."""
    return leaf(_below(ca, _LOCALHOST, raw_name(_DNS, b".permitted.example")), also_named=["www.permitted.example"])


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    tier=Tier.INFORMATIVE,
    rfc=_CONSTRAINTS,
    limbo="rfc5280::nc::invalid-dnsname-wildcard",
)
def dns_constraint_with_wildcard(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The constraint on DNS names has a wildcard, which constraints have not."""
    return leaf(_below(ca, _LOCALHOST, raw_name(_DNS, b"*.permitted.example")), also_named=["www.permitted.example"])


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    tier=Tier.INFORMATIVE,
    rfc=_CONSTRAINTS,
    limbo="rfc5280::nc::invalid-ipv4-address",
)
def ip_constraint_without_mask(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The constraint on IP addresses is only an address, without its mask."""
    middle = subordinate(ca, extra_extensions=(raw_constraints(excluded=[raw_name(_IP, bytes((198, 51, 100, 1)))]),))
    return leaf(middle, also_named=["192.0.2.1"])


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    tier=Tier.INFORMATIVE,
    rfc=_CONSTRAINTS,
    limbo="rfc5280::nc::invalid-email-address",
)
def email_constraint_with_two_signs(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The constraint on e-mail addresses has two signs ``@``."""
    return leaf(_below(ca, raw_name(_EMAIL, b"a@b@permitted.example")), also_named=["alice@permitted.example"])


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    rfc=_CONSTRAINTS,
    limbo="rfc5280::nc::nc-permits-email-literal-asterisk-rejects-user",
)
def email_constraint_with_asterisk(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The constraint permits the e-mail address ``*@permitted.example``; the asterisk stands for itself only."""
    return leaf(_below(ca, raw_name(_EMAIL, b"*@permitted.example")), also_named=["alice@permitted.example"])


@case(
    "both",
    tier=Tier.INFORMATIVE,
    rfc=_CONSTRAINTS,
    limbo="webpki::nc::intermediate-permitted-excluded-subtrees-both-null",
)
def constraints_without_subtrees(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The name constraints are an empty sequence, which a CA must not issue."""
    return leaf(subordinate(ca, extra_extensions=(raw_constraints(),)))


@case(
    "both",
    tier=Tier.INFORMATIVE,
    rfc=_CONSTRAINTS,
    limbo="webpki::nc::intermediate-permitted-excluded-subtrees-both-empty-sequences",
)
def constraints_of_empty_subtrees(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The name constraints permit an empty list and exclude one; lists of subtrees have to have a member."""
    return leaf(subordinate(ca, extra_extensions=(raw_constraints(permitted=(), excluded=()),)))


@case(
    "both",
    tier=Tier.INFORMATIVE,
    rfc=_CONSTRAINTS,
    limbo="rfc5280::nc::permitted-dns-match-noncritical",
)
def constraints_not_critical(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The name constraints are not critical, which they have to be; the certificate keeps to them."""
    constraints = x509.NameConstraints([x509.DNSName("permitted.example"), x509.DNSName("localhost")], None)
    extension = x509.Extension(constraints.oid, critical=False, value=constraints)
    return leaf(subordinate(ca, extra_extensions=(extension,)), also_named=["www.permitted.example"])


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    tier=Tier.INFORMATIVE,
    rfc=_CONSTRAINTS,
    limbo="rfc5280::nc::nc-permits-invalid-dns-san",
)
def constrained_name_with_leading_period(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A DNS name begins with a period, and ends as the constraint on it wants."""
    middle = _below(ca, _LOCALHOST, raw_name(_DNS, b"permitted.example"))
    return leaf(middle, **_also_named(leaf, raw_name(_DNS, b".permitted.example")))


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    tier=Tier.INFORMATIVE,
    rfc=_CONSTRAINTS,
    limbo="rfc5280::nc::nc-permits-invalid-email-san",
)
def constrained_email_with_two_signs(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """An e-mail address has two signs ``@``, and ends as the constraint on it wants."""
    middle = _below(ca, raw_name(_EMAIL, b"permitted.example"))
    return leaf(middle, **_also_named(leaf, raw_name(_EMAIL, b"alice@bob@permitted.example")))


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    tier=Tier.INFORMATIVE,
    rfc=_CONSTRAINTS,
    limbo="rfc5280::nc::nc-permits-invalid-ip-san",
)
def constrained_network_as_address(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A network, address and mask, stands where an IP address should, and a constraint is on IP addresses."""
    middle = subordinate(
        ca, extra_extensions=(raw_constraints(excluded=[raw_name(_IP, bytes((198, 51, 100, 0) + (255,) * 3 + (0,)))]),)
    )
    return leaf(middle, **_also_named(leaf, raw_name(_IP, bytes((192, 0, 2, 0, 255, 255, 255, 0)))))


@case("both", tier=Tier.INFORMATIVE, rfc=_NAMES, limbo="rfc5280::san::underscore-dns")
def underscore_in_name(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A DNS name has an underscore, which host names have not, and which is in use all the same."""
    return leaf(ca, also_named=[x509.DNSName("under_score.mtls.example")])


@case("both", tier=Tier.INFORMATIVE, rfc="section 7.2", limbo="webpki::san::unicode-emoji-san")
def emoji_in_name(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A DNS name has a picture in it as UTF-8, and not in the encoding of international names."""
    return leaf(ca, **_also_named(leaf, raw_name(_DNS, "\N{GRINNING FACE}.mtls.example".encode())))


@case(
    "both",
    tier=Tier.INFORMATIVE,
    rfc=_NAMES,
    limbo="webpki::san::san-critical-with-nonempty-subject",
)
def critical_names_beside_subject(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The alternative names are critical, though there is a subject: they should not be."""
    names = x509.SubjectAlternativeName(
        [*(map(general_name, LOCALHOST) if leaf.side == "server" else ()), x509.DNSName("www.mtls.example")]
    )
    return leaf(ca, sans=(), extra_extensions=(x509.Extension(names.oid, critical=True, value=names),))


@case(
    "both",
    Reason.UNKNOWN_CRITICAL_EXTENSION,
    tier=Tier.INFORMATIVE,
    rfc="section 4.2.2.1",
    limbo="rfc5280::ee-critical-aia-invalid",
)
def critical_authority_information_access(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The authority information access is critical, which it must not be: no peer has to know it."""
    access = x509.AccessDescription(
        x509.oid.AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://mtls.example/ca.crt")
    )
    value = x509.AuthorityInformationAccess([access])
    return leaf(ca, extra_extensions=(x509.Extension(value.oid, critical=True, value=value),))


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.2.2.1", limbo="webpki::malformed-aia")
def malformed_authority_information_access(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The authority information access is not DER."""
    return leaf(ca, extra_extensions=(raw_extension(x509.AuthorityInformationAccess.oid, b"malformed"),))
