"""What EST messages are made of: base64, certs-only PKCS#7, CSR attributes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given
from hypothesis import strategies as st
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, CertificateSigningRequest
from pytest_mtls.certificates.der import object_identifier
from pytest_mtls.certificates.enrolment import (
    ca_certificates,
    certs_only,
    check_renewal,
    csr_attributes,
    from_base64,
    signing_request,
    to_base64,
)
from pytest_mtls.errors import InvalidArgument, UnreadableSigningRequest


@given(st.binary(), st.sampled_from([b"", b"\n", b"\r\n", b" \t"]))
def test_base64_comes_back(data: bytes, between: bytes) -> None:
    """White space between the characters does not matter (RFC 8951 section 3)."""
    encoded = to_base64(data)
    assert data == from_base64(between.join(bytes([one]) for one in encoded))
    assert all(len(line) <= 76 for line in encoded.splitlines())


@given(st.binary(max_size=200))
def test_a_body_is_a_request_or_one_typed_error(body: bytes) -> None:
    """Whatever comes, nothing but the documented error is raised."""
    for data in (body, to_base64(body)):
        with pytest.raises(UnreadableSigningRequest):
            signing_request(data)


def test_ca_certificates(mtls_ca: CertificateAuthority) -> None:
    """A CA's own certificate comes first and its root last, as PKCS#7 that cryptography reads."""
    below = mtls_ca.intermediate().intermediate()
    certificates = ca_certificates(below)
    assert [below.certificate, *below.chain[1:], mtls_ca.certificate] == certificates
    assert set(certificates) == set(pkcs7.load_der_pkcs7_certificates(certs_only(certificates)))
    assert [mtls_ca.certificate] == ca_certificates(mtls_ca)


def test_attributes_are_read_by_openssl(tmp_path: Path) -> None:
    """The example of RFC 7030 section 4.5.2: a challenge password, a curve, a hash."""
    der = csr_attributes(
        ["1.2.840.113549.1.9.7", ("1.2.840.10045.2.1", ["1.3.132.0.34"]), "2.16.840.1.101.3.4.2.2", "2.999.16384"]
    )
    (tmp_path / "attributes.der").write_bytes(der)
    openssl = require_program("openssl", apt="openssl")
    command = [str(openssl), "asn1parse", "-inform", "DER", "-in", str(tmp_path / "attributes.der")]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line.rpartition("prim: ")[2].split() for line in text.splitlines() if "OBJECT" in line]
    assert [":challengePassword", ":id-ecPublicKey", ":secp384r1", ":sha384", ":2.999.16384"] == [
        words[1] for words in lines
    ]
    assert b"" == csr_attributes([])


@pytest.mark.parametrize("wrong", ["challengePassword", "1", 7, None, ("1.2", ["x"])])
def test_attribute_that_cannot_be(wrong: object) -> None:
    """What is not an object identifier is one typed error that says what one looks like."""
    with pytest.raises(InvalidArgument, match=r"a dotted object identifier, such as '1\.2\.840\.113549\.1\.9\.7'"):
        csr_attributes([wrong])  # type: ignore[list-item]


def test_object_identifiers() -> None:
    """As in X.690 section 8.19.5 and RFC 5280."""
    assert b"\x06\x03\x55\x1d\x11" == object_identifier("2.5.29.17")
    assert b"\x06\x03\x88\x37\x03" == object_identifier("2.999.3")


def test_what_a_renewal_may_not_change(mtls_ca: CertificateAuthority) -> None:
    """Subject and alternative names stay; the key may be another (RFC 7030 section 4.2.2)."""
    current = mtls_ca.issue_client("alice", sans=["alice.example"]).certificate
    create = CertificateSigningRequest.create
    assert "" == check_renewal(create("alice", ["alice.example"]), current)
    assert "subject is not" in check_renewal(create("bob", ["alice.example"]), current)
    assert "alternative names are not" in check_renewal(create("alice", ["bob.example"]), current)
    assert "alternative names are not" in check_renewal(create("alice"), current)
