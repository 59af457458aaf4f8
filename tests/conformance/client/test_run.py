"""The run of a client tells clients that verify servers from those that do not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from support.client_programs import CURL, CURL_INSECURE, client_outcomes, server_case
from support.requirements import require_library, require_program

from pytest_mtls import CertificateAuthority, HandshakeAssertionError, Reason
from pytest_mtls.conformance.client.run import ClientRun, client_checks
from pytest_mtls.conformance.client.target import ClientTarget
from pytest_mtls.conformance.client.under_test import ClientUnderTest
from pytest_mtls.conformance.policy import ExpectedException, Policy, read_policy
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.errors import ClientNotUsable, InvalidPolicy
from pytest_mtls.reasons.settings import CLIENT_SETTINGS
from pytest_mtls.reasons.versions import TLS_VERSIONS

Testing = Callable[..., ClientRun]


@pytest.fixture
def testing(mtls_ca: CertificateAuthority) -> Iterator[Testing]:
    """``testing(client, policy)``: the run of a client."""
    clients: list[ClientUnderTest] = []

    def run(client: object, policy: Policy | None = None, **options: object) -> ClientRun:
        clients.append(ClientUnderTest(client, ca=mtls_ca, **options).__enter__())  # type: ignore[arg-type]
        return ClientRun(clients[-1], policy)

    yield run
    for client in clients:
        client.__exit__(None, None, None)


def fetch(target: ClientTarget) -> None:
    """A good client."""
    requests.get(target.url, cert=(target.cert, target.key), verify=target.ca, timeout=5).raise_for_status()


def careless(target: ClientTarget) -> None:
    """Its twin that verifies nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        requests.get(target.url, cert=(target.cert, target.key), verify=False, timeout=5)


def tls_client(target: ClientTarget, *, check_hostname: bool = True, crl: bool = False, tls: str | None = None) -> None:
    """A client of `ssl` with some of the checks turned off or on."""
    context = ssl.create_default_context(cafile=target.ca)
    context.load_cert_chain(target.cert, target.key)
    context.check_hostname = check_hostname
    if crl:
        context.load_verify_locations(target.crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if tls == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection((target.address, target.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=target.host) as sock,
    ):
        sock.sendall(target.request)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_requests_conforms(testing: Testing) -> None:
    """The whole catalogue finds nothing to say against it."""
    results = list(testing(fetch).check_all())
    assert [] == [result.story() for result in results if result.outcome.is_failure]
    assert len(list(client_checks())) == len(results)
    assert {Outcome.CONFORMS, Outcome.REPORTED} == {result.outcome for result in results}


@pytest.mark.slow
def test_curl_conforms_with_crl_and_level(testing: Testing) -> None:
    """curl, with the CRLs that it is told of, does all that it should."""
    require_program("curl", apt="curl")
    policy = Policy(frozenset({"crl", "level"}))
    results = list(testing([*CURL, "--crlfile", "{crl}"], policy).check_all())
    assert [] == [result.story() for result in results if result.outcome.is_failure]
    assert {Outcome.CONFORMS} == {result.outcome for result in results if result.case.requires & {"crl", "level"}}


def test_client_that_verifies_nothing_is_found_out(testing: Testing) -> None:
    """Every bad server gets its request."""
    bad = ("expired", "untrusted-ca", "wrong-host", "stolen-certificate", "client-only")
    run = testing(careless)
    assert {
        **{key: {Outcome.DEVIATES} for key in bad},
        # OpenSSL compares the key of a proof in any case.
        "stolen-certificate": {Outcome.CONFORMS},
        "valid": {Outcome.CONFORMS},
    } == client_outcomes(run, *bad, "valid")
    result = run.check(server_case("expired"), "1.3")
    assert ("the client sent its request to this server", "accepted") == (result.note, result.seen)
    assert "expired 1 day ago" in result.story()
    assert "the client does not verify the certificate" in result.story()
    assert "requests that arrived: 1; handshakes: 1" in result.story()


def test_curl_insecure_is_found_out_though_its_output_is_lost(testing: Testing) -> None:
    """The verdict is the request's, not that of the exit status or of what was printed."""
    require_program("curl", apt="curl")
    run = testing(["sh", "-c", 'curl "$@" >/dev/null 2>&1; exit 0', *CURL_INSECURE])
    assert {"expired": {Outcome.DEVIATES}} == client_outcomes(run, "expired")
    honest = testing(["sh", "-c", 'curl "$@" >/dev/null 2>&1; exit 0', *CURL])
    assert {"expired": {Outcome.CONFORMS}, "wrong-host": {Outcome.CONFORMS}} == client_outcomes(
        honest, "expired", "wrong-host"
    )


def test_client_that_judges_after_its_handshake_has_rejected(testing: Testing) -> None:
    """It closes without a byte, and no alert tells why; one that has sent its request before has accepted."""

    def late(target: ClientTarget, request: bytes = b"") -> None:
        context = ssl.create_default_context(cafile=target.ca)
        context.load_cert_chain(target.cert, target.key)
        context.check_hostname = False
        with (
            socket.create_connection((target.address, target.port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=target.host) as sock,
        ):
            sock.sendall(request)
            if ("DNS", target.host) not in sock.getpeercert()["subjectAltName"]:  # type: ignore[index]
                raise ssl.CertificateError("another host")
            sock.sendall(target.request[len(request) :])
            sock.recv(65536)

    result = testing(late).check(server_case("wrong-host"), "1.3")
    assert (Outcome.CONFORMS, "refused") == (result.outcome, result.seen)
    assert result.handshake is not None
    assert (None, Reason.UNSPECIFIED) == (result.handshake.alert, result.handshake.reason)
    assert "no request; raised SSLCertVerificationError: ('another host',)" in str(result.facts()["answer"])

    def too_late(target: ClientTarget) -> None:
        late(target, target.request)

    assert {"wrong-host": {Outcome.DEVIATES}} == client_outcomes(testing(too_late), "wrong-host")


def test_data_that_are_no_request_are_acceptance(testing: Testing) -> None:
    """A client of another protocol than HTTP: what it sends is told from nothing."""
    program = (
        "import socket, ssl, sys; host, port, ca, cert, key, data = sys.argv[1:];"
        "context = ssl.create_default_context(cafile=ca); context.check_hostname = False;"
        "context.load_cert_chain(cert, key);"
        "sock = context.wrap_socket(socket.create_connection(('127.0.0.1', int(port)), 5), server_hostname=host);"
        "sock.sendall(data.encode()); sock.close()"
    )
    words = [sys.executable, "-c", program, "{host}", "{port}", "{ca}", "{cert}", "{key}"]
    run = testing([*words, "PING\r\n"])
    result = run.check(server_case("wrong-host"), "1.3")
    assert (Outcome.DEVIATES, "accepted") == (result.outcome, result.seen)
    assert "data that are no request; ended with status 0" == result.facts()["answer"]
    silent = testing([*words, ""]).client.observe()
    assert (False, "client") == (silent.is_accepted, silent.verdict.rejected_by)


def test_hostname_may_be_disclaimed(testing: Testing) -> None:
    """A client that compares no names says so, and is then judged by the rest."""

    def nameless(target: ClientTarget) -> None:
        tls_client(target, check_hostname=False)

    assert {"wrong-host": {Outcome.DEVIATES}} == client_outcomes(testing(nameless), "wrong-host")
    policy = Policy(frozenset({"no-hostname"}))
    run = testing(nameless, policy)
    assert {"wrong-host": {Outcome.REPORTED}, "expired": {Outcome.CONFORMS}} == client_outcomes(
        run, "wrong-host", "expired"
    )
    assert "either, with no-hostname" == run.check(server_case("wrong-host"), "1.3").expected


def test_revocation_counts_if_it_is_claimed(testing: Testing) -> None:
    """A client that reads the CRLs conforms, and one that does not deviates."""
    claimed = Policy(frozenset({"crl"}))

    def careful(target: ClientTarget) -> None:
        tls_client(target, crl=True)

    cases = ("revoked", "revoked-intermediate", "crl-expired", "crl-missing", "crl-forged")
    assert {key: {Outcome.CONFORMS} for key in cases} == client_outcomes(testing(careful, claimed), *cases)
    assert {key: {Outcome.DEVIATES} for key in cases} == client_outcomes(testing(tls_client, claimed), *cases)
    assert {key: {Outcome.REPORTED} for key in cases} == client_outcomes(testing(tls_client), *cases)


def test_version_that_the_client_does_not_speak_is_left_out(testing: Testing) -> None:
    """The other version is judged all the same."""

    def old(target: ClientTarget) -> None:
        tls_client(target, tls="1.2")

    run = testing(old)
    result = run.check(server_case("expired"), "1.3")
    assert (Outcome.LEFT_OUT, "the client does not speak TLS 1.3") == (result.outcome, result.note)
    assert {"expired": {Outcome.CONFORMS}} == client_outcomes(run, "expired", tls=("1.2",))
    assert run.still_works("1.3")


def test_client_that_rejects_everything_proves_nothing(testing: Testing) -> None:
    """The first failure tells all of it, and the rest is short."""

    def lost(target: ClientTarget) -> None:
        requests.get(target.url, cert=(target.cert, target.key), timeout=5)

    run = testing(lost)
    first, second = run.check(server_case("expired"), "1.3"), run.check(server_case("valid"), "1.3")
    assert [Outcome.DEVIATES] * 2 == [first.outcome, second.outcome]
    note = "the client does not reach a good server, so that nothing is proved: rejected by the client: unknown CA"
    assert first.note.startswith(note)
    assert first.note in first.story()
    assert "CERTIFICATE_VERIFY_FAILED" in first.story()
    assert first.note == second.note == second.story()
    with pytest.raises(ClientNotUsable, match="does not accept a good server: rejected by the client: unknown CA"):
        run.client.check_usable()


def test_client_that_gives_up_in_the_middle_is_found_out(testing: Testing) -> None:
    """Rejections after which it reaches nobody any more are no judgement of a server."""
    rejections: list[str] = []

    def moody(target: ClientTarget) -> None:
        if len(rejections) >= 3:
            raise OSError("enough of it")
        try:
            fetch(target)
        except requests.ConnectionError as error:
            rejections.append(str(error))
            raise

    run = testing(moody)
    assert {"expired": {Outcome.CONFORMS}} == client_outcomes(run, "expired")
    results = [run.check(server_case("expired"), "1.3") for _ in range(8)]
    assert Outcome.DEVIATES is results[-1].outcome
    assert not run.still_works("1.3")


def test_client_that_does_not_connect_is_undecided(testing: Testing) -> None:
    """Nothing came, so nothing was judged, whatever its exit status says."""
    calls: list[str] = []

    def shy(target: ClientTarget) -> None:
        calls.append(target.url)
        if len(calls) == 1:
            fetch(target)

    result = testing(shy).check(server_case("expired"), "1.3")
    assert (Outcome.DEVIATES, "undecided") == (result.outcome, result.seen)
    assert "there is no verdict: the client did not connect; it returned" == result.note


def test_client_that_hangs_before_its_request_is_undecided(testing: Testing) -> None:
    """A time-out is not a rejection."""
    calls: list[str] = []

    async def slow(target: ClientTarget) -> None:
        calls.append(target.url)
        if len(calls) == 1:
            await asyncio.to_thread(fetch, target)
            return
        context = ssl.create_default_context(cafile=target.ca)
        context.load_cert_chain(target.cert, target.key)
        context.check_hostname = False
        _, writer = await asyncio.open_connection(target.address, target.port, ssl=context, server_hostname="localhost")
        try:
            await asyncio.Event().wait()
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)

    result = testing(slow, timeout=1).check(server_case("wrong-host"), "1.3")
    assert (Outcome.DEVIATES, "undecided") == (result.outcome, result.seen)
    assert "no request came, and the client was still running after 1 s" in result.note


def test_coroutine_of_httpx_conforms(testing: Testing) -> None:
    """An asynchronous client is a client."""
    require_library("httpx", pip="httpx")
    import httpx

    async def get(target: ClientTarget) -> None:
        context = ssl.create_default_context(cafile=target.ca)
        context.load_cert_chain(target.cert, target.key)
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            (await client.get(target.url)).raise_for_status()

    cases = ("expired", "wrong-host", "untrusted-ca", "valid", "wildcard")
    assert {key: {Outcome.CONFORMS} for key in cases} == client_outcomes(testing(get), *cases)


def test_host_that_nobody_resolves_is_left_out_with_a_remedy(testing: Testing) -> None:
    """A program that cannot be told the address."""
    require_program("curl", apt="curl")
    command = ["curl", "-sS", "--noproxy", "*", "--cacert", "{ca}", "--cert", "{cert}", "--key", "{key}", "{url}"]
    result = testing(command).check(server_case("wildcard"), "1.3")
    assert Outcome.LEFT_OUT is result.outcome
    assert "no resolver knows the host www.mtls.example: have the command connect to {address}" in result.note


# --- assertions ------------------------------------------------------------------------------------------------------


def test_assertions_hold_for_a_good_client_and_not_for_a_careless_one(mtls_ca: CertificateAuthority) -> None:
    """For a `with` block of one's own."""
    with ClientUnderTest(fetch, ca=mtls_ca) as client:
        assert client.assert_accepts().is_accepted
        assert client.assert_rejects(server_case("expired")).verdict.reason is Reason.EXPIRED
        assert client.assert_rejects(mtls_ca.impostor().issue_server(), "unknown_ca", tls="1.2").requests == ()
        with pytest.raises(
            HandshakeAssertionError, match="the client should have rejected this server: rejected by the"
        ):
            client.assert_rejects(server_case("expired"), Reason.REVOKED)
        with pytest.raises(HandshakeAssertionError, match="the client did not accept this server"):
            client.assert_accepts(server_case("expired"))
    with (
        ClientUnderTest(careless, ca=mtls_ca) as client,
        pytest.raises(HandshakeAssertionError, match="the client should have rejected this server: accepted by both"),
    ):
        client.assert_rejects(server_case("expired"))


# --- the policy ------------------------------------------------------------------------------------------------------


def test_expected_exceptions_are_strict(testing: Testing) -> None:
    """As they are for a server."""

    def policy(case: str, seen: str) -> Policy:
        return Policy(exceptions=(ExpectedException(case, seen, "ticket 7"),))

    assert {"expired": {Outcome.EXCEPTED}} == client_outcomes(
        testing(careless, policy("expired*", "accepted")), "expired"
    )
    gone = testing(fetch, policy("expired", "accepted")).check(server_case("expired"), "1.3")
    assert Outcome.EXCEPTION_GONE is gone.outcome


def test_policy_is_a_table_of_its_own(tmp_path: Path) -> None:
    """In pyproject.toml the policy of a client stands beside that of a server."""
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(
        '[tool.pytest-mtls]\nsettings = ["resumption"]\n'
        '[tool.pytest-mtls.client]\nsettings = ["no-hostname"]\n'
        '[[tool.pytest-mtls.client.exceptions]]\ncase = "client-only"\nseen = "accepted"\nreason = "wget"\n',
        encoding="utf-8",
    )
    exception = ExpectedException("client-only", "accepted", "wget")
    client = read_policy(None, pyproject, ["crl"], client_checks=())
    assert Policy(frozenset({"crl", "no-hostname"}), exceptions=(exception,)) == client
    assert Policy(frozenset({"resumption"})) == read_policy(None, pyproject)
    assert "resumption" not in CLIENT_SETTINGS
    own = tmp_path / "policy.toml"
    own.write_text('[[exceptions]]\ncase = "no-certificate"\nseen = "accepted"\nreason = "x"\n', encoding="utf-8")
    with pytest.raises(InvalidPolicy, match="no server case matches 'no-certificate'"):
        read_policy(own, None, client_checks=())


def test_every_check_has_a_version() -> None:
    """Cases that answer no hello come once, all others over both versions."""
    checks = [(case.id, tls) for case, tls in client_checks()]
    assert len(checks) == len(set(checks))
    assert [("hangs", "1.3")] == [check for check in checks if check[0] == "hangs"]
    assert [("tls-1-2-only", "1.2")] == [check for check in checks if check[0] == "tls-1-2-only"]
    assert [("expired", tls) for tls in TLS_VERSIONS] == [check for check in checks if check[0] == "expired"]
