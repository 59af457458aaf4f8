"""One call of a client: it ends by its deadline, leaves nothing running, and what it prints breaks nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from pytest_mtls import CertificateAuthority
from pytest_mtls.certificates.clock import clock
from pytest_mtls.conformance.client.call import client_of, resolving
from pytest_mtls.conformance.client.target import ClientFiles, ClientTarget
from pytest_mtls.errors import ClientNotUsable, InvalidArgument
from pytest_mtls.tls.wire import Deadline

posix_only = pytest.mark.skipif(os.name == "nt", reason="a shell and process groups as POSIX has them")


@pytest.fixture
def target(tmp_path: Path, mtls_ca: CertificateAuthority) -> ClientTarget:
    """What a client is told of a server that is not there."""
    files = ClientFiles.write(tmp_path / "files", mtls_ca, mtls_ca.issue_client())
    return ClientTarget("localhost", 1, "127.0.0.1", "1.3", files)


def test_placeholders_are_filled_in_and_other_braces_stay(target: ClientTarget) -> None:
    """In every word, and in variables."""
    program = "import os, sys; print(sys.argv[1:], os.environ['WHERE'])"
    words = [sys.executable, "-c", program, "{url}", "{ca}", "{tls}{x}", "{{port}}"]
    call = client_of(words, env={"WHERE": "{address}"}).call(target, 20)
    expected = ["https://localhost:1/", target.ca, "1.3{x}", "{1}"]
    assert (True, f"{expected} 127.0.0.1\n") == (call.succeeded, call.text)


def test_command_is_split_as_a_shell_does(target: ClientTarget) -> None:
    """One text, with quotes."""
    assert "https://localhost:1/ a b\n" == client_of("printf '%s %s\\n' {url} 'a b'").call(target, 20).text


@pytest.mark.parametrize(
    ("client", "problem"),
    [
        ("curl https://localhost", "by {url}, or by {host} and {port}"),
        ("curl 'https://localhost", "No closing quotation"),
        ("", "a program and its arguments"),
        (17, "a command, a callable or a coroutine function"),
        (b"curl {url}", "a command, a callable or a coroutine function"),
    ],
)
def test_what_is_no_client_is_said_at_once(client: object, problem: str) -> None:
    """Before anything is called."""
    with pytest.raises(InvalidArgument) as raised:
        client_of(client)  # type: ignore[arg-type]
    assert problem in str(raised.value)


def test_program_that_is_not_there_is_named(target: ClientTarget) -> None:
    """One typed error, with a remedy."""
    with pytest.raises(ClientNotUsable) as raised:
        client_of(["no-such-client", "{url}"]).call(target, 20)
    message = "the client `no-such-client {url}` cannot be tested: it cannot be started (No such file or directory)."
    assert f"{message} Give a program that is on the path" in str(raised.value)


@posix_only
def test_program_that_hangs_is_killed_with_its_children(target: ClientTarget, tmp_path: Path) -> None:
    """At the deadline, the whole group of processes."""
    script = f"sleep 600 & echo $! > {tmp_path}/child; echo waiting; wait # {{url}}"
    start = clock()
    call = client_of(["sh", "-c", script]).call(target, 0.5)
    assert clock() - start < 5
    assert (False, True, "was still running after 0.5 s, and was killed") == (
        call.succeeded,
        call.is_over_time,
        call.ending,
    )
    assert "waiting\n" == call.text
    assert_gone(int((tmp_path / "child").read_text()))


@posix_only
def test_what_a_program_leaves_behind_is_killed(target: ClientTarget, tmp_path: Path) -> None:
    """A child that outlives the program ends with the call, though it holds the program's output."""
    script = f"sleep 600 & echo $! > {tmp_path}/child # {{url}}"
    start = clock()
    call = client_of(["sh", "-c", script]).call(target, 30)
    assert clock() - start < 5
    assert (True, "ended with status 0") == (call.succeeded, call.ending)
    assert_gone(int((tmp_path / "child").read_text()))


def assert_gone(process: int) -> None:
    """A killed process takes a moment to end, and may then wait for init to take note of it, but it does not run."""
    deadline = Deadline(5)
    while _state(process) not in "ZX" and deadline.remaining:
        os.sched_yield()
    assert _state(process) in "ZX"


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


@posix_only
@posix_only
def test_daemon_that_holds_the_output_open_is_not_waited_for(target: ClientTarget, tmp_path: Path) -> None:
    """The call ends when the program ends, with all that it printed by then."""
    program = (
        "import subprocess, sys\n"
        "left = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "open(sys.argv[1], 'w').write(str(left.pid))\n"
        "print('x' * 200_000)"
    )
    call = client_of([sys.executable, "-c", program, str(tmp_path / "daemon"), "{url}"]).call(target, 600)
    daemon = int((tmp_path / "daemon").read_text())
    os.kill(daemon, signal.SIGKILL)  # it was there still
    assert (True, 200_001) == (call.succeeded, len(call.output))


def test_garbage_is_printable(target: ClientTarget) -> None:
    """Bytes that are no text and terminal's control characters are escaped, and only the end of much is shown."""
    call = client_of(["sh", "-c", r"printf '\033[31m\377\000ok'; exit 3 # {url}"]).call(target, 20)
    assert (False, "ended with status 3", r"\x1b[31m\xff\x00ok") == (call.succeeded, call.ending, call.text)
    long = client_of(["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x # {url}"]).call(target, 20)
    assert (2004, 100000) == (len(long.text), len(long.output))


@posix_only
def test_program_that_prints_without_end_is_ended(target: ClientTarget) -> None:
    """Long before it has filled the memory."""
    call = client_of(["sh", "-c", "yes # {url}"]).call(target, 60)
    assert (False, True, "printed more than 1 MB and was ended") == (call.succeeded, call.is_cut, call.ending)


@posix_only
def test_end_by_a_signal_is_named(target: ClientTarget) -> None:
    """A client that crashed says so, and so does a shell that waited for it; one that is told to end did not crash."""
    ended = {
        "kill -SEGV $$": ("was ended by SIGSEGV", True),
        "sh -c 'kill -ABRT $$'; exit $?": ("ended with status 134, as a shell tells of SIGABRT", True),
        "kill -TERM $$": ("was ended by SIGTERM", False),
        "exit 129": ("ended with status 129", False),
    }
    for command, expected in ended.items():
        call = client_of(["sh", "-c", f"{command} # {{url}}"]).call(target, 20)
        assert (*expected, False) == (call.ending, call.is_crash, call.succeeded)


def test_standard_input_holds_a_request(target: ClientTarget) -> None:
    """For programs that send what they read, unless there is something better to read."""
    copy = [sys.executable, "-c", "import sys; print(sys.stdin.read(), end='') # {url}"]
    assert client_of(copy).call(target, 20).text.startswith("GET / HTTP/1.1\nHost: localhost:1\n")
    assert "hello" == client_of(copy, stdin=b"hello").call(target, 20).text


def test_callable_and_coroutine_are_called_with_the_target(target: ClientTarget) -> None:
    """What they raise is kept."""
    given: list[ClientTarget] = []

    async def fetch(target: ClientTarget) -> None:
        await asyncio.sleep(0)
        given.append(target)

    def fail(target: ClientTarget) -> None:
        raise OSError("no way")

    assert client_of(fetch).call(target, 20).succeeded
    assert client_of(given.append).call(target, 20).succeeded
    assert [target, target] == given
    call = client_of(fail).call(target, 20)
    assert (False, "raised OSError: no way") == (call.succeeded, call.ending)
    assert isinstance(call.exception, OSError)


def test_failure_of_the_test_itself_passes_through(target: ClientTarget) -> None:
    """``pytest.fail`` in a callable is not an answer of a client."""
    with pytest.raises(pytest.fail.Exception, match="a slip"):
        client_of(lambda target: pytest.fail("a slip")).call(target, 20)


def test_coroutine_that_hangs_is_cancelled(target: ClientTarget) -> None:
    """At its deadline."""
    ended: list[str] = []

    async def hang(target: ClientTarget) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    call = client_of(hang).call(target, 0.2)
    assert (True, ["cancelled"]) == (call.is_over_time, ended)


def test_hosts_of_cases_are_found_in_this_process_only_meanwhile() -> None:
    """As an entry of the file hosts would have it."""
    with resolving("www.mtls.example", "127.0.0.1"):
        found = socket.getaddrinfo("www.mtls.example", 443, type=socket.SOCK_STREAM)
        assert {"127.0.0.1"} == {address[0] for *_, address in found}
        assert socket.getaddrinfo("localhost", 443)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("www.mtls.invalid", 443)
