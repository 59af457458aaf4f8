"""`CertificateSigningRequest` (PKCS#10, RFC 2986), and the `SigningPolicy` by which a CA judges one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal, TypeVar, Union

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pytest_mtls.certificates.key import KeyKind, PrivateKey, private_key_pem, signature_hash
from pytest_mtls.certificates.loading import Source, load_signing_request
from pytest_mtls.certificates.names import (
    NameText,
    describe_general_name,
    describe_name,
    distinguished_name,
    general_name,
)
from pytest_mtls.certificates.profile import EXTENDED_KEY_USAGES
from pytest_mtls.certificates.readable import UNREADABLE, complaint
from pytest_mtls.certificates.weak_hash import weak_hash_of_valid
from pytest_mtls.errors import InvalidArgument, InvalidName, SigningRequestRefused

__all__ = ["CertificateSigningRequest", "SigningPolicy", "SigningRequestArgument"]

_ExtensionType = TypeVar("_ExtensionType", bound=x509.ExtensionType)

_USAGES = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}
_USAGE_NAMES = {oid: name for name, oid in EXTENDED_KEY_USAGES.items()}
#: What a request holds of each type that a name pattern can speak of.
_TEXT_NAMES = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier, x509.IPAddress)
_LEAST_RSA_BITS = 2048
_LEAST_EC_BITS = 256


@dataclass(frozen=True)
class CertificateSigningRequest:
    """What somebody who has a key asks a CA to certify (PKCS#10, RFC 2986).

    Attributes:
        request: the request itself.
        private_key: the requester's; None for a request that was loaded.
    """

    request: x509.CertificateSigningRequest
    private_key: PrivateKey | None = field(default=None, repr=False)

    @classmethod
    def create(
        cls,
        common_name: str | None,
        sans: Iterable[NameText] = (),
        *,
        organization: str | None = None,
        organizational_unit: str | None = None,
        key_kind: KeyKind | str = KeyKind.P256,
        usage: Literal["client", "server"] = "client",
        private_key: PrivateKey | None = None,
    ) -> CertificateSigningRequest:
        """Make a request, and a key if none is given.

        Args:
            common_name, organization, organizational_unit: the subject.
            sans: subject alternative names, as `general_name` reads them.
            key_kind: the kind of the new key.
            usage: what for: "client" asks for clientAuth, "server" for serverAuth.
            private_key: a key that is there already.

        Raises:
            InvalidArgument: an unknown usage.
            InvalidName: a name that no certificate can hold.
            UnsupportedKeyKind: an unknown kind of key.
        """
        if usage not in _USAGES:
            raise InvalidArgument("usage", usage, "'client' or 'server'")
        key = KeyKind.parse(key_kind).generate() if private_key is None else private_key
        names = tuple(map(general_name, sans))
        builder = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(distinguished_name(common_name, organization, organizational_unit))
            .add_extension(x509.ExtendedKeyUsage([_USAGES[usage]]), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return cls(builder.sign(key, signature_hash(key)), key)

    @classmethod
    def load(cls, source: Source) -> CertificateSigningRequest:
        """Read a request: PEM or DER, as bytes or as the path of a file.

        Raises:
            UnreadableSigningRequest: there is none, or it cannot be parsed.
        """
        return cls(load_signing_request(source))

    @classmethod
    def of(cls, argument: SigningRequestArgument) -> CertificateSigningRequest:
        """A request in whatever form a caller has it.

        Raises:
            UnreadableSigningRequest: there is none, or it cannot be parsed.
        """
        if isinstance(argument, cls):
            return argument
        if isinstance(argument, x509.CertificateSigningRequest):
            return cls(argument)
        return cls.load(argument)  # type: ignore[arg-type]

    @property
    def subject(self) -> str:
        """The subject, such as ``CN=client``."""
        return describe_name(self.request.subject)

    @cached_property
    def pem(self) -> bytes:
        """The request, PEM."""
        return self.request.public_bytes(Encoding.PEM)

    @cached_property
    def key_pem(self) -> bytes | None:
        """The private key, PKCS#8 PEM without encryption; None if it is not here."""
        return None if self.private_key is None else private_key_pem(self.private_key)

    @cached_property
    def sans(self) -> tuple[x509.GeneralName, ...]:
        """The subject alternative names that are asked for."""
        names = _requested(self.request, x509.SubjectAlternativeName)
        return () if names is None else tuple(names)

    @cached_property
    def extended_key_usage(self) -> tuple[x509.ObjectIdentifier, ...]:
        """The extended key usages that are asked for; clientAuth if none are."""
        usages = _requested(self.request, x509.ExtendedKeyUsage)
        return (ExtendedKeyUsageOID.CLIENT_AUTH,) if usages is None else tuple(usages)


#: A request in whatever form a caller has it.
SigningRequestArgument = Union[CertificateSigningRequest, x509.CertificateSigningRequest, Source]


@dataclass(frozen=True)
class SigningPolicy:
    """What a CA lets others ask for.

    Whatever the policy, a request must be signed with the key that it asks a certificate for, may ask neither to be a
    CA nor to sign certificates or CRLs, and names of known types must be well-formed.

    Attributes:
        organization: what the subject's organization must be; any or none if this is None.
        allowed_names: globs, one of which every subject alternative name and the common name must match; any name
            may be asked for if this is None. A glob with ``://`` is for URIs, one with ``@`` for e-mail addresses,
            ``*`` for all, and any other for DNS names and IP addresses, so that no name of one type passes for
            another's.
        allowed_usages: extended key usages that may be asked for.
        weak_hashes: whether a request that is signed with SHA-1 or MD5 is let through.
        weak_keys: whether RSA keys under 2048 bits, curves under 256, and DSA are let through.
    """

    organization: str | None = None
    allowed_names: tuple[str, ...] | None = None
    allowed_usages: tuple[str, ...] = ("clientAuth", "serverAuth")
    weak_keys: bool = False
    weak_hashes: bool = False

    def check(self, request: CertificateSigningRequest) -> None:
        """Judge a request.

        Raises:
            SigningRequestRefused: something in it is not allowed; ``field`` names it.
        """
        _check_signature(request, self.weak_hashes)
        _check_no_authority(request.request)
        if not self.weak_keys:
            _check_key(request.request)
        self._check_subject(request)
        self._check_names(request.sans)
        for usage in request.extended_key_usage:
            name = _USAGE_NAMES.get(usage, usage.dotted_string)
            if name not in self.allowed_usages:
                allowed = " and ".join(self.allowed_usages) or "nothing"
                raise SigningRequestRefused("extendedKeyUsage", name, f"only {allowed} may be asked for")

    def _check_subject(self, request: CertificateSigningRequest) -> None:
        subject = request.request.subject
        if not subject.rdns and not request.sans:
            raise SigningRequestRefused("subject", "empty", "a certificate needs a subject or an alternative name")
        organizations = _values(subject, NameOID.ORGANIZATION_NAME)
        if self.organization is not None and organizations != [self.organization]:
            given = ", ".join(map(repr, organizations)) or "missing"
            raise SigningRequestRefused("organization", given, f"it must be {self.organization!r}")
        for common_name in _values(subject, NameOID.COMMON_NAME):
            self._check_allowed("common name", common_name)

    def _check_names(self, names: Iterable[x509.GeneralName]) -> None:
        for name in names:
            text = describe_general_name(name)
            if isinstance(name, _TEXT_NAMES):
                if not _is_well_formed(name, text):
                    raise SigningRequestRefused("subjectAltName", repr(text), "it must be well-formed for its type")
                self._check_allowed("subjectAltName", text)
            elif self.allowed_names is not None:
                rule = "only DNS names, IP addresses, e-mail addresses and URIs are allowed"
                raise SigningRequestRefused("subjectAltName", repr(text), rule)

    def _check_allowed(self, label: str, text: str) -> None:
        if self.allowed_names is None:
            return
        lowered, kind = text.lower(), _kind_of_name(text)
        for glob in self.allowed_names:
            if (glob == "*" or _kind_of_name(glob) == kind) and fnmatchcase(lowered, glob.lower()):
                return
        allowed = ", ".join(self.allowed_names) or "no name"
        raise SigningRequestRefused(label, repr(text), f"only {allowed} is allowed")


def _check_signature(request: CertificateSigningRequest, weak_hashes: bool) -> None:
    try:
        valid = request.request.is_signature_valid
    except UNREADABLE:
        valid = False
    name = None if valid else weak_hash_of_valid(request.request, request.request)
    if name is not None:
        if weak_hashes:
            return
        rule = (
            "that hash can be forged. Ask for a request that is signed by way of SHA-256, or let this one through: "
            "SigningPolicy(weak_hashes=True)"
        )
        raise SigningRequestRefused("signature", f"valid by way of {name} only", rule)
    if not valid:
        rule = f"it must verify with the public key in the request of {request.subject}, which proves possession"
        raise SigningRequestRefused("signature", "invalid", rule)


def _check_no_authority(request: x509.CertificateSigningRequest) -> None:
    constraints = _requested(request, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise SigningRequestRefused("basicConstraints", "CA:TRUE", "a request may not ask to be a CA")
    usage = _requested(request, x509.KeyUsage)
    if usage is not None and (usage.key_cert_sign or usage.crl_sign):
        asked = "keyCertSign" if usage.key_cert_sign else "cRLSign"
        raise SigningRequestRefused("keyUsage", asked, "a request may not ask to be a CA")


def _check_key(request: x509.CertificateSigningRequest) -> None:
    key = request.public_key()
    if isinstance(key, dsa.DSAPublicKey):
        raise SigningRequestRefused("public key", "DSA", "no current TLS version uses it")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        rule = f"at least {_LEAST_RSA_BITS} bits are needed"
        raise SigningRequestRefused("public key", f"RSA of {key.key_size} bits", rule)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _LEAST_EC_BITS:
        rule = f"at least {_LEAST_EC_BITS} bits are needed"
        raise SigningRequestRefused("public key", f"{key.curve.name} of {key.key_size} bits", rule)


def _is_well_formed(name: x509.GeneralName, text: str) -> bool:
    try:
        return type(general_name(text)) is type(name)
    except InvalidName:
        return False


def _kind_of_name(text: str) -> str:
    return "URI" if "://" in text else "e-mail" if "@" in text else "host"


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]


def _requested(request: x509.CertificateSigningRequest, kind: type[_ExtensionType]) -> _ExtensionType | None:
    """An extension that is asked for.

    Raises:
        SigningRequestRefused: the extensions cannot be parsed.
    """
    try:
        return request.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE as error:
        raise SigningRequestRefused("extensions", "malformed", f"they must be readable ({complaint(error)})") from None
