"""What a process leaves is removed, however it ends."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_mtls.certificates.cleanup import CLEANER, Cleaner
from pytest_mtls.certificates.files import PrivateDirectory
from pytest_mtls.errors import UnusableDirectory

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals: run on POSIX")

#: The watchdog needs some 0.6 s at most; the rest is for a busy machine.
SECONDS = 30.0


def run(program: str, temporary: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program with a temporary directory of its own."""
    temporary.mkdir(exist_ok=True)
    command = [sys.executable, "-c", program, *options]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


def is_emptied(directory: Path) -> bool:
    """Whether nothing is left in a directory in time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if not any(directory.iterdir()):
            return True
        select.select([], [], [], 0.01)
    return False


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory of a short name, for a program that has sockets in its temporary directory."""
    with tempfile.TemporaryDirectory(prefix="t-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


KEY = """
import multiprocessing, os, signal, sys
from pytest_mtls import CertificateAuthority

path = CertificateAuthority.create().issue_client().key_path
assert os.path.exists(path)
"""


@pytest.mark.parametrize("end", ["SIGTERM", "SIGHUP", "SIGKILL", "SIGABRT"])
def test_no_key_is_left_by_a_signal(end: str, tmp_path: Path) -> None:
    """Where a signal ends the process, the watchdog removes its keys."""
    done = run(f"{KEY}\nos.kill(os.getpid(), signal.{end})", tmp_path / "temporary")
    assert -getattr(signal, end) == done.returncode, done.stderr
    assert is_emptied(tmp_path / "temporary")


def test_no_key_is_left_by_an_exit_at_once(tmp_path: Path) -> None:
    """``os._exit`` runs no exit handlers; the watchdog sees it too."""
    assert 0 == run(f"{KEY}\nos._exit(0)", tmp_path / "temporary").returncode
    assert is_emptied(tmp_path / "temporary")


CHILDREN = """
import multiprocessing, os, signal, sys
from pytest_mtls import CertificateAuthority

def child(pipe, end):
    pipe.send(CertificateAuthority.create().issue_client().key_path)
    if end == "raise":
        raise SystemExit(3)
    if end == "exit":
        os._exit(0)
    if end == "wait":
        signal.pause()

def main(method, end):
    mine = CertificateAuthority.create().issue_client().key_path
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    process = context.Process(target=child, args=(there, end))
    process.start()
    theirs = here.recv()
    if end == "wait":
        process.terminate()
    process.join()
    print(mine, theirs, flush=True)
    sys.stdin.readline()
    assert os.path.exists(mine)

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


@pytest.mark.parametrize("end", ["return", "raise", "exit", "wait"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_child_of_multiprocessing_leaves_no_key(method: str, end: str, tmp_path: Path, short: Path) -> None:
    """However a child is made and ends, its keys are gone while its parent, whose keys stay, lives on."""
    program, temporary = tmp_path / "children.py", short
    program.write_text(CHILDREN, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, program, method, end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
        text=True,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        mine, theirs = map(Path, parent.stdout.readline().split())
        assert temporary in theirs.parents
        deadline = time.monotonic() + SECONDS
        while theirs.exists() and time.monotonic() < deadline:
            select.select([], [], [], 0.01)
        assert (True, False) == (mine.exists(), theirs.exists())
        parent.communicate("\n")
    assert 0 == parent.returncode
    assert is_emptied(temporary)


LEFT = """
import os, signal
from pytest_mtls.certificates import cleanup
from pytest_mtls.certificates.files import PrivateDirectory

cleanup._SHELL = "/no/such/shell"
print(PrivateDirectory().write("a.key", b"secret"), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
NEXT = """
import sys
from pathlib import Path
from pytest_mtls.certificates.files import PrivateDirectory

own = PrivateDirectory().write("b.key", b"secret")
print(*(Path(path).exists() for path in (own, *sys.argv[1:])), flush=True)
"""


def test_next_process_removes_what_nobody_could(tmp_path: Path) -> None:
    """Where the watchdog was killed too, the next process removes the directory, and no directory of one that lives."""
    temporary = tmp_path / "temporary"
    left = run(LEFT, temporary).stdout.strip()
    assert Path(left).read_bytes() == b"secret"
    not_ours = temporary / "pytest-mtls-run-link"
    (tmp_path / "elsewhere").mkdir()
    not_ours.symlink_to(tmp_path / "elsewhere")
    living = f"{NEXT}\nsys.stdin.readline()"
    with subprocess.Popen(
        [sys.executable, "-c", living, left],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
        text=True,
    ) as first:
        assert first.stdout is not None
        assert "True False\n" == first.stdout.readline()
        (alive,) = (path for path in temporary.glob("pytest-mtls-run-*") if path != not_ours)
        assert "True True\n" == run(NEXT, temporary, str(alive)).stdout
        assert (tmp_path / "elsewhere").is_dir()
        first.communicate("\n")
    not_ours.unlink()
    assert is_emptied(temporary)


def test_watchdog_keeps_no_descriptor_of_the_process(tmp_path: Path) -> None:
    """A listening socket that children may inherit is closed with the process's own end, and not with the watchdog's."""
    program = """
import os, socket
from pytest_mtls.certificates.files import PrivateDirectory

with socket.create_server(("127.0.0.1", 0)) as listener:
    listener.set_inheritable(True)
    PrivateDirectory().write("a", b"")
    address = listener.getsockname()
try:
    socket.create_connection(address)
except ConnectionRefusedError:
    print("closed")
"""
    assert "closed\n" == run(program, tmp_path / "temporary").stdout


def test_watchdog_holds_nobody_up(tmp_path: Path) -> None:
    """Who reads what a process prints sees its end with the process, though its watchdog has still to kill a server."""
    program = """
import subprocess, sys
from pytest_mtls.certificates.cleanup import CLEANER

command = [sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"]
server = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
CLEANER.watch(server.pid)
print(server.pid, flush=True)
"""
    done = run(f"{program}\nimport os; os._exit(0)", tmp_path / "temporary")
    number = int(done.stdout)
    if hasattr(os, "pidfd_open"):
        try:
            server = os.pidfd_open(number)
        except ProcessLookupError:
            return
        assert ([server], [], []) == select.select([server], [], [], SECONDS)
        os.close(server)


def test_group_that_has_ended_is_let_alone(tmp_path: Path) -> None:
    """The number of a group that was forgotten may be another's, who is not killed."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        program = f"""
from pytest_mtls.certificates.cleanup import CLEANER

CLEANER.new_directory()
for group in ({other.pid}, 99999999):
    CLEANER.watch(group)
CLEANER.forget({other.pid})
import os; os._exit(0)
"""
        run(program, tmp_path / "temporary")
        assert is_emptied(tmp_path / "temporary")
        assert None is other.poll()
        other.kill()


# --- directories that cannot be made, or go ----------------------------------------------------------------------------


def test_no_usable_temporary_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has none, the error is typed and names what was tried."""

    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/a', '/b']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setenv("TMPDIR", "/a")
    with pytest.raises(UnusableDirectory, match=r"/a: no usable temporary directory found in \['/a', '/b'\]"):
        Cleaner().run_directory()


@pytest.mark.parametrize("which", ["the directory", "that of the process"])
def test_directory_that_somebody_removes_is_made_again(
    which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test, or a sweeper of temporary files, may remove what it likes: the next use writes the file anew."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = PrivateDirectory()
    first = Path(files.keep("a.key", lambda: b"secret"))
    gone = first.parent if which == "the directory" else first.parent.parent
    for path in (first, first.parent, gone):
        if path.exists():
            path.unlink() if path.is_file() else path.rmdir()
    again = Path(files.keep("a.key", lambda: b"secret"))
    assert b"secret" == again.read_bytes()
    assert 0o700 == again.parent.stat().st_mode & 0o777
    files.remove()
    CLEANER.remove(str(again.parent.parent))


def test_file_that_somebody_removes_is_written_again() -> None:
    """So is a single file."""
    files = PrivateDirectory()
    path = Path(files.keep("a.key", lambda: b"secret"))
    path.unlink()
    assert (str(path), b"secret") == (files.keep("a.key", lambda: b"secret"), path.read_bytes())
    files.remove()


def test_socket_of_another_kind_is_no_obstacle(tmp_path: Path) -> None:
    """Something of our prefix that is not a directory is left alone by the sweep."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(temporary / "pytest-mtls-run-x"))
        assert "True True\n" == run(NEXT, temporary, str(temporary / "pytest-mtls-run-x")).stdout
