"""One real call by each client library, which raises what the library raises when it is not let in.

What a call gets is what `pytest_mtls.clients.arguments` made for the library, and nothing else that concerns TLS.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from support import client_protocols as protocols
from support.requirements import require_library_apart, require_program

__all__ = ["DRIVERS", "Driver", "Server", "Told", "name_of"]

Arguments = dict[str, Any]


class Told(Exception):
    """A rejection that the library shows in another way than by an exception; or by one of a process of its own."""


@dataclass(frozen=True)
class Server:
    """Where a call goes.

    Attributes:
        host, port: where it listens.
        patience: how long a library may go on trying, in seconds, if it does so until its time is over.
    """

    host: str
    port: int
    patience: float = 5.0

    @property
    def url(self) -> str:
        """Its root, over HTTPS."""
        return f"https://{self.host}:{self.port}"


@dataclass(frozen=True)
class Driver:
    """How one library is made to call a server.

    Attributes:
        call: connects with these arguments, talks, and closes. What it returns is the serial number of the client's
            certificate, if the server tells it.
        served_by: what `MutualTLSServer` needs to serve it, besides certificate and trust; nothing if that cannot.
    """

    call: Callable[[Server, Arguments], int | None]
    served_by: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({"app": protocols.web_services}))


def speaking(handler: Callable[..., None], **options: Any) -> Mapping[str, Any]:
    """A server that speaks another protocol than HTTP/1.1."""
    return MappingProxyType({"handler": handler, **options})


#: PostgreSQL's clients say something in the clear before TLS, which our server does not understand.
NOT_OURS: Mapping[str, Any] = MappingProxyType({})


def call_requests(server: Server, arguments: Arguments) -> None:
    import requests

    requests.get(server.url, timeout=5, **arguments).raise_for_status()


def call_httpx(server: Server, arguments: Arguments) -> None:
    import httpx

    with httpx.Client(**arguments) as client:
        client.get(server.url).raise_for_status()


def call_aiohttp(server: Server, arguments: Arguments) -> None:
    import aiohttp

    async def call() -> None:
        connector = aiohttp.TCPConnector(**arguments)
        async with aiohttp.ClientSession(connector=connector) as session, session.get(server.url) as response:
            response.raise_for_status()

    asyncio.run(call())


def call_urllib3(server: Server, arguments: Arguments) -> None:
    import urllib3

    with urllib3.PoolManager(**arguments) as manager:
        assert 200 == manager.request("GET", server.url, retries=False).status


def call_websockets(server: Server, arguments: Arguments) -> None:
    from websockets.asyncio.client import connect

    async def call() -> None:
        async with connect(f"wss://{server.host}:{server.port}", proxy=None, **arguments):
            pass

    asyncio.run(call())


def call_grpcio(server: Server, arguments: Arguments) -> None:
    import grpc

    with grpc.secure_channel(f"{server.host}:{server.port}", grpc.ssl_channel_credentials(**arguments)) as channel:
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/service/method")
        try:
            method(b"", timeout=5)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:  # of whom the server knows, though not of the method
                raise Told(f"`grpc.RpcError`, code `{error.code().name}`") from error


def call_elasticsearch(server: Server, arguments: Arguments) -> None:
    import elasticsearch

    with elasticsearch.Elasticsearch(server.url, max_retries=0, **arguments) as client:
        client.info()


def call_boto3(server: Server, arguments: Arguments) -> None:
    import boto3
    from botocore.config import Config

    once = Config(retries={"max_attempts": 0})
    config = arguments["config"].merge(once) if "config" in arguments else once
    session = boto3.Session("key", "secret", region_name="eu-central-1")
    client = session.client("sts", endpoint_url=server.url, **{**arguments, "config": config})
    client.get_caller_identity()
    client.close()


def call_redis(server: Server, arguments: Arguments) -> None:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    with redis.Redis(server.host, server.port, protocol=2, retry=Retry(NoBackoff(), 0), **arguments) as client:
        assert client.ping()


def call_pymongo(server: Server, arguments: Arguments) -> None:
    import pymongo

    patience = int(1000 * server.patience)
    with pymongo.MongoClient(server.host, server.port, serverSelectionTimeoutMS=patience, **arguments) as client:
        client.admin.command("ping")


def call_paho_mqtt(server: Server, arguments: Arguments) -> None:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    answers: list[str] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, userdata, flags, reason, properties: answers.append("")
    client.on_disconnect = lambda client, userdata, flags, reason, properties: answers.append(reason.getName())
    client.tls_set(**arguments)
    client.connect(server.host, server.port)
    while not answers:
        client.loop(timeout=server.patience)
    client.disconnect()
    if answers[0]:
        raise Told(f'nothing; `on_disconnect` is told "{answers[0]}"')


def call_confluent_kafka(server: Server, arguments: Arguments) -> None:
    import confluent_kafka
    from confluent_kafka.admin import AdminClient

    errors: list[confluent_kafka.KafkaError] = []
    told: Arguments = {"bootstrap.servers": f"{server.host}:{server.port}", "error_cb": errors.append, "log_level": 0}
    admin = AdminClient({**told, **arguments})
    while True:  # it would go on trying, and say at the end no more than that time is over
        try:
            admin.list_topics(timeout=0.1)
        except confluent_kafka.KafkaException as error:
            admin.poll(0)
            if errors:
                raise Told(f"{name_of(type(error))}; `error_cb` is told why") from error
        else:
            return


def call_kafka_python(server: Server, arguments: Arguments) -> None:
    import kafka
    from kafka.net.compat import KafkaNetClient

    opened: list[KafkaNetClient] = []

    def remembered(**settings: Any) -> KafkaNetClient:
        opened.append(KafkaNetClient(**settings))
        return opened[0]

    told = {"bootstrap_servers": f"{server.host}:{server.port}", "bootstrap_timeout_ms": int(1000 * server.patience)}
    try:
        kafka.KafkaAdminClient(**told, **arguments, kafka_client=remembered).close()
    finally:  # one that does not come up leaves its thread and its sockets behind, with nobody to close them
        for client in opened:
            client.close()


def call_pika(server: Server, arguments: Arguments) -> None:
    import pika
    from pika.exceptions import ProbableAuthenticationError

    parameters = pika.ConnectionParameters(server.host, server.port, connection_attempts=1, **arguments)
    try:
        pika.BlockingConnection(parameters).close()
    except ProbableAuthenticationError:
        pass  # it was let in by TLS, and shown the door inside


def call_curl(server: Server, arguments: Arguments) -> None:
    program = require_program("curl", apt="curl")
    words = [word for option in arguments.items() for word in option]
    finished = subprocess.run([program, "-sS", "-o", os.devnull, *words, server.url], capture_output=True)
    if finished.returncode != 0:
        raise Told(f"exit status {finished.returncode}")


def call_psycopg(server: Server, arguments: Arguments) -> int:
    import psycopg

    with psycopg.connect(f"host={server.host} port={server.port} dbname=postgres user=postgres", **arguments) as opened:
        row = opened.execute(WHO_CALLS).fetchone()
    assert row is not None
    return int(row[0])


def call_asyncpg(server: Server, arguments: Arguments) -> int:
    import asyncpg

    async def call() -> int:
        opened = await asyncpg.connect(
            host=server.host, port=server.port, database="postgres", user="postgres", **arguments
        )
        try:
            return int(await opened.fetchval(WHO_CALLS))
        finally:
            await opened.close()

    return asyncio.run(call())


#: PostgreSQL on the certificate of whoever asks (its documentation, "The Cumulative Statistics System", pg_stat_ssl).
WHO_CALLS = "SELECT client_serial FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def call_niquests(server: Server, arguments: Arguments) -> None:
    told = json.dumps({"url": server.url, **arguments})
    environment = {**os.environ, "PYTHONPATH": str(require_library_apart("niquests"))}
    finished = subprocess.run(
        [sys.executable, "-c", IN_ITS_OWN_PROCESS, told], env=environment, capture_output=True, text=True, check=True
    )
    if finished.stdout:
        raise Told(finished.stdout)


#: niquests brings a urllib3 of its own instead of the one that requests uses, so the two do not go into one process.
IN_ITS_OWN_PROCESS = """
import json, sys
import niquests

try:
    niquests.get(**json.loads(sys.argv[1])).raise_for_status()
except niquests.RequestException as error:
    print(f"`niquests.exceptions.{type(error).__name__}`", end="")
"""


def name_of(error: type[BaseException]) -> str:
    """What one writes after ``except`` for this class: the shortest name that the library has for it."""
    for name in (error.__module__.partition(".")[0], PUBLIC_MODULES.get(error.__module__, error.__module__)):
        if getattr(sys.modules.get(name), error.__name__, None) is error:
            return f"`{error.__name__}`" if name == "builtins" else f"`{name}.{error.__name__}`"
    raise LookupError(f"no public module has {error.__module__}.{error.__name__}")


#: Where to find what is defined in a module that nobody imports from.
PUBLIC_MODULES = {"cimpl": "confluent_kafka"}


DRIVERS: Mapping[str, Driver] = MappingProxyType(
    {
        "requests": Driver(call_requests),
        "httpx": Driver(call_httpx),
        "aiohttp": Driver(call_aiohttp),
        "urllib3": Driver(call_urllib3),
        "websockets": Driver(call_websockets, speaking(protocols.websocket)),
        "grpcio": Driver(call_grpcio, speaking(protocols.http2, alpn=("h2",))),
        "elasticsearch": Driver(call_elasticsearch),
        "boto3": Driver(call_boto3),
        "redis": Driver(call_redis, speaking(protocols.redis)),
        "pymongo": Driver(call_pymongo, speaking(protocols.mongodb)),
        "paho-mqtt": Driver(call_paho_mqtt, speaking(protocols.mqtt)),
        "confluent-kafka": Driver(call_confluent_kafka, speaking(protocols.kafka)),
        "kafka-python": Driver(call_kafka_python, speaking(protocols.kafka)),
        "pika": Driver(call_pika, speaking(protocols.amqp)),
        "curl": Driver(call_curl),
        "niquests": Driver(call_niquests),
        "psycopg": Driver(call_psycopg, NOT_OURS),
        "asyncpg": Driver(call_asyncpg, NOT_OURS),
    }
)
