"""A test suite of 200 tests, each of which does one GET: once with `mtls_client`, once with a client minted for the test.

The minted one is written to a file and presented by `requests.get`. The peer is the same suite on trustme and
pytest-httpserver: once set up as their documentation has it, with one server for the whole run, and for the minted client
also with a server for each test, as `mtls_server` is. Each run loads the plugin that it needs, and no other that happens to
be installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from compare import compare

TESTS = 200

OURS = f"""
import pytest, requests

@pytest.mark.parametrize("number", range({TESTS}))
def test_get(mtls_server, mtls_ca, number):
    client = mtls_ca.issue_client(f"client-{{number}}")
    answer = requests.get(mtls_server.url, cert=client.combined_path, verify=mtls_ca.cert_path)
    assert answer.json()["client"]["subject"] == f"CN=client-{{number}}"
"""

PEER = """
import ssl
import pytest, requests, trustme

@pytest.fixture(scope="session")
def ca():
    return trustme.CA()

@pytest.fixture(scope="session")
def ca_path(ca, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return str(path)

@pytest.fixture(scope="session")
def httpserver_ssl_context(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
"""

PEER_MINTS = f"""
@pytest.mark.parametrize("number", range({TESTS}))
def test_get(httpserver, ca, ca_path, tmp_path, number):
    httpserver.expect_request("/").respond_with_json({{}})
    client = ca.issue_cert(common_name=f"client-{{number}}")
    path = tmp_path / "client.pem"
    client.private_key_and_cert_chain_pem.write_to_path(path)
    answer = requests.get(httpserver.url_for("/"), cert=str(path), verify=ca_path)
    assert answer.json() == {{}}
"""

FIXTURES = f"""
import pytest

@pytest.mark.parametrize("number", range({TESTS}))
def test_get(mtls_server, mtls_client, number):
    assert mtls_client.get(mtls_server.url).json()["client"]["subject"] == "CN=client"
"""

PEER_FIXTURES = f"""
@pytest.fixture(scope="session")
def client_path(ca, tmp_path_factory):
    path = tmp_path_factory.mktemp("client") / "client.pem"
    ca.issue_cert(common_name="client").private_key_and_cert_chain_pem.write_to_path(path)
    return str(path)

@pytest.mark.parametrize("number", range({TESTS}))
def test_get(httpserver, client_path, ca_path, number):
    httpserver.expect_request("/").respond_with_json({{}})
    answer = requests.get(httpserver.url_for("/"), cert=client_path, verify=ca_path)
    assert answer.json() == {{}}
"""

PEER_OWN_SERVER = """
@pytest.fixture
def httpserver(make_httpserver, httpserver_ssl_context):
    from pytest_httpserver import HTTPServer
    with HTTPServer(host="localhost", port=0, ssl_context=httpserver_ssl_context) as server:
        yield server
"""


def run(suite: Path, plugin: str) -> None:
    """Run a suite in a pytest of its own; it has to pass."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        plugin,
        "-p",
        "no:cacheprovider",
        str(suite),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(command, cwd=suite.parent, env=environment, capture_output=True, text=True, check=False)
    assert f"{TESTS} passed" in done.stdout, done.stdout


def main() -> None:
    """Print the ratio of whole runs, start of the interpreter included."""
    with tempfile.TemporaryDirectory() as directory:

        def suite(name: str, source: str) -> Path:
            path = Path(directory, f"test_{name}.py")
            path.write_text(source)
            return path

        fixtures, minted = suite("fixtures", FIXTURES), suite("minted", OURS)
        for what, ours, peer in (
            ("mtls_client : trustme and pytest-httpserver", fixtures, suite("peer_fixtures", PEER + PEER_FIXTURES)),
            ("a minted client : trustme and pytest-httpserver", minted, suite("peer_minted", PEER + PEER_MINTS)),
            (
                "a minted client : the same with a server for each",
                minted,
                suite("peer_own", PEER + PEER_OWN_SERVER + PEER_MINTS),
            ),
        ):
            compare(
                f"{TESTS} tests, {what}",
                partial(run, ours, "pytest_mtls.plugin"),
                partial(run, peer, "pytest_httpserver.pytest_plugin"),
                rounds=2,
                bound=1 / 3,
            )


if __name__ == "__main__":
    main()
