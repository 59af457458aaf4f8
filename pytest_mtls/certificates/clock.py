"""`now`: the real time, whatever a test made of Python's clocks.

Tests freeze or move the clock (freezegun, time-machine, a patched ``time.time``), while the peer's TLS library goes by
the real one. So the time here comes from where no such tool reaches: the operating system's stamp on something new.
"""

from __future__ import annotations

import os
import tempfile
from datetime import datetime, timedelta, timezone

__all__ = ["now"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class _RealClock:
    """Reads the stamp once a second, and goes on from it by the ticks since the machine started."""

    _READ_EVERY = 1.0

    def __init__(self) -> None:
        self._stamp_and_ticks = (0.0, float("-inf"))

    def read(self) -> float:
        """Seconds since 1970."""
        stamp, then = self._stamp_and_ticks
        ticks = os.times().elapsed  # Windows counts none and says 0.
        if not ticks or not 0 <= ticks - then < self._READ_EVERY:
            stamp, then = _stamp(), ticks
            self._stamp_and_ticks = (stamp, then)
        return stamp + (ticks - then)


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
