"""Ctrl-C between the start of a process and the moment in which somebody is there to end it."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["HeldInterrupt"]


class HeldInterrupt:
    """Holds Ctrl-C back in a ``with`` block, until it is let through there, or the block ends.

    ``with HeldInterrupt() as interrupt:`` start a process, then ``try:`` ``interrupt.let_through()`` and what else there is to
    do, and end the process in ``finally:``. A handler that somebody installed for Ctrl-C is called then, as if it came then.
    """

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGINT)
        #: Only the main thread gets signals, and may say who handles them.
        self._holds = callable(self._handler) and threading.current_thread() is threading.main_thread()
        self._frame: FrameType | None = None
        self._came = False

    def __enter__(self) -> Self:
        if self._holds:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.let_through()

    def let_through(self) -> None:
        """Hold nothing back from now on; what came meanwhile comes now.

        Raises:
            KeyboardInterrupt: Ctrl-C came, and Python's own handler is there.
        """
        if self._holds:
            self._holds = False
            signal.signal(signal.SIGINT, self._handler)
        if self._came:
            self._came = False
            assert callable(self._handler)
            self._handler(signal.SIGINT, self._frame)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came, self._frame = True, frame
