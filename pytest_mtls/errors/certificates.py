"""What is wrong with certificates, keys, names, requests, and the files that hold them."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mtls.errors.base import MtlsError

__all__ = [
    "AuthorityUsedAsIdentity",
    "IncompleteChain",
    "InvalidForwardedHeader",
    "InvalidName",
    "InvalidValidity",
    "KeyMismatch",
    "MissingPrivateKey",
    "NotACertificateAuthority",
    "NotIssuedByThisAuthority",
    "SharedCertificateRevoked",
    "SigningRequestRefused",
    "UnreadableCertificate",
    "UnreadableFile",
    "UnreadablePrivateKey",
    "UnreadableSigningRequest",
    "UnsupportedFormat",
    "UnsupportedKeyKind",
    "UnusableDirectory",
    "UnusableIdentity",
    "WrongPassword",
]

_READABLE = "Give PEM, DER or PKCS#12, as bytes or as the path of a file."


@dataclass(eq=False)
class UnreadableCertificate(MtlsError):
    """What should hold a certificate does not, or holds one that cannot be parsed."""

    source: str
    problem: str

    def __str__(self) -> str:
        return f"cannot read a certificate from {self.source}: {self.problem}. {_READABLE}"


@dataclass(eq=False)
class UnreadablePrivateKey(MtlsError):
    """What should hold a private key does not, or holds one that cannot be parsed."""

    source: str
    problem: str

    def __str__(self) -> str:
        return f"cannot read a private key from {self.source}: {self.problem}. {_READABLE}"


@dataclass(eq=False)
class UnreadableFile(MtlsError):
    """A file that should hold certificates or keys in some form, and holds nothing that is known here."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"cannot read {self.path}: {self.problem}."


@dataclass(eq=False)
class WrongPassword(MtlsError):
    """An encrypted key or PKCS#12 file was given no password, or one that does not open it."""

    source: str
    given: bool

    def __str__(self) -> str:
        if self.given:
            return f"the password does not open {self.source}. Pass the right one as password=..."
        return f"no password was given for what is encrypted in {self.source}. Pass it as password=..."


@dataclass(eq=False)
class UnreadableSigningRequest(MtlsError):
    """What should hold a PKCS#10 certificate signing request does not."""

    source: str
    problem: str

    def __str__(self) -> str:
        return (
            f"cannot read a certificate signing request from {self.source}: {self.problem}. "
            "Give a PKCS#10 request in PEM or DER, as bytes or as the path of a file."
        )


@dataclass(eq=False)
class KeyMismatch(MtlsError):
    """The private key is not the one whose public half is in the certificate."""

    subject: str
    source: str

    def __str__(self) -> str:
        return (
            f"the private key is not that of the certificate of {self.subject}: their public keys differ. The key is from "
            f"{self.source}. Give the key that the certificate was requested with."
        )


@dataclass(eq=False)
class IncompleteChain(MtlsError):
    """A certificate in a chain is not followed by the certificate of its issuer."""

    subject: str
    issuer: str

    def __str__(self) -> str:
        return (
            f"the chain is incomplete: {self.subject} was issued by {self.issuer}, "
            "whose certificate does not follow. Add it to the file, or pass it as chain=[...]."
        )


@dataclass(eq=False)
class MissingPrivateKey(MtlsError):
    """Something needs a private key that is not here."""

    subject: str
    operation: str

    def __str__(self) -> str:
        return (
            f"{self.operation} needs the private key of {self.subject}, which is not here: "
            "it stayed with whoever made it. Load it together with its key."
        )


@dataclass(eq=False)
class NotACertificateAuthority(MtlsError):
    """A certificate that may not issue others (RFC 5280 section 4.2.1.9) was given as a CA's."""

    subject: str
    problem: str

    def __str__(self) -> str:
        return (
            f"the certificate of {self.subject} is not a CA's: {self.problem}. "
            "Give the certificate that issues the others, not one that it issued; "
            "or, to trust it on purpose, CertificateAuthority.load(..., unchecked=True)."
        )


@dataclass(eq=False)
class AuthorityUsedAsIdentity(MtlsError):
    """A CA was given where a server's or client's own identity belongs."""

    subject: str

    def __str__(self) -> str:
        return (
            f"the CA {self.subject} was given where a server's or client's identity belongs. "
            "Issue one: ca.issue_client() or ca.issue_server()."
        )


@dataclass(eq=False)
class UnsupportedKeyKind(MtlsError):
    """This key kind is unknown, or the installed libraries cannot do it."""

    kind: str
    problem: str

    def __str__(self) -> str:
        return f"key kind {self.kind!r} cannot be used: {self.problem}"


@dataclass(eq=False)
class UnsupportedFormat(MtlsError):
    """Files of this format cannot be written here."""

    format: str
    problem: str

    def __str__(self) -> str:
        return f"the format {self.format!r} cannot be written: {self.problem}."


@dataclass(eq=False)
class InvalidName(MtlsError):
    """A text that is not a DNS name, IP address, e-mail address or URI, or does not fit the field."""

    value: str
    problem: str

    def __str__(self) -> str:
        return (
            f"{self.value!r} cannot be a name in a certificate: {self.problem}. "
            "Give a DNS name, an IP address, an e-mail address or a URI such as spiffe://domain/path."
        )


@dataclass(eq=False)
class InvalidValidity(MtlsError):
    """A validity that no certificate can hold."""

    value: str
    problem: str

    def __str__(self) -> str:
        return (
            f"{self.value} cannot be an end of a validity: {self.problem}. "
            "Give days from now, a timedelta from now, or a datetime."
        )


@dataclass(eq=False)
class SigningRequestRefused(MtlsError):
    """A CA will not sign this request; ``field`` names what is wrong in it."""

    field: str
    value: str
    rule: str

    def __str__(self) -> str:
        return f"signing request rejected: {self.field} is {self.value}, but {self.rule}."


@dataclass(eq=False)
class NotIssuedByThisAuthority(MtlsError):
    """A CA was asked to renew or revoke a certificate of another issuer."""

    subject: str
    issuer: str
    authority: str

    def __str__(self) -> str:
        return (
            f"{self.authority} did not issue the certificate of {self.subject}; "
            f"its issuer is {'another CA of that name' if self.issuer == self.authority else self.issuer}. "
            "Ask the CA that issued it."
        )


@dataclass(eq=False)
class UnusableDirectory(MtlsError):
    """Files cannot be written to this directory."""

    path: str
    problem: str
    remedy: str = "Give a directory that can be made or written to."

    def __str__(self) -> str:
        return f"cannot write to {self.path}: {self.problem}. {self.remedy}"


@dataclass(eq=False)
class UnusableIdentity(MtlsError):
    """The TLS library will not present this certificate or use this key."""

    subject: str
    problem: str

    def __str__(self) -> str:
        return (
            f"the TLS library will not present the certificate of {self.subject}: {self.problem}. "
            "Its security level decides; issue the certificate with a stronger key or signature."
        )


@dataclass(eq=False)
class InvalidForwardedHeader(MtlsError):
    """A header about a client certificate that the proxy cannot have sent as it is."""

    header: str
    value: str
    problem: str

    def __str__(self) -> str:
        return (
            f"the header {self.header} is {self.value!r}, which the proxy cannot have sent: {self.problem}. "
            "Trust such headers only from the proxy, and let it delete those of its clients."
        )


class SharedCertificateRevoked(UserWarning):
    """A certificate was revoked that other tests have too: from now on they all meet it revoked."""

    def __init__(self, subject: str, fixture: str) -> None:
        super().__init__(
            f"{subject} is the certificate of the fixture {fixture}, which is one for the whole run: every later test meets it "
            "revoked. Revoke one that the test has issued for itself, by mtls_ca.issue_client()."
        )
