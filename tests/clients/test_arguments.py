"""`pytest_mtls.clients`: one call for every library, and what it takes and rejects."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from support.client_rows import People
from support.requirements import require_library

import pytest_mtls
from pytest_mtls import MutualTLSServer, Reason, client_cases, clients
from pytest_mtls.errors import (
    AuthorityUsedAsIdentity,
    CaseNotPresentable,
    CaseOfWrongSide,
    InvalidArgument,
    LibraryUnavailable,
)

#: What needs the library itself to make its arguments.
MAKES_OBJECTS = {"boto3", "pika"}


@pytest.fixture
def server(people: People) -> Any:
    """A server that tells who called."""
    with MutualTLSServer(cert=people.server, trust=people.ca) as server:
        yield server


def who(body: Any) -> str:
    """Whom the default app saw."""
    return str(body["client"]["subject"])


# --- uniform ---------------------------------------------------------------------------------------------------------


def test_every_library_has_a_function_of_the_same_form() -> None:
    """It is named as the library, with underscores, and takes an identity and a trust."""
    for name in clients.LIBRARIES:
        function = getattr(clients, name.replace("-", "_"))
        assert ["identity", "trust"] == list(inspect.signature(function).parameters), name
        assert function.__doc__, name


def test_everything_public_is_there() -> None:
    """The names in ``__all__`` exist, and each function is among them."""
    public = {name.replace("-", "_") for name in clients.LIBRARIES}
    assert set() == public - set(clients.__all__)
    assert [] == [name for name in clients.__all__ if not hasattr(clients, name)]
    assert clients is pytest_mtls.clients


@pytest.mark.parametrize("library", sorted(set(clients.LIBRARIES) - {"environment"}))
def test_arguments_without_identity_name_no_certificate(library: str, people: People) -> None:
    """None is a client that has no certificate: what is left is whom it trusts."""
    module = clients.LIBRARIES[library].module
    if library in MAKES_OBJECTS and module is not None:
        require_library(module, pip=library)
    with_one = clients.arguments(library, people.alice, people.ca)
    without = clients.arguments(library, None, people.ca)
    assert set() == set(without) - set(with_one)
    private = {people.alice.cert_path, people.alice.key_path, people.alice.combined_path, people.alice.key_pem}
    assert set() == private & {value for value in without.values() if isinstance(value, (str, bytes))}


@pytest.mark.parametrize(
    ("alias", "library"),
    [("grpc", "grpcio"), ("libpq", "psycopg"), ("PAHO_MQTT", "paho-mqtt"), ("kafka", "kafka-python")],
)
def test_other_names_will_do(alias: str, library: str, people: People) -> None:
    """An underscore, capitals and the import's name mean the same library."""
    assert clients.arguments(library, None, people.ca) == clients.arguments(alias, None, people.ca)


# --- ready clients ---------------------------------------------------------------------------------------------------


def test_requests(people: People, server: MutualTLSServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session, which the environment does not turn aside."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
    with clients.requests(people.alice, people.ca) as session:
        assert isinstance(session, requests.Session)
        assert "CN=alice" == who(session.get(server.url).json())
    with clients.requests(None, people.ca) as session, server.expect_rejected(Reason.NO_CERTIFICATE):
        session.get(server.url)


def test_httpx(people: People, server: MutualTLSServer) -> None:
    """A client, and an async one."""
    with clients.httpx(people.alice, people.ca) as client:
        assert "CN=alice" == who(client.get(server.url).json())

    async def call() -> Any:
        async with clients.httpx_async(people.alice, people.ca) as client:
            first, second = await client.get(server.url), await client.get(server.url)
            return [who(first.json()), who(second.json())]

    before = len(server.handshakes)
    assert ["CN=alice"] * 2 == asyncio.run(call())
    assert 1 == len(server.handshakes) - before


def test_httpx_async_without_keep_alive(people: People, server: MutualTLSServer) -> None:
    """Each request then is a handshake of its own."""

    async def call() -> None:
        async with clients.httpx_async(people.alice, people.ca, keep_alive=False) as client:
            await client.get(server.url)
            await client.get(server.url)

    asyncio.run(call())
    assert 2 == len(server.handshakes)


def test_aiohttp(people: People, server: MutualTLSServer) -> None:
    """A connector for a session."""
    import aiohttp

    async def call() -> Any:
        connector = clients.aiohttp(people.alice, people.ca)
        async with aiohttp.ClientSession(connector=connector) as session, session.get(server.url) as response:
            return await response.json()

    assert "CN=alice" == who(asyncio.run(call()))


def test_urllib3(people: People, server: MutualTLSServer) -> None:
    """A pool manager."""
    with clients.urllib3(people.alice, people.ca) as manager:
        assert "CN=alice" == who(json.loads(manager.request("GET", server.url).data))


def test_grpcio(people: People) -> None:
    """Channel credentials."""
    import grpc

    assert isinstance(clients.grpcio(people.alice, people.ca), grpc.ChannelCredentials)


def test_ssl_context(people: People, server: MutualTLSServer) -> None:
    """For whatever else takes one."""
    from urllib.request import urlopen

    with urlopen(server.url, context=clients.ssl_context(people.alice, people.ca)) as answer:
        assert "CN=alice" == who(json.load(answer))


# --- who and whom ----------------------------------------------------------------------------------------------------


def test_trustme_will_do() -> None:
    """What trustme made is taken on both sides."""
    ca = trustme.CA()
    leaf = ca.issue_cert("alice@example.org", common_name="alice")
    with MutualTLSServer(cert=ca.issue_cert("localhost"), trust=ca) as theirs:
        with clients.requests(leaf, ca) as session:
            assert "alice" in who(session.get(theirs.url).json())
        with clients.httpx(leaf, ca) as client:
            assert "alice" in who(client.get(theirs.url).json())


def test_several_authorities(people: People, server: MutualTLSServer) -> None:
    """Whoever comes from one of them is trusted, by libraries that read files too."""
    with clients.requests(people.alice, [people.untrusted, people.ca]) as session:
        assert "CN=alice" == who(session.get(server.url).json())
    both, again = (clients.requests(None, [people.untrusted, people.ca]).verify for _ in range(2))
    assert both == again


@pytest.mark.parametrize("case", client_cases("expired", "self-signed-certificate", "stolen*", "server-only"))
def test_a_case_is_a_client(case: pytest_mtls.Case, people: People, server: MutualTLSServer) -> None:
    """A bad client of the catalogue, played by a client library."""
    with clients.requests(case, people.ca) as session, server.expect_rejected(case.reason):
        session.get(server.url)


def test_a_case_on_the_wire_is_none(people: People) -> None:
    """What no library can send is rejected at once."""
    (case,) = [p.values[0] for p in client_cases() if getattr(p.values[0], "rewrite", None) is not None][:1]
    with pytest.raises(CaseNotPresentable, match="only `probe` can do"):
        clients.arguments("requests", case, people.ca)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("client", "error"),
    [
        ("ca", AuthorityUsedAsIdentity),
        (trustme.CA(), AuthorityUsedAsIdentity),
        (pytest_mtls.server_cases("expired")[0].values[0], CaseOfWrongSide),
        (1, InvalidArgument),
    ],
)
def test_what_is_no_client(client: Any, error: type[Exception], people: People) -> None:
    """One error that says so."""
    wrong: Any = people.ca if client == "ca" else client
    with pytest.raises(error):
        clients.arguments("requests", wrong, people.ca)


@pytest.mark.parametrize("nothing", [(), 1, None])
def test_what_cannot_be_trusted(nothing: Any, people: People) -> None:
    """A client that trusts nobody could check no server."""
    with pytest.raises(InvalidArgument, match="trust is"):
        clients.arguments("requests", people.alice, nothing)


# --- what is not there -----------------------------------------------------------------------------------------------


def test_unknown_library(people: People) -> None:
    """The error names the nearest ones, and the way that is always open."""
    with pytest.raises(LibraryUnavailable) as caught:
        clients.arguments("request", people.alice, people.ca)
    assert (
        "client library 'request' cannot be used: it is not known. Did you mean requests or niquests? "
        "Many others take `clients.ssl_context(identity, trust)`." == str(caught.value)
    )
    with pytest.raises(LibraryUnavailable, match="LIBRARIES` has those that are"):
        clients.arguments("telnet", people.alice, people.ca)


def test_library_that_is_not_installed(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to install it."""
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(LibraryUnavailable) as caught:
        clients.httpx(people.alice, people.ca)
    assert "client library 'httpx' cannot be used: it is not installed. Run: python -m pip install httpx" == str(
        caught.value
    )


def test_library_that_lacks_something(people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed library that cannot import what it needs says so itself."""
    (tmp_path / "niquests.py").write_text("import something_that_is_not_there", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="something_that_is_not_there"):
        clients.niquests(people.alice, people.ca)


# --- what it costs ---------------------------------------------------------------------------------------------------

#: Makes the arguments of every library where none can be imported, and prints what happened.
ALONE = """
import importlib.abc, json, sys

ABSENT = set(json.loads(sys.argv[1]))

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())

from pytest_mtls import CertificateAuthority, clients
from pytest_mtls.errors import LibraryUnavailable

imported = sorted(sys.modules)
ca = CertificateAuthority.create(common_name="ours")
missing = []
for name in clients.LIBRARIES:
    try:
        clients.arguments(name, ca.issue_client(), ca)
    except LibraryUnavailable as error:
        missing.append(error.name)
print(json.dumps([imported, sorted(sys.modules), missing]))
"""


def test_none_of_them_is_needed() -> None:
    """With the package's own dependencies alone everything imports, and only two libraries have to be there."""
    modules = {"botocore", *(lib.module.partition(".")[0] for lib in clients.LIBRARIES.values() if lib.module)}
    absent = sorted(modules - {"requests", "urllib3"})  # which come with the package
    finished = subprocess.run(
        [sys.executable, "-c", ALONE, json.dumps(absent)], capture_output=True, text=True, check=True
    )
    imported, used, missing = json.loads(finished.stdout)
    assert {"botocore", "pika"} == set(missing)
    assert set() == {name.partition(".")[0] for name in (*imported, *used)} & modules


def test_a_library_is_imported_when_it_is_used() -> None:
    """The measure is not blind."""
    code = "import sys\nfrom pytest_mtls import CertificateAuthority, clients\n"
    code += "clients.requests(None, CertificateAuthority.create())\nprint('requests' in sys.modules)"
    assert "True\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
