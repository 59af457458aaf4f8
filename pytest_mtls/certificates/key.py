"""`KeyKind`: the kinds of private key that a certificate can be made for, and how each is generated and signs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any, Union

import cryptography
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes as PrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes as PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pytest_mtls.errors import InvalidArgument, UnsupportedKeyKind

__all__ = [
    "KeyKind",
    "PrivateKey",
    "PublicKey",
    "SignatureHash",
    "password_bytes",
    "private_key_pem",
    "same_key",
    "signature_hash",
]

SignatureHash = Union[
    hashes.SHA224, hashes.SHA256, hashes.SHA384, hashes.SHA512, hashes.SHA3_224, hashes.SHA3_256, hashes.SHA3_384
]


class KeyKind(str, Enum):
    """A kind of private key; the value is what callers write as ``key_kind``."""

    P256 = "p256"  #: ECDSA over NIST P-256, the default: the cheapest that every TLS stack takes.
    P384 = "p384"  #: ECDSA over NIST P-384.
    RSA2048 = "rsa2048"  #: RSA of 2048 bits, the least that is not weak.
    RSA3072 = "rsa3072"  #: RSA of 3072 bits.
    ED25519 = "ed25519"  #: Ed25519 (RFC 8032).
    ML_DSA_44 = "mldsa44"  #: ML-DSA (FIPS 204, RFC 9881), post-quantum.
    ML_DSA_65 = "mldsa65"  #: the same, of the middle size.
    ML_DSA_87 = "mldsa87"  #: the same, of the largest size.

    def generate(self) -> PrivateKey:
        """Make a new private key.

        Raises:
            UnsupportedKeyKind: the installed cryptography cannot make keys of this kind.
        """
        return _GENERATORS[self]()

    @classmethod
    def parse(cls, kind: KeyKind | str) -> KeyKind:
        """The kind that a caller named, in upper or lower case.

        Raises:
            UnsupportedKeyKind: there is no such kind; the text names those there are.
        """
        try:
            return cls(kind.lower())
        except (ValueError, AttributeError):
            known = ", ".join(f'"{known.value}"' for known in cls)
            raise UnsupportedKeyKind(str(kind), f"unknown. Give one of {known}.") from None

    @classmethod
    def of(cls, key: PrivateKey | PublicKey) -> KeyKind | None:
        """The kind of a private or public key; None if it is none of those listed here."""
        if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
            return _CURVES.get(key.curve.name)
        if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
            return _RSA_SIZES.get(key.key_size)
        if isinstance(key, (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey)):
            return cls.ED25519
        return _ml_dsa_kind(key)

    def __str__(self) -> str:
        return self.value


def signature_hash(key: PrivateKey) -> SignatureHash | None:
    """The hash that a key of this kind and strength signs with; None for kinds that bring their own."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.key_size <= 256:
            return hashes.SHA256()
        return hashes.SHA384() if key.key_size <= 384 else hashes.SHA512()
    if isinstance(key, (rsa.RSAPrivateKey, dsa.DSAPrivateKey)):
        return hashes.SHA256()
    return None


def private_key_pem(key: PrivateKey, password: str | bytes | None = None) -> bytes:
    """A private key as PKCS#8 PEM (RFC 5958), encrypted if a password is given."""
    secret = password_bytes(password)
    encryption = BestAvailableEncryption(secret) if secret else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def password_bytes(password: str | bytes | None) -> bytes | None:
    """A password as the bytes that it is used as.

    Raises:
        InvalidArgument: it is neither text nor bytes.
    """
    if not isinstance(password, (str, bytes, type(None))):
        raise InvalidArgument("password", "...", f"a str, bytes or None, and not {type(password).__name__}")
    return password.encode() if isinstance(password, str) else password


def same_key(one: PublicKey, other: PublicKey) -> bool:
    """Whether two public keys are the same, compared as SubjectPublicKeyInfo."""
    der = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return one.public_bytes(*der) == other.public_bytes(*der)


def _generate_ml_dsa(kind: KeyKind) -> PrivateKey:
    try:
        mldsa: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.mldsa")
        key: PrivateKey = getattr(mldsa, f"{_ML_DSA_CLASSES[kind]}PrivateKey").generate()
    except (ImportError, AttributeError, UnsupportedAlgorithm):
        problem = f"it needs a cryptography that has ML-DSA, and this is {cryptography.__version__}. Upgrade it."
        raise UnsupportedKeyKind(kind.value, problem) from None
    return key


def _ml_dsa_kind(key: PrivateKey | PublicKey) -> KeyKind | None:
    # By name, since an older cryptography has no such classes to compare with.
    name = type(key).__name__
    return next((kind for kind, prefix in _ML_DSA_CLASSES.items() if name.startswith(prefix)), None)


_CURVES = {"secp256r1": KeyKind.P256, "secp384r1": KeyKind.P384}
_RSA_SIZES = {2048: KeyKind.RSA2048, 3072: KeyKind.RSA3072}
_ML_DSA_CLASSES = {
    KeyKind.ML_DSA_44: "MLDSA44",
    KeyKind.ML_DSA_65: "MLDSA65",
    KeyKind.ML_DSA_87: "MLDSA87",
}
_GENERATORS: dict[KeyKind, Callable[[], PrivateKey]] = {
    KeyKind.P256: partial(ec.generate_private_key, ec.SECP256R1()),
    KeyKind.P384: partial(ec.generate_private_key, ec.SECP384R1()),
    KeyKind.RSA2048: partial(rsa.generate_private_key, public_exponent=65537, key_size=2048),
    KeyKind.RSA3072: partial(rsa.generate_private_key, public_exponent=65537, key_size=3072),
    KeyKind.ED25519: ed25519.Ed25519PrivateKey.generate,
    **{kind: partial(_generate_ml_dsa, kind) for kind in _ML_DSA_CLASSES},
}
