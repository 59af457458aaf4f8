"""What is made of clients whose connections say more, or less, than one handshake and one request."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from support.client_programs import CURL, server_case
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, HandshakeAssertionError
from pytest_mtls.conformance.client.call import ClientArgument
from pytest_mtls.conformance.client.run import ClientRun
from pytest_mtls.conformance.client.target import ClientTarget
from pytest_mtls.conformance.client.under_test import ClientUnderTest
from pytest_mtls.conformance.run import Outcome


@contextmanager
def under_test(client: ClientArgument, ca: CertificateAuthority, **options: Any) -> Iterator[ClientUnderTest]:
    with ClientUnderTest(client, ca=ca, **options) as running:
        yield running


def fetch(target: ClientTarget) -> None:
    """A good client."""
    requests.get(target.url, cert=(target.cert, target.key), verify=target.ca, timeout=60).raise_for_status()


def connected(target: ClientTarget) -> socket.socket:
    return socket.create_connection((target.address, target.port), 60)


def own_context(target: ClientTarget) -> ssl.SSLContext:
    """Of a client that leaves the name to be compared later."""
    context = ssl.create_default_context(cafile=target.ca)
    context.load_cert_chain(target.cert, target.key)
    context.check_hostname = False
    return context


# --- manners ----------------------------------------------------------------------------------------------------------

#: What a script makes of curl, which is its arguments, and whether it should have kept its request from a bad server.
_MANNERS = {
    '"$@"; exit 0': True,
    '"$@" >/dev/null; exec "$@"': True,
    'head -c 1000 /dev/urandom; exec "$@"': True,
    'bash -c "exec 3<>/dev/tcp/127.0.0.1/$0"; exec "$@"': True,
    '"$@" || exec "$@" --insecure': False,
    '"$@" --insecure >/dev/null; exec "$@"': False,
    '"$@" --insecure >/dev/null & "$@"; code=$?; wait; exit $code': False,
    '("$@" --insecure >"$0.log" 2>&1; echo >>"$0.done") & "$@"; code=$?; wait; exit $code': False,
}


@pytest.mark.skipif(os.name == "nt", reason="scripts for a shell as POSIX has it")
@pytest.mark.parametrize("script", _MANNERS)
def test_manners_of_a_client(mtls_ca: CertificateAuthority, tmp_path: Path, script: str) -> None:
    """Exit status 0, a second try, garbage and a look at the port change no rejection; to fall back does, however hidden."""
    require_program("curl", apt="curl")
    with under_test(["sh", "-c", script, "{port}", *CURL], mtls_ca, cwd=str(tmp_path)) as client:
        run = ClientRun(client)
        good, bad = (run.check(server_case(case), "1.3") for case in ("valid", "expired"))
    assert (Outcome.CONFORMS, "accepted") == (good.outcome, good.seen), good.note
    expected = (Outcome.CONFORMS, "refused") if _MANNERS[script] else (Outcome.DEVIATES, "accepted")
    assert expected == (bad.outcome, bad.seen), bad.note


def test_client_that_asks_over_the_other_protocol_of_the_internet(mtls_ca: CertificateAuthority) -> None:
    """``localhost`` may be ::1 as well."""
    require_program("curl", apt="curl")
    command = ["curl", "-6", "--silent", "--noproxy", "*", "--cacert", "{ca}", "--cert", "{pem}", "{url}"]
    with under_test(command, mtls_ca) as client:
        seen = client.observe()
        assert (True, "::1") == (seen.is_accepted, seen.requests[0].client_address[0])
        assert "client" == client.observe(server_case("expired")).verdict.rejected_by


# --- without TLS ------------------------------------------------------------------------------------------------------


def without_tls(target: ClientTarget) -> None:
    """Says in the clear what it could not say over TLS."""
    try:
        fetch(target)
    except requests.RequestException:
        with connected(target) as sock:
            sock.sendall(target.request)
            sock.recv(1)
        raise


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_client_that_goes_on_without_tls_is_found_out(mtls_ca: CertificateAuthority, tls: str) -> None:
    """It rejects each bad server, and then sends its request to it for all to read."""
    with under_test(without_tls, mtls_ca) as client:
        run = ClientRun(client)
        for case in ("expired", "wrong-host"):
            result = run.check(server_case(case), tls)
            assert (Outcome.DEVIATES, "undecided") == (result.outcome, result.seen)
            assert "after a handshake that failed, the client came again and sent data without TLS" == result.note
        assert Outcome.CONFORMS is run.check(server_case("valid"), tls).outcome
        with pytest.raises(HandshakeAssertionError, match="sent data without TLS"):
            client.assert_rejects(server_case("expired"), tls=tls)


def test_client_that_asks_without_tls_first_is_judged_by_its_handshake(mtls_ca: CertificateAuthority) -> None:
    """As one does that waits for a port to open: it has not come back to it after a rejection."""

    def waits_for_the_port(target: ClientTarget) -> None:
        with connected(target) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            sock.recv(1)
        fetch(target)

    with under_test(waits_for_the_port, mtls_ca) as client:
        run = ClientRun(client)
        assert [Outcome.CONFORMS] * 2 == [run.check(server_case(case), "1.3").outcome for case in ("expired", "valid")]


# --- crashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_client_that_crashes_on_a_bad_server_is_found_out(mtls_ca: CertificateAuthority) -> None:
    """It sent no request, but not for want of trust: what a certificate can do to it is worse than to be accepted."""
    crashes = _RETRIES.replace("        sock.unwrap()", "        os.kill(os.getpid(), signal.SIGSEGV)")
    program = [sys.executable, "-c", crashes.format(before_the_next="pass"), *_COMMAND]
    with under_test(program, mtls_ca, timeout=60) as client:
        result = ClientRun(client).check(server_case("wrong-host"), "1.3")
    assert (Outcome.DEVIATES, "refused") == (result.outcome, result.seen)
    assert "the client crashed on this server: it was ended by SIGSEGV" == result.note


# --- late judges that are ended at their time-out ---------------------------------------------------------------------

#: Completes its handshake, looks at the name, ends the connection without a byte, and tries again for ever.
_RETRIES = """
import os, signal, socket, ssl, sys
host, port, ca, cert, key = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)
context.check_hostname = False
while True:
    with context.wrap_socket(socket.create_connection(("127.0.0.1", int(port))), server_hostname=host) as sock:
        if ("DNS", host) in sock.getpeercert()["subjectAltName"]:
            sock.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            sys.exit(b"200" not in sock.recv(100))
        sock.unwrap()
    {before_the_next}
"""
_COMMAND = ["{host}", "{port}", "{ca}", "{cert}", "{key}"]


async def retries(target: ClientTarget) -> None:
    """The same as a coroutine."""
    while True:
        with own_context(target).wrap_socket(connected(target), server_hostname=target.host) as sock:
            certificate: Any = sock.getpeercert()
            if ("DNS", target.host) in certificate["subjectAltName"]:
                sock.sendall(target.request)
                assert sock.recv(100)
                return
            sock.unwrap()
        await asyncio.sleep(0)  # where it is cancelled


@pytest.mark.parametrize("client", ["program", "coroutine"])
def test_late_judge_that_retries_until_its_time_out_has_rejected(mtls_ca: CertificateAuthority, client: str) -> None:
    """It ended its connections by itself, without a byte, before it was ended."""
    program = [sys.executable, "-c", _RETRIES.format(before_the_next="pass"), *_COMMAND]
    with under_test(program if client == "program" else retries, mtls_ca, timeout=3) as running:
        seen = running.observe(server_case("wrong-host"))
        assert seen.call.is_over_time
        assert (False, "client") == (seen.verdict.accepted, seen.verdict.rejected_by), seen.verdict.error
        assert running.observe().is_accepted


@pytest.mark.skipif(os.name == "nt", reason="a signal that stops a process, as POSIX has it")
def test_late_judge_that_is_ended_before_it_judged_is_undecided(mtls_ca: CertificateAuthority) -> None:
    """A connection that ended with the client is not one that the client ended."""
    hangs = _RETRIES.replace("        if (", "        os.kill(os.getpid(), signal.SIGSTOP)\n        if (")
    program = [sys.executable, "-c", hangs.format(before_the_next="pass"), *_COMMAND]
    with under_test(program, mtls_ca, timeout=1) as running:
        seen = running.observe(server_case("wrong-host"))
    assert (True, None) == (seen.call.is_over_time, seen.verdict.accepted)
    assert "no request came, and the client was still running after 1 s" in str(seen.verdict.error)


# --- connections that are left open -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_begun", [False, True], ids=["nothing sent", "ClientHello sent"])
def test_connection_that_is_left_open_is_not_waited_for(mtls_ca: CertificateAuthority, is_begun: bool) -> None:
    """The server would give it an hour; the client is judged by the handshake that it did."""
    with ExitStack() as left_open:

        def leaves_one_open(target: ClientTarget) -> None:
            sock = left_open.enter_context(connected(target))
            if is_begun:
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                with pytest.raises(ssl.SSLWantReadError):
                    own_context(target).wrap_bio(incoming, outgoing, server_hostname=target.host).do_handshake()
                sock.sendall(outgoing.read())
            fetch(target)

        with under_test(leaves_one_open, mtls_ca) as client:
            good = client.observe(handshake_timeout=3600)
            bad = client.observe(server_case("expired"), handshake_timeout=3600)
    assert (True, False) == (good.is_accepted, bad.is_accepted)
    assert "client" == bad.verdict.rejected_by


def test_client_that_connects_and_begins_no_handshake_is_told_of(mtls_ca: CertificateAuthority) -> None:
    """It is not said that it did not connect."""
    with ExitStack() as left_open, under_test(lambda to: left_open.enter_context(connected(to)), mtls_ca) as client:
        seen = client.observe(handshake_timeout=3600)
    said = "the client connected, and began no handshake that came to an end; it returned"
    assert (None, said) == (seen.verdict.accepted, seen.verdict.error)


def test_port_of_an_earlier_call_is_not_used_again(
    mtls_ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes late from an earlier call finds nobody, though the system may give out a port twice."""
    real, asked = socket.create_server, []

    def create_server(address: tuple[str, int], **options: Any) -> socket.socket:
        asked.append(address[1])
        return real((address[0], address[1] or ports[0] if len(asked) == 1 and ports else address[1]), **options)

    ports: list[int] = []
    with under_test(fetch, mtls_ca) as client:
        ports.append(client.observe().target.port)
        monkeypatch.setattr("pytest_mtls.server.listener.socket.create_server", create_server)
        again = client.observe()
    assert again.is_accepted
    assert [0, ports[0], 0] == asked[:3]
    assert ports[0] != again.target.port
