"""Completion in a shell, by the real argcomplete, which is driven as the shell drives it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.requirements import require_library

from pytest_mtls.commands.table import COMMANDS


def completed(directory: Path, line: str) -> list[str]:
    """What the program offers where the cursor is at the end of a command line."""
    require_library("argcomplete", pip="argcomplete")
    offered = directory / "offered"
    environment = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(offered),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    command = [sys.executable, "-m", "pytest_mtls"]
    done = subprocess.run(command, env={**os.environ, **environment}, cwd=directory, capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stdout), done.stderr
    return [word.strip() for word in offered.read_text(encoding="utf-8").split("\n")]


def test_commands(tmp_path: Path) -> None:
    """All of them after the program's name, and those that begin so."""
    assert {command.name for command in COMMANDS} <= set(completed(tmp_path, "pytest-mtls "))
    assert ["check-server", "check-client"] == completed(tmp_path, "pytest-mtls check-")


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("pytest-mtls probe --serv", "--server-name"),
        ("pytest-mtls check-client --client-t", "--client-timeout"),
        ("pytest-mtls check-server https://localhost:1 --allow", "--allow-remote"),
        ("pytest-mtls inspect --as cl", "client"),
    ],
)
def test_options(tmp_path: Path, line: str, option: str) -> None:
    """Each command's own, and the values of those that have a few."""
    assert [option] == completed(tmp_path, line)


def test_files(tmp_path: Path) -> None:
    """A file where one is wanted."""
    (tmp_path / "server.crt").write_bytes(b"")
    assert ["server.crt"] == completed(tmp_path, "pytest-mtls inspect serv")


def test_without_a_shell(tmp_path: Path) -> None:
    """argcomplete is not loaded when nothing is completed."""
    program = (
        "import sys\nfrom pytest_mtls.__main__ import main\nmain(['cases', 'expired'])\n"
        "print('argcomplete' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "False" == done.stdout.splitlines()[-1]
