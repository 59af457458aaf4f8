"""One call of a client under test, with a deadline: a program, a callable or a coroutine function. No TLS here.

A program runs in a process group of its own, which is killed when the call is over, so that nothing is left running.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import selectors
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Union

from pytest_mtls.conformance.client.target import ClientTarget
from pytest_mtls.errors import ClientNotUsable, InvalidArgument
from pytest_mtls.server.interrupt import HeldInterrupt

__all__ = ["PLACEHOLDERS", "BeforeEnd", "Call", "Client", "ClientArgument", "client_of", "no_more"]

#: What may be given as the client under test.
ClientArgument = Union[str, Sequence[Union[str, "os.PathLike[str]"]], Callable[[ClientTarget], Any]]

#: How much of what a program prints is kept, in bytes. One that prints more is ended.
_MOST_OUTPUT = 1 << 20
_CHUNK = 1 << 16
#: Signals by which the system ends a program for a fault of its own, or it gives up itself.
_FAULTS = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
#: A shell adds this to the number of the signal that ended a program.
_SHELLS = 128
#: How much of it is shown, in characters.
_MOST_SHOWN = 2000
_IS_WINDOWS = os.name == "nt"
_NAMES = ("url", "host", "port", "address", "ca", "crl", "cert", "key", "pem", "p12", "password", "tls")
#: What is filled in.
PLACEHOLDERS = frozenset(f"{{{name}}}" for name in _NAMES)
_PLACEHOLDER = re.compile(rf"\{{({'|'.join(_NAMES)})\}}")
_SERVER_PLACEHOLDERS = ("{url}", "{port}")
#: Called when a client's time is over, before it is ended: what it has done by itself can be told from that.
BeforeEnd = Callable[[], None]


#: A coroutine is cancelled when its time is over, and has so many more seconds to end.
_MARGIN = 3


def no_more() -> None:
    """Nothing to do before a client is ended."""


@dataclass(frozen=True)
class Call:
    """What one call of the client came to.

    Attributes:
        succeeded: whether the program ended with status 0, or the callable raised nothing.
        ending: how it ended, in words.
        output: all that it printed, on both of its streams; for a callable, its exception.
        is_over_time: whether it had to be stopped at its deadline.
        is_crash: whether a program was ended by a signal for a fault of its own, such as SIGSEGV.
        is_cut: whether it printed more than is kept.
        exception: what a callable raised.
    """

    succeeded: bool
    ending: str
    output: bytes = field(default=b"", repr=False)
    is_over_time: bool = False
    is_crash: bool = False
    is_cut: bool = False
    exception: BaseException | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The end of the output, printable whatever the client printed."""
        text = self.output.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
        shown = "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text[-_MOST_SHOWN:])
        return f"... {shown}" if len(text) > _MOST_SHOWN else shown


@dataclass(frozen=True)
class Client:
    """A client under test that can be called.

    Attributes:
        name: the command as it was given, or the name of the callable.
        call: calls it once, for a target and with a number of seconds; and, if there is one, with what to call when these
            are over, before the client is ended.
        takes_address: whether it can be told an address to connect to, whatever the name of the host.
        is_program: whether each call is a process of its own.
    """

    name: str
    call: Callable[..., Call]
    takes_address: bool
    is_program: bool


def client_of(
    client: ClientArgument, *, stdin: bytes | None = None, env: Mapping[str, str] | None = None, cwd: str | None = None
) -> Client:
    """A client that can be called, of what a caller gives.

    Args:
        client: a command, as a list of words or as one text that is split as a shell does; a callable or a coroutine
            function that takes a `ClientTarget`.
        stdin: what a program reads on its standard input; a request of HTTP/1.1 by default, for those that send it as
            it is, such as ``openssl s_client``.
        env: variables for a program besides those of this process.
        cwd: a program's working directory.

    Raises:
        InvalidArgument: it is none of these, or the command does not name the server.
    """
    if callable(client):
        name = getattr(client, "__qualname__", type(client).__qualname__)
        is_async = inspect.iscoroutinefunction(client) or inspect.iscoroutinefunction(getattr(client, "__call__", None))  # noqa: B004
        return Client(name, partial(_call_python, client, is_async), True, False)
    words = _words(client)
    text = " ".join(words)
    if not any(placeholder in text for placeholder in _SERVER_PLACEHOLDERS):
        raise InvalidArgument(
            "the client's command", text, "one that names the server to connect to, by {url}, or by {host} and {port}"
        )
    call = partial(_run, words, stdin, dict(env or {}), cwd)
    return Client(text, call, "{address}" in text, True)


def _words(client: object) -> tuple[str, ...]:
    if isinstance(client, str):
        import shlex

        try:
            words = tuple(shlex.split(client, posix=not _IS_WINDOWS))
        except ValueError as error:
            raise InvalidArgument("the client's command", client, f"a command as a shell takes it ({error})") from None
    elif isinstance(client, Sequence) and not isinstance(client, bytes):
        words = tuple(os.fspath(word) for word in client)
    else:
        raise InvalidArgument("client", client, "a command, a callable or a coroutine function")
    if not words:
        raise InvalidArgument("the client's command", client, "a program and its arguments")
    return words


def _filled_in(text: str, target: ClientTarget) -> str:
    return _PLACEHOLDER.sub(lambda found: str(getattr(target, found[1])), text)


# --- programs --------------------------------------------------------------------------------------------------------


class _Output:
    """Takes what a program prints, so that it never waits for a reader, and ends one that prints without end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.data = bytearray()
        self.is_too_much = False
        self._process = process
        self._wake: socket.socket | None = None
        self._woken: socket.socket | None = None
        if not _IS_WINDOWS:
            self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._take, name=f"mtls-output-{process.pid}", daemon=True)
        self._thread.start()

    def _take(self) -> None:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while self._is_more_to_come(pipe) and (chunk := os.read(pipe, _CHUNK)):
            if len(self.data) < _MOST_OUTPUT:
                self.data += chunk
            elif not self.is_too_much:
                self.is_too_much = True
                _kill_group(self._process)

    def _is_more_to_come(self, pipe: int) -> bool:
        """Wait until the pipe can be read or is at its end; False if the program has ended and the pipe is empty."""
        if self._woken is None:
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            ready = {key.fileobj for key, _ in selector.select()}
        return pipe in ready and not (self._woken in ready and self.is_too_much)

    def end(self) -> bytes:
        """All of it, once every process of the group has ended.

        One that has left the group, as a daemon does, may hold the pipe open: it is not waited for.
        """
        if self._wake is not None:
            self._wake.close()
        self._thread.join()
        if self._woken is not None:
            self._woken.close()
        return bytes(self.data)


def _run(
    words: Sequence[str],
    stdin: bytes | None,
    env: Mapping[str, str],
    cwd: str | None,
    target: ClientTarget,
    seconds: float,
    before_end: BeforeEnd = no_more,
) -> Call:
    command = [_filled_in(word, target) for word in words]
    own_group: dict[str, Any] = {"start_new_session": True}
    if _IS_WINDOWS:
        own_group = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    is_over_time = False
    with HeldInterrupt() as interrupt:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **{name: _filled_in(text, target) for name, text in env.items()}},
                cwd=cwd,
                **own_group,
            )
        except (OSError, ValueError) as error:
            raise _not_startable(" ".join(words), command[0], error) from error
        output = _Output(process)
        try:
            interrupt.let_through()
            _write(process, target.request if stdin is None else stdin)
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            is_over_time = True
            before_end()
        finally:
            _kill_group(process)
            process.wait()
            printed = output.end()
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(OSError):  # what was left in it has no reader
                process.stdin.close()
            process.stdout.close()
    if output.is_too_much:
        return Call(False, f"printed more than {_MOST_OUTPUT >> 20} MB and was ended", printed, is_cut=True)
    if is_over_time:
        return Call(False, f"was still running after {seconds:g} s, and was killed", printed, is_over_time=True)
    return Call(process.returncode == 0, _status(process.returncode), printed, is_crash=_is_crash(process.returncode))


def _not_startable(client: str, program: str, error: Exception) -> ClientNotUsable:
    """The error about a program that the system does not start."""
    problem = f"it cannot be started ({getattr(error, 'strerror', None) or error})"
    remedy = "Give a program that is on the path"
    if isinstance(error, PermissionError) and Path(program).is_dir():
        remedy = f"{program} is a directory: give the program in it"
    elif isinstance(error, PermissionError):
        remedy = f"Make it executable: chmod +x {program}"
    elif isinstance(error, FileNotFoundError) and Path(program).is_file():
        remedy = f"{program} is there: the interpreter that its first line names is not"
    elif isinstance(error, OSError) and getattr(error, "strerror", None) == "Exec format error":
        remedy = "It is not a program of this machine, or a script whose first line does not name its interpreter (#!)"
    return ClientNotUsable(client, problem, remedy=remedy)


def _is_crash(code: int) -> bool:
    """Whether a program, or the one that a shell started, was ended for a fault of its own."""
    number = code - _SHELLS if code > _SHELLS else -code
    return not _IS_WINDOWS and number in {getattr(signal, name) for name in _FAULTS if hasattr(signal, name)}


def _status(code: int) -> str:
    if code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    if _is_crash(code):
        return f"ended with status {code}, as a shell tells of {signal.Signals(code - _SHELLS).name}"
    return f"ended with status {code}"


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Give a program its standard input, which is less than a pipe holds."""
    assert process.stdin is not None
    with suppress(OSError):  # it has ended, or does not want it
        process.stdin.write(data)
    with suppress(OSError):
        process.stdin.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it has started."""
    if _IS_WINDOWS:
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):  # all have ended; PermissionError is macOS's word for that
        os.killpg(process.pid, signal.SIGKILL)


# --- callables -------------------------------------------------------------------------------------------------------


def _call_python(
    client: Callable[[ClientTarget], Any],
    is_async: bool,
    target: ClientTarget,
    seconds: float,
    before_end: BeforeEnd = no_more,
) -> Call:
    ended: list[Call] = []
    passed_through: list[BaseException] = []

    def run() -> None:
        try:
            with resolving(target.host, target.address):
                _run_coroutine(client, target, seconds, before_end) if is_async else client(target)
        except Exception as error:  # noqa: BLE001 - the client under test may raise anything
            told = f"{type(error).__name__}: {error}"
            is_over_time = isinstance(error, _OverTime)
            ending = f"was still running after {seconds:g} s" if is_over_time else f"raised {told}"
            ended.append(Call(False, ending, told.encode(), is_over_time, exception=error))
        except BaseException as error:  # noqa: BLE001 - such as pytest.fail in the callable, which is the caller's
            passed_through.append(error)
        else:
            ended.append(Call(True, "returned"))

    thread = threading.Thread(target=run, name="mtls-client-under-test", daemon=True)
    thread.start()
    thread.join(seconds + (_MARGIN if is_async else 0))
    if passed_through:
        raise passed_through[0]
    if ended:
        return ended[0]
    before_end()
    return Call(False, f"was still running after {seconds:g} s", is_over_time=True)


class _OverTime(Exception):
    """A coroutine was cancelled at its deadline."""


def _run_coroutine(
    client: Callable[[ClientTarget], Any], target: ClientTarget, seconds: float, before_end: BeforeEnd
) -> None:
    async def run() -> None:
        task = asyncio.ensure_future(client(target))
        done, _ = await asyncio.wait([task], timeout=seconds)
        if not done:
            await asyncio.to_thread(before_end)
            task.cancel()
            await asyncio.wait([task])
            raise _OverTime
        await task

    asyncio.run(run())


_RESOLVING = threading.Lock()


@contextmanager
def resolving(host: str, address: str) -> Iterator[None]:
    """Have this process find a host at an address, as an entry of the file ``hosts`` would."""
    if host in (address, "localhost"):
        yield
        return
    with _RESOLVING:
        real = socket.getaddrinfo

        def getaddrinfo(name: Any, *arguments: Any, **options: Any) -> Any:
            wanted = name.decode("ascii", "replace") if isinstance(name, bytes) else name
            return real(address if wanted == host else name, *arguments, **options)

        socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]
        try:
            yield
        finally:
            socket.getaddrinfo = real
