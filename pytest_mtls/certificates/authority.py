"""`CertificateAuthority`: makes certificates, signs requests, and takes certificates back."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.certificates.files import FileContent, file_stem, write_files
from pytest_mtls.certificates.hierarchy import Hierarchy
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.issuer import Issuer
from pytest_mtls.certificates.key import KeyKind, PrivateKey, PublicKey, private_key_pem
from pytest_mtls.certificates.loading import Source, is_self_issued, load_bundle, load_certificates
from pytest_mtls.certificates.names import (
    NameText,
    common_name_of,
    describe_name,
    distinguished_name,
    next_generation,
)
from pytest_mtls.certificates.profile import (
    CertificateProfile,
    authority_profile,
)
from pytest_mtls.certificates.readable import UNREADABLE, complaint
from pytest_mtls.certificates.revocation import Register, Revocation, revocation_reason
from pytest_mtls.certificates.status_urls import status_extensions
from pytest_mtls.certificates.trustme_interop import (
    DEFAULT_PATH_LENGTH,
    certificate_and_key,
    make_trustme_root,
    to_trustme,
    trustme_can_make,
)
from pytest_mtls.certificates.validity import AUTHORITY_LIFE, BACKDATED, Instant, validity
from pytest_mtls.errors import (
    IncompleteChain,
    InvalidArgument,
    NotACertificateAuthority,
    SharedCertificateRevoked,
)

if TYPE_CHECKING:
    import trustme

__all__ = ["AuthorityFiles", "CertificateAuthority"]


class AuthorityFiles(NamedTuple):
    """The paths that `CertificateAuthority.write_to` wrote.

    Attributes:
        cert: the CA's certificate, PEM.
        key: its private key, PKCS#8 PEM; None if it is not here.
    """

    cert: str
    key: str | None


class CertificateAuthority(Issuer):
    """A CA: its certificate, its private key, and the CAs above it.

    Make one with `create`, `intermediate`, `load` or `from_trustme`. It may be used from several threads at once.

    Args:
        certificate: the CA's own, sound or not.
        private_key: what it signs with; None if it is not here, and then it issues nothing.
        parent: the CA that issued it, if it is known and another.
    """

    def __init__(
        self,
        certificate: x509.Certificate,
        private_key: PrivateKey | None = None,
        *,
        parent: CertificateAuthority | None = None,
    ) -> None:
        self._hierarchy: Hierarchy[CertificateAuthority] = Hierarchy() if parent is None else parent._hierarchy
        super().__init__(certificate, private_key, parent=parent, files=self._hierarchy.files)
        self.parent = parent
        self._register = Register(self._name, self.key_identifier, self.pss)
        self._published: x509.CertificateRevocationList | None = None
        self._pem_of: tuple[x509.CertificateRevocationList, bytes] | None = None
        self._hierarchy.authorities.append(self)

    # --- making one --------------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        common_name: str | None = None,
        *,
        organization: str | None = "pytest-mtls",
        organizational_unit: str | None = None,
        key_kind: KeyKind | str = KeyKind.P256,
        path_length: int | None = DEFAULT_PATH_LENGTH,
        permitted: Iterable[NameText] = (),
        excluded: Iterable[NameText] = (),
        not_before: Instant | None = None,
        not_after: Instant | None = None,
    ) -> CertificateAuthority:
        """Make a root CA: with `trustme` what trustme can express, and the rest in the same style.

        Args:
            common_name, organization, organizational_unit: the subject. Without common name and unit, the unit is
                random, so that no two CAs have the same name by chance.
            key_kind: the kind of its key.
            path_length: how many CAs may follow below (RFC 5280 section 4.2.1.9); None for no limit.
            permitted, excluded: name constraints (RFC 5280 section 4.2.1.10), as `name_constraint` reads them.
            not_before, not_after: from five minutes ago for a week, if it is not trustme that makes it; trustme's are
                valid for centuries.

        Raises:
            InvalidName: a name that no certificate can hold.
            InvalidValidity: a date that no certificate can hold.
            UnsupportedKeyKind: an unknown kind of key, or one that is not supported here.
        """
        kind = KeyKind.parse(key_kind)
        if common_name is None and organizational_unit is None:
            organizational_unit = f"Testing CA #{secrets.token_urlsafe(12)}"
        subject = distinguished_name(common_name, organization, organizational_unit)
        constraints = tuple(permitted), tuple(excluded)
        special = common_name is not None or any(constraints) or not_before is not None or not_after is not None
        if organization and organizational_unit and path_length is not None and trustme_can_make(kind) and not special:
            return cls.from_trustme(make_trustme_root(kind, organization, organizational_unit, path_length))
        profile = authority_profile(
            subject,
            path_length=path_length,
            permitted=constraints[0],
            excluded=constraints[1],
            not_before=not_before,
            not_after=not_after,
        )
        return cls.self_signed(profile, key_kind=kind)

    @classmethod
    def self_signed(
        cls,
        profile: CertificateProfile,
        *,
        private_key: PrivateKey | None = None,
        key_kind: KeyKind | str = KeyKind.P256,
    ) -> CertificateAuthority:
        """Make a root CA of any profile, sound or not.

        Args:
            profile: what its certificate says.
            private_key: its key; a new one by default.
            key_kind: the kind of the new key.
        """
        key = KeyKind.parse(key_kind).generate() if private_key is None else private_key
        certificate = profile.sign(
            key.public_key(), issuer_name=profile.subject, issuer_key=key, issuer_key_identifier=None
        )
        return cls(certificate, key)

    def intermediate(
        self,
        common_name: str | None = None,
        *,
        organization: str | None = "pytest-mtls",
        organizational_unit: str | None = None,
        key_kind: KeyKind | str = KeyKind.P256,
        path_length: int | Literal["inherit"] | None = "inherit",
        permitted: Iterable[NameText] = (),
        excluded: Iterable[NameText] = (),
        not_before: Instant | None = None,
        not_after: Instant | None = None,
        crl_urls: str | Iterable[str] = (),
        ocsp_urls: str | Iterable[str] = (),
    ) -> CertificateAuthority:
        """Make a CA below this one.

        Args:
            path_length: how many CAs may follow below; by default one fewer than this CA allows. Only a number or
                None makes a CA that this one's limit forbids.
            common_name, organization, organizational_unit, key_kind, permitted, excluded: as for `create`.
            not_before, not_after: five minutes ago to a week from now by default.
            crl_urls, ocsp_urls: where the CRL of this CA and its OCSP responders are, as for `issue_client`.

        Raises:
            InvalidArgument: this CA allows none below it, and no path length is given.
            MissingPrivateKey: this CA's key is not here.
        """
        if common_name is None and organizational_unit is None:
            organizational_unit = f"Testing intermediate CA #{secrets.token_urlsafe(12)}"
        profile = authority_profile(
            distinguished_name(common_name, organization, organizational_unit),
            path_length=self._path_length_below() if path_length == "inherit" else path_length,
            permitted=permitted,
            excluded=excluded,
            not_before=not_before,
            not_after=not_after,
            crl_urls=crl_urls,
            ocsp_urls=ocsp_urls,
        )
        return self.issue_authority(profile, key_kind=key_kind)

    def issue_authority(
        self,
        profile: CertificateProfile,
        *,
        private_key: PrivateKey | None = None,
        key_kind: KeyKind | str = KeyKind.P256,
    ) -> CertificateAuthority:
        """Make a CA of any profile below this one, sound or not; even one that is none.

        Raises:
            MissingPrivateKey: this CA's key is not here.
        """
        key = KeyKind.parse(key_kind).generate() if private_key is None else private_key
        return CertificateAuthority(self._sign(profile, key.public_key()), key, parent=self)

    def impostor(self, *, key_kind: KeyKind | str = KeyKind.P256) -> CertificateAuthority:
        """A root CA of the same subject name and constraints with another key, which nobody trusts."""
        start, end = validity(life=AUTHORITY_LIFE)
        profile = replace(CertificateProfile.of(self.certificate), not_before=start, not_after=end)
        return self.self_signed(replace(profile, authority_key_identifier=False), key_kind=key_kind)

    # --- replacing it ------------------------------------------------------------------------------------------------

    def successor(
        self,
        common_name: str | None = None,
        *,
        key_kind: KeyKind | str | None = None,
        same_name: bool = False,
        not_before: Instant | None = None,
        not_after: Instant | None = None,
    ) -> CertificateAuthority:
        """The CA that is to take this one's place: another key, the same constraints, the same place in the hierarchy.

        Args:
            common_name: its common name. By default its name is this one's with a generation at the end, as in "Example CA
                G2", so that nobody takes one for the other.
            key_kind: the kind of its key; that of this one's by default.
            same_name: give it the same subject. Then only the key identifiers tell the two apart (RFC 4210 section 4.4).
            not_before, not_after: five minutes ago to a week from now by default.

        Raises:
            InvalidArgument: both a common name and the same name are asked for.
            InvalidName, InvalidValidity, UnsupportedKeyKind: an argument that cannot be.
            MissingPrivateKey: this is an intermediate, and the key of the CA above it is not here.
        """
        if same_name and common_name is not None:
            raise InvalidArgument("common_name", common_name, "None where the name stays the same")
        subject = self._name if same_name else next_generation(self._name, common_name)
        start, end = validity(not_before, not_after, life=AUTHORITY_LIFE)
        profile = replace(CertificateProfile.of(self.certificate), subject=subject, not_before=start, not_after=end)
        kind = key_kind or KeyKind.of(self.certificate.public_key()) or KeyKind.P256
        if self.parent is not None:
            return self.parent.issue_authority(profile, key_kind=kind)
        return self.self_signed(replace(profile, authority_key_identifier=False), key_kind=kind)

    def cross_sign(
        self, other: CertificateAuthority, *, not_before: Instant | None = None, not_after: Instant | None = None
    ) -> CertificateAuthority:
        """Certify another CA's name and key, so that who trusts this one takes what the other issued (RFC 5280 section 3.2).

        Whatever the other CA issues is taken where the cross-certificate is sent along: what the returned CA issues is.
        To an identity that is there already, add ``.certificate`` at the end of its chain.

        Args:
            other: the CA to certify, such as this one's successor.
            not_before, not_after: five minutes ago to a week from now by default, and not beyond the end of either CA.

        Returns:
            A CA with the other's name, key and register, whose certificate, the cross-certificate, comes from this CA.

        Raises:
            InvalidArgument: the other is not a CA, or this one; or this one allows no CA below it.
            InvalidValidity: a date that no certificate can hold.
            MissingPrivateKey: this CA's key is not here.
        """
        if not isinstance(other, CertificateAuthority):
            raise InvalidArgument("other", other, "a CertificateAuthority")
        if other.certificate == self.certificate:
            raise InvalidArgument("other", other, "another CA than this one")
        start, end = validity(not_before, not_after, life=AUTHORITY_LIFE)
        if not_after is None:
            end = min(end, self.certificate.not_valid_after_utc, other.certificate.not_valid_after_utc)
        limits = [limit for limit in (self._path_length_below(), other._path_length) if limit is not None]
        identifier = x509.SubjectKeyIdentifier(other.key_identifier)
        profile = CertificateProfile.of(other.certificate)
        profile = replace(
            profile,
            not_before=start,
            not_after=end,
            path_length=min(limits, default=None),
            # The very one that certificates of the other CA name, however it was made.
            subject_key_identifier=False,
            authority_key_identifier=True,
            extra_extensions=(x509.Extension(identifier.oid, False, identifier), *profile.extra_extensions),
        )
        certificate = self._sign(profile, other.certificate.public_key())
        return CertificateAuthority(certificate, other.private_key, parent=self)._as_same(other)

    def _as_same(self, other: CertificateAuthority) -> CertificateAuthority:
        """This CA, which has another's name and key, so that what either revokes is on the CRL of both."""
        self._register = other._register
        if other._hierarchy is not self._hierarchy:
            self._hierarchy.relatives.append(other._hierarchy)
            other._hierarchy.relatives.append(self._hierarchy)
        return self

    @classmethod
    def load(
        cls,
        certificate: Source | x509.Certificate,
        private_key: Source | PrivateKey | None = None,
        *,
        password: str | bytes | None = None,
        chain: Source | Iterable[x509.Certificate] | None = None,
        partial: bool = False,
        unchecked: bool = False,
    ) -> CertificateAuthority:
        """Read a CA that is there already, such as a company's.

        Args:
            certificate: its certificate, perhaps with those above it and its key: PEM, DER or PKCS#12, as bytes or as
                the path of a file.
            private_key: its key, if it is elsewhere. Without one, it is trusted but issues nothing.
            password: of an encrypted key or PKCS#12 file.
            chain: the CAs above an intermediate, up to the root.
            partial: take an intermediate without all of the CAs above it.
            unchecked: take a certificate that may not issue others, or whose extensions cannot be read, to trust it all the
                same: a root of version 1, or an end-entity certificate that is pinned. What comes of it is up to the TLS
                library; OpenSSL takes a root of version 1 only with ``strict=False``.

        Raises:
            UnreadableCertificate, UnreadablePrivateKey: there is none, or it cannot be parsed.
            WrongPassword: the password is missing or does not open the key.
            KeyMismatch: the key is that of no certificate.
            NotACertificateAuthority: the certificate may not issue others, and not ``unchecked``.
            IncompleteChain: a certificate above it is missing, or does not belong.
        """
        if chain is None:
            above: tuple[x509.Certificate, ...] = ()
        else:
            above = load_certificates(chain) if isinstance(chain, (bytes, str, os.PathLike)) else tuple(chain)
        bundle = load_bundle(certificate, private_key, password=password, others=above)
        own, *higher = bundle.chain if bundle.root is None else (*bundle.chain, bundle.root)
        top = higher[-1] if higher else own
        if not (partial or unchecked or is_self_issued(top)):
            raise IncompleteChain(describe_name(top.subject), describe_name(top.issuer))
        if not unchecked:
            for issuer in (own, *higher):
                _check_authority(issuer)
        parent = None
        for issuer in reversed(higher):
            parent = cls(issuer, parent=parent)
        return cls(own, bundle.private_key, parent=parent)

    @classmethod
    def from_trustme(cls, ca: trustme.CA) -> CertificateAuthority:
        """The CA of `trustme`, under the same key and certificate, with its parents."""
        certificate, key = certificate_and_key(ca)
        parent = None if ca.parent_cert is None else cls.from_trustme(ca.parent_cert)
        authority = cls(certificate, key, parent=parent)
        authority.__dict__["trustme"] = ca
        return authority

    @cached_property
    def trustme(self) -> trustme.CA:
        """The same CA as a `trustme.CA`, which issues under the same key and certificate.

        Raises:
            UnsupportedKeyKind: trustme cannot sign with such a key.
        """
        above = None if self.parent is None else self.parent.trustme
        return to_trustme(self.certificate, self.private_key, self._path_length, above)

    # --- where its OCSP responder is ---------------------------------------------------------------------------------

    @property
    def ocsp_url(self) -> str | None:
        """The URL of the OCSP responder that all certificates name which this CA and related ones issue from now on.

        None, the default, for none. A certificate that names responders of its own keeps to them, and that of a responder
        names none (RFC 6960 section 4.2.2.2.1). Setting it raises `InvalidArgument` for what is not a URL.
        """
        return self._hierarchy.responders[0] if self._hierarchy.responders else None

    @ocsp_url.setter
    def ocsp_url(self, url: str | None) -> None:
        if url is not None:
            status_extensions(ocsp_urls=[url])  # raises for what is none
        self._hierarchy.responders[:] = [] if url is None else [url]

    def _sign(self, profile: CertificateProfile, public_key: PublicKey) -> x509.Certificate:
        url = self.ocsp_url
        there = {extension.oid for extension in profile.extra_extensions}
        if url is not None and not there & {x509.AuthorityInformationAccess.oid, x509.OCSPNoCheck.oid}:
            added = status_extensions(ocsp_urls=[url])
            profile = replace(profile, extra_extensions=(*profile.extra_extensions, *added))
        return super()._sign(profile, public_key)

    # --- its files ---------------------------------------------------------------------------------------------------

    @property
    def cert_path(self) -> str:
        """The path of a file with its certificate, PEM, which is gone after the run."""
        return self.files.keep(f"{self._stem}.crt", lambda: self.pem)

    def remove_files(self) -> None:
        """Delete the files of this CA, those related to it, and their identities."""
        self.files.remove()

    def write_to(
        self, directory: str | os.PathLike[str], password: str | bytes | None = None, *, name: str | None = None
    ) -> AuthorityFiles:
        """Write its certificate and key as files to keep, all of them or none.

        Args:
            directory: made with mode 0700 if there is none. Files of the same names are replaced.
            password: encrypts the key.
            name: how the files begin; its common name, or ``ca``, by default.

        Raises:
            UnusableDirectory: the directory cannot be made or written to.
        """
        stem = name or file_stem(common_name_of(self._name) or "ca")
        files = [FileContent(f"{stem}.crt", self.pem, secret=False)]
        if self.private_key is not None:
            files.append(FileContent(f"{stem}.key", private_key_pem(self.private_key, password)))
        cert, *key = write_files(directory, files)
        return AuthorityFiles(cert, key[0] if key else None)

    # --- revoking ----------------------------------------------------------------------------------------------------

    def revoke(
        self,
        revoked: Identity | CertificateAuthority | x509.Certificate,
        *,
        reason: str | x509.ReasonFlags = x509.ReasonFlags.unspecified,
        date: Instant | None = None,
    ) -> None:
        """Take a certificate back: it is on every CRL that this CA makes from now on.

        Args:
            revoked: an identity or an intermediate CA that this CA issued, or its certificate.
            reason: such as "key_compromise" or "keyCompromise".
            date: since when; five minutes ago by default.

        Raises:
            NotIssuedByThisAuthority: another CA issued it.
            InvalidArgument: there is no such reason.
            MissingPrivateKey: this CA's key, which signs CRLs, is not here.

        Warns:
            SharedCertificateRevoked: the certificate is that of a fixture of the whole run.
        """
        self._signing_key("revoking")
        certificate = revoked if isinstance(revoked, x509.Certificate) else revoked.certificate
        self._check_issued(certificate)
        fixture = self._hierarchy.shared.get(certificate.serial_number)
        if fixture is not None:
            warnings.warn(SharedCertificateRevoked(describe_name(certificate.subject), fixture), stacklevel=2)
        since = validity(-BACKDATED if date is None else date)[0]
        self._register.add(Revocation(certificate.serial_number, since, revocation_reason(reason)))
        self._hierarchy.changes.append(f"revoked {certificate.serial_number:x}")

    def share(self, identity: Identity, fixture: str) -> Identity:
        """Have `revoke` warn about this identity, since many tests have it.

        Args:
            identity: what this CA issued.
            fixture: the fixture by which they have it.

        Returns:
            The identity.
        """
        self._hierarchy.shared[identity.certificate.serial_number] = fixture
        return identity

    def revocation_of(self, serial_number: int) -> Revocation | None:
        """What this CA revoked under a serial number; None if it is not revoked."""
        return self._register.find(serial_number)

    @property
    def family(self) -> tuple[CertificateAuthority, ...]:
        """This CA and all related ones, each after the one above it."""
        return tuple(self._hierarchy.authorities)

    def crl(
        self, *, last_update: Instant | None = None, next_update: Instant | None = None
    ) -> x509.CertificateRevocationList:
        """The CRL of this CA (RFC 5280 section 5). Without arguments it is made once, and again when revoked or expired.

        Args:
            last_update, next_update: five minutes ago to twelve hours from now by default.

        Raises:
            MissingPrivateKey: this CA's key is not here.
            InvalidValidity: it would end before it begins.
        """
        key = self._signing_key("making a CRL")
        if last_update is None and next_update is None:
            return self._register.current_crl(key)
        return self._register.new_crl(key, *validity(last_update, next_update))

    def crls(self) -> tuple[x509.CertificateRevocationList, ...]:
        """The CRLs of this CA and all related ones whose key is here: what a check of whole chains needs."""
        return tuple(ca.given_out_crl() for ca in self._hierarchy.authorities.copy() if ca.private_key is not None)

    def crl_pems(self) -> tuple[bytes, ...]:
        """The same as `crls`, PEM."""
        return tuple(ca._given_out()[1] for ca in self._hierarchy.authorities.copy() if ca.private_key is not None)

    def crl_directory(self) -> str:
        """The path of a directory that has the same as `crls`, by the hashes of their issuers' names, as OpenSSL finds them.

        Raises:
            UnusableDirectory: it cannot be written.
            ValueError: a CRL's issuer has a name that cannot be read.
        """
        authorities = self._hierarchy.authorities

        def crls(first: int) -> list[tuple[x509.CertificateRevocationList, bytes] | None]:
            return [ca._given_out() if ca.private_key is not None else None for ca in authorities[first:]]

        return self._hierarchy.crl_directory.path(self._hierarchy.revocations, len(authorities), crls)

    def publish(self, crl: x509.CertificateRevocationList | None) -> None:
        """Give out this CRL from now on as this CA's own, whatever it says: an old one, say, or one of another issuer.

        Args:
            crl: None for the true one again.
        """
        self._published = crl
        self._hierarchy.changes.append("published a CRL")

    def given_out_crl(self) -> x509.CertificateRevocationList:
        """What this CA gives out as its CRL: the one that was published, or the true one."""
        return self.crl() if self._published is None else self._published

    def _given_out(self) -> tuple[x509.CertificateRevocationList, bytes]:
        """The same, also as PEM."""
        crl, known = self.given_out_crl(), self._pem_of
        if known is None or known[0] is not crl:
            known = self._pem_of = crl, crl.public_bytes(Encoding.PEM)
        return known

    @property
    def revocations(self) -> int:
        """A number that grows whenever this CA or a related one revokes or publishes something."""
        return self._hierarchy.revocations

    @property
    def revision(self) -> int:
        """A number that grows whenever this CA or a related one revokes or publishes something or makes an intermediate."""
        return self._hierarchy.revision

    def __repr__(self) -> str:
        return f"<CertificateAuthority {self.subject}, until {self.certificate.not_valid_after_utc}>"

    @cached_property
    def _stem(self) -> str:
        return self.files.new_stem(common_name_of(self._name) or "ca")

    @cached_property
    def _path_length(self) -> int | None:
        try:
            return self.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        except x509.ExtensionNotFound:
            return None

    def _path_length_below(self) -> int | None:
        limit = self._path_length
        if limit == 0:
            allowed = f"given, since {self.subject} allows no CA below it: a number or None breaks its rule on purpose"
            raise InvalidArgument("path_length", "inherit", allowed)
        return None if limit is None else limit - 1


def _check_authority(certificate: x509.Certificate) -> None:
    """See that a certificate may issue others.

    Raises:
        NotACertificateAuthority: it may not.
    """
    subject = describe_name(certificate.subject)
    try:
        profile = CertificateProfile.of(certificate)
    except UNREADABLE as error:
        raise NotACertificateAuthority(subject, f"its extensions cannot be read ({complaint(error)})") from None
    if not profile.authority:
        problem = "basicConstraints says CA:FALSE" if profile.authority is False else "it has no basicConstraints"
        raise NotACertificateAuthority(subject, problem)
    if profile.key_usage is not None and "key_cert_sign" not in profile.key_usage:
        raise NotACertificateAuthority(subject, "its key usage is not for signing certificates")
