"""Clients that speak HTTP, and gRPC over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.clients.library import Arguments, ClientArgument, Credentials, Library, load

if TYPE_CHECKING:
    from aiohttp import TCPConnector
    from httpx import AsyncClient, Client
    from requests import Session
    from urllib3 import PoolManager

__all__ = [
    "LIBRARIES",
    "aiohttp",
    "boto3",
    "elasticsearch",
    "grpcio",
    "httpx",
    "httpx_async",
    "niquests",
    "requests",
    "urllib3",
    "websockets",
]


def requests(identity: ClientArgument, trust: TrustArgument) -> Session:
    """A `requests.Session` that presents the identity and trusts these CAs and no others.

    It ignores proxies and CA bundles of the environment. Requests takes the paths of files, and none with a password; the
    session reads them once and not, as requests does, for each connection.
    """
    session: Session = load("requests", "requests").Session()
    from pytest_mtls.clients.kept_context import KeptContextAdapter

    session.trust_env = False
    arguments = _requests(identity, trust)
    for name, value in arguments.items():
        setattr(session, name, value)
    session.mount("https://", KeptContextAdapter(arguments["verify"], arguments.get("cert")))
    return session


def _requests(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    client = Credentials.of(identity, trust)
    arguments: Arguments = {"verify": client.trust.path}
    if client.identity is not None:
        arguments["cert"] = (client.identity.cert_path, client.identity.key_path)
    return arguments


def niquests(identity: ClientArgument, trust: TrustArgument) -> Any:
    """A `niquests.Session`, as `requests` gives one of requests'."""
    session = load("niquests", "niquests").Session()
    session.trust_env = False
    for name, value in _requests(identity, trust).items():
        setattr(session, name, value)
    return session


def httpx(identity: ClientArgument, trust: TrustArgument) -> Client:
    """An `httpx.Client` that presents the identity and ignores the proxies of the environment."""
    client: Client = load("httpx", "httpx").Client(**_httpx(identity, trust), trust_env=False)
    return client


def httpx_async(identity: ClientArgument, trust: TrustArgument, *, keep_alive: bool = True) -> AsyncClient:
    """An `httpx.AsyncClient`, as `httpx` gives a client that is not async.

    Args:
        identity: what the client presents.
        trust: the CA or CAs whose servers it accepts.
        keep_alive: whether connections stay open for further requests. Where they do not, none is left to be closed in
            the event loop that it was opened in.
    """
    library = load("httpx", "httpx")
    options = {} if keep_alive else {"limits": library.Limits(max_keepalive_connections=0)}
    client: AsyncClient = library.AsyncClient(**_httpx(identity, trust), **options, trust_env=False)
    return client


def _httpx(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    return {"verify": Credentials.of(identity, trust).ssl_context}


def aiohttp(identity: ClientArgument, trust: TrustArgument) -> TCPConnector:
    """An `aiohttp.TCPConnector` for ``ClientSession(connector=...)``; to be made inside a coroutine."""
    connector: TCPConnector = load("aiohttp", "aiohttp").TCPConnector(**_ssl(identity, trust))
    return connector


def websockets(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments of ``websockets.connect``, of the asyncio kind or the threading kind."""
    return _ssl(identity, trust)


def _ssl(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    return {"ssl": Credentials.of(identity, trust).ssl_context}


def urllib3(identity: ClientArgument, trust: TrustArgument) -> PoolManager:
    """A `urllib3.PoolManager` that presents the identity."""
    manager: PoolManager = load("urllib3", "urllib3").PoolManager(**_urllib3(identity, trust))
    return manager


def _urllib3(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    return {"ssl_context": Credentials.of(identity, trust).ssl_context}


def grpcio(identity: ClientArgument, trust: TrustArgument) -> Any:
    """The `grpc.ChannelCredentials` for ``grpc.secure_channel``.

    gRPC speaks HTTP/2 and nothing else: its server has to choose ``h2`` by ALPN.
    """
    return load("grpcio", "grpc").ssl_channel_credentials(**_grpcio(identity, trust))


def _grpcio(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    client = Credentials.of(identity, trust)
    arguments: Arguments = {"root_certificates": client.trust.pem}
    if client.identity is not None:
        arguments |= {"private_key": client.identity.key_pem, "certificate_chain": client.identity.cert_pem}
    return arguments


def elasticsearch(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments of `elasticsearch.Elasticsearch`."""
    return Credentials.of(identity, trust).files(trust="ca_certs", cert="client_cert", key="client_key")


def boto3(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments of ``boto3.client`` and ``botocore.session.Session.create_client``.

    ``config`` is a `botocore.config.Config`; merge your own into it: ``arguments["config"].merge(mine)``.
    """
    client = Credentials.of(identity, trust)
    arguments: Arguments = {"verify": client.trust.path}
    if client.identity is not None:
        pair = (client.identity.cert_path, client.identity.key_path)
        arguments["config"] = load("botocore", "botocore.config").Config(client_cert=pair)
    return arguments


LIBRARIES = (
    Library("requests", "requests", "requests.get(url, **arguments)", _requests),
    Library("httpx", "httpx", "httpx.Client(**arguments)", _httpx),
    Library("aiohttp", "aiohttp", "aiohttp.TCPConnector(**arguments)", _ssl),
    Library("urllib3", "urllib3", "urllib3.PoolManager(**arguments)", _urllib3),
    Library("niquests", "niquests", "niquests.get(url, **arguments)", _requests),
    Library("websockets", "websockets", "websockets.connect(uri, **arguments)", websockets),
    Library("grpcio", "grpc", "grpc.ssl_channel_credentials(**arguments)", _grpcio),
    Library("elasticsearch", "elasticsearch", "elasticsearch.Elasticsearch(url, **arguments)", elasticsearch),
    Library("boto3", "boto3", "boto3.client(service, endpoint_url=url, **arguments)", boto3),
)
