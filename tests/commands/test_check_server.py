"""`pytest-mtls check-server`: the conformance run, with its options passed on and exit statuses of a program."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mtls import CertificateAuthority, MutualTLSServer
from pytest_mtls.commands.check_server import OPTIONS
from pytest_mtls.plugin import _OPTIONS


@pytest.fixture(name="certs")
def fixture_certs(tmp_path: Path, mtls_ca: CertificateAuthority) -> Path:
    """A directory such as ``mint`` writes, without the bad clients."""
    directory = tmp_path / "certs"
    mtls_ca.write_to(directory, name="ca")
    mtls_ca.issue_client().write_to(directory, name="client")
    return directory


def check_server(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program, without other plugins of pytest."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest_mtls", "check-server", *arguments, "-p", "no:cacheprovider"],
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=directory,
        capture_output=True,
        text=True,
    )


def test_conforming_server(tmp_path: Path, certs: Path, mtls_server: MutualTLSServer) -> None:
    """Options go to pytest, ours and its own: the run is of the cases that -k chooses, and writes the report."""
    chosen = ["-k", "client[expired-tls or client[valid-tls", "-v"]
    done = check_server(tmp_path, mtls_server.url, "--ca", str(certs), "--setting=crl", "--report=all.json", *chosen)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "settings that it claims: crl" in done.stdout
    assert "4 checks: 4 as expected" in done.stdout
    told = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert {"valid", "expired"} == {one["case"] for one in told["results"]}
    assert 4 == len(told["results"])


def test_deviating_server(tmp_path: Path, certs: Path, mtls_ca: CertificateAuthority) -> None:
    """A server that asks for no certificate fails: status 1."""
    with MutualTLSServer(cert=mtls_ca.issue_server("localhost"), client_certs="none") as server:
        done = check_server(tmp_path, server.url, "--ca", str(certs), "-k", "client[no-certificate-tls")
    assert 1 == done.returncode, done.stdout + done.stderr
    assert "FAILED: " in done.stdout


def test_mistakes(tmp_path: Path) -> None:
    """What cannot be run is a line on the error stream and status 2."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"https://127.0.0.1:{unused.getsockname()[1]}"
        for arguments, said in [
            ([dead], "cannot connect to"),
            (["not-a-url"], "tls has no port of its own"),
            ([dead, "--policy", "absent.toml"], "the policy in absent.toml cannot be used: no such file or directory"),
            ([dead, "--ca", "absent.pem"], "cannot read a certificate from absent.pem: no such file or directory"),
            ([dead, "--setting", "nonsense"], "--mtls-setting is 'nonsense', but it must be one of"),
            (["-k", "expired", dead], "is not a URL of a server: tls has no port of its own"),
        ]:
            done = check_server(tmp_path, *arguments)
            assert (2, 1) == (done.returncode, len(done.stderr.strip().splitlines())), done.stderr
            assert said in done.stderr


def test_options_are_those_of_pytest() -> None:
    """Each option is one of the plugin's, without its prefix."""
    assert set() == {f"--mtls-{name}" for name in OPTIONS} - set(_OPTIONS)
