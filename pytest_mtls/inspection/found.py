"""`Found`: one thing in a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Union

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pytest_mtls.certificates.key import PublicKey

__all__ = ["Found", "HeldKey", "Unreadable", "describe_key", "key_bytes"]


@dataclass(frozen=True)
class HeldKey:
    """A key: only its public half, whichever it is.

    Attributes:
        public: the public key; None if the private one is encrypted and there is no password for it.
        is_private: whether the file holds the private key.
        is_encrypted: whether that is encrypted.
        remedy: what to do to have it opened, if it is not.
    """

    public: PublicKey | None
    is_private: bool = True
    is_encrypted: bool = False
    remedy: str = "Give its password: --password"


@dataclass(frozen=True)
class Unreadable:
    """A part of a file that cannot be read, or is of no use for TLS.

    Attributes:
        what: what it says that it is.
        problem: why it is of no use, and what to do.
        is_wrong: whether something is wrong, and not just of no matter.
    """

    what: str
    problem: str
    is_wrong: bool = True


Content = Union[x509.Certificate, x509.CertificateSigningRequest, x509.CertificateRevocationList, HeldKey, Unreadable]


@dataclass(frozen=True)
class Found:
    """One thing in a file.

    Attributes:
        source: the file's path.
        form: how the file is written: "PEM", "DER", "PKCS#12", "JKS", "kubeconfig"...
        content: the thing itself.
        label: what the file calls it: an alias, a user's name; empty if it has no name there.
        number: its place in the file, from 1.
        group: things of one file that are presented together have the same, such as a key store's entry.
    """

    source: str
    form: str
    content: Content
    label: str = ""
    number: int = 0
    group: str = ""

    @property
    def kind(self) -> str:
        """What it is, in words."""
        content = self.content
        if isinstance(content, x509.Certificate):
            return "certificate"
        if isinstance(content, x509.CertificateSigningRequest):
            return "certificate signing request"
        if isinstance(content, x509.CertificateRevocationList):
            return "certificate revocation list"
        if isinstance(content, HeldKey):
            return "private key" if content.is_private else "public key"
        return content.what

    @property
    def place(self) -> str:
        """Where it is, for a sentence: the file, and its number there if there are several."""
        return f"{self.source}, {self.number}" if self.number else self.source

    def at(self, number: int) -> Found:
        """The same at this place in its file."""
        return replace(self, number=number)


def describe_key(key: PublicKey | None) -> str:
    """A key's kind, such as ``RSA 2048`` or ``P-256``."""
    if key is None:
        return "of an unknown kind"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, key.curve.name)
    name = type(key).__name__.lstrip("_").removesuffix("PublicKey")
    return name.replace("MLDSA", "ML-DSA-")


_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp224r1": "P-224"}


def key_bytes(key: Any) -> bytes | None:
    """A public key as SubjectPublicKeyInfo, to compare it; None if it is of a kind that has none here."""
    try:
        encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (AttributeError, ValueError, TypeError):
        return None
    return encoded
