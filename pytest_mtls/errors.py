"""Every error that pytest-mtls raises.

An error carries its facts as attributes and makes its prose in ``__str__``: what was wrong, with which value,
and what to do about it. `MtlsError` is the base of all but `HandshakeAssertionError`; it is never raised itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "AppNotStarted",
    "AuthorityUsedAsIdentity",
    "CaseNotPresentable",
    "CaseOfWrongSide",
    "DuplicateCase",
    "ExtraNotInstalled",
    "HandshakeAssertionError",
    "IncompleteChain",
    "InvalidArgument",
    "InvalidEndpoint",
    "InvalidForwardedHeader",
    "InvalidName",
    "InvalidPolicy",
    "InvalidValidity",
    "KeyMismatch",
    "LibraryUnavailable",
    "MissingExtra",
    "MissingPrivateKey",
    "MissingProgram",
    "MtlsError",
    "NotACertificateAuthority",
    "NotIssuedByThisAuthority",
    "PortUnavailable",
    "ServerNotLaunched",
    "ServerNotRunning",
    "SigningRequestRefused",
    "UnknownCase",
    "UnreadableCertificate",
    "UnreadablePrivateKey",
    "UnreadableSigningRequest",
    "UnsupportedFormat",
    "UnsupportedKeyKind",
    "UnusableDirectory",
    "UnusableIdentity",
    "UnusableKeyLog",
    "WrongPassword",
]


class MtlsError(Exception):
    """Base of what pytest-mtls raises for bad input; never raised itself."""


# --- certificates, keys and requests ---------------------------------------------------------------------------------

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
class WrongPassword(MtlsError):
    """An encrypted key or PKCS#12 file was given no password, or one that does not open it."""

    source: str
    given: bool

    def __str__(self) -> str:
        if self.given:
            return f"the password does not open {self.source}. Pass the right one as password=..."
        return f"{self.source} is encrypted and no password was given. Pass it as password=..."


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
            f"the private key from {self.source} does not belong to the certificate of {self.subject}: "
            "their public keys differ. Give the key that the certificate was requested with."
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
class MissingProgram(MtlsError):
    """Something needs a program that is not on the path."""

    program: str
    origin: str

    def __str__(self) -> str:
        return f"the program {self.program} is not on the path. It is one of {self.origin}."


@dataclass(eq=False)
class NotACertificateAuthority(MtlsError):
    """A certificate that may not issue others (RFC 5280 section 4.2.1.9) was given as a CA's."""

    subject: str
    problem: str

    def __str__(self) -> str:
        return (
            f"the certificate of {self.subject} is not a CA's: {self.problem}. "
            "Give the certificate that issues the others, not one that it issued."
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
    """A text that is no DNS name, IP address, e-mail address or URI, or does not fit the field."""

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
        return f"signing request refused: {self.field} is {self.value}, but {self.rule}."


@dataclass(eq=False)
class NotIssuedByThisAuthority(MtlsError):
    """A CA was asked to renew or revoke a certificate of another issuer."""

    subject: str
    issuer: str
    authority: str

    def __str__(self) -> str:
        return (
            f"{self.authority} did not issue the certificate of {self.subject}; "
            f"its issuer is {self.issuer}. Ask the CA that issued it."
        )


@dataclass(eq=False)
class UnusableDirectory(MtlsError):
    """Files cannot be written to this directory."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"cannot write to {self.path}: {self.problem}. Give a directory that can be made or written to."


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


# --- extras ----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class MissingExtra(MtlsError):
    """Something needs a package that comes only with an extra."""

    extra: str
    package: str

    def __str__(self) -> str:
        return f"{self.package} is not installed. It comes with the extra: pip install 'pytest-mtls[{self.extra}]'."


# --- cases -----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class UnknownCase(MtlsError):
    """A pattern matches no case of the catalogue."""

    pattern: str
    side: str
    similar: Sequence[str] = field(default=())

    def __str__(self) -> str:
        hint = f"Did you mean {', '.join(self.similar)}?" if self.similar else "Patterns are globs over case ids."
        return f"no {self.side} case matches {self.pattern!r}. {hint} `pytest_mtls.{self.side}_cases()` has them all."


@dataclass(eq=False)
class DuplicateCase(MtlsError):
    """Two cases of one side have the same id."""

    id: str
    side: str

    def __str__(self) -> str:
        return f"there is already a {self.side} case {self.id!r}. Give the new one another name."


@dataclass(eq=False)
class CaseOfWrongSide(MtlsError):
    """A client's case was given where a server's belongs, or the other way round."""

    id: str
    side: str
    wanted: str

    def __str__(self) -> str:
        return (
            f"case {self.id!r} is a {self.side}'s, and a {self.wanted}'s is needed here. "
            f"Take one of pytest_mtls.{self.wanted}_cases()."
        )


@dataclass(eq=False)
class CaseNotPresentable(MtlsError):
    """What a case presents cannot go over this TLS version, or not by this TLS library. A test skips for it."""

    id: str
    problem: str

    def __str__(self) -> str:
        return f"case {self.id!r} cannot be presented here: {self.problem}."


# --- servers and endpoints -------------------------------------------------------------------------------------------


@dataclass(eq=False)
class InvalidArgument(MtlsError):
    """An argument is none of the values that it may have."""

    name: str
    value: Any
    allowed: str

    def __str__(self) -> str:
        return f"{self.name} is {self.value!r}, but it must be {self.allowed}."


@dataclass(eq=False)
class InvalidEndpoint(MtlsError):
    """Something that does not say where a server listens."""

    value: Any
    problem: str

    def __str__(self) -> str:
        return (
            f"{self.value!r} is no endpoint: {self.problem}. "
            "Give a running MutualTLSServer, an Endpoint, a pair (host, port), or a URL such as https://localhost:8443."
        )


@dataclass(eq=False)
class InvalidPolicy(MtlsError):
    """A policy for the conformance run cannot be read, or says what no policy can."""

    source: str
    problem: str

    def __str__(self) -> str:
        return f"the policy in {self.source} cannot be used: {self.problem}."


@dataclass(eq=False)
class AppNotStarted(MtlsError):
    """An ASGI app said that its start-up failed."""

    problem: str

    def __str__(self) -> str:
        return f"the ASGI app could not be started up: {self.problem}. Its own exception is the cause of this one."


@dataclass(eq=False)
class PortUnavailable(MtlsError):
    """The server cannot listen on this address."""

    host: str
    port: int
    problem: str

    def __str__(self) -> str:
        return f"cannot listen on {self.host} port {self.port}: {self.problem}. Pass port=0 to take any free port."


@dataclass(eq=False)
class ServerNotRunning(MtlsError):
    """A server that has not been started, or has been stopped, was asked for something only a running one has."""

    operation: str
    stopped: bool

    def __str__(self) -> str:
        state = "has been stopped" if self.stopped else "has not been started"
        return f"{self.operation} needs a running server, and this one {state}. Use it inside `with server:`."


@dataclass(eq=False)
class ServerNotLaunched(MtlsError):
    """A server under test could not be started as a subprocess, or did not become ready."""

    command: tuple[str, ...]
    problem: str
    output: str

    def __str__(self) -> str:
        said = f"Its output:\n{self.output.rstrip()}" if self.output.strip() else "It printed nothing."
        return f"the server `{' '.join(self.command)}` did not come up: {self.problem}. {said}"


@dataclass(eq=False)
class ExtraNotInstalled(MtlsError):
    """Something was asked for that an extra of the distribution brings, which is not installed."""

    extra: str
    purpose: str

    def __str__(self) -> str:
        return f"{self.purpose} needs the extra {self.extra!r}. Run: python -m pip install 'pytest-mtls[{self.extra}]'"


@dataclass(eq=False)
class UnusableKeyLog(MtlsError):
    """The secrets of connections cannot be written to this file."""

    path: str
    problem: str

    def __str__(self) -> str:
        remedy = "Give --mtls-keylog or SSLKEYLOGFILE a file that can be written to."
        return f"cannot write the key log {self.path}: {self.problem}. {remedy}"


# --- client libraries ------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class LibraryUnavailable(MtlsError):
    """A client library that is not known, or not installed: none of them comes with pytest-mtls."""

    name: str
    problem: str

    def __str__(self) -> str:
        return f"client library {self.name!r} cannot be used: {self.problem}"


# --- assertions ------------------------------------------------------------------------------------------------------


class HandshakeAssertionError(AssertionError):
    """A handshake did not end as expected. The text is the whole story; ``handshakes`` are those it tells of.

    Args:
        story: the text, as `pytest_mtls.explain` writes it.
        handshakes: the `Handshake` objects it tells of, in order; none if nobody connected.
    """

    def __init__(self, story: str, handshakes: Sequence[Any] = ()) -> None:
        super().__init__(story)
        self.handshakes = tuple(handshakes)
