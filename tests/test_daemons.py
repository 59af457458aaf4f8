"""Servers that tests start are waited for, explained when they do not start, and ended with their children."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from support.daemons import DAEMON_HOST, free_port, running

#: Listens, has a child that does so at the same socket, and says to whoever connects who it is.
SERVER = f"""
import os, socket, sys
listening = socket.create_server(("{DAEMON_HOST}", int(sys.argv[1])))
if os.fork() == 0:
    open("child", "w").write(str(os.getpid()))
while True:
    listening.accept()[0].sendall(b"it is me")
"""


def is_there(address: tuple[str, int]) -> bool:
    """Whether that server answers; somebody else's may listen at all addresses of this machine, at the same port."""
    try:
        with socket.create_connection(address, timeout=5) as sock:
            return sock.recv(100) == b"it is me"
    except OSError:
        return False


def test_it_accepts_and_ends_with_its_children(tmp_path: Path) -> None:
    """Inside the block it accepts connections; after it nobody listens there, no child either."""
    port = free_port()
    with running([sys.executable, "-c", SERVER, str(port)], port=port, directory=tmp_path) as daemon:
        assert is_there(daemon.address)
    assert not is_there(daemon.address)


def test_one_that_ends_tells_what_it_printed(tmp_path: Path) -> None:
    """The error has the status and the output."""
    command = [sys.executable, "-c", "print('no such module'); raise SystemExit(3)"]
    with (
        pytest.raises(AssertionError, match=r"(?s)ended with status 3.*no such module"),
        running(command, port=free_port(), directory=tmp_path),
    ):
        pytest.fail("it did not start")


def test_ports_of_this_process() -> None:
    """A free port is on an address of this process alone, where addresses are plenty."""
    assert 0 < free_port() < 65536
    if sys.platform == "linux":
        assert str(os.getpid() & 0xFF) == DAEMON_HOST.rsplit(".", 1)[1]
