"""`CertificateProfile`: a frozen description of what would be signed, and those of good certificates.

A profile may be unsound: a bad certificate is a good one's profile with a field replaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final, Union

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pytest_mtls.certificates import real_datetime  # noqa: F401
from pytest_mtls.certificates.key import PrivateKey, PublicKey, SignatureHash, signature_hash
from pytest_mtls.certificates.names import (
    NameText,
    SubjectAttribute,
    distinguished_name,
    general_name,
    name_constraint,
    subject_attributes,
)
from pytest_mtls.certificates.pss import pss_padding
from pytest_mtls.certificates.readable import UNREADABLE
from pytest_mtls.certificates.status_urls import MUST_STAPLE, status_extensions
from pytest_mtls.certificates.validity import AUTHORITY_LIFE, Instant, as_utc, validity
from pytest_mtls.errors import InvalidArgument, InvalidName

__all__ = [
    "DEFAULT_CLIENT_NAME",
    "EXTENDED_KEY_USAGES",
    "LEAF_KEY_USAGE",
    "LOCALHOST",
    "CertificateProfile",
    "Usage",
    "authority_profile",
    "client_profile",
    "extended_key_usages",
    "key_identifier",
    "server_profile",
]

#: A serial number has at most 20 octets, and is positive (RFC 5280 section 4.1.2.2).
_SERIAL_NUMBERS = range(1, 2**159)


class _DefaultName(str):
    """A name that the caller did not choose."""

    __slots__ = ()


#: An extended key usage as callers give it: a name of `EXTENDED_KEY_USAGES`, or an OID.
Usage = Union[str, x509.ObjectIdentifier]

#: Names of extended key usages (RFC 5280 section 4.2.1.12).
EXTENDED_KEY_USAGES = {
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
    "timeStamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "OCSPSigning": ExtendedKeyUsageOID.OCSP_SIGNING,
    "anyExtendedKeyUsage": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}

#: The names of a server that a test runs.
LOCALHOST = ("localhost", "127.0.0.1", "::1")

#: A client's common name where the caller gives neither one nor a subject.
DEFAULT_CLIENT_NAME: Final = _DefaultName("client")

#: What a TLS key is used for: it signs the handshake.
LEAF_KEY_USAGE = frozenset({"digital_signature"})
_AUTHORITY_KEY_USAGE = frozenset({"key_cert_sign", "crl_sign"})
#: The bits of keyUsage (RFC 5280 section 4.2.1.3), as the arguments of `x509.KeyUsage`.
_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class CertificateProfile:
    """What a certificate would say. Nothing keeps it from being nonsense.

    Attributes:
        subject: whom it is for.
        not_before, not_after: when it holds, in whole seconds; the second may be before the first.
        sans: subject alternative names; the extension is critical if the subject is empty (RFC 5280 section 4.2.1.6).
        serial_number: None for 159 fresh random bits.
        key_usage: names of `x509.KeyUsage` arguments; None leaves the extension out.
        extended_key_usage: None leaves the extension out.
        authority: cA of basicConstraints; None leaves the extension out.
        path_length: how many CAs may follow below; None for no limit.
        name_constraints: None leaves the extension out.
        subject_key_identifier: whether to have the extension.
        authority_key_identifier: whether to have the extension, or the key identifier that it shall claim.
        extra_extensions: added at the end.
        issuer: the issuer's name, if not the true one.
        signature_hash: the hash to sign with, if not the one that fits the issuer's key.
    """

    subject: x509.Name
    not_before: datetime
    not_after: datetime
    sans: tuple[x509.GeneralName, ...] = ()
    serial_number: int | None = None
    key_usage: frozenset[str] | None = LEAF_KEY_USAGE
    extended_key_usage: tuple[x509.ObjectIdentifier, ...] | None = None
    authority: bool | None = False
    path_length: int | None = None
    name_constraints: x509.NameConstraints | None = None
    subject_key_identifier: bool = True
    authority_key_identifier: bool | bytes = True
    extra_extensions: tuple[x509.Extension[x509.ExtensionType], ...] = ()
    issuer: x509.Name | None = None
    signature_hash: SignatureHash | None = None

    @classmethod
    def of(cls, certificate: x509.Certificate) -> CertificateProfile:
        """The profile that a certificate was, or could have been, signed from; with a fresh serial number."""
        profile = cls(
            subject=certificate.subject,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            key_usage=None,
            authority=None,
            subject_key_identifier=False,
            authority_key_identifier=False,
        )
        for extension in certificate.extensions:
            profile = profile._with_extension(extension)
        return profile

    def sign(
        self,
        public_key: PublicKey,
        *,
        issuer_name: x509.Name,
        issuer_key: PrivateKey,
        issuer_key_identifier: bytes | None,
        pss: SignatureHash | None = None,
    ) -> x509.Certificate:
        """Make the certificate.

        Args:
            public_key: the subject's.
            issuer_name: the issuer's subject, unless the profile has another.
            issuer_key: what signs.
            issuer_key_identifier: what the authority key identifier names; None leaves it out.
            pss: the hash to sign with by RSASSA-PSS, where the issuer's key is only for that.
        """
        # The builder's constructor takes what its setters would reject, and costs a quarter of their time.
        builder = x509.CertificateBuilder(
            issuer_name=issuer_name if self.issuer is None else self.issuer,
            subject_name=self.subject,
            public_key=public_key,
            serial_number=x509.random_serial_number() if self.serial_number is None else self.serial_number,
            not_valid_before=as_utc(self.not_before).replace(tzinfo=None),
            not_valid_after=as_utc(self.not_after).replace(tzinfo=None),
            extensions=self._extensions(public_key, issuer_key_identifier),
        )
        if pss is not None:
            digest = self.signature_hash or pss
            return builder.sign(issuer_key, digest, rsa_padding=pss_padding(digest))
        return builder.sign(issuer_key, self.signature_hash or signature_hash(issuer_key))

    def _extensions(
        self, public_key: PublicKey, issuer_key_identifier: bytes | None
    ) -> list[x509.Extension[x509.ExtensionType]]:
        extensions = list(_usage_extensions(self.authority, self.path_length, self.key_usage, self.extended_key_usage))
        if self.subject_key_identifier:
            extensions.append(_extension(x509.SubjectKeyIdentifier.from_public_key(public_key)))
        if isinstance(self.authority_key_identifier, bytes):
            issuer_key_identifier = self.authority_key_identifier
        if self.authority_key_identifier and issuer_key_identifier is not None:
            extensions.append(_extension(x509.AuthorityKeyIdentifier(issuer_key_identifier, None, None)))
        if self.sans:
            extensions.append(_extension(x509.SubjectAlternativeName(self.sans), critical=not self.subject.rdns))
        if self.name_constraints is not None:
            extensions.append(_extension(self.name_constraints, critical=True))
        extensions.extend(self.extra_extensions)
        return extensions

    def _with_extension(self, extension: x509.Extension[x509.ExtensionType]) -> CertificateProfile:
        value = extension.value
        if isinstance(value, x509.BasicConstraints):
            return replace(self, authority=value.ca, path_length=value.path_length)
        if isinstance(value, x509.KeyUsage):
            return replace(self, key_usage=frozenset(name for name in _KEY_USAGES if _has_usage(value, name)))
        if isinstance(value, x509.ExtendedKeyUsage):
            return replace(self, extended_key_usage=tuple(value))
        if isinstance(value, x509.SubjectAlternativeName):
            return replace(self, sans=tuple(value))
        if isinstance(value, x509.NameConstraints):
            return replace(self, name_constraints=value)
        if isinstance(value, x509.SubjectKeyIdentifier):
            return replace(self, subject_key_identifier=True)
        if isinstance(value, x509.AuthorityKeyIdentifier):
            return replace(self, authority_key_identifier=True)
        return replace(self, extra_extensions=(*self.extra_extensions, extension))


def client_profile(
    common_name: str | None = DEFAULT_CLIENT_NAME,
    *,
    sans: Iterable[NameText] = (),
    organization: str | None = None,
    organizational_unit: str | None = None,
    not_before: Instant | None = None,
    not_after: Instant | None = None,
    key_usage: Iterable[str] | None = LEAF_KEY_USAGE,
    extended_key_usage: Iterable[Usage] | None = ("clientAuth",),
    serial_number: int | None = None,
    subject: Iterable[SubjectAttribute] | None = None,
    crl_urls: str | Iterable[str] = (),
    ocsp_urls: str | Iterable[str] = (),
) -> CertificateProfile:
    """What a good client certificate says: see `CertificateAuthority.issue_client`."""
    start, end = validity(not_before, not_after)
    return CertificateProfile(
        subject=_subject(common_name, organization, organizational_unit, subject),
        not_before=start,
        not_after=end,
        sans=tuple(map(general_name, sans)),
        serial_number=_serial_number(serial_number),
        key_usage=_key_usages(key_usage),
        extended_key_usage=extended_key_usages(extended_key_usage),
        extra_extensions=status_extensions(crl_urls, ocsp_urls),
    )


def server_profile(
    *names: NameText,
    sans: Iterable[NameText] = (),
    common_name: str | None = None,
    organization: str | None = None,
    organizational_unit: str | None = None,
    not_before: Instant | None = None,
    not_after: Instant | None = None,
    key_usage: Iterable[str] | None = LEAF_KEY_USAGE,
    extended_key_usage: Iterable[Usage] | None = ("serverAuth",),
    serial_number: int | None = None,
    subject: Iterable[SubjectAttribute] | None = None,
    crl_urls: str | Iterable[str] = (),
    ocsp_urls: str | Iterable[str] = (),
    must_staple: bool = False,
) -> CertificateProfile:
    """What a good server certificate says: see `CertificateAuthority.issue_server`."""
    alternative_names = tuple(map(general_name, (*names, *sans) or LOCALHOST))
    start, end = validity(not_before, not_after)
    if common_name is None and subject is None:
        common_name = _common_name(alternative_names[0])
    return CertificateProfile(
        subject=_subject(common_name, organization, organizational_unit, subject),
        not_before=start,
        not_after=end,
        sans=alternative_names,
        serial_number=_serial_number(serial_number),
        key_usage=_key_usages(key_usage),
        extended_key_usage=extended_key_usages(extended_key_usage),
        extra_extensions=(*status_extensions(crl_urls, ocsp_urls), *((MUST_STAPLE,) if must_staple else ())),
    )


def authority_profile(
    subject: x509.Name,
    *,
    path_length: int | None = None,
    permitted: Iterable[NameText] = (),
    excluded: Iterable[NameText] = (),
    not_before: Instant | None = None,
    not_after: Instant | None = None,
    key_usage: Iterable[str] | None = _AUTHORITY_KEY_USAGE,
    extended_key_usage: Iterable[Usage] | None = None,
    crl_urls: str | Iterable[str] = (),
    ocsp_urls: str | Iterable[str] = (),
) -> CertificateProfile:
    """What a good CA certificate says.

    Args:
        subject: the CA's name.
        path_length: how many CAs may follow below it; None for no limit.
        permitted, excluded: name constraints, as `name_constraint` reads them.
        not_before, not_after: five minutes ago to a week from now by default.
        key_usage: the signing of certificates and CRLs by default.
        extended_key_usage: left out by default, which allows all.
        crl_urls, ocsp_urls: where its issuer's CRL and OCSP responders are.

    Raises:
        InvalidArgument: a path length that no certificate can hold, or what is not a URL.
    """
    check_path_length(path_length)
    start, end = validity(not_before, not_after, life=AUTHORITY_LIFE)
    inside, outside = tuple(map(name_constraint, permitted)), tuple(map(name_constraint, excluded))
    return CertificateProfile(
        subject=subject,
        not_before=start,
        not_after=end,
        key_usage=_key_usages(key_usage),
        extended_key_usage=extended_key_usages(extended_key_usage),
        authority=True,
        path_length=path_length,
        name_constraints=x509.NameConstraints(inside or None, outside or None) if inside or outside else None,
        extra_extensions=status_extensions(crl_urls, ocsp_urls),
    )


def _subject(
    common_name: str | None,
    organization: str | None,
    organizational_unit: str | None,
    attributes: Iterable[SubjectAttribute] | None,
) -> x509.Name:
    """A subject from the general to the special: organization and unit, the given attributes, the common name."""
    if attributes is None:
        return distinguished_name(common_name, organization, organizational_unit)
    if isinstance(common_name, _DefaultName):
        common_name = None
    general = distinguished_name(None, organization, organizational_unit)
    return x509.Name([*general, *subject_attributes(attributes), *distinguished_name(common_name)])


def _serial_number(number: int | None) -> int | None:
    if number is not None and (
        isinstance(number, bool) or not isinstance(number, int) or number not in _SERIAL_NUMBERS
    ):
        allowed = "a whole number from 1 to 2**159 - 1 (RFC 5280 section 4.1.2.2); a profile takes any"
        raise InvalidArgument("serial_number", number, allowed)
    return number


def check_path_length(path_length: int | None) -> None:
    """See that a certificate can say this (RFC 5280 section 4.2.1.9).

    Raises:
        InvalidArgument: it is not a number of 0 or more.
    """
    if path_length is not None and not (isinstance(path_length, int) and path_length >= 0):
        raise InvalidArgument("path_length", path_length, "a number of 0 or more, or None for no limit")


def extended_key_usages(usages: Iterable[Usage] | None) -> tuple[x509.ObjectIdentifier, ...] | None:
    """Extended key usages that a caller named, as OIDs.

    Raises:
        InvalidArgument: one is neither a name of `EXTENDED_KEY_USAGES` nor an OID.
    """
    return None if usages is None else tuple(map(_extended_key_usage, [usages] if isinstance(usages, str) else usages))


def key_identifier(certificate: x509.Certificate) -> bytes:
    """The subject key identifier of a CA; made from its key (RFC 5280 section 4.2.1.2) if none can be read."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, *UNREADABLE):
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def _extended_key_usage(usage: Usage) -> x509.ObjectIdentifier:
    if isinstance(usage, x509.ObjectIdentifier):
        return usage
    if usage in EXTENDED_KEY_USAGES:
        return EXTENDED_KEY_USAGES[usage]
    try:
        return x509.ObjectIdentifier(usage)
    except (ValueError, TypeError):
        allowed = ", ".join(EXTENDED_KEY_USAGES)
        raise InvalidArgument("extended_key_usage", usage, f"one of {allowed}, or an OID") from None


def _key_usages(usages: Iterable[str] | None) -> frozenset[str] | None:
    if usages is None:
        return None
    chosen = frozenset([usages] if isinstance(usages, str) else usages)
    unknown = sorted(chosen.difference(_KEY_USAGES))
    if unknown:
        raise InvalidArgument("key_usage", unknown[0], f"one of {', '.join(_KEY_USAGES)}")
    return chosen


@lru_cache(maxsize=64)
def _usage_extensions(
    authority: bool | None,
    path_length: int | None,
    key_usage: frozenset[str] | None,
    extended_key_usage: tuple[x509.ObjectIdentifier, ...] | None,
) -> tuple[x509.Extension[x509.ExtensionType], ...]:
    """The extensions that most certificates have in common."""
    extensions = []
    if authority is not None:
        limit = path_length if authority else None
        extensions.append(_extension(x509.BasicConstraints(ca=authority, path_length=limit), critical=True))
    if key_usage is not None:
        bits = {name: name in key_usage for name in _KEY_USAGES}
        extensions.append(_extension(x509.KeyUsage(**bits), critical=True))
    if extended_key_usage is not None:
        extensions.append(_extension(x509.ExtendedKeyUsage(extended_key_usage)))
    return tuple(extensions)


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical, value)


def _has_usage(key_usage: x509.KeyUsage, name: str) -> bool:
    try:
        return bool(getattr(key_usage, name))
    except ValueError:  # encipher_only and decipher_only mean nothing without key_agreement.
        return False


def _common_name(name: x509.GeneralName) -> str | None:
    """A server's first name as its common name, if it is one and fits."""
    if not isinstance(name, (x509.DNSName, x509.IPAddress)):
        return None
    try:
        distinguished_name(str(name.value))
    except InvalidName:
        return None
    return str(name.value)
