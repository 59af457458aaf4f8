"""`Issuer`: a certificate and key that sign other certificates, whatever these say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.certificates.files import PrivateDirectory
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind, PrivateKey, PublicKey
from pytest_mtls.certificates.loading import is_self_issued, issued
from pytest_mtls.certificates.names import NameText, SubjectAttribute, describe_name
from pytest_mtls.certificates.profile import (
    DEFAULT_CLIENT_NAME,
    LEAF_KEY_USAGE,
    CertificateProfile,
    Usage,
    client_profile,
    key_identifier,
    server_profile,
)
from pytest_mtls.certificates.pss import pss_hash
from pytest_mtls.certificates.signing_request import (
    CertificateSigningRequest,
    SigningPolicy,
    SigningRequestArgument,
)
from pytest_mtls.certificates.status_urls import status_extensions
from pytest_mtls.certificates.validity import Instant, validity
from pytest_mtls.errors import InvalidArgument, MissingPrivateKey, NotIssuedByThisAuthority

__all__ = ["Issuer"]


class Issuer:
    """What a CA is to the certificates that it issues.

    Attributes:
        certificate: its own.
        private_key: what it signs with; None if it is not here, and then it issues nothing.
        chain: what its certificates are sent with: its own and those above it without the root; none for a root.
        root: the self-signed certificate at the top; None if it is not known.
        key_identifier: what the certificates that it issues name as its key (RFC 5280 section 4.2.1.1).
        files: where the files of its identities are.
        pss: the hash that it signs with by RSASSA-PSS, if its key is only for that (RFC 4055 section 1.2); else None.
    """

    def __init__(
        self,
        certificate: x509.Certificate,
        private_key: PrivateKey | None,
        *,
        parent: Issuer | None,
        files: PrivateDirectory,
    ) -> None:
        self.certificate = certificate
        self.private_key = private_key
        self.files = files
        if is_self_issued(certificate):
            self.chain: tuple[x509.Certificate, ...] = ()
            self.root: x509.Certificate | None = certificate
        else:
            self.chain = (certificate, *(() if parent is None else parent.chain))
            self.root = None if parent is None else parent.root
        self._name = certificate.subject
        self.pss = pss_hash(certificate)
        self.key_identifier = key_identifier(certificate)

    @cached_property
    def subject(self) -> str:
        """The subject, such as ``CN=Example CA,O=Example``."""
        return describe_name(self._name)

    @cached_property
    def pem(self) -> bytes:
        """Its certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @cached_property
    def fingerprint_sha256(self) -> str:
        """The SHA-256 of its certificate, in lower-case hex."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    client_profile = staticmethod(client_profile)
    server_profile = staticmethod(server_profile)

    def issue_client(
        self,
        common_name: str | None = DEFAULT_CLIENT_NAME,
        *,
        sans: Iterable[NameText] = (),
        organization: str | None = None,
        organizational_unit: str | None = None,
        key_kind: KeyKind | str | None = None,
        not_before: Instant | None = None,
        not_after: Instant | None = None,
        key_usage: Iterable[str] | None = LEAF_KEY_USAGE,
        extended_key_usage: Iterable[Usage] | None = ("clientAuth",),
        serial_number: int | None = None,
        subject: Iterable[SubjectAttribute] | None = None,
        crl_urls: str | Iterable[str] = (),
        ocsp_urls: str | Iterable[str] = (),
    ) -> Identity:
        """Issue a client's certificate, with a new key.

        Args:
            common_name, organization, organizational_unit: the subject; "client" is its common name if there is neither a
                ``common_name`` nor a ``subject``.
            sans: subject alternative names, as `general_name` reads them.
            key_kind: the kind of its key; P-256 by default.
            not_before, not_after: days from now, timedeltas from now, or datetimes; five minutes ago to twelve hours
                from now by default.
            key_usage: names of `x509.KeyUsage` arguments; None for no such extension.
            extended_key_usage: names of `EXTENDED_KEY_USAGES`, or OIDs; None for no such extension.
            serial_number: a positive number of at most 20 octets (RFC 5280 section 4.1.2.2); a random one by default.
            subject: other attributes of the subject, which follow organization and unit: ``[("UID", "alice")]`` or
                ``["UID=alice"]``, with short names or OIDs as types.
            crl_urls: where the CRL of this CA is, such as `CRLServer.url` (section 4.2.1.13).
            ocsp_urls: where the OCSP responders of this CA are, such as `OCSPResponder.url` (section 4.2.2.1).

        Raises:
            InvalidName, InvalidValidity, InvalidArgument, UnsupportedKeyKind: an argument that cannot be.
            MissingPrivateKey: this CA's key is not here.
        """
        profile = client_profile(
            common_name,
            sans=sans,
            organization=organization,
            organizational_unit=organizational_unit,
            not_before=not_before,
            not_after=not_after,
            key_usage=key_usage,
            extended_key_usage=extended_key_usage,
            serial_number=serial_number,
            subject=subject,
            crl_urls=crl_urls,
            ocsp_urls=ocsp_urls,
        )
        return self.issue(profile, key_kind=key_kind)

    def issue_server(
        self,
        *names: NameText,
        sans: Iterable[NameText] = (),
        common_name: str | None = None,
        organization: str | None = None,
        organizational_unit: str | None = None,
        key_kind: KeyKind | str | None = None,
        not_before: Instant | None = None,
        not_after: Instant | None = None,
        key_usage: Iterable[str] | None = LEAF_KEY_USAGE,
        extended_key_usage: Iterable[Usage] | None = ("serverAuth",),
        serial_number: int | None = None,
        subject: Iterable[SubjectAttribute] | None = None,
        crl_urls: str | Iterable[str] = (),
        ocsp_urls: str | Iterable[str] = (),
        must_staple: bool = False,
    ) -> Identity:
        """Issue a server's certificate, with a new key.

        Args:
            names, sans: what the server is called; ``localhost``, ``127.0.0.1`` and ``::1`` by default.
            common_name: the first name by default, if it fits and there is no ``subject``.
            organization, organizational_unit, subject: the rest of the subject, as for `issue_client`.
            key_kind, not_before, not_after, key_usage, extended_key_usage, serial_number, crl_urls, ocsp_urls: as for
                `issue_client`.
            must_staple: promise to staple an OCSP answer, so that clients may reject the server without one (RFC 7633).

        Raises:
            InvalidName, InvalidValidity, InvalidArgument, UnsupportedKeyKind: an argument that cannot be.
            MissingPrivateKey: this CA's key is not here.
        """
        profile = server_profile(
            *names,
            sans=sans,
            common_name=common_name,
            organization=organization,
            organizational_unit=organizational_unit,
            not_before=not_before,
            not_after=not_after,
            key_usage=key_usage,
            extended_key_usage=extended_key_usage,
            serial_number=serial_number,
            subject=subject,
            crl_urls=crl_urls,
            ocsp_urls=ocsp_urls,
            must_staple=must_staple,
        )
        return self.issue(profile, key_kind=key_kind)

    def issue(
        self,
        profile: CertificateProfile,
        *,
        private_key: PrivateKey | None = None,
        key_kind: KeyKind | str | None = None,
        chain: Iterable[x509.Certificate] | None = None,
    ) -> Identity:
        """Issue a certificate of any profile, sound or not.

        Args:
            profile: what it says.
            private_key: its key; a new one by default.
            key_kind: the kind of the new key; P-256 by default.
            chain: what is sent after it; this CA's `chain` by default.

        Raises:
            MissingPrivateKey: this CA's key is not here.
        """
        key = KeyKind.parse(key_kind or KeyKind.P256).generate() if private_key is None else private_key
        certificate = self._sign(profile, key.public_key())
        return Identity((certificate, *(self.chain if chain is None else chain)), key, self.root, self.files)

    def sign(
        self,
        request: SigningRequestArgument,
        *,
        policy: SigningPolicy | None = None,
        not_before: Instant | None = None,
        not_after: Instant | None = None,
        crl_urls: str | Iterable[str] = (),
        ocsp_urls: str | Iterable[str] = (),
    ) -> Identity:
        """Issue what a request asks for: its subject, its names, and clientAuth or serverAuth (clientAuth by default).

        Args:
            request: PKCS#10, as an object, PEM or DER bytes, or the path of a file.
            policy: what may be asked for; see `SigningPolicy` for what is checked without one.
            not_before, not_after: five minutes ago to twelve hours from now by default.
            crl_urls, ocsp_urls: as for `issue_client`.

        Returns:
            The identity, with the requester's private key if it is known.

        Raises:
            UnreadableSigningRequest: there is no request, or it cannot be parsed.
            SigningRequestRefused: its own signature is bad, or it asks for what is not allowed.
            InvalidValidity, InvalidArgument: an argument that cannot be.
            MissingPrivateKey: this CA's key is not here.
        """
        asked = CertificateSigningRequest.of(request)
        (policy or SigningPolicy()).check(asked)
        start, end = validity(not_before, not_after)
        profile = CertificateProfile(
            subject=asked.request.subject,
            not_before=start,
            not_after=end,
            sans=asked.sans,
            extended_key_usage=asked.extended_key_usage,
            extra_extensions=status_extensions(crl_urls, ocsp_urls),
        )
        certificate = self._sign(profile, asked.request.public_key())
        return Identity((certificate, *self.chain), asked.private_key, self.root, self.files)

    def renew(
        self,
        identity: Identity,
        *,
        private_key: PrivateKey | Literal["same"] | None = None,
        not_before: Instant | None = None,
        not_after: Instant | None = None,
    ) -> Identity:
        """Issue a certificate for the same subject, names, usages and URLs, with a fresh serial number.

        Args:
            identity: what this CA issued.
            private_key: the key to certify; "same" for the one that the certificate has, even where its private half is
                not here; by default a new one of the same kind.
            not_before, not_after: five minutes ago to twelve hours from now by default.

        Raises:
            NotIssuedByThisAuthority: another CA issued it.
            InvalidArgument: ``private_key`` is something else.
            MissingPrivateKey: this CA's key is not here.
        """
        self._check_issued(identity.certificate)
        start, end = validity(not_before, not_after)
        profile = replace(CertificateProfile.of(identity.certificate), not_before=start, not_after=end)
        public_key = identity.certificate.public_key()
        if private_key is None:
            return self.issue(profile, key_kind=KeyKind.of(public_key))
        if private_key == "same":
            certificate = self._sign(profile, public_key)
            return Identity((certificate, *self.chain), identity.private_key, self.root, self.files)
        if not hasattr(private_key, "public_key"):
            allowed = "a private key of cryptography's, 'same', or None for a new one"
            raise InvalidArgument("private_key", type(private_key), allowed)
        return self.issue(profile, private_key=private_key)

    def _sign(self, profile: CertificateProfile, public_key: PublicKey) -> x509.Certificate:
        return profile.sign(
            public_key,
            issuer_name=self._name,
            issuer_key=self._signing_key("issuing a certificate"),
            issuer_key_identifier=self.key_identifier,
            pss=self.pss,
        )

    def _signing_key(self, operation: str) -> PrivateKey:
        if self.private_key is None:
            raise MissingPrivateKey(self.subject, operation)
        return self.private_key

    def _check_issued(self, certificate: x509.Certificate) -> None:
        if not issued(self.certificate, certificate):
            subject, issuer = describe_name(certificate.subject), describe_name(certificate.issuer)
            raise NotIssuedByThisAuthority(subject, issuer, self.subject)
