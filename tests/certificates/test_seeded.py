"""The root CA that a seed stands for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from pytest_mtls.certificates.key import KeyKind, private_key_pem
from pytest_mtls.certificates.seeded import authority_from_seed

SEED = bytes(range(32))
#: Once and for all: another version of this package, of cryptography or of Python makes the same.
FINGERPRINT = "3152418ff8ff4eeec9097db74dde8943ec58e041a6c87a7a746de2edd605b3a4"

IN_ANOTHER_PROCESS = """
import sys
from pytest_mtls.certificates.seeded import authority_from_seed

print(authority_from_seed(bytes.fromhex(sys.argv[1])).fingerprint_sha256)
"""


@given(st.binary(min_size=32, max_size=32))
def test_the_same_seed_makes_the_same_authority(seed: bytes) -> None:
    """Certificate and private key agree to the byte, and the certificate is signed with its own key."""
    one, other = authority_from_seed(seed), authority_from_seed(seed)
    assert one.private_key is not None
    assert other.private_key is not None
    assert one.pem == other.pem
    assert private_key_pem(one.private_key) == private_key_pem(other.private_key)
    one.certificate.verify_directly_issued_by(other.certificate)


@given(st.binary(min_size=32, max_size=32), st.integers(min_value=0, max_value=255))
def test_another_bit_makes_another_authority(seed: bytes, bit: int) -> None:
    """Name, key, serial number and signature all differ."""
    other_seed = (int.from_bytes(seed, "big") ^ 1 << bit).to_bytes(32, "big")
    one, other = authority_from_seed(seed).certificate, authority_from_seed(other_seed).certificate
    assert one.subject != other.subject
    assert one.public_key() != other.public_key()
    assert one.serial_number != other.serial_number
    assert one.signature != other.signature


def test_it_is_the_same_everywhere_and_always() -> None:
    """A known seed makes a known certificate, in this process and in another."""
    arguments = [sys.executable, "-c", IN_ANOTHER_PROCESS, SEED.hex()]
    finished = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert [FINGERPRINT] * 2 == [authority_from_seed(SEED).fingerprint_sha256, finished.stdout.strip()]


def test_it_is_as_those_of_trustme() -> None:
    """A P-256 root with as long a path and as long a life, whose name nobody else has by chance."""
    authority = authority_from_seed(os.urandom(32))
    assert authority.subject.startswith("OU=Testing CA #")
    assert authority.subject.endswith(",O=pytest-mtls")
    assert KeyKind.P256 is KeyKind.of(authority.certificate.public_key())
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (True, True, 9) == (constraints.critical, constraints.value.ca, constraints.value.path_length)
    assert (2000, 3000) == (
        authority.certificate.not_valid_before_utc.year,
        authority.certificate.not_valid_after_utc.year,
    )
    assert 1 <= authority.certificate.serial_number < 1 << 159


def test_what_one_issues_the_other_has_issued() -> None:
    """Each of two copies issues, renews and revokes for itself, and knows what the other issued as its own."""
    one, other = authority_from_seed(SEED), authority_from_seed(SEED)
    alice = one.issue_client("alice")
    alice.certificate.verify_directly_issued_by(other.certificate)
    other.renew(alice)
    other.revoke(alice)
    assert other.crl().get_revoked_certificate_by_serial_number(alice.serial_number) is not None
    assert one.crl().get_revoked_certificate_by_serial_number(alice.serial_number) is None
    assert other.crl().is_signature_valid(one.certificate.public_key())  # type: ignore[arg-type]


def test_the_impostor_has_another_key() -> None:
    """A seed gives no key to whoever takes only the name."""
    authority = authority_from_seed(SEED)
    impostor = authority.impostor()
    assert authority.certificate.subject == impostor.certificate.subject
    with pytest.raises(InvalidSignature):
        impostor.issue_client().certificate.verify_directly_issued_by(authority.certificate)


def test_nonces_are_never_the_same() -> None:
    """The numbers in the signatures of two CAs differ: one number used twice would give the keys away."""
    certificates = [authority_from_seed(bytes([number]) * 32).certificate for number in range(50)]
    firsts = {signature[0] for signature in map(_numbers, certificates)}
    assert 50 == len(firsts)


def _numbers(certificate: x509.Certificate) -> tuple[int, int]:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    return decode_dss_signature(certificate.signature)
