"""What each client library wants, from an identity and what it trusts.

`arguments` is one call for all of them. Each library also has a function of its name, which gives what is handiest: a
ready client where one can be had without connecting, else the same arguments::

    from pytest_mtls import clients

    requests.get(url, **clients.arguments("requests", alice, ca))
    clients.requests(alice, ca).get(url)
    redis.Redis("localhost", port, **clients.redis(alice, ca))

The identity is an `Identity`, a client `Case`, trustme's LeafCert, or None for a client without a certificate. The trust
is whatever stands for a CA elsewhere, or several of them. No library is imported before it is needed.
"""

from __future__ import annotations

import ssl as _ssl
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.clients import brokers, databases, http, programs
from pytest_mtls.clients.brokers import confluent_kafka, kafka_python, paho_mqtt, pika
from pytest_mtls.clients.browsers import playwright
from pytest_mtls.clients.databases import asyncpg, psycopg, pymongo, redis
from pytest_mtls.clients.http import (
    aiohttp,
    boto3,
    elasticsearch,
    grpcio,
    httpx,
    httpx_async,
    niquests,
    requests,
    urllib3,
    websockets,
)
from pytest_mtls.clients.library import Arguments, ClientArgument, Credentials, Library
from pytest_mtls.clients.programs import curl, environment
from pytest_mtls.errors import LibraryUnavailable

__all__ = [
    "LIBRARIES",
    "Arguments",
    "ClientArgument",
    "Library",
    "aiohttp",
    "arguments",
    "asyncpg",
    "boto3",
    "confluent_kafka",
    "curl",
    "elasticsearch",
    "environment",
    "grpcio",
    "httpx",
    "httpx_async",
    "kafka_python",
    "niquests",
    "paho_mqtt",
    "pika",
    "playwright",
    "psycopg",
    "pymongo",
    "redis",
    "requests",
    "ssl_context",
    "urllib3",
    "websockets",
]

#: Every library by its name.
LIBRARIES: Mapping[str, Library] = MappingProxyType(
    {library.name: library for family in (http, databases, brokers, programs) for library in family.LIBRARIES}
)

#: Other names that a library goes by.
_ALIASES = {"grpc": "grpcio", "libpq": "psycopg", "psycopg2": "psycopg", "botocore": "boto3", "kafka": "kafka-python"}


def arguments(library: str, identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments by which a library presents an identity and checks servers.

    Args:
        library: its name in `LIBRARIES`, such as "requests" or "paho-mqtt"; an underscore will do for the hyphen.
        identity: what the client presents.
        trust: the CA or CAs whose servers it accepts.

    Returns:
        The arguments by name, for the call that `Library.taker` shows.

    Raises:
        LibraryUnavailable: no library has this name; or one of the arguments is an object of the library's own, and it
            is not installed.
        AuthorityUsedAsIdentity, CaseOfWrongSide, CaseNotPresentable, InvalidArgument: a bad identity or trust.
    """
    name = library.replace("_", "-").lower()
    known = LIBRARIES.get(_ALIASES.get(name, name))
    if known is None:
        similar = get_close_matches(name, (*LIBRARIES, *_ALIASES))
        hint = f"Did you mean {' or '.join(similar)}?" if similar else "`clients.LIBRARIES` has those that are."
        problem = f"it is not known. {hint} Many others take `clients.ssl_context(identity, trust)`."
        raise LibraryUnavailable(library, problem)
    return known.arguments(identity, trust)


def ssl_context(identity: ClientArgument, trust: TrustArgument, *, strict: bool = True) -> _ssl.SSLContext:
    """The `ssl.SSLContext` for any library that takes one.

    Args:
        identity: the client's `Identity`, a case, or None.
        trust: what the server's certificate must chain to.
        strict: reject what only RFC 5280's profile forbids (``VERIFY_X509_STRICT``). A company's CA may need False.

    Raises:
        AuthorityUsedAsIdentity, CaseOfWrongSide, CaseNotPresentable, InvalidArgument: a bad identity or trust.
    """
    return Credentials.of(identity, trust).context(strict=strict)
