"""Floor 0: every error that pytest-mtls raises, a file a theme.

An error carries its facts as attributes and makes its prose in ``__str__``: what was wrong, with which value,
and what to do about it. `MtlsError` is the base of all but `HandshakeAssertionError`; it is never raised itself.
"""

from __future__ import annotations

from pytest_mtls.errors.assertions import HandshakeAssertionError
from pytest_mtls.errors.base import InvalidArgument, LibraryUnavailable, MissingExtra, MissingProgram, MtlsError
from pytest_mtls.errors.cases import CaseNotPresentable, CaseOfWrongSide, DuplicateCase, UnknownCase
from pytest_mtls.errors.certificates import (
    AuthorityUsedAsIdentity,
    IncompleteChain,
    InvalidForwardedHeader,
    InvalidName,
    InvalidValidity,
    KeyMismatch,
    MissingPrivateKey,
    NotACertificateAuthority,
    NotIssuedByThisAuthority,
    SharedCertificateRevoked,
    SigningRequestRefused,
    UnreadableCertificate,
    UnreadableFile,
    UnreadablePrivateKey,
    UnreadableSigningRequest,
    UnsupportedFormat,
    UnsupportedKeyKind,
    UnusableDirectory,
    UnusableIdentity,
    WrongPassword,
)
from pytest_mtls.errors.programs import ClientNotUsable
from pytest_mtls.errors.servers import (
    AppNotStarted,
    HandshakesForgotten,
    InvalidEndpoint,
    InvalidOption,
    InvalidPolicy,
    InvalidReport,
    PortUnavailable,
    ServerNotLaunched,
    ServerNotRunning,
    UnusableKeyLog,
)

__all__ = [
    "AppNotStarted",
    "AuthorityUsedAsIdentity",
    "CaseNotPresentable",
    "CaseOfWrongSide",
    "ClientNotUsable",
    "DuplicateCase",
    "HandshakeAssertionError",
    "HandshakesForgotten",
    "IncompleteChain",
    "InvalidArgument",
    "InvalidEndpoint",
    "InvalidForwardedHeader",
    "InvalidName",
    "InvalidOption",
    "InvalidPolicy",
    "InvalidReport",
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
    "SharedCertificateRevoked",
    "SigningRequestRefused",
    "UnknownCase",
    "UnreadableCertificate",
    "UnreadableFile",
    "UnreadablePrivateKey",
    "UnreadableSigningRequest",
    "UnsupportedFormat",
    "UnsupportedKeyKind",
    "UnusableDirectory",
    "UnusableIdentity",
    "UnusableKeyLog",
    "WrongPassword",
]

# Where a user imports it from, so that a traceback and the short summary of pytest name that place.
for _public in (HandshakeAssertionError, MtlsError, SigningRequestRefused):
    _public.__module__ = "pytest_mtls"
# The others are in `pytest_mtls.errors`, in whichever file they are defined.
for _name in __all__:
    if vars()[_name].__module__ != "pytest_mtls":
        vars()[_name].__module__ = __name__
