"""`HeldInterrupt`: Ctrl-C waits until a process that is being started will be ended, whatever comes."""

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

    Start a process in ``with HeldInterrupt() as interrupt:``; begin a ``try`` with ``interrupt.let_through()``, and end the
    process in its ``finally``. If Ctrl-C came meanwhile, `let_through` calls the handler that was installed for it.
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
