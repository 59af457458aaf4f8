"""`pytest-mtls check-client`: the conformance run of a client, with its command line after ``--``."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from support.requirements import require_program

from pytest_mtls.commands.check_client import OPTIONS
from pytest_mtls.plugin import _OPTIONS


@pytest.fixture(name="curl")
def fixture_curl() -> list[str]:
    """curl, with what it needs to be a good client."""
    program = str(require_program("curl", apt="curl"))
    known = ["--cacert", "{ca}", "--cert", "{cert}", "--key", "{key}", "--resolve", "{host}:{port}:{address}"]
    return [program, "--silent", *known, "{url}"]


def check_client(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program, without other plugins of pytest."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest_mtls", "check-client", "-p", "no:cacheprovider", *arguments],
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=directory,
        capture_output=True,
        text=True,
    )


def test_good_client(tmp_path: Path, curl: list[str]) -> None:
    """Options of ours and of pytest stand before ``--``, the client's own after it."""
    done = check_client(tmp_path, "-k", "expired-tls or valid-tls", "--client-timeout", "20", "--", *curl)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert " as expected" in done.stdout


def test_client_that_does_not_verify(tmp_path: Path, curl: list[str]) -> None:
    """``curl --insecure`` talks to an expired server: status 1."""
    done = check_client(tmp_path, "-k", "expired-tls", "--", *curl, "--insecure")
    assert 1 == done.returncode, done.stdout + done.stderr
    assert "FAILED" in done.stdout


def test_no_client(tmp_path: Path) -> None:
    """Without a command there is a line on the error stream and status 2."""
    done = check_client(tmp_path)
    assert (2, 1) == (done.returncode, len(done.stderr.strip().splitlines())), done.stderr
    assert (
        "check-client: the client's command is missing. Give it after --, as in: pytest-mtls check-client --"
        in done.stderr
    )


def test_options_are_those_of_pytest() -> None:
    """Each option is one of the plugin's, without its prefix."""
    assert set() == {f"--mtls-{name}" for name in OPTIONS} - set(_OPTIONS)


def test_progress_is_for_a_terminal(tmp_path: Path, curl: list[str]) -> None:
    """How far the run has come is told on a terminal, and not where its output is kept."""
    pty = pytest.importorskip("pty", reason="Windows has no such terminals")
    assert "%]" not in check_client(tmp_path, "-k", "server[expired-tls", "--", *curl).stdout
    command = [sys.executable, "-m", "pytest_mtls", "check-client", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    terminal, its_end = pty.openpty()
    with subprocess.Popen(
        [*command, "-k", "server[expired-tls", "--", *curl],
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TERM": "xterm"},
        cwd=tmp_path,
        stdout=its_end,
        stderr=its_end,
    ):
        os.close(its_end)
        said = b""
        with suppress(OSError):  # Linux ends a terminal so
            while chunk := os.read(terminal, 65536):
                said += chunk
    os.close(terminal)
    assert b"[100%]" in said
