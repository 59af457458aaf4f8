"""Text for a terminal: it fits, and obeys nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_mtls import Identity
from pytest_mtls.commands.terminal import fitted, one_line, shown


def test_what_steers_a_terminal_is_shown() -> None:
    """Control characters, and marks that change the order of what is read."""
    assert r"a\x1b[31m\u202eb" "\n" == shown("a\x1b[31m\u202eb\n")
    assert r"a\x1b\nb" == one_line("a\x1b\nb")


def test_lines_of_a_file_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept, or read by a program, is not broken by the width of a terminal that it never saw."""
    monkeypatch.setenv("COLUMNS", "40")
    assert ["  " + "word " * 30] == list(fitted(["  " + "word " * 30]))


def test_lines_fit_a_terminal(tmp_path: Path, mtls_client_cert: Identity) -> None:
    """At 80 columns a sentence goes on in the next line, further in; what has no blank stays whole."""
    pty = pytest.importorskip("pty", reason="Windows has no such terminals")
    (tmp_path / "client.crt").write_bytes(mtls_client_cert.cert_pem)
    terminal, its_end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pytest_mtls", "inspect", "client.crt"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm"},
        stdout=its_end,
        stderr=its_end,
    ):
        os.close(its_end)
        said = b""
        with suppress(OSError):  # Linux ends a terminal so
            while chunk := os.read(terminal, 65536):
                said += chunk
    os.close(terminal)
    lines = said.decode().splitlines()
    assert [] == [line for line in lines if len(line) > 80]
    first = next(number for number, line in enumerate(lines) if line.startswith("as a client, "))
    assert lines[first + 1].startswith("    ")
    whole = " ".join([lines[first], lines[first + 1].strip()])
    assert "would be accepted by a server that trusts its issuer, " in whole
