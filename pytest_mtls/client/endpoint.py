"""`Endpoint`: where a server listens that the plugin did not start, and what is known of it."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Protocol, Union, cast, runtime_checkable
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

from pytest_mtls.cases.case import Case
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.client.protocols import ALIASES, PROTOCOLS
from pytest_mtls.client.rate import RateLimiter
from pytest_mtls.errors import InvalidEndpoint
from pytest_mtls.tls.handshake import Handshake

__all__ = ["Endpoint", "EndpointArgument", "ObservedServer", "endpoint_of", "is_address"]

#: A URL's password, with what stands before it.
_PASSWORD = re.compile(r"(://[^/?#@:]*:)[^/?#]*@")


@dataclass(frozen=True)
class Endpoint:
    """A server to be probed.

    Attributes:
        host: host name or IP address.
        port: TCP port.
        protocol: what is spoken, by its name in the table of protocols: "tls" (nothing is sent inside), the default,
            "https", "postgres", "smtp", or one that `register_protocol` made known. Other names for them that URLs have,
            such as "grpc", are taken too.
        server_name: the name to ask for and to check the server's certificate against; the host by default.
        trust: what the server's certificate must chain to; the system's CAs by default.
        ca: the CA whose clients the server accepts, where its key is here: it issues the clients of cases.
        server_case: the case that the server itself plays, if it is a bad one on purpose.
        path: what is asked for: an HTTP path, or the name of a database after a slash.
        user: who logs in, where the protocol has that: "postgres", "mysql", "mqtt".
        password: the same.
        strict: whether the server's certificate may break no rule of RFC 5280's profile.
        client: a client that the server is known to accept, for the control beside each rejection; by default one that the CA
            issues.
        client_cases: a directory of clients that were minted before the server was started, as ``<case>.crt`` and
            ``<case>.key``: they are presented instead of new ones, so that the server's CRL knows of them.
        rate_limiter: how many connections a second are made at most; no limit by default.
    """

    host: str
    port: int
    protocol: str = "tls"
    server_name: str | None = None
    trust: TrustArgument | None = None
    ca: CertificateAuthority | None = None
    server_case: Case | None = None
    path: str = "/"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    strict: bool = True
    client: Identity | None = None
    client_cases: str | os.PathLike[str] | None = None
    rate_limiter: RateLimiter | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.host, str) or not self.host:
            raise InvalidEndpoint((self.host, self.port), "the host is not a name or an address")
        try:
            self.host.encode("idna")
        except UnicodeError as error:
            raise InvalidEndpoint((self.host, self.port), f"the host is not a name or an address ({error})") from None
        if not isinstance(self.port, int) or not 0 < self.port < 65536:
            raise InvalidEndpoint((self.host, self.port), "the port is not a number from 1 to 65535")
        if self.protocol not in PROTOCOLS and self.protocol in ALIASES:
            object.__setattr__(self, "protocol", ALIASES[self.protocol])
        if self.protocol not in PROTOCOLS:
            problem = f"protocol {self.protocol!r} is unknown; known are {', '.join((*PROTOCOLS, *ALIASES))}"
            raise InvalidEndpoint((self.host, self.port), problem)

    @classmethod
    def parse(cls, url: str, **known: Any) -> Endpoint:
        """Read a URL, such as ``https://localhost:8443/login`` or ``postgres://alice@localhost/bank``.

        Args:
            url: scheme (a protocol's name), host, and as the protocol has them port, path, user and password.
            **known: other attributes, such as ``trust``; they win over what the URL says.

        Raises:
            InvalidEndpoint: it has no host, an unknown scheme, or no port where the protocol has none of its own.
        """
        shown = _PASSWORD.sub(r"\1***@", url) if isinstance(url, str) else url
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme, parts.hostname, parts.port
        except (ValueError, AttributeError, TypeError) as error:
            raise InvalidEndpoint(shown, f"it cannot be read as a URL ({error})") from None
        protocol = PROTOCOLS.get(ALIASES.get(scheme, scheme))
        if not isinstance(url, str) or "://" not in url or not host:
            raise InvalidEndpoint(shown, "it is not a URL with a host, such as https://localhost:8443")
        if protocol is None:
            problem = f"protocol {scheme!r} is unknown; known are {', '.join((*PROTOCOLS, *ALIASES))}"
            raise InvalidEndpoint(shown, problem)
        if not (port or protocol.port):
            raise InvalidEndpoint(shown, f"{scheme} has no port of its own, so that the URL has to give one")
        read = {
            "host": host,
            "port": port or protocol.port,
            "protocol": protocol.name,
            "path": (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            "user": None if parts.username is None else unquote(parts.username),
            "password": None if parts.password is None else unquote(parts.password),
        }
        return cls(**{**read, **known})

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) pair, as `socket.create_connection` takes it."""
        return self.host, self.port

    @property
    def name(self) -> str:
        """The name that the server is asked for by."""
        return self.server_name or self.host

    @property
    def netloc(self) -> str:
        """Name and port as in a URL, without the port where it is the protocol's own."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == PROTOCOLS[self.protocol].port else f"{name}:{self.port}"

    @property
    def authority(self) -> str:
        """What 0.1 called `netloc`. Deprecated."""
        warnings.warn("Endpoint.authority is now called Endpoint.netloc", DeprecationWarning, stacklevel=2)
        return self.netloc

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@runtime_checkable
class ObservedServer(Protocol):
    """A server of this process, whose own view of each handshake is known; `MutualTLSServer` is one."""

    @property
    def endpoint(self) -> Endpoint:
        """What a probe has to know of it."""

    def bookmark(self) -> int:
        """A place in the order of its connections: all that come from now on are after it."""

    def handshakes_since(self, bookmark: int, *, wait: bool = False, late: bool = False) -> tuple[Handshake, ...]:
        """The handshakes of the connections that came after a bookmark."""

    def is_one_open_from_before(self, bookmark: int) -> bool:
        """Whether a connection that was accepted before a bookmark is still open."""

    def accepted_client(self, certificate_der: bytes, tls: str | None, server_name: str | None) -> Handshake | None:
        """The last handshake with a client's certificate that was accepted, as the server is set up now."""

    def handshake_of(self, client_address: tuple[str, int], bookmark: int, timeout: float) -> Handshake | None:
        """The handshake of the client that connected from this address; None if there is none in time."""


#: Which types are servers of this process: a look at all members of a server is too slow for each probe.
_IS_OBSERVED: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def observed(value: object) -> ObservedServer | None:
    """A value that is a server of this process, as such; None for anything else."""
    kind = type(value)
    if kind not in _IS_OBSERVED:
        _IS_OBSERVED[kind] = isinstance(value, ObservedServer)
    return cast("ObservedServer", value) if _IS_OBSERVED[kind] else None


#: What may stand for the server that is probed.
EndpointArgument = Union[ObservedServer, Endpoint, "tuple[str, int]", str]


def endpoint_of(value: EndpointArgument) -> Endpoint:
    """Read an endpoint argument.

    Raises:
        InvalidEndpoint: it does not say where a server listens.
        ServerNotRunning: it is a server of ours that does not run.
    """
    if isinstance(value, Endpoint):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return Endpoint(*value)
    if isinstance(value, str):
        return Endpoint.parse(value)
    server = observed(value)
    if server is not None:
        return server.endpoint
    raise InvalidEndpoint(value, "it names no host and port")


def is_address(host: str) -> bool:
    """Whether a host is an IP address, and so no name to ask for (RFC 6066 section 3)."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
