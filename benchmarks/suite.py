"""A test suite of 200 tests, each of which mints a client certificate, writes it and does one `requests.get`.

The peer is the same suite on trustme and pytest-httpserver: once set up as their documentation has it, with one server
for the whole run, and once with a server for each test, as `mtls_server` is. Each run loads the plugin that it needs, and no
other that happens to be installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
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

SHARED = f"""
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

@pytest.mark.parametrize("number", range({TESTS}))
def test_get(httpserver, ca, ca_path, tmp_path, number):
    httpserver.expect_request("/").respond_with_json({{}})
    client = ca.issue_cert(common_name=f"client-{{number}}")
    path = tmp_path / "client.pem"
    client.private_key_and_cert_chain_pem.write_to_path(path)
    answer = requests.get(httpserver.url_for("/"), cert=str(path), verify=ca_path)
    assert answer.json() == {{}}
"""

OWN = SHARED.replace(
    "@pytest.mark.parametrize",
    """
@pytest.fixture
def httpserver(make_httpserver, httpserver_ssl_context):
    from pytest_httpserver import HTTPServer
    with HTTPServer(host="localhost", port=0, ssl_context=httpserver_ssl_context) as server:
        yield server

@pytest.mark.parametrize""",
)


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
        ours = Path(directory, "test_ours.py")
        ours.write_text(OURS)
        for name, source in (("one server for all", SHARED), ("a server for each", OWN)):
            peer = Path(directory, f"test_{name.replace(' ', '_')}.py")
            peer.write_text(source)
            compare(
                f"{TESTS} tests, pytest-mtls : trustme and pytest-httpserver with {name}",
                lambda: run(ours, "pytest_mtls.plugin"),
                lambda peer=peer: run(peer, "pytest_httpserver.pytest_plugin"),  # type: ignore[misc]
                rounds=2,
                bound=1 / 3,
            )


if __name__ == "__main__":
    main()
