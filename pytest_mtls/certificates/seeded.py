"""A root CA made from a seed: every process that has the seed makes the same one, byte for byte, without a word more.

Key, name, serial number and the number that an ECDSA signature needs all come from the seed, and the dates are those of
trustme's CAs, which are the same on machines whose clocks differ.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.der import BIT_STRING, element, sequence
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.certificates.profile import authority_profile
from pytest_mtls.certificates.trustme_interop import DEFAULT_PATH_LENGTH

__all__ = ["authority_from_seed"]

_CURVE = ec.SECP256R1()
#: The order of P-256's base point (FIPS 186, NIST SP 800-186 section 3.2.1.3).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
#: The AlgorithmIdentifier ecdsa-with-SHA256 (RFC 5758 section 3.2).
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")

_NOT_BEFORE = datetime(2000, 1, 1, tzinfo=timezone.utc)
_NOT_AFTER = datetime(3000, 1, 1, tzinfo=timezone.utc)


def authority_from_seed(seed: bytes) -> CertificateAuthority:
    """The root CA that a seed stands for.

    Args:
        seed: 32 random bytes, as many as a private key has. Who has them has the CA's private key.
    """
    scalar = _scalar(seed, b"private key")
    key = ec.derive_private_key(scalar, _CURVE)
    unit = urlsafe_b64encode(_bytes(seed, b"name")[:12]).decode("ascii")
    subject = distinguished_name(None, "pytest-mtls", f"Testing CA #{unit}")
    profile = replace(
        authority_profile(subject, path_length=DEFAULT_PATH_LENGTH, not_before=_NOT_BEFORE, not_after=_NOT_AFTER),
        serial_number=int.from_bytes(_bytes(seed, b"serial number")[:20], "big") >> 1,
    )
    draft = profile.sign(key.public_key(), issuer_name=subject, issuer_key=key, issuer_key_identifier=None)
    return CertificateAuthority(_signed_from_seed(draft.tbs_certificate_bytes, scalar, seed), key)


def _signed_from_seed(content: bytes, scalar: int, seed: bytes) -> x509.Certificate:
    """A certificate whose signature is always the same: ECDSA with a secret number that the seed gives.

    `cryptography` has such signatures (RFC 6979) only since version 43 and OpenSSL 3.2, and must do with less here.
    """
    number = _scalar(seed, b"signature" + content)
    digest = int.from_bytes(hashlib.sha256(content).digest(), "big")
    r = ec.derive_private_key(number, _CURVE).public_key().public_numbers().x % _ORDER
    s = pow(number, -1, _ORDER) * (digest + r * scalar) % _ORDER
    signature = element(BIT_STRING, b"\0" + encode_dss_signature(r, s))
    return x509.load_der_x509_certificate(sequence(content, _ECDSA_WITH_SHA256, signature))


def _bytes(seed: bytes, purpose: bytes) -> bytes:
    """Bytes that nobody guesses without the seed, others for each purpose."""
    return hmac.digest(seed, b"pytest-mtls " + purpose, "sha512")


def _scalar(seed: bytes, purpose: bytes) -> int:
    """A number from 1 to the order less 1; of twice the bits, so that none is likelier than another."""
    return int.from_bytes(_bytes(seed, purpose), "big") % (_ORDER - 1) + 1
