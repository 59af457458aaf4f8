"""`launch` starts a server under test, knows when it is ready, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import select
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_mtls import CertificateAuthority, LaunchedServer, assert_accepted, assert_rejected, launch, probe
from pytest_mtls.errors import InvalidArgument, PortUnavailable, ServerNotLaunched

#: A server of a few lines, which is told by its arguments what to do.
SERVER = """
import http.server, os, signal, socket, ssl, subprocess, sys, time

port, cert, key, ca, *how = sys.argv[1:]
print("arguments", *how, flush=True)
print("environment", os.environ.get("WHERE"), flush=True)
if "stubborn" in how:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "child" in how:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print("child", child.pid, flush=True)
if "fails" in how:
    sys.exit("cannot go on")
if "silent" in how:
    time.sleep(60)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
context.verify_mode = ssl.CERT_REQUIRED
context.load_cert_chain(cert, key)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("serving", flush=True)
server.serve_forever()
"""


def command(*how: str) -> list[str]:
    """How the server is started; its script is one of the files."""
    return [sys.executable, "{dir}/server.py", "{port}", "{server_cert}", "{server_key}", "{ca}", *how]


FILES = {"server.py": SERVER}


def test_server_is_ready_in_the_block_and_gone_after_it(mtls_ca: CertificateAuthority) -> None:
    """It accepts good clients and rejects others, and after the block there is no process, port or file."""
    with launch(command(), files=FILES, ca=mtls_ca) as server:
        assert isinstance(server, LaunchedServer)
        assert ("https", mtls_ca) == (server.endpoint.protocol, server.endpoint.ca)
        assert "HTTP 204" == assert_accepted(server.endpoint, mtls_ca.issue_client()).answer
        assert_rejected(server.endpoint)
        assert "serving" in server.output
        assert server.process.poll() is None
        if os.name != "nt":
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in server.directory.iterdir()}
            assert (0o600, 0o700) == (modes["server.key"], stat.S_IMODE(server.directory.stat().st_mode))
    assert server.process.returncode is not None
    assert not server.directory.exists()
    with pytest.raises(OSError, match=r"refused|reset"):
        socket.create_connection(server.endpoint.address, 1)


def test_placeholders_are_filled_in_and_other_braces_are_not(mtls_ca: CertificateAuthority) -> None:
    """Command, files and environment take the same placeholders."""
    files = {**FILES, "own.conf": "server { listen {host}:{port}; crl {crl}; } {unknown}"}
    how = command("{dir}", "{'a': 1}", "{{port}}")
    with launch(how, files=files, ca=mtls_ca, env={"WHERE": "{dir}/x"}, server_name="localhost", path="/p") as server:
        assert f"arguments {server.directory} {{'a': 1}} {{{server.endpoint.port}}}\n" in server.output
        assert f"environment {server.directory}/x\n" in server.output
        crl = server.directory / "minted" / "ca.crl.pem"
        expected = f"server {{ listen localhost:{server.endpoint.port}; crl {crl}; }} {{unknown}}"
        assert expected == (server.directory / "own.conf").read_text(encoding="utf-8")
        assert "/p" == server.endpoint.path
        revoked = server.directory / "minted" / "client-cases" / "revoked.crt"
        assert revoked.exists()
        assert server.endpoint.client_cases == revoked.parent
        assert b"".join(mtls_ca.crl_pems()) == crl.read_bytes()


def test_without_a_crl_no_client_is_minted(mtls_ca: CertificateAuthority) -> None:
    """What the server does not load is not made."""
    with launch(command(), files=FILES, ca=mtls_ca) as server:
        assert None is server.endpoint.client_cases
        assert not (server.directory / "minted").exists()


def test_ready_may_be_a_pattern_or_a_callable() -> None:
    """A server is ready when its output or a callable says so, and not when the port alone is open."""
    asked: list[str] = []

    def ready(server: LaunchedServer) -> bool:
        asked.append(server.output)
        if len(asked) == 1:
            raise ConnectionError("not yet")
        return len(asked) == 3

    with launch(command(), files=FILES, ready=ready):
        assert 3 == len(asked)
    with launch(command(), files=FILES, ready=r"(?m)^serving$") as server:
        assert "serving" in server.output


@pytest.mark.parametrize(
    ("how", "options", "problem"),
    [
        (["fails"], {}, "it ended with status 1. Its output:\narguments fails\nenvironment None\ncannot go on"),
        (["silent"], {"timeout": 0.3}, "after 0.3 s it is not ready: .*refused"),
        ([], {"timeout": 0.3, "ready": "never said"}, "after 0.3 s its output does not match 'never said'"),
        (
            [],
            {"timeout": 1, "ready": lambda _: False},
            "after 1 s (it is not ready|the callable given as ready says no)",
        ),
    ],
    ids=["ends", "silent", "pattern", "callable"],
)
def test_server_that_does_not_come_up_is_an_error(how: list[str], options: dict[str, Any], problem: str) -> None:
    """The error has the command and all that the server printed, and nothing is left of it."""
    with (
        pytest.raises(ServerNotLaunched, match=f"(?s){problem}") as failed,
        launch(command(*how), files=FILES, **options),
    ):
        pytest.fail("it is not ready")
    assert failed.value.command[0] == sys.executable
    assert not Path(failed.value.command[1]).exists()


def test_program_that_is_absent_is_an_error() -> None:
    """The error names it."""
    with (
        pytest.raises(ServerNotLaunched, match=r"`no-such-program --port \d+` did not come up: it cannot be started"),
        launch(["no-such-program", "--port", "{port}"]),
    ):
        pytest.fail("it cannot run")


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux, to wait for another's child")
@pytest.mark.parametrize("how", [["child"], ["child", "stubborn"]])
def test_whole_group_of_processes_is_ended(how: list[str]) -> None:
    """Children of the server end with it, also where it does not want to."""
    with launch(command(*how), files=FILES, stop_timeout=0.3) as server:
        found = re.search(r"^child (\d+)$", server.output, re.MULTILINE)
        assert found is not None
        child = os.pidfd_open(int(found[1]))
        assert ([], [], []) == select.select([child], [], [], 0)  # it runs
    assert -9 == server.process.returncode if "stubborn" in how else server.process.returncode in (0, -15)
    assert ([child], [], []) == select.select([child], [], [], 10)
    os.close(child)


def test_server_is_ended_when_the_block_raises() -> None:
    """A failing test leaves no server behind."""
    with pytest.raises(ZeroDivisionError), launch(command(), files=FILES) as server:
        raise ZeroDivisionError
    assert server.process.returncode is not None


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_port_that_is_taken_on_one_address_alone_is_not_chosen(
    family: socket.AddressFamily, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port counts as free only where nobody listens on it by IPv4 or IPv6: the probe may come by either."""
    with socket.create_server((address, 0), family=family) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("pytest_mtls.server.launch._PORTS", (port,))
        with pytest.raises(PortUnavailable), launch([sys.executable, "-c", ""]):
            pass


def test_port_of_somebody_else_is_an_error() -> None:
    """Another server's port is not taken for that of the server under test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortUnavailable, match=f"port {port}"), launch(command(), files=FILES, port=port):
            pytest.fail("the port is in use")


@pytest.mark.parametrize(
    "arguments",
    [
        {"command": "nginx -g x"},
        {"command": []},
        {"command": ["true"], "run_as": "no-such-user"},
        {"command": ["true"], "files": {"../elsewhere.conf": ""}},
        {"command": ["true"], "files": {"/elsewhere.conf": ""}},
        {"command": ["true"], "files": {"a\0b": ""}},
        {"command": ["true"], "files": {"a" * 300: ""}},
        {"command": ["true"], "files": {"server.key/y": ""}},
        {"command": ["true"], "files": {"server.key": ""}},
        {"command": ["true"], "files": {"./server.pem": ""}},
        {"command": ["true"], "files": {"ca": ""}},
        {"command": ["true"], "files": {"output.log": ""}},
        {"command": ["true"], "files": {"a": "", "a/b": ""}},
        {"command": ["true"], "files": {"": ""}},
        {"command": ["true"], "files": {3: ""}},
        {"command": ["true"], "files": {"a": b""}},
        {"command": ["true"], "env": {"A": 1}},
        {"command": ["true", 5]},
    ],
    ids=[
        *("text", "empty", "user", "file-above", "file-elsewhere", "nul", "long", "below-a-file", "key", "dotted"),
        *("directory", "log", "file-and-directory", "nameless", "number"),
        *("bytes", "variable", "argument"),
    ],
)
def test_bad_arguments_get_one_typed_error(arguments: dict[str, Any]) -> None:
    """What cannot be is an `InvalidArgument`."""
    with pytest.raises(InvalidArgument), launch(**arguments):
        pytest.fail("it cannot run")


def test_fixture_launches_with_the_suites_ca(
    mtls_launch: Callable[..., LaunchedServer], mtls_ca: CertificateAuthority
) -> None:
    """``mtls_launch`` gives a server that trusts ``mtls_ca``."""
    first, second = mtls_launch(command(), files=FILES), mtls_launch(command(), files=FILES)
    assert first.endpoint.port != second.endpoint.port
    assert probe(first.endpoint, mtls_ca.issue_client()).accepted
    assert mtls_ca is second.endpoint.ca


def test_fixture_ends_its_servers_at_teardown(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the fixture started is ended, also when its test failed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makefile(".txt", server=SERVER)
    pytester.makepyfile(
        f"""
        import pathlib
        import pytest

        STARTED = []

        def test_it(mtls_launch):
            files = {{"server.py": pathlib.Path("server.txt").read_text()}}
            STARTED.append(mtls_launch({command()!r}, files=files))
            raise RuntimeError("on purpose")

        def test_after():
            assert STARTED[0].process.returncode is not None
        """
    )
    pytester.runpytest("-p", "mtls").assert_outcomes(passed=1, failed=1)
