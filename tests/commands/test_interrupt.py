"""Ctrl-C ends each command that runs for long at once, with the status of a shell, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.client_programs import CURL
from support.requirements import require_program

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

Started = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(name="temporary")
def fixture_temporary(tmp_path: Path) -> Path:
    """The directory for temporary files of the program."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    return directory


@pytest.fixture(name="start")
def fixture_start(tmp_path: Path, temporary: Path) -> Iterator[Started]:
    """``start(*arguments)``: the program, in a process group of its own, without other plugins of pytest."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest_mtls", *arguments],
            env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TMPDIR": str(temporary)},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def interrupted(process: subprocess.Popen[str], temporary: Path) -> Iterator[None]:
    """Ctrl-C when the block has ended; what there is to say of it holds then."""
    yield
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert 130 == process.returncode, out + err
    assert "Traceback" not in err
    assert [] == list(temporary.iterdir())
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 0)
        pytest.fail("a process of the program's group is left")


def test_check_client(tmp_path: Path, temporary: Path, start: Started) -> None:
    """While a client hangs: it is ended, though it is in a process group of its own."""
    require_program("curl", apt="curl")
    os.mkfifo(tmp_path / "hanging")
    hangs = 'mkdir once 2>&- && exec "$@"; echo $$ >hanging; exec sleep 1000'
    process = start("check-client", "--client-timeout", "1000", "--", "sh", "-c", hangs, "-", *CURL)
    with interrupted(process, temporary):
        client = int((tmp_path / "hanging").read_text())
        os.kill(client, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(client, 0)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["words", "JSON"])
def test_check_server(temporary: Path, start: Started, form: list[str]) -> None:
    """While a server is silent that a client has spoken to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = start("check-server", f"https://127.0.0.1:{listening.getsockname()[1]}", *form)
        with interrupted(process, temporary):
            while True:  # it may look first whether anybody is there
                silent, _ = listening.accept()
                if silent.recv(1):
                    break
                silent.close()
        silent.close()


def test_probe(temporary: Path, start: Started) -> None:
    """While the server hangs in the middle of the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = start("probe", f"https://127.0.0.1:{listening.getsockname()[1]}", "--timeout", "1000")
        with interrupted(process, temporary):
            silent, _ = listening.accept()
            assert silent.recv(1)
        silent.close()


def test_inspect(tmp_path: Path, temporary: Path, start: Started) -> None:
    """While a pipe that it reads has no end."""
    os.mkfifo(tmp_path / "pipe.pem")
    process = start("inspect", "pipe.pem")
    with interrupted(process, temporary), open(tmp_path / "pipe.pem", "w") as pipe:
        pipe.write("-----BEGIN CERTIFICATE-----\n")
        pipe.flush()
        process.send_signal(signal.SIGINT)
        process.wait()


def test_the_moment_before_a_wait(tmp_path: Path, temporary: Path) -> None:
    """A signal that does not wake the main thread, as one just before its system call, or one that another thread gets."""
    os.mkfifo(tmp_path / "pipe.pem")
    code = """if True:
        import signal, sys, threading
        from pytest_mtls.commands.main import main

        def interrupt():
            with open("pipe.pem", "w") as pipe:  # which waits for the reader
                signal.pthread_kill(threading.get_ident(), signal.SIGINT)
                ended.wait()

        ended = threading.Event()
        thread = threading.Thread(target=interrupt)
        thread.start()
        status = main(["inspect", "pipe.pem"])
        ended.set()
        thread.join()
        sys.exit(status)
    """
    assert 130 == subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, timeout=60).returncode


def test_serve(temporary: Path, start: Started) -> None:
    """While it serves, with a client in the middle of its handshake."""
    process = start("serve", "--port", "0", "--json")
    with interrupted(process, temporary):
        assert process.stdout is not None
        port = int(process.stdout.readline().split('"index": "http://localhost:')[1].split("/")[0])
        client = socket.create_connection(("localhost", port))
        client.sendall(b"\x16\x03\x01\x02\x00")
        assert any(one.name.startswith("pytest-mtls-serve-") for one in temporary.iterdir())
    client.close()


def test_signal_at_any_moment() -> None:
    """A signal that comes before, at the beginning of, or in the middle of the wait ends it: its handler takes no lock."""
    from pytest_mtls.commands.serve import _until_interrupted

    main = threading.main_thread().ident
    assert main is not None
    for number in range(200):
        with _until_interrupted() as stopped:
            sender = threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGTERM))
            sender.start()
            for _ in range(number * 20):
                pass
            stopped.wait()
            sender.join()
        assert signal.SIGTERM == stopped.by
