"""Ctrl-C, heard at any moment."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["heard_at_once"]

_SECONDS_BETWEEN_NUDGES = 0.05


@contextmanager
def heard_at_once() -> Iterator[None]:
    """Have Ctrl-C end what the main thread waits for, even if it comes just before the wait.

    Python notes a signal, and its main thread looks at the note between two of its steps, or when the signal wakes it from
    a system call. A signal that comes after the last step and before the call wakes nobody, and the call may last for ever.
    So a thread hears of each signal (`signal.set_wakeup_fd`) and wakes the main thread until the block has ended.
    """
    if os.name == "nt" or threading.current_thread() is not threading.main_thread():
        yield  # Windows has no such calls, and other threads get no signals
        return
    written, read = socket.socketpair()
    with read:
        written.setblocking(False)
        ended = threading.Event()
        nudge = signal.signal(signal.SIGURG, lambda number, frame: None)
        before = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
        thread = threading.Thread(target=_nudge_main_thread, args=(read, ended), daemon=True, name="pytest-mtls Ctrl-C")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            signal.set_wakeup_fd(before)
            written.close()
            thread.join()
            signal.signal(signal.SIGURG, nudge)


def _nudge_main_thread(signals: socket.socket, ended: threading.Event) -> None:
    """Wait for Ctrl-C or the end; from Ctrl-C on, wake the main thread until the end."""
    while numbers := signals.recv(16):
        if signal.SIGINT in numbers:
            break
    else:
        return  # the block has ended
    while not ended.wait(_SECONDS_BETWEEN_NUDGES):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)
