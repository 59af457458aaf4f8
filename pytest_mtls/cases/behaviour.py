"""How the peer of a case behaves, besides what it presents: typed, and checked when the case is defined.

What is done on the wire is the business of `pytest_mtls.server.misbehaviour` and `pytest_mtls.client.misbehaving`; here are
the names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pytest_mtls.certificates.stapling import ABSENT, Staple
from pytest_mtls.errors import InvalidArgument
from pytest_mtls.reasons.versions import TLS_VERSIONS

__all__ = [
    "ClientBehaviour",
    "ClientCerts",
    "ClientMisbehaviour",
    "ServerBehaviour",
    "ServerMisbehaviour",
    "Staple",
]

ClientCerts = Literal["required", "optional", "none"]

#: What a server may do instead of serving. All but the last replace the handshake.
ServerMisbehaviour = Literal["alert", "close", "hang", "http", "reset", "reset after handshake"]

#: What a client may do to its CertificateVerify message.
ClientMisbehaviour = Literal[
    "certificate verify missing",
    "certificate verify fuzzed",
    "certificate verify empty",
    "certificate verify undefined",
    "certificate verify of another kind of key",
]


@dataclass(frozen=True)
class ServerBehaviour:
    """How a server of a case treats its clients. What is None is left to the `MutualTLSServer` that plays the case.

    Attributes:
        client_certs: whether a client certificate is "required", "optional", or "none" is asked for.
        tls: the only TLS version that it speaks, "1.2" or "1.3".
        alpn: the application protocols that it accepts, the preferred one first (RFC 7301).
        misbehaviour: what it does instead of serving: "close", "reset", "hang", speak plain "http" or send a fatal
            "alert" when the client has said hello, or "reset after handshake".
        staple: the OCSP answer that it staples to its certificate: "current" for the truth, or one that is "revoked",
            "stale", "forged", "of another issuer", "of an unauthorized signer", "unknown" or "try later". All these take
            the extra ``pyopenssl``. "absent" for none, whatever the server is told.

    Raises:
        InvalidArgument: a value that is not one of those.
    """

    client_certs: ClientCerts | None = None
    tls: str | None = None
    alpn: Sequence[str] | None = None
    misbehaviour: ServerMisbehaviour | None = None
    staple: Staple | None = None

    def __post_init__(self) -> None:
        _check("client_certs", self.client_certs, get_args(ClientCerts))
        _check("tls", self.tls, TLS_VERSIONS)
        _check("misbehaviour", self.misbehaviour, get_args(ServerMisbehaviour))
        _check("staple", self.staple, get_args(Staple))
        if isinstance(self.alpn, (str, bytes)):
            raise InvalidArgument("alpn", self.alpn, "a list of protocol names, such as ['h2', 'http/1.1']")
        if self.alpn is not None:
            object.__setattr__(self, "alpn", tuple(self.alpn))

    @property
    def staples(self) -> bool:
        """Whether it staples an answer, of whatever kind."""
        return self.staple not in (None, ABSENT)

    @property
    def is_of_certificate(self) -> bool:
        """Whether any server that presents the certificate behaves so, if it is given the answer to staple."""
        return self == ServerBehaviour(staple=self.staple)

    def over(self, other: ServerBehaviour) -> ServerBehaviour:
        """This behaviour, and the other one where this one says nothing."""
        return ServerBehaviour(
            self.client_certs or other.client_certs,
            self.tls or other.tls,
            other.alpn if self.alpn is None else self.alpn,
            self.misbehaviour or other.misbehaviour,
            self.staple or other.staple,
        )


@dataclass(frozen=True)
class ClientBehaviour:
    """How a client of a case breaks the handshake's rules. It takes the extra ``wire``.

    Attributes:
        misbehaviour: what is done to its CertificateVerify message: "certificate verify missing", "... fuzzed",
            "... empty", "... undefined" or "... of another kind of key".

    Raises:
        InvalidArgument: another misbehaviour.
    """

    misbehaviour: ClientMisbehaviour | None = None

    def __post_init__(self) -> None:
        _check("misbehaviour", self.misbehaviour, get_args(ClientMisbehaviour))

    def over(self, other: ClientBehaviour) -> ClientBehaviour:
        """This behaviour, and the other one where this one says nothing."""
        return ClientBehaviour(self.misbehaviour or other.misbehaviour)


def _check(name: str, value: object, allowed: Sequence[str]) -> None:
    if value is not None and value not in allowed:
        raise InvalidArgument(name, value, f"None, or one of {', '.join(map(repr, allowed))}")
