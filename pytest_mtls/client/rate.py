"""`RateLimiter`: no more than so many connections a second, for a server that others use too."""

from __future__ import annotations

import threading
import time

from pytest_mtls.certificates.clock import clock
from pytest_mtls.errors import InvalidArgument

__all__ = ["RateLimiter"]


class RateLimiter:
    """Spaces out connections.

    Args:
        rate: how many a second at most.

    Raises:
        InvalidArgument: it is not a number above 0.
    """

    def __init__(self, rate: float) -> None:
        if not isinstance(rate, (int, float)) or not rate > 0:
            raise InvalidArgument("rate", rate, "a number of connections per second above 0")
        self._interval = 1 / rate
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self) -> None:
        """Wait until the next connection may be made; threads that wait at once are let go one after the other."""
        with self._lock:
            present = clock()
            turn = max(present, self._next)
            self._next = turn + self._interval
        if present < turn:
            time.sleep(turn - present)
