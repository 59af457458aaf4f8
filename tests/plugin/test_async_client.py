"""The fixture ``mtls_async_client``, and pytest-httpserver over mutual TLS: suites of users, run by pytest."""

from __future__ import annotations

from importlib import import_module
from textwrap import dedent

import pytest
from support.users_suite import INI

# As in users_suite.py: what is used inside has to be there before.
for _name in ("anyio._backends._asyncio", "anyio._backends._trio", "httpx", "pytest_httpserver", "requests"):
    import_module(_name)

#: Two requests, of which each is a handshake; then a response that nobody reads to its end, and a client left open.
TESTS = """
from pytest_mtls import Reason

async def test_accepted(mtls_server, mtls_client_cert, mtls_async_client):
    with mtls_server.expect_accepted(mtls_client_cert) as seen:
        for _ in range(2):
            response = await mtls_async_client.get(mtls_server.url)
            assert response.json()["client"]["subject"] == "CN=client"
    assert len(seen.handshakes) == 2

async def test_closed_by_the_test(mtls_server, mtls_async_client):
    async with mtls_async_client as client:
        assert (await client.get(mtls_server.url)).status_code == 200
    assert client.is_closed

async def test_refused(mtls_server_factory, mtls_untrusted_ca, mtls_async_client):
    server = mtls_server_factory(trust=mtls_untrusted_ca)
    with server.expect_rejected(Reason.UNKNOWN_CA):
        await mtls_async_client.get(server.url)

async def test_refuses(mtls_server_factory, mtls_ca, mtls_async_client):
    server = mtls_server_factory(cert=mtls_ca.issue_server("elsewhere.example"))
    with server.expect_rejected(by="client"):
        await mtls_async_client.get(server.url)
"""


def run(pytester: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    """Run pytest, in this process, over a test file."""
    pytester.makeini(INI)
    (pytester.path / "test_it.py").write_text(dedent(test), encoding="utf-8")
    return pytester.runpytest(*options)


def test_under_pytest_asyncio(pytester: pytest.Pytester) -> None:
    """One loop a test, or one for all: nothing is open when a loop ends."""
    for scope in ("", '(loop_scope="module")'):
        mark = f"import pytest\npytestmark = pytest.mark.asyncio{scope}\n"
        run(pytester, mark + TESTS, "-o", "asyncio_mode=strict").assert_outcomes(passed=4)


def test_under_pytest_asyncio_auto(pytester: pytest.Pytester) -> None:
    """Without any mark, and used by an async fixture."""
    fixture = """
import pytest

@pytest.fixture
async def subject(mtls_server, mtls_async_client):
    yield (await mtls_async_client.get(mtls_server.url)).json()["client"]["subject"]
    assert (await mtls_async_client.get(mtls_server.url)).status_code == 200

async def test_fixture(subject):
    assert subject == "CN=client"
"""
    run(pytester, fixture + TESTS, "-o", "asyncio_mode=auto").assert_outcomes(passed=5)


def test_under_anyio(pytester: pytest.Pytester) -> None:
    """The same on asyncio and on trio."""
    run(pytester, "import pytest\npytestmark = pytest.mark.anyio\n" + TESTS).assert_outcomes(passed=8)


def test_without_httpx(pytester: pytest.Pytester) -> None:
    """The fixture says what to install, and no other fixture needs it."""
    result = run(
        pytester,
        """
        import sys
        import pytest

        @pytest.fixture(autouse=True)
        def absent(monkeypatch):
            monkeypatch.setitem(sys.modules, "httpx", None)

        def test_it(mtls_async_client): pass

        def test_other(mtls_server, mtls_client):
            assert mtls_client.get(mtls_server.url).status_code == 200
        """,
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*LibraryUnavailable: client library 'httpx' *Run: python -m pip install httpx"])


def test_pytest_httpserver_with_mutual_tls(pytester: pytest.Pytester) -> None:
    """One overriding fixture, and ``httpserver`` lets in only those who have a certificate."""
    run(
        pytester,
        """
        import pytest
        import requests

        @pytest.fixture(scope="session")
        def httpserver_ssl_context(mtls_ca, mtls_server_cert):
            return mtls_server_cert.ssl_context(trust=mtls_ca)

        def test_accepted(httpserver, mtls_client):
            httpserver.expect_request("/hello").respond_with_data("hello")
            assert mtls_client.get(httpserver.url_for("/hello")).text == "hello"

        def test_refused(httpserver, mtls_ca):
            with pytest.raises(requests.exceptions.ConnectionError):
                requests.get(httpserver.url_for("/"), verify=mtls_ca.cert_path)

        def test_expired(httpserver, mtls_ca):
            from pytest_mtls import Reason, assert_rejected

            expired = mtls_ca.issue_client("alice", not_before=-10, not_after=-1)
            assert_rejected((httpserver.host, httpserver.port), expired, Reason.EXPIRED, trust=mtls_ca)
        """,
    ).assert_outcomes(passed=3)
