"""Ctrl-C leaves no process behind that has just been started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from pytest_mtls import CertificateAuthority, launch, launch_client
from pytest_mtls.server.interrupt import HeldInterrupt

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

SLEEPS = [sys.executable, "-c", "import time; time.sleep(1000)"]


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    """The one that raises KeyboardInterrupt, whoever runs the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ctrl-C comes as soon as a process runs; its number is noted."""
    numbers: list[int] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            numbers.append(self.pid)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    return numbers


def test_client(started: list[int], mtls_ca: CertificateAuthority) -> None:
    """A client under test is ended."""
    with launch_client([*SLEEPS, "{url}"], ca=mtls_ca, timeout=1000) as client, pytest.raises(KeyboardInterrupt):
        client.observe()
    with pytest.raises(ProcessLookupError):
        os.kill(started[-1], 0)


def test_server(started: list[int], mtls_ca: CertificateAuthority) -> None:
    """A server under test is ended."""
    with pytest.raises(KeyboardInterrupt), launch(SLEEPS, ca=mtls_ca, timeout=1000):
        pytest.fail("nobody is ready")
    with pytest.raises(ProcessLookupError):
        os.kill(started[-1], 0)


def test_held_until_it_is_let_through() -> None:
    """Or until the block ends."""
    with HeldInterrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupt.let_through()
    interrupt = HeldInterrupt()
    interrupt.__enter__()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupt.__exit__(None, None, None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handler_that_was_installed() -> None:
    """It is called once, and stays."""
    calls = []

    def handler(number: int, frame: FrameType | None) -> None:
        calls.append(number)

    signal.signal(signal.SIGINT, handler)
    with HeldInterrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert [] == calls
        interrupt.let_through()
    assert [signal.SIGINT] == calls
    assert signal.getsignal(signal.SIGINT) is handler


def test_another_thread_holds_nothing() -> None:
    """It gets no signals, and may not say who handles them."""
    held: list[HeldInterrupt] = []

    def hold() -> None:
        with HeldInterrupt() as interrupt:
            held.append(interrupt)

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert 1 == len(held)
