"""Directories and processes that do not outlive this process, however it ends.

An ordinary end removes them by `atexit`. A signal, ``os._exit`` or a crash gives Python no time for that, so a watchdog
does: a shell, in a session of its own, that waits for the end of a pipe whose other end only this process holds. Where
the watchdog was killed too (the whole container, the machine), the next process that makes such a directory removes what
is left: each is locked (``flock``) by the process that made it, so that one without a lock is nobody's.

``PR_SET_PDEATHSIG`` is no choice here: it strikes at the end of the thread that started the process. Windows has no
such shell and no locks on directories; there `atexit` is all.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import tempfile
import threading
from contextlib import suppress

from pytest_mtls.errors import UnusableDirectory

if sys.platform != "win32":
    import fcntl
    import posix

__all__ = ["CLEANER", "Cleaner"]

_PREFIX = "pytest-mtls-run-"
#: Before it is locked, a directory has a name that nobody looks for.
_UNLOCKED_PREFIX = ".pytest-mtls-new-"
_SHELL = "/bin/sh"
#: Waits for the end of the pipe, its standard input, in the background, so that nobody has to wait for the watchdog itself.
#: What it is told is a word and a value a line. Servers have half a second to end, and get no private key meanwhile.
_WATCHDOG = """
trap '' HUP INT QUIT TERM
exec 3<&0 </dev/null >/dev/null 2>&1
{
  groups=
  while read -r what value; do
    case $what in
      directory) set -- "$@" "$value" ;;
      group) groups="$groups $value" ;;
      ended)
        left=
        for one in $groups; do [ "$one" = "$value" ] || left="$left $one"; done
        groups=$left ;;
    esac
  done
  for one; do rm -rf -- "$one"; done
  for one in $groups; do kill -s TERM -- "-$one"; done
  for _ in 1 2 3 4 5; do
    running=
    for one in $groups; do kill -s 0 -- "-$one" && running=yes; done
    [ "$running" ] || break
    sleep 0.1
  done
  for one in $groups; do kill -s KILL -- "-$one"; done
  for one; do rm -rf -- "$one"; done
} <&3 3<&- &
"""


class Cleaner:
    """What this process leaves to be removed, and the watchdog that removes it.

    One for each process, which is `CLEANER`. A forked child begins anew: what its parent made is the parent's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, int | None] = {}
        self._pipe: int | None = None
        self._has_watchdog = False
        self._run_directory: str | None = None
        self._registered = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_anew)

    def run_directory(self) -> str:
        """The directory of this process, for all its private files, in the system's temporary directory of now.

        Raises:
            UnusableDirectory: it cannot be made.
        """
        with self._lock:
            known = self._run_directory
            if known is None or os.path.dirname(known) != _temporary_directory() or not os.path.isdir(known):
                known = self._run_directory = self._make()
            return known

    def new_directory(self) -> str:
        """A directory of its own, 0700, which is removed by `remove`, and at the latest when this process ends.

        Raises:
            UnusableDirectory: it cannot be made.
        """
        with self._lock:
            return self._make()

    def remove(self, directory: str) -> None:
        """Remove a directory and all in it."""
        shutil.rmtree(directory, ignore_errors=True)
        with self._lock:
            self._unlock(directory)

    def watch(self, group: int) -> None:
        """Have a group of processes killed when this process ends."""
        with self._lock:
            self._tell("group", str(group))

    def forget(self, group: int) -> None:
        """Leave a group of processes be, which has ended: its number may be another's soon."""
        with self._lock:
            self._tell("ended", str(group))

    # --- inside, with the lock held ----------------------------------------------------------------------------------

    def _make(self) -> str:
        if not self._registered:
            self._registered = True
            _sweep()
            atexit.register(self._remove_all, os.getpid())
            # A child of multiprocessing ends without atexit. Where nobody has imported it, this process is not such a child.
            if "multiprocessing.util" in sys.modules:
                finalize = sys.modules["multiprocessing.util"].Finalize
                finalize(None, self._remove_all, (os.getpid(),), exitpriority=0)
        try:
            fresh = tempfile.mkdtemp(prefix=_UNLOCKED_PREFIX)
            try:
                lock = _lock(fresh)
                parent, name = os.path.split(fresh)
                path = os.path.join(parent, _PREFIX + name.removeprefix(_UNLOCKED_PREFIX))
                os.rename(fresh, path)
            except OSError:
                os.rmdir(fresh)
                raise
        except OSError as error:
            raise UnusableDirectory(_temporary_directory(), (error.strerror or str(error)).lower()) from error
        self._locks[path] = lock
        self._tell("directory", path)
        return path

    def _unlock(self, directory: str) -> None:
        lock = self._locks.pop(directory, None)
        if lock is not None:
            os.close(lock)

    def _tell(self, what: str, value: str) -> None:
        """Tell the watchdog, which is started by the first call. Without one, `atexit` and the next process do its work."""
        if not self._has_watchdog:
            self._has_watchdog = True
            self._pipe = _start_watchdog()
        if self._pipe is not None and "\n" not in value:
            with suppress(OSError):  # somebody has ended the watchdog
                os.write(self._pipe, f"{what} {value}\n".encode())

    def _remove_all(self, process: int) -> None:
        if os.getpid() == process:
            for directory in list(self._locks):
                self.remove(directory)

    def _begin_anew(self) -> None:
        for descriptor in (self._pipe, *self._locks.values()):
            if descriptor is not None:
                with suppress(OSError):
                    os.close(descriptor)
        self._lock = threading.Lock()
        self._locks = {}
        self._pipe = None
        self._has_watchdog = self._registered = False
        self._run_directory = None


#: That of this process.
CLEANER = Cleaner()


def _temporary_directory() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:  # there is none that can be used; its message names those that were tried
        return os.environ.get("TMPDIR", "/tmp")


def _lock(directory: str) -> int | None:
    """A descriptor that locks a directory until it is closed; None where that cannot be.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: it is not a directory, or not this user's.
    """
    if sys.platform == "win32":
        return None
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:  # a file system without locks
        os.close(descriptor)
        return None
    return descriptor


def _sweep() -> None:
    """Remove what processes left that were killed together with their watchdog."""
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if re.match(_PREFIX, entry.name):
                with suppress(OSError):
                    lock = _lock(entry.path)
                    if lock is not None:
                        shutil.rmtree(entry.path, ignore_errors=True)
                        os.close(lock)


def _start_watchdog() -> int | None:
    """The end of the pipe that the watchdog waits for; None where there can be no watchdog.

    It is started by ``posix.posix_spawn``, which no library replaces that keeps tests from starting processes. gevent replaces
    those of `os`, and then waits for ever for a child that ended before its event loop was there. PyPy has no such function.
    """
    if sys.platform == "win32" or not os.path.exists(_SHELL):
        return None
    try:
        theirs, ours = os.pipe()
    except OSError:
        return None
    command, environment = [_SHELL, "-c", _WATCHDOG], {"PATH": "/usr/bin:/bin"}
    try:
        if not hasattr(posix, "posix_spawn"):
            import subprocess

            subprocess.run(command, env=environment, stdin=theirs, start_new_session=True, check=False)
            return ours
        actions: list[tuple[int, ...]] = [(os.POSIX_SPAWN_DUP2, theirs, 0)]
        actions += [(os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inherited()]
        try:
            process = posix.posix_spawn(_SHELL, command, environment, file_actions=actions, setsid=True)
        except NotImplementedError:  # this C library knows no setsid
            process = posix.posix_spawn(_SHELL, command, environment, file_actions=actions)
        with suppress(ChildProcessError):  # an event loop that takes in all children has been faster
            posix.waitpid(process, 0)
    except OSError:
        os.close(ours)
        return None
    finally:
        os.close(theirs)
    return ours


def _inherited() -> list[int]:
    """The descriptors, besides the standard ones, that a program started now would inherit."""
    found = []
    with suppress(OSError):
        for name in os.listdir("/dev/fd"):
            with suppress(OSError):
                if int(name) > 2 and os.get_inheritable(int(name)):
                    found.append(int(name))
    return found
