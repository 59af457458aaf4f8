"""Name constraints: an intermediate CA issues for a name that it may not (RFC 5280 section 4.2.1.10)."""

from __future__ import annotations

from ipaddress import ip_network

from cryptography import x509

from pytest_mtls.cases.build import intermediate
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.reasons.reason import Reason

_SECTION = "section 4.2.1.10"
#: The names of the ordinary server, which the constraints below leave alone.
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
