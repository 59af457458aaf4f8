"""Who takes part, and the real servers, each started once for all tests that call it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import pytest
from support import client_services as services
from support.client_rows import People

from pytest_mtls import CertificateAuthority


@pytest.fixture(scope="session")
def people(mtls_ca: CertificateAuthority, mtls_untrusted_ca: CertificateAuthority) -> People:
    """A server for ``localhost``, and its clients."""
    return People.of(mtls_ca, mtls_untrusted_ca)


@pytest.fixture(scope="session")
def postgresql(people: People) -> Iterator[int]:
    """The port of a PostgreSQL."""
    with services.postgresql(people.server, people.ca) as port:
        yield port


@pytest.fixture(scope="session")
def redis_server(people: People) -> Iterator[int]:
    """The port of a Redis."""
    with services.redis_server(people.server, people.ca) as port:
        yield port


@pytest.fixture(scope="session")
def mosquitto(people: People) -> Iterator[int]:
    """The port of an MQTT broker."""
    with services.mosquitto(people.server, people.ca) as port:
        yield port


@pytest.fixture
def collected() -> Iterator[None]:
    """Several libraries, when they are not let in, leave their connection to the garbage collector.

    It finds it here, where the test ignores the warning, and not in somebody else's test. Nothing is logged meanwhile:
    pytest keeps what is logged to the end of the test, with the failed call's frames and what these hold.
    """
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    gc.collect()
