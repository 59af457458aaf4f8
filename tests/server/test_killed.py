"""A run that is killed leaves no launched server and no key file."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.requirements import require_library

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="needs Linux, to wait for another's child: run on it"
)

#: What is promised is a second; the rest is for a busy machine.
SECONDS = 30.0
SUITE = '''
import signal, sys, threading

SERVER = """
import signal, socket, subprocess, sys
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("child", child.pid, flush=True)
while True:
    listener.accept()[0].close()
"""

def test_it(mtls_launch, mtls_server, mtls_client_cert):
    server = mtls_launch([sys.executable, "-c", SERVER, "{port}", HOW], protocol="tls", ready="child")
    child = server.output.split()[1]
    print("READY", server.process.pid, child, mtls_client_cert.key_path, server.directory, flush=True)
    while True:
        signal.pause()
'''

Killed = Callable[..., "Run"]


class Run:
    """A run of pytest in a session of its own, at the point where its test waits."""

    def __init__(self, suite: Path, temporary: Path, how: str, *options: str) -> None:
        (suite / "test_it.py").write_text(f"HOW = {how!r}\n{SUITE}", encoding="utf-8")
        temporary.mkdir()
        command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", *options, "test_it.py"]
        environment = {**os.environ, "TMPDIR": str(temporary)}
        self.temporary = temporary
        self.process = subprocess.Popen(
            command, cwd=suite, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            ready = re.search(r"READY (\d+) (\d+) (\S+) (\S+)", line)
            if ready is not None:
                break
        else:
            pytest.fail("the run has ended")
        self.servers = [os.pidfd_open(int(ready[number])) for number in (1, 2)]
        self.files = [Path(ready[3]), Path(ready[4])]
        assert all(path.exists() for path in self.files)

    def assert_nothing_is_left(self) -> None:
        """Its servers and files are gone in time."""
        end = time.monotonic() + SECONDS
        waiting = set(self.servers)
        while waiting and time.monotonic() < end:
            waiting -= set(select.select(list(waiting), [], [], end - time.monotonic())[0])
        assert set() == waiting, "servers that still run"
        while any(self.temporary.iterdir()) and time.monotonic() < end:
            select.select([], [], [], 0.01)
        assert [] == list(self.temporary.iterdir())

    def close(self) -> None:
        """End whatever is left."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        for descriptor in self.servers:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            os.close(descriptor)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Killed]:
    """Start a run that is to be killed."""
    runs: list[Run] = []

    def start(how: str, *options: str) -> Run:
        runs.append(Run(tmp_path, tmp_path / "temporary", how, *options))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


@pytest.mark.parametrize("how", ["", "stubborn"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGINT])
def test_signal_to_the_run(start: Killed, number: signal.Signals, how: str) -> None:
    """One signal to pytest alone; its server and the server's child may ignore SIGTERM."""
    run = start(how)
    run.process.send_signal(number)
    if number is signal.SIGINT:  # an ordinary end, with teardown
        run.process.communicate(timeout=30)
    run.assert_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_signal_to_the_group_of_the_run(start: Killed, number: signal.Signals) -> None:
    """A terminal that closes, or a CI job that is cancelled, signals the whole group: the watchdog is not in it."""
    run = start("")
    os.killpg(run.process.pid, number)
    run.assert_nothing_is_left()


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_time_out_of_pytest_timeout(start: Killed, method: str) -> None:
    """Either method of pytest-timeout: one fails the test, the other exits at once, without any teardown."""
    require_library("pytest_timeout", pip="pytest-timeout")
    run = start("stubborn", "--timeout=2", f"--timeout-method={method}")
    said, _ = run.process.communicate(timeout=60)
    assert ("Timeout" in said, 1) == (True, run.process.returncode)
    run.assert_nothing_is_left()
