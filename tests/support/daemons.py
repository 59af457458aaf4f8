"""Servers that are programs of their own: started with a configuration, waited for, and ended with all their children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DAEMON_HOST", "Daemon", "free_port", "running"]


def _own_address() -> str:
    """A loopback address that no other process uses where a whole network is loopback, as on Linux: from the pid."""
    if sys.platform != "linux":
        return "127.0.0.1"
    pid = os.getpid() % (1 << 22)
    return f"127.{1 + (pid >> 16)}.{pid >> 8 & 0xFF}.{pid & 0xFF}"


#: Where this process's daemons listen. Nobody else binds there, so a port that is free stays free.
DAEMON_HOST = _own_address()

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Daemon:
    """A running server.

    Attributes:
        host, port: where it listens.
        log: the file that has what it printed.
        process: its first process, the leader of its group.
    """

    host: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port


def free_port(host: str = DAEMON_HOST) -> int:
    """A port of this process's own address that nothing listens on."""
    with socket.create_server((host, 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    port: int,
    directory: Path,
    host: str = DAEMON_HOST,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Daemon]:
    """Run a server in the foreground until the block ends, then kill its whole process group.

    Args:
        command: how it is started; its configuration makes it listen on ``host`` and ``port``.
        port: from `free_port`.
        directory: where it runs and its output is kept.
        host: the address that it listens on.
        environment: what it gets beside this process's own.

    Raises:
        AssertionError: it ended or did not accept connections in time; the text has its output.
    """
    log = directory / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    daemon = Daemon(host, port, log, process)
    try:
        _wait_until_it_accepts(daemon)
        yield daemon
    finally:
        _end(process)


def _wait_until_it_accepts(daemon: Daemon) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(daemon.address, timeout=1.0).close()
            return
        except OSError as error:
            refusal = error
        try:
            status: int | None = daemon.process.wait(timeout=0.01)
        except subprocess.TimeoutExpired:
            status = None
        if status is not None or time.monotonic() > deadline:
            state = f"ended with status {status}" if status is not None else f"does not accept: {refusal}"
            printed = daemon.log.read_text(errors="replace")
            raise AssertionError(f"{daemon.process.args!r} {state}; it printed:\n{printed}")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass  # it has ended by itself
    process.wait(_STOP_SECONDS)
