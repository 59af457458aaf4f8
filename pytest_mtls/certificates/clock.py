"""`now`: the real time, whatever a test made of Python's clocks.

Tests freeze or move the clock (freezegun, time-machine, a patched ``time.time``), while the peer's TLS library goes by
the real one. So the time here comes from where no such tool reaches: the operating system's stamp on something new.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial

__all__ = ["clock", "now"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

#: Seconds that pass evenly. freezegun and time-machine leave this clock alone; on Windows they change every clock.
clock: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else time.monotonic
)


class _RealClock:
    """Reads the stamp once a second, and goes on from it by the seconds since the machine started."""

    _READ_EVERY = 1.0

    def __init__(self) -> None:
        self._stamp_and_seconds = (0.0, float("-inf"))

    def read(self) -> float:
        """Seconds since 1970."""
        if clock is time.monotonic:  # which such tools move
            return _stamp()
        stamp, then = self._stamp_and_seconds
        seconds = clock()
        if not 0 <= seconds - then < self._READ_EVERY:
            stamp, then = _stamp(), seconds
            self._stamp_and_seconds = (stamp, then)
        return stamp + (seconds - then)


def now() -> datetime:
    """The real time in UTC, in whole seconds as certificates have it."""
    return _EPOCH + timedelta(seconds=int(_CLOCK.read()))


def _stamp() -> float:
    reader, writer = os.pipe()
    try:
        stamp = os.fstat(reader).st_mtime
    finally:
        os.close(reader)
        os.close(writer)
    if not stamp:  # Windows keeps no time for a pipe.
        with tempfile.TemporaryFile() as file:
            stamp = os.fstat(file.fileno()).st_mtime
    return stamp


_CLOCK = _RealClock()
