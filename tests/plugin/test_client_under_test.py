"""The fixture of a client under test: a callable, a coroutine function or a program, in a suite of a user's own."""

from __future__ import annotations

import pytest
from support.client_programs import CURL
from support.requirements import require_library, require_program
from support.users_suite import Run

CLIENTS = """
import asyncio, ssl, subprocess
import pytest, requests
import pytest_mtls

def call(target):
    requests.get(target.url, cert=(target.cert, target.key), verify=target.ca, timeout=30).raise_for_status()

def careless(target):
    requests.get(target.url, cert=(target.cert, target.key), verify=False, timeout=30)

async def fetch(target):
    import httpx
    context = ssl.create_default_context(cafile=target.ca)
    context.load_cert_chain(target.cert, target.key)
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        (await client.get(target.url)).raise_for_status()

PROGRAM = {program}

@pytest.fixture
def mtls_client_under_test(mtls_ca):
    with pytest_mtls.launch_client({client}, ca=mtls_ca) as client:
        yield client
"""
TESTS = """
def test_accepts(mtls_client_under_test):
    seen = mtls_client_under_test.assert_accepts()
    assert ("GET", "/") == (seen.requests[0].method, seen.requests[0].path)
    assert "CN=client" == seen.requests[0].handshake.peer_certificate.subject.rfc4514_string()

@pytest.mark.mtls_cases("expired", "wrong-host", "untrusted-ca", "client-only")
def test_rejects(mtls_client_under_test, mtls_server_case):
    seen = mtls_client_under_test.assert_rejects(mtls_server_case)
    assert "client" == seen.verdict.rejected_by
"""


@pytest.mark.parametrize("client", ["call", "fetch", "PROGRAM"])
def test_client_of_the_suite(run: Run, client: str) -> None:
    """One that is called, awaited, or started accepts the good server and rejects bad ones."""
    require_program("curl", apt="curl")
    require_library("httpx", pip="httpx")
    run(CLIENTS.replace("{program}", repr(CURL)).replace("{client}", client) + TESTS).assert_outcomes(passed=5)


def test_careless_client_of_the_suite(run: Run) -> None:
    """One that verifies nothing fails, and is told why."""
    result = run(CLIENTS.replace("{program}", "[]").replace("{client}", "careless") + TESTS, "-W", "ignore")
    result.assert_outcomes(passed=1, failed=4)
    result.stdout.fnmatch_lines(["*the client should have rejected this server: accepted*"])
    result.stdout.fnmatch_lines(["*requests that arrived: 1; handshakes: 1*"])


def test_client_of_the_option(run: Run) -> None:
    """``--mtls-client`` names one for a suite that has none of its own; without it a test says what to give."""
    require_program("curl", apt="curl")
    suite = f"import pytest\n{TESTS}"
    run(suite, f"--mtls-client={' '.join(CURL)}").assert_outcomes(passed=5)
    result = run(suite)
    result.assert_outcomes(errors=5)
    result.stdout.fnmatch_lines(
        ["*no client is under test. Give --mtls-client 'COMMAND {url}', or override the fixture*"]
    )
