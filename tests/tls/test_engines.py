"""The second engine: the whole catalogue on it, what it tells of a handshake, and what is said without it."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable, Iterator

import pytest
from support.engines import as_markdown, expected_of, openssl_of_the_second_engine
from support.generated_pages import DOCS, generated_part

from pytest_mtls import Alert, Case, CertificateAuthority, Handshake, Identity, MutualTLSServer, Reason, probe
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.presentation import presented
from pytest_mtls.certificates.trust import Trust
from pytest_mtls.errors import InvalidArgument, KeyMismatch, MissingExtra, UnusableIdentity, UnusableKeyLog
from pytest_mtls.tls.context import engine_context, set_up_client, set_up_server
from pytest_mtls.tls.engine import Engine

Verdict = tuple[object, ...]

ENGINES: tuple[Engine, ...] = ("ssl", "pyopenssl")
VERSIONS = ("1.2", "1.3")
#: One version is judged in the ordinary suite, and both in the slow tests.
BY_SPEED = [pytest.param("1.2", marks=pytest.mark.slow), "1.3"]
#: Seconds for one handshake, which costs nothing where all is well.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def openssl() -> tuple[int, int]:
    """The version of the second engine's OpenSSL; skips without it."""
    return openssl_of_the_second_engine()


@pytest.fixture(scope="module")
def ca() -> Iterator[CertificateAuthority]:
    """The CA that both sides trust."""
    authority = CertificateAuthority.create()
    yield authority
    authority.remove_files()


@pytest.fixture(scope="module")
def client(ca: CertificateAuthority) -> Identity:
    """A good client."""
    return ca.issue_client()


# --- the catalogue ---------------------------------------------------------------------------------------------------


def verdict_on(case: Case, seen: Handshake) -> Verdict:
    """What a handshake says of a case, in the terms of the tables."""
    if seen.accepted or not case.reasons:
        return (seen.accepted, seen.alert, seen.verify_code)
    return (seen.accepted, seen.alert, seen.verify_code, seen.reason in case.reasons)


def expected_verdict(case: Case, tls: str, openssl: tuple[int, int]) -> Verdict:
    """What the tables say of it."""
    refusal = expected_of(case, tls, openssl)
    if refusal is None:
        return (True, None, None)
    return (False, refusal.alert, refusal.verify_code, *([True] if case.reasons else []))


@pytest.mark.parametrize("tls", BY_SPEED)
def test_every_client(ca: CertificateAuthority, openssl: tuple[int, int], tls: str) -> None:
    """The server of the second engine judges each client as its OpenSSL is known to: alert, code and reason."""
    departures = {}
    with MutualTLSServer(cert=ca.issue_server(), trust=ca, engine="pyopenssl") as judge:
        for case in CATALOGUE["client"].select(["*"]):
            if tls in case.versions:
                seen = probe(judge, presented(case, "client", ca), tls=tls, timeout=PATIENCE)
                expected = expected_verdict(case, tls, openssl)
                if expected != verdict_on(case, seen):
                    departures[case.id] = (expected, verdict_on(case, seen), seen.error)
    assert {} == departures


@pytest.mark.parametrize("tls", BY_SPEED)
def test_every_server(ca: CertificateAuthority, client: Identity, openssl: tuple[int, int], tls: str) -> None:
    """The probe of the second engine judges each server, which the same engine plays, as its OpenSSL is known to."""
    departures = {}
    with MutualTLSServer(cert=ca.issue_server(), trust=ca, engine="pyopenssl") as played:
        for case in CATALOGUE["server"].select(["*"]):
            if tls in case.versions and case.behaviour is None:
                played.reload(cert=case)
                seen = probe(played, client, tls=tls, engine="pyopenssl", timeout=PATIENCE)
                expected = expected_verdict(case, tls, openssl)
                if expected != verdict_on(case, seen):
                    departures[case.id] = (expected, verdict_on(case, seen), seen.error)
    assert {} == departures


@pytest.mark.parametrize("tls", BY_SPEED)
def test_every_client_is_presented(ca: CertificateAuthority, openssl: tuple[int, int], tls: str) -> None:
    """A client of the second engine presents each case to a server of the first, which judges it as it judges one of its own."""
    departures = {}
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as judge:
        for case in CATALOGUE["client"].select(["*"]):
            if tls in case.versions:
                seen = probe(judge, presented(case, "client", ca), tls=tls, engine="pyopenssl", timeout=PATIENCE)
                expected = expected_verdict(case, tls, ssl.OPENSSL_VERSION_INFO[:2])
                if expected != verdict_on(case, seen):
                    departures[case.id] = (expected, verdict_on(case, seen), seen.error)
    assert {} == departures


@pytest.mark.parametrize("by", ENGINES)
def test_every_server_that_behaves_in_its_own_way(
    ca: CertificateAuthority, client: Identity, openssl: tuple[int, int], by: Engine
) -> None:
    """A server of the second engine that a case has do something behaves so to a probe of either."""
    verdicts = {}
    cases = [case for case in CATALOGUE["server"].select(["*"]) if case.behaviour is not None]
    for case in cases:
        for tls in case.versions:
            patience = 0.2 if case.id == "hangs" else PATIENCE
            with MutualTLSServer(cert=case, trust=ca, engine="pyopenssl") as played:
                seen = probe(played, client, tls=tls, engine=by, timeout=patience)
            verdicts[case.id, tls] = seen.accepted
    undecided, either = {"hangs"}, {"resets-after-handshake"}
    expected = {
        (case.id, tls): None if case.id in undecided else not case.misbehaves for case in cases for tls in case.versions
    }
    assert {key: verdict for key, verdict in expected.items() if key[0] not in either} == {
        key: verdict for key, verdict in verdicts.items() if key[0] not in either
    }


def test_table_of_the_differences_is_current() -> None:
    """The page shows the record that the tests above hold."""
    assert as_markdown() == generated_part(DOCS / "reference" / "engines.md")


# --- what is told of a handshake -------------------------------------------------------------------------------------


def told_of(seen: Handshake) -> dict[str, object]:
    """All that a handshake says, but for the words of the library."""
    # A client is content with the first ticket, and may have read the second one by then.
    names = list(dict.fromkeys((message.sender, message.name) for message in seen.transcript))
    fields = (
        "accepted rejected_by reason alert verify_error verify_code tls_version cipher server_name alpn resumed layer"
    )
    return {
        **{name: getattr(seen, name) for name in fields.split()},
        "messages": names,
        "peer": seen.peer_chain_der,
        "sent": seen.sent_chain_der,
        "observed": seen.is_observed,
    }


@pytest.mark.usefixtures("openssl")
@pytest.mark.parametrize("tls", VERSIONS)
@pytest.mark.parametrize("who", ["good", "expired", "absent"])
def test_both_engines_tell_the_same(ca: CertificateAuthority, client: Identity, tls: str, who: str) -> None:
    """Either engine at either end tells the same of a handshake: messages, chains, cipher suite, ALPN and verdict."""
    expired = ca.issue_client(not_before=-10, not_after=-1)
    presents = {"good": client, "expired": expired, "absent": None}[who]
    server_cert = ca.issue_server()
    seen = {}
    for engine in ENGINES:
        with MutualTLSServer(cert=server_cert, trust=ca, engine=engine, alpn=["http/1.1"]) as server:
            for by in ENGINES:
                handshake = probe(server, presents, tls=tls, engine=by, timeout=PATIENCE)
                assert handshake.counterpart is not None
                seen[engine, by] = told_of(handshake), told_of(handshake.counterpart)
    assert 4 == len(seen)
    assert 1 == len({repr(one) for one in seen.values()}), seen


@pytest.mark.usefixtures("openssl")
def test_without_the_binding_there_is_no_transcript(
    ca: CertificateAuthority, client: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the binding tells no messages the verdict stands, and an empty transcript is not taken for a proof."""
    from pytest_mtls.tls import pyopenssl

    monkeypatch.setattr(pyopenssl, "_lib", Without(pyopenssl._lib, "SSL_CTX_set_msg_callback"))
    expired = ca.issue_client(not_before=-10, not_after=-1)
    with MutualTLSServer(cert=ca.issue_server(), trust=ca, engine="pyopenssl") as server:
        accepted = probe(server, client, timeout=PATIENCE).counterpart
        rejected = probe(server, expired, timeout=PATIENCE)
    assert accepted is not None
    assert (True, (), False) == (accepted.accepted, accepted.transcript, accepted.is_observed)
    assert client.certificate == accepted.peer_certificate
    assert (False, Reason.EXPIRED, Alert.CERTIFICATE_EXPIRED, 10) == (
        rejected.accepted,
        rejected.reason,
        rejected.alert,
        rejected.verify_code,
    )


class Without:
    """A binding that lacks one of its functions."""

    def __init__(self, lib: object, name: str) -> None:
        self._lib = lib
        self._name = name

    def __getattr__(self, name: str) -> object:
        if name == self._name:
            raise AttributeError(name)
        return getattr(self._lib, name)


# --- the socket ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=ENGINES)
def connected(
    request: pytest.FixtureRequest, ca: CertificateAuthority, client: Identity, openssl: tuple[int, int]
) -> Iterator[Callable[..., tuple[ssl.SSLSocket, ssl.SSLSocket]]]:
    """``connected(**how)``: a client's socket and a server's, by the same engine, whose handshake is done."""
    engine: Engine = request.param
    made: list[ssl.SSLSocket] = []

    def connect(client_certs: str = "required") -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
        server, near = engine_context(engine, "server"), engine_context(engine, "client")
        set_up_server(server, ca.issue_server(), Trust.of(ca), client_certs=client_certs)  # type: ignore[arg-type]
        set_up_client(near, client, Trust.of(ca))
        ends = socket.socketpair()
        pair = (
            near.wrap_socket(ends[0], server_hostname="localhost", do_handshake_on_connect=False),
            server.wrap_socket(ends[1], server_side=True, do_handshake_on_connect=False),
        )
        made.extend(pair)
        for sock in pair:
            sock.setblocking(False)
        undone = list(pair)
        while undone:
            for sock in tuple(undone):
                try:
                    sock.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                undone.remove(sock)
        return pair

    yield connect
    for sock in made:
        sock.close()


def test_socket_is_one_of_the_standard_library(
    connected: Callable[..., tuple[ssl.SSLSocket, ssl.SSLSocket]], client: Identity
) -> None:
    """A handler is given an `ssl.SSLSocket` that reads, writes, waits and ends as one does."""
    near, far = connected()
    with pytest.raises(ssl.SSLWantReadError):
        far.recv(1)
    near.setblocking(True)
    far.settimeout(0.05)
    with pytest.raises(TimeoutError, match="timed out"):
        far.recv(1)
    near.sendall(b"hello, world")
    assert (b"hello", 7) == (far.recv(5), far.pending())
    buffer = bytearray(20)
    assert 7 == far.recv_into(buffer)
    assert b", world" == bytes(buffer[:7])
    assert 0 == near.send(b"")
    assert {"subject", "issuer", "notAfter"} <= set(far.getpeercert() or {})
    assert client.certificate.serial_number == int(str((far.getpeercert() or {})["serialNumber"]), 16)
    assert ("TLSv1.3", None, None) == (far.version(), far.selected_alpn_protocol(), far.compression())
    far.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        far.unwrap()
    assert b"" == near.recv(1)
    near.unwrap()
    far.setblocking(True)
    with pytest.raises(ssl.SSLZeroReturnError):
        far.recv(1)


def test_message_that_is_larger_than_the_network_takes(
    connected: Callable[..., tuple[ssl.SSLSocket, ssl.SSLSocket]],
) -> None:
    """A socket that cannot send says so, and goes on from there."""
    near, far = connected()
    data = memoryview(bytes(range(256)) * 10_000)
    sent, received = 0, bytearray()
    is_full = False
    while len(received) < len(data):
        while sent < len(data):
            try:
                sent += near.send(data[sent:])
            except ssl.SSLWantWriteError:
                is_full = True
                break
        try:
            received += far.recv(1_000_000)
        except ssl.SSLWantReadError:
            pass
    assert is_full
    assert data == received


def test_peer_that_nobody_verified(connected: Callable[..., tuple[ssl.SSLSocket, ssl.SSLSocket]]) -> None:
    """A client that was not asked has no certificate."""
    _, far = connected(client_certs="none")
    assert None is far.getpeercert()
    assert None is far.getpeercert(binary_form=True)


# --- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("openssl")
def test_identity_that_cannot_be_presented(ca: CertificateAuthority) -> None:
    """It is the same error by either engine."""
    good, other = ca.issue_server(), ca.issue_server()
    mixed = Identity(good.chain, other.private_key)
    (case,) = CATALOGUE["server"].select(["rsa-1024"])
    weak = presented(case, "server", ca).identity
    assert weak is not None
    for engine in ENGINES:
        with pytest.raises(KeyMismatch):
            MutualTLSServer(cert=mixed, trust=ca, engine=engine)
        with pytest.raises(UnusableIdentity, match="key too small"):
            MutualTLSServer(cert=weak, trust=ca, engine=engine)


def test_unknown_engine(ca: CertificateAuthority) -> None:
    """The error names those that there are."""
    with pytest.raises(InvalidArgument, match="engine is 'nss', but it must be 'ssl' or 'pyopenssl'"):
        MutualTLSServer(cert=ca.issue_server(), trust=ca, engine="nss")  # type: ignore[arg-type]


def test_without_pyopenssl(ca: CertificateAuthority, client: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error tells what to install, for the server and for the probe."""
    monkeypatch.setitem(sys.modules, "OpenSSL", None)
    monkeypatch.delitem(sys.modules, "pytest_mtls.tls.pyopenssl", raising=False)
    line = r"pip install 'pytest-mtls\[pyopenssl\]'"
    with pytest.raises(MissingExtra, match=line):
        MutualTLSServer(cert=ca.issue_server(), trust=ca, engine="pyopenssl")
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server, pytest.raises(MissingExtra, match=line):
        probe(server, client, engine="pyopenssl")


@pytest.mark.usefixtures("openssl")
def test_key_log(ca: CertificateAuthority, client: Identity, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """The second engine adds its secrets to the key log as the first does, and says as well if it cannot."""
    path = f"{tmp_path}/keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", path)
    with MutualTLSServer(cert=ca.issue_server(), trust=ca, engine="pyopenssl") as server:
        assert probe(server, client, tls="1.3", engine="pyopenssl", timeout=PATIENCE).accepted
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    assert {3} == {len(line) for line in lines}
    secrets = {line[0]: line[2] for line in lines}
    assert "CLIENT_TRAFFIC_SECRET_0" in secrets
    assert 2 * len({(line[0], line[1]) for line in lines}) == len(lines)  # each by both ends
    monkeypatch.setenv("SSLKEYLOGFILE", f"{tmp_path}/nowhere/keys.log")
    with pytest.raises(UnusableKeyLog):
        MutualTLSServer(cert=ca.issue_server(), trust=ca, engine="pyopenssl")
