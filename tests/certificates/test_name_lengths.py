"""The lengths of names are looked at as `cryptography` looks at them, and nothing else is."""

from __future__ import annotations

import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls import CertificateAuthority, CertificateSigningRequest
from pytest_mtls.certificates.der import element, object_identifier, sequence, set_of
from pytest_mtls.certificates.name_lengths import problem_of_lengths
from pytest_mtls.errors import UnreadableSigningRequest

CN, COUNTRY, ORGANIZATION = "2.5.4.3", "2.5.4.6", "2.5.4.10"


def attribute(oid: str, tag: int, value: bytes) -> bytes:
    """One attribute of a name, DER."""
    return sequence(set_of(sequence(object_identifier(oid), element(tag, value))))


@pytest.mark.parametrize(
    ("oid", "tag", "value", "problem"),
    [
        (CN, 0x0C, b"x" * 64, ""),
        (CN, 0x0C, "ä".encode() * 33, "a common name of 66 octets, and there must be 1 to 64"),
        (CN, 0x1E, ("x" * 64).encode("utf-16-be"), ""),
        (CN, 0x1E, ("x" * 65).encode("utf-16-be"), "a common name of 65 octets, and there must be 1 to 64"),
        (COUNTRY, 0x13, b"D", "a country of 1 octets, and there must be 2"),
        (COUNTRY, 0x1C, "DE".encode("utf-32-be"), ""),
        ("1.3.6.1.4.1.311.60.2.1.3", 0x13, b"DEU", "a country of jurisdiction of 3 octets, and there must be 2"),
        (ORGANIZATION, 0x0C, b"x" * 1000, ""),
    ],
)
def test_bounds(oid: str, tag: int, value: bytes, problem: str) -> None:
    """Octets of UTF-8 count, as `cryptography` counts them: it warns of the same names."""
    der = attribute(oid, tag, value)
    assert problem == problem_of_lengths(der)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        ed25519 = sequence(b"\x06\x03\x2b\x65\x70")
        info = sequence(b"\x02\x01\x00", der, sequence(ed25519, element(0x03, bytes(33))), b"\xa0\x00")
        assert 1 == len(list(x509.load_der_x509_csr(sequence(info, ed25519, element(0x03, b"\0"))).subject))
    assert bool(problem) is bool(warned)


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x85", b"\x30\x05\x06", b"\xff" * 100, b"\x30\x80" * 60])
def test_what_is_no_der(data: bytes) -> None:
    """Garbage has no names; it is for others to tell."""
    assert "" == problem_of_lengths(data)


def test_depth_ends() -> None:
    """Elements that are nested without end are not followed."""
    data = attribute(CN, 0x0C, b"")
    for _ in range(5000):
        data = sequence(data)
    assert "" == problem_of_lengths(data)


def test_good_ones(mtls_ca: CertificateAuthority) -> None:
    """A request that is as long as may be, and the certificate made of it, have nothing to find."""
    request = CertificateSigningRequest.create("x" * 64, sans=["a.example", "spiffe://bank/reader"])
    for der in (request.request.public_bytes(Encoding.DER), mtls_ca.sign(request).der):
        assert "" == problem_of_lengths(der)


def test_loading_says_which(mtls_ca: CertificateAuthority) -> None:
    """A request from elsewhere is unreadable, and the error has the attribute in words."""
    der = CertificateSigningRequest.create("alice", organization="DEU").request.public_bytes(Encoding.DER)
    odd = der.replace(object_identifier(ORGANIZATION), object_identifier(COUNTRY))
    with pytest.raises(UnreadableSigningRequest, match=r"a name in it has a country of 3 octets, and there must be 2"):
        mtls_ca.sign(odd)
