"""Threads that are used again, which is what a server starts for its connections.

To make a thread costs about as much as to read a request; to wake one that waits costs a tenth of that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Workers"]

_Job = Callable[[], None]


class Workers:
    """As many threads as there are jobs at once. None waits for another, and each waits for its next job when it is done.

    Args:
        name: what their names begin with.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._is_closed = False

    def start(self, job: _Job) -> None:
        """Have a job done now, by a thread that waits or else by a new one.

        Args:
            job: what is done. It raises nothing.

        Raises:
            RuntimeError: there can be no more threads.
        """
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._jobs.put(job)
                return
            name = f"{self._name}-{len(self._threads) + 1}"
            thread = threading.Thread(target=self._work, args=(job,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self, timeout: float) -> None:
        """Let the threads end when their jobs are done, and wait for them, except for the one that calls this.

        Args:
            timeout: how long to wait for each, in seconds.
        """
        with self._lock:
            self._is_closed = True
            for _ in range(self._idle):
                self._jobs.put(None)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout)

    def _work(self, first: _Job) -> None:
        job: _Job | None = first
        while job is not None:
            job()
            job = None  # holds on to nothing while it waits
            with self._lock:
                if self._is_closed:
                    return
                self._idle += 1
            job = self._jobs.get()
