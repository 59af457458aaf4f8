"""`Endpoint`: where a server listens that the plugin did not start, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mtls.cases.case import Case
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.errors import InvalidEndpoint
from pytest_mtls.tls.trust import TrustArgument

__all__ = ["Endpoint"]


@dataclass(frozen=True)
class Endpoint:
    """A server to be probed.

    Attributes:
        host: host name or IP address.
        port: TCP port.
        protocol: what is spoken: "tls" (nothing is sent inside), the default.
        server_name: the name to ask for and to check the server's certificate against; the host by default.
        trust: what the server's certificate must chain to; the system's CAs by default.
        ca: the CA whose clients the server accepts, where its key is here: it issues the clients of cases.
        server_case: the case that the server itself plays, if it is a bad one on purpose.
    """

    host: str
    port: int
    protocol: str = "tls"
    server_name: str | None = None
    trust: TrustArgument | None = None
    ca: CertificateAuthority | None = None
    server_case: Case | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.host, str) or not self.host:
            raise InvalidEndpoint((self.host, self.port), "the host is not a name or an address")
        if not isinstance(self.port, int) or not 0 < self.port < 65536:
            raise InvalidEndpoint((self.host, self.port), "the port is not a number from 1 to 65535")
        if self.protocol != "tls":
            raise InvalidEndpoint((self.host, self.port), f"protocol {self.protocol!r} is unknown; 'tls' is")

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) pair, as `socket.create_connection` takes it."""
        return self.host, self.port

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
