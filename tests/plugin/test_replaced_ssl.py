"""Suites in which a library has replaced parts of the standard library before any of our modules came in."""

from __future__ import annotations

import pytest
from support.requirements import require_library

TEST = """
import pytest, socket
from pytest_mtls import Reason, assert_accepted, assert_rejected, client_cases, probe

@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_handshakes(mtls_server, mtls_client_cert, tls):
    seen = assert_accepted(mtls_server, mtls_client_cert, tls=tls)
    assert seen.transcript and seen.counterpart.transcript
    assert_rejected(mtls_server, None, Reason.NO_CERTIFICATE, tls=tls)

@pytest.mark.parametrize("case", client_cases("expired", "untrusted-ca", "revoked", "rsa-1024*"))
def test_cases(mtls_server, case):
    assert_rejected(mtls_server, case)

def test_requests(mtls_server, mtls_client):
    assert mtls_client.get(mtls_server.url).json()["client"]["subject"] == "CN=client"

def test_own_context(mtls_server, mtls_client_cert, mtls_ca):
    context = mtls_client_cert.ssl_context(trust=mtls_ca, tls="1.3")
    with mtls_server.expect_accepted(mtls_client_cert):
        with socket.create_connection(mtls_server.address) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as sock:
                assert sock.version() == "TLSv1.3"

def test_silent_client_delays_nobody(mtls_server_factory, mtls_client_cert):
    server = mtls_server_factory(handshake_timeout=1)
    with socket.create_connection(server.address):
        assert probe(server, mtls_client_cert).accepted
"""


@pytest.mark.parametrize(
    ("library", "replace"),
    [
        ("truststore", "import truststore; truststore.inject_into_ssl()"),
        ("gevent", "import gevent.monkey; gevent.monkey.patch_all()"),
    ],
)
def test_every_fixture_works(pytester: pytest.Pytester, library: str, replace: str) -> None:
    """Server, probe, `requests` and contexts of our making do what they do without it."""
    require_library(library, pip=library)
    pytester.makeconftest(replace)
    pytester.makepyfile(TEST)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=10)
