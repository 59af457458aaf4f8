"""`Identity`: a certificate chain and its private key, which is what one side of a handshake presents."""

from __future__ import annotations

import base64
import os
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import cryptography
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, pkcs12

from pytest_mtls.certificates.clock import now
from pytest_mtls.certificates.files import PrivateDirectory, file_stem, write_files
from pytest_mtls.certificates.key import KeyKind, PrivateKey, password_bytes, private_key_pem, same_key
from pytest_mtls.certificates.loading import Source, issued, load_bundle, load_private_key
from pytest_mtls.certificates.names import common_name_of, describe_name
from pytest_mtls.certificates.output import IdentityFiles, contents, identity_files
from pytest_mtls.certificates.readable import UNREADABLE, problem_of_names
from pytest_mtls.errors import KeyMismatch, MissingPrivateKey, UnsupportedKeyKind

if TYPE_CHECKING:
    import ssl

    import trustme

__all__ = ["Identity", "IdentityFiles"]


#: What `cryptography` can put into PKCS#12.
_PKCS12_KEYS = (
    ec.EllipticCurvePrivateKey,
    rsa.RSAPrivateKey,
    dsa.DSAPrivateKey,
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
)


@dataclass(frozen=True, repr=False)
class Identity:
    """What one side presents, and the key to prove that it is its own.

    Attributes:
        chain: its certificate, then the intermediates, as they are sent; without the root.
        private_key: None if it stayed with whoever made it.
        root: the trust anchor, if it is known; not part of the chain, unless `load` found it among certificates that do
            not belong together.
        files: where files are written for libraries that want paths.
        raw_key_pem: what to give out as the private key's PEM instead of ``private_key``, unchecked, so that a
            bad case can present a key which is not the certificate's.
    """

    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey | None = None
    root: x509.Certificate | None = None
    files: PrivateDirectory = field(default_factory=PrivateDirectory, compare=False)
    raw_key_pem: bytes | None = None

    @classmethod
    def load(
        cls,
        source: Source | x509.Certificate,
        key: Source | PrivateKey | None = None,
        *,
        password: str | bytes | None = None,
    ) -> Identity:
        """Read an identity that somebody else issued.

        Certificates that make up one chain are put in its order, and the root is left out. If some do not belong to it,
        all are taken as they are, the identity's own first, for what is presented is the caller's choice; `remarks` then
        says what is odd.

        Args:
            source: its certificate and those of its issuers, in any order, and perhaps its key: PEM, DER or PKCS#12,
                as bytes or as the path of a file.
            key: the private key, if it is elsewhere.
            password: of an encrypted key or PKCS#12 file.

        Raises:
            UnreadableCertificate, UnreadablePrivateKey: there is none, or it cannot be parsed.
            WrongPassword: the password is missing or does not open the key.
            KeyMismatch: the key is that of no certificate.
        """
        bundle = load_bundle(source, key, password=password, as_it_is=True)
        return cls(bundle.chain, bundle.private_key, bundle.root)

    @classmethod
    def from_trustme(cls, leaf: trustme.LeafCert) -> Identity:
        """The identity that `trustme` issued."""
        certificates = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        return cls.load(certificates, leaf.private_key_pem.bytes())

    @cached_property
    def trustme(self) -> trustme.LeafCert:
        """The same certificate and key as a `trustme.LeafCert`.

        Raises:
            MissingPrivateKey: the private key is not here.
        """
        import trustme

        leaf, *intermediates = (_pem(certificate) for certificate in self.chain)
        return trustme.LeafCert(self.key_pem, leaf, intermediates)

    @property
    def certificate(self) -> x509.Certificate:
        """Its own certificate."""
        return self.chain[0]

    @cached_property
    def subject(self) -> str:
        """The subject, such as ``CN=client``; where it cannot be parsed, words that say so."""
        return problem_of_names(self.certificate) or describe_name(self.certificate.subject)

    @property
    def serial_number(self) -> int:
        """The certificate's serial number."""
        return self.certificate.serial_number

    @property
    def not_before(self) -> datetime:
        """When the certificate begins to hold, UTC (RFC 5280 section 4.1.2.5)."""
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """When the certificate ends to hold, UTC. The chain above it may end earlier."""
        return self.certificate.not_valid_after_utc

    @property
    def expires_in(self) -> timedelta:
        """How long from now until `not_after`, by the real clock; below zero where the certificate has expired."""
        return self.not_after - now()

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What is odd about the chain: each certificate in it that did not issue the one before; none as a rule.

        Many peers sort out such a chain, and some reject it (RFC 8446 section 4.4.2).
        """
        return tuple(
            f"{describe_name(above.subject)} did not issue {describe_name(below.subject)}"
            for below, above in pairwise(self.chain)
            if not issued(above, below, weak_hashes=True)
        )

    @cached_property
    def cert_pem(self) -> bytes:
        """The certificate and its intermediates, PEM."""
        return b"".join(map(_pem, self.chain))

    @cached_property
    def key_pem(self) -> bytes:
        """The private key, PKCS#8 PEM without encryption.

        Raises:
            MissingPrivateKey: it is not here.
        """
        if self.raw_key_pem is not None:
            return self.raw_key_pem
        return private_key_pem(self._known_key("its PEM"))

    @property
    def combined_pem(self) -> bytes:
        """The private key, the certificate and its intermediates, PEM.

        Raises:
            MissingPrivateKey: the private key is not here.
        """
        return self.key_pem + self.cert_pem

    @property
    def pem(self) -> bytes:
        """The same as `combined_pem`. Beware: unlike `CertificateAuthority.pem`, it holds the private key.

        Raises:
            MissingPrivateKey: the private key is not here.
        """
        return self.combined_pem

    @cached_property
    def der(self) -> bytes:
        """Its own certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @cached_property
    def thumbprint_s256(self) -> str:
        """What binds a token to its certificate: ``x5t#S256``, the SHA-256 of the DER in base64url (RFC 8705 section 3.1)."""
        digest = self.certificate.fingerprint(hashes.SHA256())
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @property
    def confirmation(self) -> dict[str, str]:
        """The ``cnf`` of a token that is bound to its certificate, in a JWT or an introspection (RFC 8705 section 3)."""
        return {"x5t#S256": self.thumbprint_s256}

    @cached_property
    def fingerprint_sha256(self) -> str:
        """The SHA-256 of its own certificate, in lower-case hex."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def cert_path(self) -> str:
        """The path of a file with `cert_pem`, which is gone after the run."""
        return self.files.keep(f"{self._stem}.crt", lambda: self.cert_pem)

    @property
    def key_path(self) -> str:
        """The path of a file with `key_pem`, which is gone after the run.

        Raises:
            MissingPrivateKey: the private key is not here.
        """
        return self.files.keep(f"{self._stem}.key", lambda: self.key_pem)

    @property
    def combined_path(self) -> str:
        """The path of a file with `pem`, which is gone after the run.

        Raises:
            MissingPrivateKey: the private key is not here.
        """
        return self.files.keep(f"{self._stem}.pem", lambda: self.combined_pem)

    @property
    def combined_path_with_root(self) -> str:
        """The path of a file with `pem` and the root behind it, which is gone after the run.

        Raises:
            MissingPrivateKey: the private key is not here.
        """
        root = b"" if self.root is None else _pem(self.root)
        return self.files.keep(f"{self._stem}-root.pem", lambda: self.combined_pem + root)

    @cached_property
    def is_issued_by_root(self) -> bool:
        """Whether the root issued its certificate, by their names, and there is nothing between them."""
        if self.root is None or len(self.chain) > 1:
            return False
        try:
            return self.certificate.issuer == self.root.subject
        except UNREADABLE:
            return False

    def pkcs12(self, password: str | bytes | None = None, name: str | None = None) -> bytes:
        """Key, certificate and intermediates as PKCS#12 (RFC 7292).

        Args:
            password: encrypts it; not encrypted without one.
            name: the friendly name; the subject by default.

        Raises:
            MissingPrivateKey: the private key is not here.
            UnsupportedKeyKind: the installed cryptography cannot put such a key into PKCS#12.
        """
        key = self._known_key("PKCS#12")
        if not isinstance(key, _PKCS12_KEYS):
            problem = f"cryptography {cryptography.__version__} cannot put it into PKCS#12. Use PEM."
            raise UnsupportedKeyKind(str(KeyKind.of(key)), problem)
        secret = password_bytes(password)
        return pkcs12.serialize_key_and_certificates(
            (name or self.subject).encode(),
            key,
            self.certificate,
            self.chain[1:] or None,
            BestAvailableEncryption(secret) if secret else NoEncryption(),
        )

    @property
    def has_pkcs12(self) -> bool:
        """Whether `pkcs12` can be made of it."""
        return self.raw_key_pem is None and isinstance(self.private_key, _PKCS12_KEYS)

    def write_to(
        self,
        directory: str | os.PathLike[str],
        password: str | bytes | None = None,
        *,
        name: str | None = None,
        formats: Collection[str] = ("pem", "pkcs12"),
    ) -> IdentityFiles:
        """Write it as files to keep, all of them or none.

        Args:
            directory: made with mode 0700 if there is none. Files of the same names are replaced.
            password: encrypts the key in every file that has it.
            name: how the files begin; the common name by default.
            formats: what to write: "pem", which is always written; "pkcs12"; "java", a key store and a trust store, with
                the password "changeit" if none is given; "kubernetes", the manifest of a TLS Secret; "nss", which makes
                the directory an NSS database, with the program certutil.

        Returns:
            The paths. Whatever has the key in it is readable only by its owner.

        Raises:
            MissingPrivateKey: the private key is not here.
            UnusableDirectory: the directory cannot be made or written to.
            InvalidArgument: an unknown format, or a password for one that holds no encrypted key.
            UnsupportedKeyKind, UnsupportedFormat, MissingProgram: a format that cannot be made of it, or not here.
        """
        stem = name or self._label
        key = private_key_pem(self._known_key("encrypting it"), password) if password else self.key_pem
        files = contents(self, stem, key, password, formats)
        written = write_files(directory, tuple(files.values()))
        return identity_files(directory, dict(zip(files, written, strict=True)))

    def ssl_context(
        self,
        *,
        trust: Any = None,
        side: Literal["client", "server"] | None = None,
        tls: str | None = None,
        strict: bool = True,
    ) -> ssl.SSLContext:
        """An `ssl.SSLContext` that presents this identity.

        Args:
            trust: the CA or CAs that the other side must come from: a `CertificateAuthority`, trustme's CA, a
                certificate, PEM, a path, or several of them. A client without it trusts the system's CAs, and checks
                the host name in either case. A server with it requires a client certificate, and without it asks for
                none.
            side: the side to play; by default "server" if the certificate is for serverAuth and not for clientAuth,
                else "client".
            tls: "1.2" or "1.3"; both by default.
            strict: reject what only RFC 5280's profile forbids (``VERIFY_X509_STRICT``). A company's CA may need False.

        Raises:
            MissingPrivateKey, KeyMismatch, UnsupportedKeyKind, UnusableIdentity: it cannot be presented.
            InvalidArgument: an unknown ``tls`` or ``trust``.
        """
        from pytest_mtls.tls.context import identity_context

        return identity_context(self, trust, side, tls, strict)

    def with_private_key(self, key: PrivateKey | Source, *, password: str | bytes | None = None) -> Identity:
        """The same certificate with its private key.

        Raises:
            KeyMismatch: it is another certificate's key.
            UnreadablePrivateKey, WrongPassword: it cannot be read.
        """
        if isinstance(key, (bytes, str, os.PathLike)):
            key = load_private_key(key, password=password)
        if not same_key(key.public_key(), self.certificate.public_key()):
            raise KeyMismatch(self.subject, "the given key")
        return replace(self, private_key=key, raw_key_pem=None)

    def __repr__(self) -> str:
        problem = problem_of_names(self.certificate)
        names = problem or f"{self.subject}, issued by {describe_name(self.certificate.issuer)}"
        return f"<Identity {names}, until {self.certificate.not_valid_after_utc}>"

    @property
    def _label(self) -> str:
        is_named = problem_of_names(self.certificate) is None
        return file_stem((common_name_of(self.certificate.subject) if is_named else None) or "identity")

    @cached_property
    def _stem(self) -> str:
        return self.files.new_stem(self._label)

    def _known_key(self, operation: str) -> PrivateKey:
        if self.private_key is None:
            raise MissingPrivateKey(self.subject, operation)
        return self.private_key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
