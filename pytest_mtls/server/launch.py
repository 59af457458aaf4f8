"""`launch`: a server under test as a subprocess, with certificates and a port filled in, until the block ends."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_mtls.cases.mint import mint
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.cleanup import CLEANER
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.errors import InvalidArgument, MtlsError, PortUnavailable, ServerNotLaunched
from pytest_mtls.server.interrupt import HeldInterrupt
from pytest_mtls.tls.wire import Deadline

__all__ = ["LaunchedServer", "launch"]

#: Seconds between two looks whether the server is ready; the end of its process is noticed at once.
_LOOK_SECONDS = 0.02
_CONNECT_SECONDS = 1.0
_MINTED = "minted"
_LOG = "output.log"
#: Below what Linux, macOS and Windows give to those who ask for any port.
_PORTS = range(15000, 32000)
_PORT_CHOICES = 200
_IS_WINDOWS = os.name == "nt"

Ready = Callable[["LaunchedServer"], object]


@dataclass(frozen=True)
class LaunchedServer:
    """A server under test that runs.

    Attributes:
        endpoint: where it listens, with the CA that its clients come from.
        process: its process.
        directory: where its files are; gone after the block.
    """

    endpoint: Endpoint
    process: subprocess.Popen[bytes]
    directory: Path
    _log: Path = field(repr=False)

    @property
    def output(self) -> str:
        """What it has printed so far, on both of its streams."""
        return self._log.read_text(encoding="utf-8", errors="backslashreplace")


@contextmanager
def launch(
    command: Sequence[str | os.PathLike[str]],
    *,
    ready: str | Ready | None = None,
    protocol: str = "https",
    files: Mapping[str, str] | None = None,
    ca: CertificateAuthority | None = None,
    cert: Identity | None = None,
    port: int | None = None,
    host: str = "localhost",
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    run_as: str | None = None,
    timeout: float = 20.0,
    stop_timeout: float = 5.0,
    **known: Any,
) -> Iterator[LaunchedServer]:
    """Start a server, wait until it really accepts connections, and end it with all its processes after the block.

    In the command, in ``files`` and in ``env`` these are filled in: ``{server_cert}``, ``{server_key}`` and
    ``{server_pem}`` (both in one file), ``{ca}``, ``{crl}`` (the CRLs of the CA and of those below it), ``{port}``,
    ``{host}`` and ``{dir}``, a directory of the server's own. All other braces stay as they are.

    Where ``{crl}`` is used, the whole catalogue is minted beforehand, so that the CRLs know of its clients.

    Args:
        command: the program and its arguments. It must stay in the foreground.
        ready: what to wait for besides a TCP connection: a regular expression that its output has to match, or a callable
            that is given the `LaunchedServer` and returns something true; a `MtlsError` or `OSError` from it means not
            yet.
        protocol: what it speaks, as `Endpoint` has it.
        files: templates of files that are written to the directory first, such as a configuration, by name.
        ca: the CA that both sides trust; a new one by default.
        cert: what the server presents; issued by the CA for localhost by default.
        port: the TCP port; any that is free by default.
        host: where to connect to.
        env: environment variables besides those of this process.
        cwd: the working directory; the server's own by default.
        run_as: the account that it runs as and that owns its files, for one that does not run as root. POSIX only.
        timeout: seconds until it has to be ready.
        stop_timeout: seconds that it has to end after it is asked to. Then it is killed.
        **known: other attributes of its `Endpoint`, such as ``path`` or ``user``.

    Raises:
        ServerNotLaunched: there is no such program, it ended, or it was not ready in time. Has its output.
        PortUnavailable: somebody else listens on the port.
        InvalidArgument, InvalidEndpoint: an argument is none that there can be.
    """
    if isinstance(command, (str, bytes)) or not command:
        raise InvalidArgument("command", command, "a list of the program and its arguments")
    own_ca = CertificateAuthority.create() if ca is None else ca
    directory = Path(CLEANER.new_directory())
    try:
        words = [_text("command", word) for word in command]
        contents = {name: _text("files", text) for name, text in (files or {}).items()}
        variables = {name: _text("env", text) for name, text in (env or {}).items()}
        templates = [*words, *contents.values(), *variables.values()]
        values = {
            "dir": str(directory),
            "host": host,
            "port": str(_free_port() if port is None else _check_free(host, port)),
        }
        values |= _write_certificates(
            directory, own_ca, cert or own_ca.issue_server(), any("{crl}" in t for t in templates)
        )
        for name, text in contents.items():
            _write_file(directory, name, _filled_in(text, values))
        minted = directory / _MINTED / "client-cases"
        given = {"trust": own_ca.pem, "ca": own_ca, "client_cases": minted if minted.exists() else None, **known}
        endpoint = Endpoint(host, int(values["port"]), protocol, **given)
        filled = [_filled_in(word, values) for word in words]
        environment = {**os.environ, **{name: _filled_in(text, values) for name, text in variables.items()}}
        log = directory / _LOG
        if run_as is not None:
            _hand_over(directory, run_as)
        with HeldInterrupt() as interrupt:
            process = _start(filled, log, environment, directory if cwd is None else Path(cwd), run_as)
            try:
                interrupt.let_through()
                server = LaunchedServer(endpoint, process, directory, log)
                _wait_until_ready(server, filled, ready, Deadline(timeout))
                yield server
            finally:
                _stop(process, stop_timeout)
    finally:
        CLEANER.remove(str(directory))
        if ca is None:
            own_ca.remove_files()


def _text(argument: str, value: object) -> str:
    """A value as text.

    Raises:
        InvalidArgument: it is neither text nor a path.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise InvalidArgument(argument, value, "text")
    return text


def _write_file(directory: Path, name: str, text: str) -> None:
    """Write a file of the server's, in its directory or in one below it.

    Raises:
        InvalidArgument: that would be elsewhere, cannot be, or is a file that is there already.
    """
    relative = Path(name) if isinstance(name, (str, os.PathLike)) else Path()
    if not relative.parts or relative.is_absolute() or ".." in relative.parts:
        raise InvalidArgument("files", name, "names of files that are in the server's own directory")
    if relative == Path(_LOG):
        raise InvalidArgument("files", name, "names other than that of the file with the server's output")
    place = directory / relative
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("x", encoding="utf-8") as file:  # never in the place of a certificate or key
            file.write(text)
    except (OSError, ValueError) as error:
        problem = (getattr(error, "strerror", None) or str(error)).lower()
        raise InvalidArgument("files", name, f"names of files that can be made ({problem})") from None


def _free_port() -> int:
    """A TCP port that nobody listens on, on any address of this machine.

    It is none that the system hands out by itself, since it is open to anybody until the server has taken it.

    Raises:
        PortUnavailable: none of many was free.
    """
    for _ in range(_PORT_CHOICES):
        port = secrets.choice(_PORTS)
        if _is_free(port):
            return port
    raise PortUnavailable("localhost", 0, f"none was free in {_PORT_CHOICES} choices")


def _is_free(port: int) -> bool:
    with ExitStack() as bound:
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                sock = bound.enter_context(socket.socket(family))
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(("", port))
            except OSError as error:
                if family == socket.AF_INET or error.errno == errno.EADDRINUSE:
                    return False  # any other is the lack of IPv6
    return True


def _check_free(host: str, port: int) -> int:
    """The port, if nobody listens on it: that would be taken for the server under test.

    Raises:
        PortUnavailable: somebody does.
    """
    try:
        socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except OSError:
        return port
    raise PortUnavailable(host, port, "somebody listens there")


_PLACEHOLDER = re.compile(r"\{(server_cert|server_key|server_pem|ca|crl|port|host|dir)\}")


def _filled_in(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _write_certificates(directory: Path, ca: CertificateAuthority, cert: Identity, with_crl: bool) -> dict[str, str]:
    """Write what a server reads, and give the paths by their placeholders."""
    written = cert.write_to(directory, name="server")
    own = ca.write_to(directory / "ca", name="ca")
    values = {"server_cert": written.cert, "server_key": written.key, "server_pem": written.combined, "ca": own.cert}
    if with_crl:
        mint(directory / _MINTED, ca=ca)
        values["crl"] = str(directory / _MINTED / "ca.crl.pem")
    return values


# --- the process -----------------------------------------------------------------------------------------------------


def _hand_over(directory: Path, user: str) -> None:
    """Give all that a server needs to the account that it runs as.

    Raises:
        InvalidArgument: there is no such account, or files cannot be given away.
    """
    try:
        for path in (directory, *directory.rglob("*")):
            shutil.chown(path, user)
    except (OSError, LookupError) as error:
        raise InvalidArgument("run_as", user, f"an account that files can be given to ({error})") from None


def _start(
    command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path, user: str | None
) -> subprocess.Popen[bytes]:
    own_group: dict[str, Any] = {"start_new_session": True, "user": user}
    if _IS_WINDOWS:
        own_group = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    try:
        with log.open("wb") as output:  # a file and no pipe: nobody has to read it for the server to go on
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                **own_group,
            )
            CLEANER.watch(process.pid)
            return process
    except OSError as error:
        raise ServerNotLaunched(tuple(command), f"it cannot be started ({error.strerror or error})", "") from error


def _wait_until_ready(server: LaunchedServer, command: Sequence[str], ready: str | Ready | None, by: Deadline) -> None:
    missing = ""
    while True:
        missing = _what_is_missing(server, ready)
        ended = server.process.poll()
        if ended is None and not missing:
            return
        if ended is not None:
            raise ServerNotLaunched(tuple(command), f"it ended with status {ended}", server.output)
        if not by.remaining:
            raise ServerNotLaunched(tuple(command), f"after {by.seconds:g} s {missing}", server.output)
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(min(_LOOK_SECONDS, by.remaining))


def _what_is_missing(server: LaunchedServer, ready: str | Ready | None) -> str:
    """Why the server is not ready yet; empty if it is."""
    if isinstance(ready, str) and not re.search(ready, server.output):
        return f"its output does not match {ready!r}"
    try:
        socket.create_connection(server.endpoint.address, _CONNECT_SECONDS).close()
        if callable(ready) and not ready(server):
            return "the callable given as ready says no"
    except (OSError, MtlsError) as error:
        return f"it is not ready: {error}"
    return ""


def _stop(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Ask the whole group of processes to end, then kill what is left of it."""
    if _IS_WINDOWS:
        process.terminate()
    else:
        _signal_group(process, signal.SIGTERM)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
    if not _IS_WINDOWS:
        _signal_group(process, signal.SIGKILL)
    process.wait()
    CLEANER.forget(process.pid)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # all have ended; PermissionError is macOS's word for that
        os.killpg(process.pid, number)
