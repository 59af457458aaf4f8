"""Certificates and chains of odd shape: versions, serial numbers, sizes."""

from __future__ import annotations

from dataclasses import replace

from pytest_mtls.cases.build import authority_name
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.cases.resigned import EXTENSIONS, SERIAL, VERSION, resign
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.der import element
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.profile import authority_profile
from pytest_mtls.reasons.reason import Reason


def _to_version_1(fields: list[bytes]) -> None:
    del fields[EXTENSIONS]
    del fields[VERSION]


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.1.2.1", limbo="webpki::v1-cert")
def version_1(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is of version 1, without extensions."""
    return leaf(ca, edit=_to_version_1)


@case("both", Reason.PROFILE_VIOLATED, tier=Tier.SETTING, requires=["strict"], rfc="section 4.1.2.9")
def version_1_with_extensions(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate says that it is of version 1, and has extensions."""

    def edit(fields: list[bytes]) -> None:
        del fields[VERSION]

    return leaf(ca, edit=edit)


@case("both", Reason.INVALID_CA, rfc="section 6.1.4 (k)")
def version_1_intermediate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's certificate is of version 1, and so cannot say that it is a CA's."""
    middle = ca.issue(authority_profile(authority_name("CA of version 1"), path_length=None))
    assert ca.private_key is not None
    version_1 = resign(middle.certificate, ca.private_key, _to_version_1)
    return leaf(CertificateAuthority(version_1, middle.private_key, parent=ca))


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.1.2.2", limbo="rfc5280::serial::too-long")
def serial_number_of_40_bytes(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The serial number is twice as long as the longest allowed."""

    def edit(fields: list[bytes]) -> None:
        fields[SERIAL] = element(0x02, b"\x2a" * 40)

    return leaf(ca, edit=edit)


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.1.2.2", limbo="rfc5280::serial::zero")
def serial_number_zero(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The serial number is zero."""

    def edit(fields: list[bytes]) -> None:
        fields[SERIAL] = element(0x02, b"\x00")

    return leaf(ca, edit=edit)


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.1.2.2", limbo="rfc5280::serial::negative")
def serial_number_negative(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The serial number is negative."""

    def edit(fields: list[bytes]) -> None:
        fields[SERIAL] = element(0x02, b"\xd6")

    return leaf(ca, edit=edit)


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.2.1.6")
def a_thousand_names(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """There are a thousand more alternative names, some 30 kB."""
    return leaf(ca, also_named=[f"name-{number}.mtls.example" for number in range(1000)])


@case("both", Reason.CHAIN_TOO_LONG, tier=Tier.INFORMATIVE, rfc="RFC 8446 section 4.4.2")
def chain_of_200_kb(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """So many certificates are sent along that the message is of some 200 kB."""
    identity = leaf(ca, also_named=[f"name-{number}.mtls.example" for number in range(1000)])
    return replace(identity, chain=identity.chain + identity.chain[:1] * 7)
