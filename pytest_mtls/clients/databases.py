"""Clients of databases."""

from __future__ import annotations

from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.clients.library import Arguments, ClientArgument, Credentials, Library

__all__ = ["LIBRARIES", "asyncpg", "psycopg", "pymongo", "redis"]


def psycopg(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments of ``psycopg.connect``, of psycopg2's, and of whatever hands them to libpq.

    libpq takes a key file only if nobody but its owner can read it. Without an identity it would look for a certificate in
    the home directory; a path where nothing is keeps it from that.
    """
    client = Credentials.of(identity, trust)
    arguments = {"sslmode": "verify-full"} | client.files(trust="sslrootcert", cert="sslcert", key="sslkey")
    return arguments if client.identity is not None else arguments | {"sslcert": f"{client.trust.path}.none"}


def asyncpg(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments of ``asyncpg.connect`` and ``asyncpg.create_pool``."""
    return {"ssl": Credentials.of(identity, trust).ssl_context}


def redis(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments of `redis.Redis` and of redis.asyncio's."""
    files = Credentials.of(identity, trust).files(trust="ssl_ca_certs", cert="ssl_certfile", key="ssl_keyfile")
    return {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True} | files


def pymongo(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments of `pymongo.MongoClient`, which takes certificate and key from one file."""
    client = Credentials.of(identity, trust)
    arguments: Arguments = {"tls": True, "tlsCAFile": client.trust.path}
    if client.identity is not None:
        arguments["tlsCertificateKeyFile"] = client.identity.combined_path
    return arguments


LIBRARIES = (
    Library("psycopg", "psycopg", "psycopg.connect(conninfo, **arguments)", psycopg),
    Library("asyncpg", "asyncpg", "asyncpg.connect(dsn, **arguments)", asyncpg),
    Library("redis", "redis", "redis.Redis(host, port, **arguments)", redis),
    Library("pymongo", "pymongo", "pymongo.MongoClient(host, port, **arguments)", pymongo),
)
