"""Common names that are not among the alternative names, or are written otherwise (CA/Browser Forum requirement 7.1.4.3).

Who compares names as RFC 9525 has it never looks at them; whoever shows the common name to people, or still compares it, is
told something else than the alternative names say.
"""

from __future__ import annotations

from cryptography import x509

from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.names import distinguished_name, general_name

_SECTION = "RFC 9525 section 2"


@case("server", tier=Tier.INFORMATIVE, rfc=_SECTION, limbo="webpki::cn::not-in-san")
def common_name_not_among_names(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The common name is another host, which is not among the alternative names."""
    return leaf(ca, subject=distinguished_name("another-host.example"))


@case("server", tier=Tier.INFORMATIVE, rfc=_SECTION, limbo="webpki::cn::case-mismatch")
def common_name_in_another_case(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The common name is the host in capitals."""
    return leaf(ca, subject=distinguished_name("LOCALHOST"))


@case("server", tier=Tier.INFORMATIVE, rfc=_SECTION, limbo="webpki::cn::utf8-vs-punycode-mismatch")
def common_name_in_unicode(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The common name is an international name as people write it, and the alternative name is its encoding."""
    return leaf(ca, subject=distinguished_name("müller.example"), also_named=["müller.example"])


@case("server", tier=Tier.INFORMATIVE, rfc=_SECTION, limbo="webpki::cn::punycode-not-in-san")
def common_name_in_punycode(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The common name is an encoded international name that is not among the alternative names."""
    return leaf(ca, subject=distinguished_name("xn--mller-kva.example"))


@case("server", tier=Tier.INFORMATIVE, rfc=_SECTION, limbo="webpki::cn::ipv6-uncompressed-mismatch", host="127.0.0.1")
def common_name_as_uncompressed_ipv6_address(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The common name is the IPv6 address with all of its zeros, and the alternative name is the address."""
    names = (general_name("127.0.0.1"), general_name("2001:db8::1"))
    return leaf(ca, subject=distinguished_name("2001:0db8:0000:0000:0000:0000:0000:0001"), sans=names)


@case("server", tier=Tier.INFORMATIVE, rfc=_SECTION, limbo="webpki::cn::ipv4-leading-zeros-mismatch", host="127.0.0.1")
def common_name_as_ipv4_address_with_zeros(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The common name is the IPv4 address with leading zeros."""
    return leaf(
        ca, subject=distinguished_name("127.000.000.001"), sans=(x509.DNSName("localhost"), general_name("127.0.0.1"))
    )
