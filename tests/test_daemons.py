"""Servers that tests start are waited for, explained when they do not start, and ended with their children."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from support.daemons import DAEMON_HOST, free_port, running

#: Listens, and has a child that holds the same socket.
SERVER = f"""
import os, socket, sys, time
listening = socket.create_server(("{DAEMON_HOST}", int(sys.argv[1])))
if os.fork() == 0:
    open("child", "w").write(str(os.getpid()))
while True:
    time.sleep(60)
"""


def test_it_accepts_and_ends_with_its_children(tmp_path: Path) -> None:
    """Inside the block it accepts connections; after it nobody listens there, no child either."""
    port = free_port()
    with running([sys.executable, "-c", SERVER, str(port)], port=port, directory=tmp_path) as daemon:
        socket.create_connection(daemon.address, timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(daemon.address, timeout=5)


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
