"""`ProbePlan`: what a probe is asked to do, read from its arguments once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_mtls.cases.presentation import PeerArgument, Presentation, presented
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.trust import Trust, TrustArgument
from pytest_mtls.client.endpoint import Endpoint, EndpointArgument, ObservedServer, endpoint_of, observed
from pytest_mtls.client.protocols import PROTOCOLS, Protocol
from pytest_mtls.errors import CaseNotPresentable, InvalidArgument
from pytest_mtls.tls.engine import Engine

__all__ = ["ProbePlan"]


@dataclass(frozen=True)
class ProbePlan:
    """One handshake to be done, with nothing left to interpret.

    Attributes:
        target: the server, with the name to ask for.
        protocol: what is spoken with it.
        observer: the server itself, if it is one of this process, which has its own view of the handshake.
        presents: what the client presents.
        trust: what the server's certificate must chain to; None for the system's CAs.
        issuer: the CA that issues clients for this server; None if there is none.
        tls: the version, "1.2" or "1.3"; None for the newest that both sides can.
        timeout: seconds for all of it.
        engine: the TLS library that does it, "ssl" or "pyopenssl".
    """

    target: Endpoint
    protocol: Protocol
    observer: ObservedServer | None
    presents: Presentation
    trust: Trust | None
    issuer: CertificateAuthority | None
    tls: str | None
    timeout: float
    engine: Engine = "ssl"

    @classmethod
    def of(
        cls,
        endpoint: EndpointArgument,
        client: PeerArgument | None = None,
        trust: TrustArgument | None = None,
        tls: str | None = None,
        server_name: str | None = None,
        timeout: float = 5.0,
        *,
        ca: CertificateAuthority | None = None,
        like: Identity | None = None,
        engine: Engine = "ssl",
    ) -> ProbePlan:
        """Read the arguments of `probe`.

        Args:
            endpoint, client, trust, tls, server_name, timeout, ca, engine: as for `probe`.
            like: whose names the client of a case carries; those of the endpoint's ``client`` by default.

        Raises:
            MtlsError: a bad argument.
            CaseNotPresentable: the case cannot go over the TLS version that ``tls`` names.
        """
        if not timeout > 0:
            raise InvalidArgument("timeout", timeout, "a number of seconds above 0")
        target = endpoint_of(endpoint)
        wanted = target.trust if trust is None else trust
        trusted = None if wanted is None else Trust.of(wanted)
        issuer = ca or target.ca or (trusted.issuer if trusted is not None else None)
        names = like if like is not None else target.client
        presents = presented(client, "client", issuer, target.client_cases, like=names)
        if presents.tls is not None and tls not in (None, presents.tls):
            problem = f"it goes over TLS {presents.tls} only, and TLS {tls} is asked for"
            raise CaseNotPresentable(presents.name, problem)
        return cls(
            target=replace(target, server_name=_host_name(server_name or target.name), client=names),
            protocol=PROTOCOLS[target.protocol],
            observer=observed(endpoint),
            presents=presents,
            trust=trusted,
            issuer=issuer,
            tls=tls or presents.tls,
            timeout=timeout,
            engine=engine,
        )

    def presenting(self, identity: Identity | None) -> ProbePlan:
        """The same handshake by another client."""
        return replace(self, presents=Presentation(identity))


def _host_name(name: str) -> str:
    try:
        name.encode("idna")
    except UnicodeError as error:
        raise InvalidArgument("server_name", name, f"a host name or an IP address ({error})") from error
    return name
