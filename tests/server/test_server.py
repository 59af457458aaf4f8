"""`MutualTLSServer`: what it takes, what it records, and that it leaves nothing behind."""

from __future__ import annotations

import gc
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
import trustme

from pytest_mtls import (
    Alert,
    Case,
    CertificateAuthority,
    Handshake,
    Identity,
    MutualTLSServer,
    Reason,
    assert_accepted,
    assert_rejected,
    client_cases,
    probe,
)
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.certificates.printed import openssl_serial
from pytest_mtls.certificates.trust import CRLSource, Trust
from pytest_mtls.errors import (
    AuthorityUsedAsIdentity,
    CaseOfWrongSide,
    InvalidArgument,
    KeyMismatch,
    MissingPrivateKey,
    MtlsError,
    PortUnavailable,
    ServerNotRunning,
    UnreadableCertificate,
)

Factory = Callable[..., MutualTLSServer]


def open_sockets() -> int:
    """How many sockets this process has open."""
    gc.collect()
    links = (os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path))
    return sum(link.startswith("socket:") for link in links)


# --- what is spoken inside -------------------------------------------------------------------------------------------


def test_default_app_tells_who_called(mtls_server: MutualTLSServer, mtls_client: requests.Session) -> None:
    """The default app answers with the client's identity and the parameters of the connection."""
    body = mtls_client.get(f"{mtls_server.url}/any/path?x=1").json()
    assert "CN=client" == body["client"]["subject"]
    assert ("TLSv1.3", "localhost", "GET", "/any/path") == (
        body["tls_version"],
        body["server_name"],
        body["method"],
        body["path"],
    )
    assert body["cipher"] == mtls_server.handshakes[-1].cipher


def test_connection_is_kept_alive(mtls_server: MutualTLSServer, mtls_client: requests.Session) -> None:
    """Several requests of one session, bodies and all methods included, share one handshake."""
    for method in ("GET", "POST", "HEAD", "PUT", "DELETE"):
        assert mtls_client.request(method, mtls_server.url, data=b"x" * 100_000).status_code == 200
    assert mtls_client.post(mtls_server.url, data=iter([b"chunk", b"ed"])).status_code == 200
    assert 1 == len(mtls_server.handshakes)


def test_wsgi_app_gets_the_identity_as_mod_ssl_gives_it(
    mtls_server_factory: Factory, mtls_client: requests.Session, mtls_client_cert: Identity
) -> None:
    """A WSGI app is called by PEP 3333's rules and reads the client from ``SSL_CLIENT_*``."""

    def app(environ, start_response):  # type: ignore[no-untyped-def]
        body = environ["wsgi.input"].read().decode()
        start_response("201 Created", [("Content-Type", "application/json")])
        names = ("SSL_CLIENT_VERIFY", "SSL_CLIENT_S_DN", "SSL_CLIENT_S_DN_CN", "SSL_CLIENT_M_SERIAL", "SSL_CLIENT_CERT")
        told = {name: environ[name] for name in names}
        yield json.dumps({"body": body, "scheme": environ["wsgi.url_scheme"], **told}).encode()

    answer = mtls_client.post(mtls_server_factory(app).url, data="hello")
    assert 201 == answer.status_code
    assert {
        "body": "hello",
        "scheme": "https",
        "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_CLIENT_S_DN": "CN=client",
        "SSL_CLIENT_S_DN_CN": "client",
        "SSL_CLIENT_M_SERIAL": openssl_serial(mtls_client_cert.certificate),
        "SSL_CLIENT_CERT": mtls_client_cert.cert_pem.decode(),
    } == answer.json()


def test_raising_app_is_status_500_and_in_the_log(
    mtls_server_factory: Factory, mtls_client: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """An app that raises answers 500, its traceback is logged, and the connection lives on."""

    def app(environ, start_response):  # type: ignore[no-untyped-def]
        raise RuntimeError("a bug in the app")

    server = mtls_server_factory(app)
    assert [500, 500] == [mtls_client.get(server.url).status_code for _ in range(2)]
    assert "a bug in the app" in caplog.text
    assert 1 == len(server.handshakes)


def test_raw_handler_speaks_any_protocol(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """A handler gets the socket and the handshake, and may speak first."""

    def greet(sock: ssl.SSLSocket, handshake: Handshake) -> None:
        assert handshake.peer_certificate is not None
        sock.sendall(b"220 " + handshake.peer_certificate.subject.rfc4514_string().encode() + b"\r\n")
        assert sock.recv(100) == b"QUIT\r\n"

    server = mtls_server_factory(handler=greet)
    context = mtls_ca.issue_client("alice").ssl_context(trust=mtls_ca)
    with (
        socket.create_connection(server.address) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        assert b"220 CN=alice\r\n" == sock.recv(100)
        sock.sendall(b"QUIT\r\n")
        assert b"" == sock.recv(100)


# --- what it can be set to -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [ssl.SSLSocket.close, ssl.SSLSocket.detach], ids=["close", "detach"])
def test_handler_may_close_its_socket(
    mtls_server_factory: Factory, mtls_client_cert: Identity, end: Callable[[ssl.SSLSocket], int | None]
) -> None:
    """A handler that closes the connection itself, or takes it over, is not a fault: the thread ends without a word."""
    taken: list[int] = []
    server = mtls_server_factory(handler=lambda sock, handshake: taken.append(end(sock) or -1))
    assert probe(server, mtls_client_cert).accepted
    server.stop()
    for fileno in taken:
        if fileno >= 0:
            socket.close(fileno)
    assert 1 == len(taken)


def test_optional_and_no_client_certificate(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """With "optional" who has none gets in and who has a bad one does not; with "none" nobody is asked."""
    expired = mtls_ca.issue_client(not_before=-10, not_after=-1)
    optional = mtls_server_factory(client_certs="optional")
    assert_accepted(optional)
    assert_rejected(optional, expired, Reason.EXPIRED)
    nothing = mtls_server_factory(client_certs="none", trust=None)
    seen = assert_accepted(nothing, expired)
    assert () == seen.client_chain_der


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_one_tls_version_alone(mtls_server_factory: Factory, mtls_client_cert: Identity, version: str) -> None:
    """A server of one version rejects a client of the other for that."""
    server = mtls_server_factory(tls=version)
    assert f"TLSv{version}" == assert_accepted(server, mtls_client_cert).tls_version
    other = {"1.2": "1.3", "1.3": "1.2"}[version]
    seen = probe(server, mtls_client_cert, tls=other)
    assert (False, "server", Reason.PROTOCOL_VERSION) == (seen.accepted, seen.rejected_by, seen.reason)


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "https://127.0.0.1:"), ("::1", "https://[::1]:")])
def test_ipv4_and_ipv6_loopback(
    mtls_server_factory: Factory, mtls_client: requests.Session, host: str, url: str
) -> None:
    """It listens on either loopback address, and the default "localhost" is both."""
    server = mtls_server_factory(host=host)
    assert server.url.startswith(url)
    assert mtls_client.get(server.url).status_code == 200
    both = mtls_server_factory()
    assert mtls_client.get(f"{url}{both.port}").status_code == 200


def test_several_cas_are_trusted(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """Clients of each trusted CA get in, trustme's too; those of others do not."""
    second, theirs = CertificateAuthority.create(), trustme.CA()
    server = mtls_server_factory(trust=[mtls_ca, second, theirs])
    for client in (mtls_ca.issue_client(), second.issue_client(), theirs.issue_cert("client@example.com")):
        assert_accepted(server, client)
    assert_rejected(server, CertificateAuthority.create().issue_client(), Reason.UNKNOWN_CA)


def test_alpn_is_negotiated(
    mtls_server_factory: Factory, mtls_client_cert: Identity, mtls_ca: CertificateAuthority
) -> None:
    """The application protocol both sides have is in the handshake."""
    server = mtls_server_factory(alpn=["h2", "http/1.1"])
    context = mtls_client_cert.ssl_context(trust=mtls_ca)
    context.set_alpn_protocols(["http/1.1"])
    with socket.create_connection(server.address) as plain, context.wrap_socket(plain, server_hostname="localhost"):
        pass
    assert "http/1.1" == server.handshakes[-1].alpn


def test_revocation_is_followed_live(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """Who is revoked is rejected from then on, a revoked intermediate's clients too; all others still get in."""
    middle = mtls_ca.intermediate()
    alice, bob, carol = mtls_ca.issue_client("alice"), mtls_ca.issue_client("bob"), middle.issue_client("carol")
    for client in (alice, bob, carol):
        assert_accepted(mtls_server, client)
    mtls_ca.revoke(alice)
    assert_rejected(mtls_server, alice, Reason.REVOKED)
    assert_accepted(mtls_server, carol)
    mtls_ca.revoke(middle)
    assert_rejected(mtls_server, carol, Reason.REVOKED)
    assert_accepted(mtls_server, bob)


def test_revoked_client_cannot_resume_its_session(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """A session from before the revocation does not let a revoked client in (OpenSSL would resume it)."""
    alice = mtls_ca.issue_client("alice")
    context = alice.ssl_context(trust=mtls_ca, tls="1.2")

    def connect(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        with (
            socket.create_connection(mtls_server.address) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as sock,
        ):
            return sock.session

    session = connect(None)
    connect(session)
    assert [False, True] == [handshake.resumed for handshake in mtls_server.handshakes]
    assert alice.certificate == mtls_server.handshakes[-1].peer_certificate
    mtls_ca.revoke(alice)
    with mtls_server.expect_rejected(Reason.REVOKED):
        connect(session)


# --- reload ----------------------------------------------------------------------------------------------------------


def test_reload_changes_certificate_and_trust_without_a_gap(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, mtls_client: requests.Session
) -> None:
    """New handshakes meet the new certificate and trust; the port and open connections stay."""
    assert mtls_client.get(mtls_server.url).status_code == 200
    port, other = mtls_server.port, CertificateAuthority.create()
    renewed = mtls_ca.renew(mtls_server.cert)
    mtls_server.reload(cert=renewed, trust=other)
    assert port == mtls_server.port
    assert mtls_client.get(mtls_server.url).status_code == 200, "over the old connection"
    assert renewed.certificate == assert_accepted(mtls_server, other.issue_client()).peer_certificate
    assert_rejected(mtls_server, mtls_ca.issue_client(), Reason.UNKNOWN_CA)


def test_reload_is_not_undone_by_a_revocation_that_is_being_followed(mtls_ca: CertificateAuthority) -> None:
    """A connection for which the server still makes the context of before cannot bring back the old certificate."""
    begun, over = threading.Event(), threading.Event()

    class Slow(Trust):
        def crl_source(self, revocation: bool | None = None) -> CRLSource | None:
            if threading.current_thread().name.startswith("mtls-accept"):
                begun.set()
                over.wait(0.3)
            return super().crl_source(revocation)

    renewed = mtls_ca.issue_server()
    with MutualTLSServer(cert=mtls_ca.issue_server(), trust=Slow((mtls_ca,))) as server:
        mtls_ca.revoke(mtls_ca.issue_client())
        with socket.create_connection(server.address):
            assert begun.wait(5)
            server.reload(cert=renewed)
            over.set()
        assert renewed.certificate == assert_accepted(server, mtls_ca.issue_client()).peer_certificate


def test_bad_reload_changes_nothing(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """What cannot be used raises, and the server goes on as before."""
    with pytest.raises(UnreadableCertificate):
        mtls_server.reload(trust=b"no certificate")
    with pytest.raises(InvalidArgument):
        mtls_server.reload(cert="cert.pem")  # type: ignore[arg-type]
    assert_accepted(mtls_server, mtls_client_cert)


# --- stuck, slow and malformed connections ---------------------------------------------------------------------------


def test_client_that_is_there_at_the_stop_has_refused_nobody(
    mtls_ca: CertificateAuthority, mtls_server_cert: Identity
) -> None:
    """A handshake that the server's own stop ends is undecided."""
    server = MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca).start()
    incoming, hello = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with socket.create_connection(server.address) as sock:
        sock.sendall(hello.read())
        assert sock.recv(1), "the server's answer"
        server.stop()
    (seen,) = server.handshakes
    assert (None, "the server was stopped in the middle of the handshake") == (seen.accepted, seen.error)


def test_server_that_cannot_follow_a_revocation_says_so_and_goes_on(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where no context can be made for a connection, its handshake is undecided with the cause, and the next one is served."""
    mtls_ca.revoke(mtls_ca.issue_client())
    with monkeypatch.context() as patch:
        patch.setenv("SSLKEYLOGFILE", str(tmp_path / "no such directory" / "keys"))
        with socket.create_connection(mtls_server.address, 10) as sock:
            assert b"" == sock.recv(1)
        (seen,) = mtls_server.handshakes
    assert seen.accepted is None
    assert "cannot write the key log" in (seen.error or "")
    assert_accepted(mtls_server, mtls_ca.issue_client())


def test_silent_and_garbled_connections_delay_nobody(
    mtls_server_factory: Factory, mtls_client: requests.Session
) -> None:
    """While some connections hang, others are served; nor does a look at the handshakes wait for those that hang."""
    server = mtls_server_factory(handshake_timeout=3600)
    hanging = [socket.create_connection(server.address) for _ in range(20)]
    for sock in hanging[10:]:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
    assert mtls_client.get(server.url).status_code == 200
    assert [True] == [handshake.accepted for handshake in server.handshakes]
    for sock in hanging:
        sock.close()
    assert 21 == len(server.handshakes_since(0, wait=True))


def test_silent_and_garbled_connections_are_handshakes_with_an_error(mtls_server_factory: Factory) -> None:
    """Who says nothing until the deadline is undecided, who leaves in silence too, and who sends garbage is rejected."""
    server = mtls_server_factory(handshake_timeout=0.2)
    with socket.create_connection(server.address):
        (silent,) = server.handshakes_since(0, wait=True)
    assert (None, False) == (silent.accepted, silent.began)
    assert silent.error == "the other side was silent until the deadline of 0.2 s"
    socket.create_connection(server.address).close()
    left = server.handshakes[1]
    assert (None, "the client closed the connection without sending anything") == (left.accepted, left.error)
    with socket.create_connection(server.address) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while sock.recv(100):
            pass
    garbled = server.handshakes[2]
    assert (False, "server", Reason.NOT_TLS) == (garbled.accepted, garbled.rejected_by, garbled.reason)
    assert garbled.error


def test_refused_client_that_writes_sees_the_alert(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """Under TLS 1.3 a rejected client that first writes a lot still reads the alert (it is drained, not reset)."""
    context = mtls_ca.issue_client(not_before=-10, not_after=-1).ssl_context(trust=mtls_ca, tls="1.3")
    for _ in range(20):
        with (
            socket.create_connection(mtls_server.address) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            sock.sendall(b"x" * 300_000)
            with pytest.raises(ssl.SSLError, match=r"(?i)alert certificate expired"):
                sock.recv(1)


def test_handshake_is_known_when_the_client_has_seen_its_end(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority
) -> None:
    """``handshakes`` holds a rejection as soon as the client has read the alert, with no wait in between."""
    context = mtls_ca.issue_client(not_before=-10, not_after=-1).ssl_context(trust=mtls_ca)
    for count in range(1, 30):
        with (
            socket.create_connection(mtls_server.address) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
            pytest.raises(ssl.SSLError),
        ):
            sock.recv(1)
        assert count == len(mtls_server.handshakes)


def test_many_clients_at_once(mtls_server_factory: Factory) -> None:
    """Handshakes in parallel are all judged, and each by its own client."""
    cases = [case.values[0] for case in client_cases()] * 2
    server = mtls_server_factory(handshake_timeout=120)
    seen: list[tuple[Case, Handshake]] = []

    def run(case: Case) -> None:
        seen.append((case, probe(server, case, timeout=120)))

    threads = [threading.Thread(target=run, args=(case,)) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == [(case.id, str(handshake)) for case, handshake in seen if case.reason is not handshake.reason]
    assert len(cases) == len(server.handshakes)


# --- bad input, and what is left behind ------------------------------------------------------------------------------


def test_port_in_use_names_the_port(mtls_server: MutualTLSServer) -> None:
    """A port in use is one typed error that names it and the remedy."""
    before, threads = open_sockets(), threading.active_count()
    server = MutualTLSServer(cert=mtls_server.cert, trust=mtls_server.trust, port=mtls_server.port)
    with pytest.raises(
        PortUnavailable, match=rf"localhost port {mtls_server.port}: address already in use\. Give another port"
    ):
        server.start()
    assert (before, threads) == (open_sockets(), threading.active_count())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"cert": "CA"}, AuthorityUsedAsIdentity),
        ({"cert": "CLIENT-CASE"}, CaseOfWrongSide),
        ({"cert": "KEYLESS"}, MissingPrivateKey),
        ({"cert": "MISMATCHED"}, KeyMismatch),
        ({"cert": None}, InvalidArgument),
        ({"trust": None}, InvalidArgument),
        ({"trust": []}, InvalidArgument),
        ({"trust": b"garbage"}, UnreadableCertificate),
        ({"client_certs": "maybe"}, InvalidArgument),
        ({"tls": "1.1"}, InvalidArgument),
        ({"host": "0.0.0.0"}, InvalidArgument),
        ({"port": 70000}, InvalidArgument),
        ({"port": "https"}, InvalidArgument),
        ({"alpn": "h2"}, InvalidArgument),
        ({"app": 3}, InvalidArgument),
        ({"handshake_timeout": 0}, InvalidArgument),
        ({"app": print, "handler": print}, InvalidArgument),
    ],
)
def test_bad_input_is_one_typed_error_and_leaves_nothing(
    mtls_ca: CertificateAuthority, mtls_server_cert: Identity, options: dict[str, object], error: type[MtlsError]
) -> None:
    """Every bad argument raises one `MtlsError`; no thread or socket stays."""
    other = mtls_ca.issue_server()
    keyless = Identity(chain=mtls_server_cert.chain, private_key=None)
    mismatched = Identity(chain=mtls_server_cert.chain, private_key=other.private_key)
    stand_ins: dict[object, object] = {
        "CA": mtls_ca,
        "CLIENT-CASE": client_cases("expired")[0].values[0],
        "KEYLESS": keyless,
        "MISMATCHED": mismatched,
    }
    given = {"cert": mtls_server_cert, "trust": mtls_ca} | options
    given = {
        name: stand_ins[value] if isinstance(value, str) and value in stand_ins else value
        for name, value in given.items()
    }
    before, threads = open_sockets(), threading.active_count()
    with pytest.raises(error):
        MutualTLSServer(**given).start()  # type: ignore[arg-type]
    # Threads of earlier tests may end meanwhile.
    assert (before, True) == (open_sockets(), threading.active_count() <= threads)
    mismatched.files.remove()


def test_context_of_an_unknown_side(mtls_server_cert: Identity) -> None:
    """An `ssl_context` is a client's or a server's, and of nobody else."""
    with pytest.raises(InvalidArgument, match="side is 'both', but it must be 'client', 'server', or None"):
        mtls_server_cert.ssl_context(side="both")  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", ["port", "address", "url", "endpoint"])
def test_server_that_does_not_run_says_so(
    mtls_ca: CertificateAuthority, mtls_server_cert: Identity, operation: str
) -> None:
    """What only a running server has is a typed error before `start` and after `stop`."""
    server = MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca)
    with pytest.raises(ServerNotRunning, match="has not been started"):
        getattr(server, operation)
    with server:
        getattr(server, operation)
    with pytest.raises(ServerNotRunning, match="has been stopped"):
        getattr(server, operation)
    with pytest.raises(ServerNotRunning):
        server.start()
    with pytest.raises(ServerNotRunning):
        server.reload()


def test_stop_leaves_no_thread_and_no_socket(mtls_ca: CertificateAuthority, mtls_server_cert: Identity) -> None:
    """Stopping ends idle, silent, rejected and busy connections alike; stopping twice is not an error."""
    before, threads = open_sockets(), threading.active_count()
    server = MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca).start()
    with requests.Session() as session:
        client = mtls_ca.issue_client()
        session.get(server.url, cert=client.combined_path, verify=mtls_ca.cert_path)  # idle, kept alive
        silent = socket.create_connection(server.address)
        assert_rejected(server, mtls_ca.issue_client(not_before=-10, not_after=-1), "expired")
        server.stop()
        server.stop()
    silent.close()
    assert (before, threads) == (open_sockets(), threading.active_count())


def test_alerts_have_the_numbers_of_the_rfc(mtls_server: MutualTLSServer) -> None:
    """An alert is an `IntEnum` of RFC 8446's numbers."""
    seen = probe(mtls_server, tls="1.3")
    assert seen.alert is Alert.CERTIFICATE_REQUIRED
    assert 116 == int(seen.alert)


def test_reload_follows_the_behaviour_of_a_case(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """A case that the server plays after a reload misbehaves as one that it was started with, and no longer than it plays."""
    cases = {case.id: case for case in CATALOGUE["server"].select(["tls-1-2-only", "closes-*", "asks-for-no-*"])}
    own = mtls_server.cert
    mtls_server.reload(cert=cases["tls-1-2-only"])
    assert "TLSv1.2" == probe(mtls_server, mtls_client_cert).tls_version
    mtls_server.reload(cert=cases["asks-for-no-certificate"])
    assert ("none", True) == (mtls_server.client_certs, probe(mtls_server).accepted)
    mtls_server.reload(cert=cases["closes-during-handshake"])
    assert probe(mtls_server, mtls_client_cert).tls_version is None
    mtls_server.reload(cert=own)
    assert ("required", True) == (mtls_server.client_certs, probe(mtls_server, mtls_client_cert, tls="1.3").accepted)


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits: run on POSIX")
def test_server_outlives_the_lack_of_descriptors(tmp_path: Path) -> None:
    """While there are none it says so in its handshakes and serves who is there, and then it serves who waited."""
    program = tmp_path / "exhausted.py"
    program.write_text(
        """
import os, resource, socket, ssl
from pytest_mtls import CertificateAuthority, MutualTLSServer, probe

ca = CertificateAuthority.create()
client = ca.issue_client()
with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
    assert probe(server, client).accepted
    waiting = socket.socket()
    there = socket.create_connection(("127.0.0.1", server.port))
    server.bookmark()  # it was taken
    context = ssl.create_default_context(cafile=ca.cert_path)
    context.load_cert_chain(client.combined_path)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    waiting.connect(("127.0.0.1", server.port))
    def is_told() -> bool:
        return any("cannot take a connection" in (one.error or "") for one in server._history.kept())

    with server._changed:
        assert server._changed.wait_for(is_told, 10)
    with context.wrap_socket(there, server_hostname="localhost") as sock:
        sock.sendall(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
        assert b" 200 " in sock.recv(65536)
    for descriptor in taken:
        os.close(descriptor)
    waiting.close()
    assert probe(server, client).accepted
    assert any("cannot take a connection" in (one.error or "") for one in server.handshakes)
print("served")
""",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert ("served\n", 0) == (done.stdout, done.returncode), done.stderr


def test_who_waits_is_told_of_a_connection_that_cannot_be_served(
    mtls_server: MutualTLSServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no context can be made, as without descriptors, who waits for the handshake hears of it at once."""

    def fail() -> None:
        raise OSError("no descriptors")

    monkeypatch.setattr(mtls_server, "_current_context", fail)
    found: list[Handshake | None] = []
    address, bookmark = ("127.0.0.1", 1), mtls_server.bookmark()
    waiting = threading.Thread(
        target=lambda: found.append(mtls_server.handshake_of(address, bookmark, 600)), daemon=True
    )
    waiting.start()
    while not mtls_server._watchers and waiting.is_alive():
        pass
    # Not by its own listener, which tells of what it took in any case.
    mtls_server.serve_connection(socket.socket(), address)
    waiting.join(60)
    assert ["no descriptors"] == [handshake.error for handshake in found if handshake is not None]
