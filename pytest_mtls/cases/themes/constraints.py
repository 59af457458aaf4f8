"""Name constraints: an intermediate CA issues for a name that it may not (RFC 5280 section 4.2.1.10)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from cryptography import x509

from pytest_mtls.cases.build import UNKNOWN_EXTENSION, intermediate, subordinate
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.certificates.profile import authority_profile
from pytest_mtls.reasons.reason import Reason

_SECTION = "section 4.2.1.10"
#: The names of the ordinary server, which the constraints below do not touch.
_LOOPBACK = (x509.IPAddress(ip_network("127.0.0.0/8")), x509.IPAddress(ip_network("::1/128")))


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION, limbo="rfc5280::nc::permitted-dns-mismatch")
def dns_name_not_permitted(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A DNS name is outside what the intermediate CA may issue for."""
    middle = intermediate(ca, "constrained CA", permitted=["permitted.example", "localhost"])
    return leaf(middle, also_named=["outside.example"])


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION, limbo="rfc5280::nc::excluded-dns-match")
def dns_name_excluded(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A DNS name is one that the intermediate CA must not issue for."""
    return leaf(intermediate(ca, "constrained CA", excluded=["excluded.example"]), also_named=["www.excluded.example"])


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION, limbo="rfc5280::nc::permitted-ip-mismatch")
def ip_address_not_permitted(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """An IP address is outside the networks that the intermediate CA may issue for."""
    return leaf(intermediate(ca, "constrained CA", permitted=_LOOPBACK), also_named=["192.0.2.1"])


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION, limbo="rfc5280::nc::excluded-ipv4-match")
def ip_address_excluded(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """An IP address is in a network that the intermediate CA must not issue for."""
    return leaf(intermediate(ca, "constrained CA", excluded=["192.0.2.0/24"]), also_named=["192.0.2.1"])


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION)
def email_address_not_permitted(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """An e-mail address is outside the domain that the intermediate CA may issue for."""
    middle = intermediate(ca, "constrained CA", permitted=[x509.RFC822Name("permitted.example")])
    return leaf(middle, also_named=["alice@outside.example"])


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION)
def uri_not_permitted(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The host of a URI is outside the domain that the intermediate CA may issue for."""
    middle = intermediate(ca, "constrained CA", permitted=[x509.UniformResourceIdentifier("permitted.example")])
    return leaf(middle, also_named=["spiffe://outside.example/service"])


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION)
def uri_excluded(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The host of a URI is in a domain that the intermediate CA must not issue for."""
    middle = intermediate(ca, "constrained CA", excluded=[x509.UniformResourceIdentifier(".excluded.example")])
    return leaf(middle, also_named=["https://www.excluded.example/"])


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION, limbo="rfc5280::nc::permitted-dn-mismatch")
def directory_name_not_permitted(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The subject is outside the organization that the intermediate CA may issue for."""
    permitted = x509.DirectoryName(distinguished_name(None, "Permitted"))
    return leaf(
        intermediate(ca, "constrained CA", permitted=[permitted]), subject=distinguished_name("alice", "Outside")
    )


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION, limbo="rfc5280::nc::excluded-dn-match")
def directory_name_excluded(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The subject is in an organization that the intermediate CA must not issue for."""
    excluded = x509.DirectoryName(distinguished_name(None, "Excluded"))
    return leaf(
        intermediate(ca, "constrained CA", excluded=[excluded]), subject=distinguished_name("alice", "Excluded")
    )


@case("client", Reason.NAME_CONSTRAINT_VIOLATED, tier=Tier.INFORMATIVE, rfc="RFC 9525 section 2")
def common_name_not_permitted(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The common name looks like a DNS name, is outside the permitted ones, and there is no alternative name."""
    middle = intermediate(ca, "constrained CA", permitted=["permitted.example"])
    return leaf(middle, subject=distinguished_name("outside.example"))


@case("both", tier=Tier.INFORMATIVE, rfc=_SECTION, limbo="rfc5280::nc::not-allowed-in-ee-critical")
def name_constraints_in_leaf(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate of an end entity has name constraints, which only a CA's may."""
    return leaf(ca, name_constraints=x509.NameConstraints([x509.DNSName("permitted.example")], None))


@case("server", tier=Tier.INFORMATIVE, rfc=_SECTION, limbo="cve::cve-2025-61727", host="www.excluded.example")
def wildcard_over_excluded_name(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A wildcard stands for a host that the intermediate CA must not issue for; the rules do not say what then."""
    middle = intermediate(ca, "constrained CA", excluded=["www.excluded.example"])
    return leaf(middle, sans=(x509.DNSName("*.excluded.example"),))


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION, limbo="rfc5280::nc::excluded-ipv6-match")
def ipv6_address_excluded(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """An IPv6 address is in a network that the intermediate CA must not issue for."""
    return leaf(intermediate(ca, "constrained CA", excluded=["2001:db8::/32"]), also_named=["2001:db8::1"])


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    rfc=_SECTION,
    limbo="rfc5280::nc::excluded-match-permitted-and-excluded",
)
def name_permitted_and_excluded(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A DNS name is both permitted and excluded; excluded wins."""
    middle = intermediate(
        ca, "constrained CA", permitted=["permitted.example", "localhost"], excluded=["secret.permitted.example"]
    )
    return leaf(middle, also_named=["secret.permitted.example"])


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION, limbo="rfc5280::nc::excluded-dns-match-second")
def second_name_excluded(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The last of several DNS names is one that the intermediate CA must not issue for."""
    middle = intermediate(ca, "constrained CA", excluded=["excluded.example"])
    return leaf(middle, also_named=["www.mtls.example", "excluded.example"])


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    rfc=_SECTION,
    limbo="rfc5280::nc::restrictive-permits-in-intermediates-narrows",
)
def name_outside_narrower_constraint(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A DNS name is what the upper CA may issue for, and not what the lower one may."""
    upper = intermediate(ca, "upper CA", path_length=None, permitted=["permitted.example", "localhost"])
    lower = intermediate(upper, "lower CA", permitted=["one.permitted.example", "localhost"])
    return leaf(lower, also_named=["two.permitted.example"])


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    rfc=_SECTION,
    limbo="rfc5280::nc::restrictive-permits-in-intermediates-widens",
)
def name_outside_wider_constraint(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The lower CA permits a DNS name that the upper one does not, which gives it no more than it had."""
    upper = intermediate(ca, "upper CA", path_length=None, permitted=["one.permitted.example", "localhost"])
    lower = intermediate(upper, "lower CA", permitted=["permitted.example", "localhost"])
    return leaf(lower, also_named=["two.permitted.example"])


@case(
    "both",
    Reason.NAME_CONSTRAINT_VIOLATED,
    rfc=_SECTION,
    limbo="rfc5280::nc::intermediate-with-san-rejected-by-intermediate-nc",
)
def intermediate_name_excluded(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The lower CA itself has a DNS name that the upper one must not issue for."""
    upper = intermediate(ca, "upper CA", path_length=None, excluded=["excluded.example"])
    return leaf(subordinate(upper, sans=(x509.DNSName("excluded.example"),)))


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION, limbo="rfc5280::nc::excluded-self-issued-leaf")
def self_issued_leaf_not_permitted(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The subject is the issuer's name too, which exempts a CA from constraints, and not the end of a chain."""
    upper = intermediate(ca, "constrained CA", path_length=None, permitted=["permitted.example", "localhost"])
    lower = intermediate(upper, "lower CA")
    return leaf(lower, subject=lower.certificate.subject, also_named=["outside.example"])


@case(
    "both",
    Reason.UNKNOWN_CA,
    tier=Tier.INFORMATIVE,
    rfc="section 6.1.4 (b), (c)",
    limbo="rfc5280::nc::permitted-self-issued",
)
def self_issued_intermediate_outside_constraint(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A CA that rolled its key over names itself beyond its own constraints, from which a self-issued one is exempt."""
    upper = intermediate(ca, "constrained CA", path_length=None, permitted=["permitted.example", "localhost"])
    rolled_over = replace(
        authority_profile(upper.certificate.subject, path_length=None), sans=(x509.DNSName("outside.example"),)
    )
    return leaf(upper.issue_authority(rolled_over), also_named=["www.permitted.example"])


@case("both", tier=Tier.GOOD, rfc=_SECTION, limbo="rfc5280::nc::permitted-different-constraint-type")
def constraint_of_another_type(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA is limited in the e-mail addresses that it may issue for; the certificate has DNS names."""
    middle = intermediate(ca, "constrained CA", permitted=[x509.RFC822Name("permitted.example")])
    return leaf(middle, also_named=["www.mtls.example"])


@case("both", tier=Tier.INFORMATIVE, rfc=_SECTION, limbo="rfc5280::nc::nc-permits-email-exact")
def email_address_permitted(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The e-mail address is the one that the intermediate CA may issue for; who cannot compare it has to reject it."""
    middle = intermediate(ca, "constrained CA", permitted=[x509.RFC822Name("alice@permitted.example")])
    return leaf(middle, also_named=["alice@permitted.example"])


@case("both", tier=Tier.INFORMATIVE, rfc=_SECTION, limbo="rfc5280::nc::nc-permits-email-domain")
def email_domain_permitted(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The e-mail address is of the host that the intermediate CA may issue for; who cannot compare it has to reject it."""
    middle = intermediate(ca, "constrained CA", permitted=[x509.RFC822Name("permitted.example")])
    return leaf(middle, also_named=["alice@permitted.example"])


@case("both", Reason.NAME_CONSTRAINT_VIOLATED, rfc=_SECTION, limbo="rfc5280::nc::nc-forbids-othername")
def other_name_excluded(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A name is of a type that the intermediate CA must not issue for, and that nobody can compare."""
    other = x509.OtherName(UNKNOWN_EXTENSION.oid, b"\x05\x00")
    return leaf(intermediate(ca, "constrained CA", excluded=[other]), also_named=[other])
