"""`Trust`: the CAs that one side trusts, in whatever form the caller has them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Union

from cryptography import x509

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import InvalidArgument

if TYPE_CHECKING:
    import trustme

__all__ = ["CRLSource", "Trust", "TrustArgument", "trust_in"]

#: What may stand for a trusted CA: ours, trustme's, a certificate, PEM or DER bytes, or the path of a file.
TrustArgument = Union[
    CertificateAuthority,
    "trustme.CA",
    x509.Certificate,
    bytes,
    str,
    "os.PathLike[str]",
    "Trust",
    "Iterable[TrustArgument]",
]


@dataclass(frozen=True)
class CRLSource:
    """Where a TLS library finds the CRLs of a `Trust`. Two are equal as long as what is found is the same or more.

    Attributes:
        directory: of files that are called as OpenSSL looks for them; empty if they cannot be in one.
        pem: then the CRLs themselves.
        revocations: how often a CA had revoked or published something.
    """

    directory: str
    pem: bytes
    revocations: int

    @property
    def is_there(self) -> bool:
        """Whether the directory has not been removed."""
        return not self.directory or os.path.isdir(self.directory)


@dataclass(frozen=True)
class Trust:
    """The CAs that one side trusts.

    Attributes:
        authorities: the trusted CAs; those whose key is here can issue certificates and CRLs.
    """

    authorities: tuple[CertificateAuthority, ...]

    @classmethod
    def of(cls, value: TrustArgument) -> Trust:
        """Read what a caller gave as ``trust``.

        Raises:
            InvalidArgument: it is nothing that can be trusted.
            UnreadableCertificate: a file or PEM text holds no certificate.
            NotACertificateAuthority: the certificate may not issue others.
        """
        if isinstance(value, Trust):
            return value
        return cls(tuple(_authorities(value)))

    @property
    def issuer(self) -> CertificateAuthority | None:
        """The first CA that can issue certificates; None if all keys are elsewhere."""
        return next((ca for ca in self.authorities if ca.private_key is not None), None)

    @property
    def revision(self) -> int:
        """A number that grows whenever one of the CAs revokes a certificate or makes an intermediate."""
        return sum(ca.revision for ca in self.authorities)

    @property
    def pem(self) -> bytes:
        """The CA certificates, one after the other."""
        return b"".join(ca.pem for ca in self.authorities)

    @property
    def path(self) -> str:
        """The path of a file with `pem`, which is gone after the run."""
        first, *others = self.authorities
        if not others:
            return first.cert_path
        pem = self.pem
        return first.files.keep(f"trust-{sha256(pem).hexdigest()[:16]}.crt", lambda: pem)

    @property
    def is_partial(self) -> bool:
        """Whether one of the CAs is an intermediate, so that a chain may end before a root."""
        return any(ca.certificate.issuer != ca.certificate.subject for ca in self.authorities)

    @property
    def can_revoke(self) -> bool:
        """Whether the keys of all CAs from the trusted ones up to their roots are here, so that each has a CRL."""
        return all(map(_has_keys_to_the_root, self.authorities))

    def crl_pem(self) -> bytes:
        """The current CRL of each CA in the hierarchies whose keys are here, one after the other."""
        return b"".join(dict.fromkeys(pem for ca in self.authorities for pem in ca.crl_pems()))

    def crl_source(self, revocation: bool | None = None) -> CRLSource | None:
        """Where a TLS library finds those CRLs, of which it reads what it needs.

        Args:
            revocation: whether chains are checked by CRLs; by default if all trusted CAs have one.

        Returns:
            None if they are not.

        Raises:
            UnusableDirectory: they cannot be written.
        """
        if not (self.can_revoke if revocation is None else revocation):
            return None
        revocations = sum(ca.revocations for ca in self.authorities)
        try:
            directory, *others = {ca.crl_directory() for ca in self.authorities}
        except ValueError:  # an issuer's name that is not what it says
            return CRLSource("", self.crl_pem(), revocations)
        if others or os.pathsep in directory:  # of two directories OpenSSL looks only in the first that has the name
            return CRLSource("", self.crl_pem(), revocations)
        return CRLSource(directory, b"", revocations)


def trust_in(identity: Identity, known: Trust | None) -> Trust | None:
    """What a client of a server should trust: the root of the server's identity, as the CA itself if it is at hand.

    Args:
        identity: the server's.
        known: the CAs that are at hand.
    """
    if identity.root is None or (known is not None and identity.root in {ca.root for ca in known.authorities}):
        return known
    return Trust.of(identity.root)


def _authorities(value: Any) -> Iterator[CertificateAuthority]:
    if isinstance(value, CertificateAuthority):
        yield value
    elif isinstance(value, Trust):
        yield from value.authorities
    elif isinstance(value, (bytes, str, os.PathLike, x509.Certificate)):
        yield CertificateAuthority.load(value, partial=True)
    elif type(value).__module__.partition(".")[0] == "trustme" and hasattr(value, "create_child_ca"):
        yield CertificateAuthority.from_trustme(value)
    elif isinstance(value, Iterable):
        for one in value:
            yield from _authorities(one)
    else:
        raise InvalidArgument("trust", value, "a CertificateAuthority, a CA certificate, or several of them")


def _has_keys_to_the_root(ca: CertificateAuthority) -> bool:
    while ca.private_key is not None and ca.parent is not None:
        ca = ca.parent
    return ca.private_key is not None and ca.certificate.issuer == ca.certificate.subject
