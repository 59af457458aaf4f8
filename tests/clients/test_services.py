"""Real servers let a client in with the certificate of `pytest_mtls.clients`, and with no other."""

from __future__ import annotations

from typing import Any

import pytest
from support.client_drivers import Server, Told, call_asyncpg, call_paho_mqtt, call_psycopg, call_redis
from support.client_rows import People
from support.requirements import require_library

from pytest_mtls import clients

pytestmark = [pytest.mark.usefixtures("collected"), pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


def test_redis(people: People, redis_server: int) -> None:
    """A redis-server answers alice, and hangs up on everybody else."""
    require_library("redis", pip="redis")
    import redis

    here = Server("localhost", redis_server)
    call_redis(here, clients.redis(people.alice, people.ca))
    with pytest.raises(redis.ConnectionError):
        call_redis(here, clients.redis(people.expired, people.ca))
    with pytest.raises(redis.ConnectionError):
        call_redis(here, clients.redis(None, people.ca))
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        call_redis(here, clients.redis(people.alice, people.untrusted))


def test_mosquitto(people: People, mosquitto: int) -> None:
    """A mosquitto takes alice by her certificate's name, and loses the connection of everybody else."""
    require_library("paho.mqtt.client", pip="paho-mqtt")
    here = Server("localhost", mosquitto)
    call_paho_mqtt(here, clients.paho_mqtt(people.alice, people.ca))
    for nobody in (people.expired, None):
        with pytest.raises(Told, match="on_disconnect"):
            call_paho_mqtt(here, clients.paho_mqtt(nobody, people.ca))


def test_psycopg(people: People, postgresql: int) -> None:
    """A PostgreSQL sees alice's serial number, and tells the others what is wrong with them."""
    require_library("psycopg", pip="psycopg")
    import psycopg

    here = Server("localhost", postgresql)
    assert people.alice.serial_number == call_psycopg(here, clients.psycopg(people.alice, people.ca))
    with pytest.raises(psycopg.OperationalError, match="certificate expired"):
        call_psycopg(here, clients.psycopg(people.expired, people.ca))
    with pytest.raises(psycopg.OperationalError, match="requires a valid client certificate"):
        call_psycopg(here, clients.psycopg(None, people.ca))


def test_asyncpg(people: People, postgresql: int) -> None:
    """The same with asyncpg, to which an expired certificate is a lost connection."""
    require_library("asyncpg", pip="asyncpg")
    import asyncpg

    here = Server("localhost", postgresql)
    assert people.alice.serial_number == call_asyncpg(here, clients.asyncpg(people.alice, people.ca))
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        call_asyncpg(here, clients.asyncpg(people.expired, people.ca))
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="requires a valid client certificate"):
        call_asyncpg(here, clients.asyncpg(None, people.ca))


def test_psycopg_without_identity_leaves_the_home_directory_alone(
    people: People, postgresql: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq would present ~/.postgresql/postgresql.crt; a client without certificate has none all the same."""
    require_library("psycopg", pip="psycopg")
    import psycopg

    monkeypatch.setenv("HOME", str(tmp_path))
    home = tmp_path / ".postgresql"
    home.mkdir()
    for name, content in {"postgresql.crt": people.alice.cert_pem, "postgresql.key": people.alice.key_pem}.items():
        (home / name).write_bytes(content)
        (home / name).chmod(0o600)
    here = Server("localhost", postgresql)
    found = call_psycopg(here, {"sslmode": "verify-full", "sslrootcert": people.ca.cert_path})
    assert people.alice.serial_number == found
    with pytest.raises(psycopg.OperationalError, match="requires a valid client certificate"):
        call_psycopg(here, clients.psycopg(None, people.ca))
