"""What all of `pytest_mtls.clients` has in common: who the client is, what it trusts, and where a library is found.

No library is imported but by `load`, and nothing else here imports one for its types.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Union

from pytest_mtls.cases.case import Case
from pytest_mtls.cases.presentation import presented
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.trust import Trust, TrustArgument
from pytest_mtls.errors import CaseNotPresentable, InvalidArgument, LibraryUnavailable
from pytest_mtls.tls.context import client_context

if TYPE_CHECKING:
    import trustme

__all__ = ["Arguments", "ClientArgument", "Credentials", "Library", "load"]

#: What may stand for a client: an `Identity`, a client `Case`, trustme's LeafCert, or None for one without certificate.
ClientArgument = Union[Identity, Case, "trustme.LeafCert", None]

#: Keyword arguments by their names, as a library spells them.
Arguments = dict[str, Any]


@dataclass(frozen=True)
class Library:
    """A client library, and what it takes.

    Attributes:
        name: what it is called where it is installed from, such as ``paho-mqtt``.
        module: what it is imported as; None for what is not a Python library.
        taker: a call that takes the arguments, written as ``**arguments``.
        arguments: makes them from the client's identity and what it trusts.
    """

    name: str
    module: str | None
    taker: str
    arguments: Callable[[ClientArgument, TrustArgument], Arguments]


@dataclass(frozen=True)
class Credentials:
    """One client: what it presents, what it trusts, and both in the shapes that libraries ask for.

    Attributes:
        identity: what it presents; None for a client without a certificate.
        trust: the CAs whose servers it accepts.
        tls: the only TLS version over which the identity can be presented; None for both.
        is_weak: whether the identity may be too weak for OpenSSL's ordinary security level.
    """

    identity: Identity | None
    trust: Trust
    tls: str | None = None
    is_weak: bool = False

    @classmethod
    def of(cls, client: ClientArgument, trust: TrustArgument) -> Credentials:
        """Read what a caller gave.

        Raises:
            AuthorityUsedAsIdentity, CaseOfWrongSide: it is not a client's identity.
            CaseNotPresentable: no client library can present it.
            InvalidArgument: anything else that is none, or no CA to trust.
        """
        known = Trust.of(trust)
        if not known.authorities:
            raise InvalidArgument("trust", trust, "at least one CA, since the server's certificate is checked by it")
        presents = presented(client, "client", known.issuer)
        if presents.rewrite is not None:
            problem = "its Certificate message is replaced on the wire, which only `probe` can do"
            raise CaseNotPresentable(presents.name, problem)
        return cls(presents.identity, known, presents.tls, presents.is_weak)

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """A context that presents the identity and checks the server's certificate and host name.

        Raises:
            MissingPrivateKey, KeyMismatch, UnsupportedKeyKind, UnusableIdentity: the identity cannot be presented.
        """
        return self.context()

    def context(self, *, strict: bool = True) -> ssl.SSLContext:
        """The same, new each time.

        Args:
            strict: whether to reject what only RFC 5280's profile forbids.
        """
        return client_context(self.identity, self.trust, tls=self.tls, weak=self.is_weak, strict=strict)

    def files(self, *, trust: str, cert: str, key: str) -> Arguments:
        """The paths of CA, certificate and key, under the names that a library has for them.

        Without an identity there is no certificate and no key.
        """
        found = {trust: self.trust.path}
        if self.identity is not None:
            found |= {cert: self.identity.cert_path, key: self.identity.key_path}
        return found


def load(library: str, module: str) -> Any:
    """Import a library that somebody uses now.

    Args:
        library: what it is called where it is installed from.
        module: what it is imported as.

    Raises:
        LibraryUnavailable: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it is here, and what it needs is not
        raise LibraryUnavailable(library, f"it is not installed. Run: python -m pip install {library}") from error
