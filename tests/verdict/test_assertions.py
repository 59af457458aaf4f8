"""`assert_accepted`, `assert_rejected` and the ``expect_`` contexts hold when they should and fail when they should."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpx
import pytest
import requests

from pytest_mtls import (
    Case,
    CertificateAuthority,
    Endpoint,
    HandshakeAssertionError,
    Identity,
    MutualTLSServer,
    Reason,
    assert_accepted,
    assert_rejected,
    client_cases,
    probe,
    server_cases,
)
from pytest_mtls.errors import CaseNotPresentable, InvalidArgument, ServerNotRunning

Factory = Callable[..., MutualTLSServer]


@pytest.fixture
def expired(mtls_ca: CertificateAuthority) -> Identity:
    """A client whose certificate has expired."""
    return mtls_ca.issue_client("alice", not_before=-10, not_after=-1)


def get(server: MutualTLSServer, ca: CertificateAuthority, who: Identity | None) -> requests.Response:
    """One request, as a user's client makes it."""
    cert = None if who is None else (who.cert_path, who.key_path)
    return requests.get(server.url, cert=cert, verify=ca.cert_path)


def story(failed: pytest.ExceptionInfo[HandshakeAssertionError]) -> str:
    """The first line of what a failed assertion says."""
    return str(failed.value).splitlines()[0]


# --- assert_accepted -------------------------------------------------------------------------------------------------


def test_assert_accepted_returns_the_handshake(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """A good client is accepted, and the handshake tells all about it."""
    handshake = assert_accepted(mtls_server, mtls_client_cert, tls="1.2")
    assert (True, "TLSv1.2") == (handshake.accepted, handshake.tls_version)


def test_assert_accepted_fails_for_a_refused_client(mtls_server: MutualTLSServer, expired: Identity) -> None:
    """The failure says who rejected whom and why."""
    with pytest.raises(HandshakeAssertionError) as failed:
        assert_accepted(mtls_server, expired)
    assert "the server rejected the client: expired; both sides should have accepted" == story(failed)
    assert [False] == [handshake.accepted for handshake in failed.value.handshakes]


def test_assert_accepted_fails_without_a_verdict(mtls_ca: CertificateAuthority) -> None:
    """A server that is not there has accepted nobody."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = bound.getsockname()
    with pytest.raises(HandshakeAssertionError, match=r"cannot connect to 127\.0\.0\.1.*\(no verdict\)"):
        assert_accepted(address, mtls_ca.issue_client(), trust=mtls_ca)


# --- assert_rejected -------------------------------------------------------------------------------------------------


def test_assert_rejected_returns_the_handshake(mtls_server: MutualTLSServer, expired: Identity) -> None:
    """The reason may be given as a member, as its text, or not at all."""
    for reason in (Reason.EXPIRED, "expired", None):
        handshake = assert_rejected(mtls_server, expired, reason)
        assert (Reason.EXPIRED, "server") == (handshake.reason, handshake.rejected_by)


def test_assert_rejected_fails_for_an_accepted_client(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """A server that lets a client in which it should not is found out."""
    with pytest.raises(HandshakeAssertionError) as failed:
        assert_rejected(mtls_server, mtls_client_cert, Reason.EXPIRED)
    assert "the server accepted the client; it should have rejected it: expired" == story(failed)


def test_assert_rejected_fails_for_another_reason(mtls_server: MutualTLSServer, expired: Identity) -> None:
    """The right answer for the wrong reason is not a proof."""
    with pytest.raises(HandshakeAssertionError) as failed:
        assert_rejected(mtls_server, expired, Reason.REVOKED)
    assert "the server rejected the client: expired; the expected reason is revoked" == story(failed)


def test_assert_rejected_fails_where_the_other_side_refused(
    mtls_server: MutualTLSServer, mtls_untrusted_ca: CertificateAuthority, expired: Identity
) -> None:
    """A client that does not trust the server has proved nothing about the server."""
    with pytest.raises(HandshakeAssertionError, match="a good client does not get in either"):
        assert_rejected(mtls_server, expired, trust=mtls_untrusted_ca)


def test_assert_rejected_needs_a_good_client_to_get_in(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority, mtls_untrusted_ca: CertificateAuthority
) -> None:
    """A server that rejects everybody enforces nothing."""
    server = mtls_server_factory(trust=mtls_untrusted_ca)
    endpoint = Endpoint(*server.address, trust=mtls_ca, ca=mtls_ca)
    with pytest.raises(HandshakeAssertionError, match="a good client does not get in either") as failed:
        assert_rejected(endpoint, mtls_ca.issue_client(not_before=-10, not_after=-1))
    assert "CN=control" in str(failed.value)


def test_assert_rejected_takes_the_reason_of_its_case(mtls_server: MutualTLSServer) -> None:
    """A case knows why it has to be rejected, and so does a combination of two, for either of their reasons."""
    (expired,), (untrusted,) = (param.values for param in client_cases("expired", "untrusted-ca"))
    assert isinstance(expired, Case)
    assert isinstance(untrusted, Case)
    assert Reason.EXPIRED is assert_rejected(mtls_server, expired).reason
    both = untrusted & expired
    assert assert_rejected(mtls_server, both).reason in both.reasons
    with pytest.raises(HandshakeAssertionError, match="the expected reason is revoked"):
        assert_rejected(mtls_server, expired, "revoked")


def test_server_without_verification_is_found_out(mtls_server_factory: Factory, mtls_client_case: Case) -> None:
    """Each bad client finds out a server that asks for certificates and does not require them to be good."""
    server = mtls_server_factory(client_certs="none")
    with pytest.raises(HandshakeAssertionError) as failed:
        assert_rejected(server, mtls_client_case)
    assert "the server accepted the client; it should have rejected it" in story(failed)
    assert "does not require a certificate" in str(failed.value)


def test_informative_case_never_fails(mtls_server: MutualTLSServer) -> None:
    """What may be answered either way is reported and no more."""
    for case in client_cases("any-usage-only", "no-extended-key-usage"):
        (informative,) = case.values
        assert assert_rejected(mtls_server, informative).accepted is not None  # type: ignore[arg-type]


def test_refusal_of_a_certificate_that_was_not_sent_is_no_proof(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority
) -> None:
    """A client whose key fits nothing that the server takes sends no certificate, and that is not called a rejection."""
    server = mtls_server_factory(tls="1.3")
    curve = next(case.values[0] for case in client_cases("secp256k1"))
    assert isinstance(curve, Case)
    identity = curve.identity(mtls_ca)
    with pytest.raises(HandshakeAssertionError, match="the client's certificate did not go over the wire"):
        assert_rejected(server, identity, tls="1.3")
    with pytest.raises(CaseNotPresentable, match=r"over TLS 1\.2 only"):
        assert_rejected(server, curve, tls="1.3")


# --- expect_accepted -------------------------------------------------------------------------------------------------


def test_expect_accepted_sees_the_client(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """The handshakes of the block are there when it has ended, and no others."""
    assert_accepted(mtls_server, mtls_client_cert)
    alice = mtls_ca.issue_client("alice")
    with mtls_server.expect_accepted(alice) as seen:
        assert get(mtls_server, mtls_ca, alice).ok
    assert [alice.certificate] == [handshake.peer_certificate for handshake in seen.handshakes]
    assert seen.exception is None


def test_expect_accepted_fails_for_another_client(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A client that presents somebody else's certificate is not the one expected, and is told of."""
    alice = mtls_ca.issue_client("alice")
    with (
        pytest.raises(HandshakeAssertionError, match="CN=alice did not connect: 1 handshake of other clients came"),
        mtls_server.expect_accepted(alice),
    ):
        get(mtls_server, mtls_ca, mtls_client_cert)


def test_expect_accepted_explains_what_the_client_raised(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, expired: Identity
) -> None:
    """Where the server rejected, the failure says so and keeps the client's exception as its cause."""
    with (
        pytest.raises(HandshakeAssertionError, match="rejected by the server: expired") as failed,
        mtls_server.expect_accepted(),
    ):
        get(mtls_server, mtls_ca, expired)
    assert isinstance(failed.value.__cause__, requests.exceptions.ConnectionError)


def test_expect_accepted_lets_other_exceptions_through(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """What has nothing to do with the handshake is the test's own."""

    def call_and_fail() -> None:
        with mtls_server.expect_accepted():
            get(mtls_server, mtls_ca, mtls_client_cert)
            raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own"):
        call_and_fail()


@pytest.mark.parametrize("expectation", ["expect_accepted", "expect_rejected"])
def test_nobody_came(mtls_server: MutualTLSServer, expectation: str) -> None:
    """Without a handshake either expectation fails, and says how many connections said nothing."""
    with pytest.raises(HandshakeAssertionError) as failed, getattr(mtls_server, expectation)():
        pass
    assert "no handshake happened: nobody connected, and the client raised nothing" == story(failed)
    with pytest.raises(HandshakeAssertionError) as failed, getattr(mtls_server, expectation)():
        socket.create_connection(mtls_server.address).close()
    assert (
        "no handshake happened: 1 connection was opened and closed in silence, and the client raised nothing"
        == story(failed)
    )


# --- expect_rejected -------------------------------------------------------------------------------------------------


def test_expect_rejected_swallows_and_keeps(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, expired: Identity
) -> None:
    """What the client raised for being rejected is kept and goes no further."""
    with mtls_server.expect_rejected(Reason.EXPIRED) as seen:
        get(mtls_server, mtls_ca, expired)
    assert isinstance(seen.exception, requests.exceptions.ConnectionError)
    assert seen.handshakes[0] is seen.handshake


@pytest.mark.parametrize(
    "slip",
    [AssertionError("a"), pytest.fail.Exception("a"), NameError("a"), TypeError("a"), KeyboardInterrupt("a")],
    ids=lambda slip: type(slip).__name__,
)
def test_expect_rejected_lets_the_tests_own_slips_through(mtls_server: MutualTLSServer, slip: BaseException) -> None:
    """An assertion, ``pytest.fail`` or a slip of the pen in the block is never taken for the client's answer."""
    with pytest.raises(type(slip), match="a") as raised, mtls_server.expect_rejected():
        raise slip
    assert slip is raised.value


class Group(Exception):
    """A group as exceptiongroup has it on Python 3.10."""

    def __init__(self, *exceptions: Exception) -> None:
        super().__init__("a")
        self.exceptions = exceptions


def test_expect_rejected_lets_slips_in_a_group_through(mtls_server: MutualTLSServer, expired: Identity) -> None:
    """A slip is none of the client's among a group's exceptions either, in whichever class of groups."""
    slip = Group(ConnectionError("a"), Group(AssertionError("a")))
    with pytest.raises(Group) as raised, mtls_server.expect_rejected():
        raise slip
    assert slip is raised.value
    with mtls_server.expect_rejected(Reason.EXPIRED) as seen:
        probe(mtls_server, expired)
        raise Group(ConnectionError("a"))
    assert isinstance(seen.exception, Group)


def test_client_that_refuses_after_the_handshake_is_always_heard(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """What a client said last counts, even where the block ends before the server has read it."""
    server = mtls_server_factory()
    context = mtls_client_cert.ssl_context(trust=mtls_ca)
    for _ in range(40):
        with server.expect_rejected(by="client"), socket.create_connection(server.address) as sock:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    incoming.write(sock.recv(65536))
            sock.sendall(outgoing.read())
            incoming.write(b"\x17\x03\x03\x00\x40" + bytes(64))
            with pytest.raises(ssl.SSLError):
                client.read()
            sock.sendall(outgoing.read())


def test_expect_rejected_fails_for_an_acceptance_among_refusals(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, mtls_client_cert: Identity, expired: Identity
) -> None:
    """One handshake that got through is enough to fail."""

    def call_twice() -> None:
        with mtls_server.expect_rejected():
            with pytest.raises(requests.exceptions.ConnectionError):
                get(mtls_server, mtls_ca, expired)
            get(mtls_server, mtls_ca, mtls_client_cert)

    with pytest.raises(HandshakeAssertionError, match="the server accepted the client"):
        call_twice()


def test_expect_rejected_of_a_bad_server_is_by_the_client(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """Where the server plays a bad one the rejection is the client's, unless the test says otherwise."""
    (case,) = (param.values[0] for param in server_cases("expired"))
    server = mtls_server_factory(cert=case)
    with server.expect_rejected() as seen:
        get(server, mtls_ca, mtls_client_cert)
    assert "client" == seen.handshake.rejected_by
    with (
        pytest.raises(HandshakeAssertionError, match="the client gave up before the server could judge"),
        server.expect_rejected(by="server"),
    ):
        get(server, mtls_ca, mtls_client_cert)


def test_several_refusals_are_fine(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, expired: Identity
) -> None:
    """Clients that try again, also from several threads, are rejected each time."""
    with mtls_server.expect_rejected("expired") as seen, ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(get, mtls_server, mtls_ca, expired) for _ in range(24)]:
            assert isinstance(done.exception(), requests.exceptions.ConnectionError)
    assert 24 == len(seen.handshakes)


# CPython 3.10's asyncio leaves the transport of a rejected client unclosed.
@pytest.mark.filterwarnings("ignore:.*Transport:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
def test_async_clients_are_seen(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, expired: Identity) -> None:
    """Clients on an event loop, which knock twice or wrap what they raise, are rejected and swallowed as others are."""
    context = expired.ssl_context(trust=mtls_ca)

    async def by_aiohttp() -> None:
        with mtls_server.expect_rejected("expired") as seen:
            async with aiohttp.ClientSession() as session:
                await session.get(mtls_server.url, ssl=context)
        assert isinstance(seen.exception, aiohttp.ClientError)

    async def by_httpx() -> None:
        with mtls_server.expect_rejected("expired") as seen:
            async with httpx.AsyncClient(verify=context) as client:
                await client.get(mtls_server.url)
        assert isinstance(seen.exception, (httpx.TransportError, ssl.SSLError))

    async def both() -> None:
        await by_aiohttp()
        await by_httpx()

    asyncio.run(both())


def test_client_without_tls_is_refused_as_such(mtls_server: MutualTLSServer) -> None:
    """Plain HTTP on the TLS port is a rejection by the server, for not being TLS."""
    with mtls_server.expect_rejected(Reason.NOT_TLS):
        requests.get(mtls_server.url.replace("https", "http"))


# --- misuse ----------------------------------------------------------------------------------------------------------


def test_misuse_is_one_typed_error(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, mtls_server_cert: Identity, mtls_client_cert: Identity
) -> None:
    """Unknown reasons and sides, and a server that does not run, are said at once."""
    with pytest.raises(InvalidArgument, match="reason is 'too_old', but it must be one of expired, "):
        mtls_server.expect_rejected("too_old")
    with pytest.raises(InvalidArgument, match="by is 'nobody', but it must be 'client' or 'server'"):
        assert_rejected(mtls_server, mtls_client_cert, by="nobody")  # type: ignore[arg-type]
    stopped = MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca)
    with pytest.raises(ServerNotRunning, match="has not been started"):
        stopped.expect_rejected()


def test_handshake_is_unknown_before_the_end(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """Inside the block there is no verdict to be had yet, and asking says so."""
    with mtls_server.expect_accepted() as seen:
        assert_accepted(mtls_server, mtls_client_cert)
        with pytest.raises(LookupError, match="when the block has ended"):
            _ = seen.handshake


def test_no_ssl_error_stays_behind(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """A raw TLS client that is rejected on its first read is swallowed too."""
    with mtls_server.expect_rejected("no_certificate") as seen:
        context = ssl.create_default_context(cafile=mtls_ca.cert_path)
        with (
            socket.create_connection(mtls_server.address) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            sock.recv(1)
    assert isinstance(seen.exception, ssl.SSLError)
