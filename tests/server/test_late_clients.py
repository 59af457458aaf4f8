"""Clients that judge the server only after their handshake, and what comes after a handshake and does not undo it."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import requests
from support.client_drivers import DRIVERS, Server
from support.late_clients import CLIENTS, Ask, ClientSaysNo
from support.requirements import require_library, require_program

from pytest_mtls import CertificateAuthority, HandshakeAssertionError, Identity, MutualTLSServer, Reason, clients
from pytest_mtls.cases import CATALOGUE, Case, Tier

(_WRONG_HOST,) = CATALOGUE["server"].select(["wrong-host"])
Factory = Callable[..., MutualTLSServer]

#: grpcio lets the handshake pass and sends its HTTP/2 preface, and only then rejects to make the call.
_AFTER_THE_PREFACE = ("nul-in-name",)
_NAMES = [
    case
    for case in CATALOGUE["server"].select(["*"])
    if case.theme == "names" and case.tier is Tier.MUST and not case.tls
]

#: What the suite has; the others are in the slow tests. Node judges after its handshake, over TLS 1.2 as well.
_QUICK = {("Node https", "1.3")}
_BEFORE_ALL_SERVERS = [
    pytest.param(name, tls, marks=() if (name, tls) in _QUICK else pytest.mark.slow)
    for name in CLIENTS
    for tls in ("1.2", "1.3")
]


@pytest.mark.parametrize("case", _NAMES, ids=lambda case: case.id)
def test_grpcio_that_checks_names_after_its_handshake_is_seen_to_reject(
    case: Case, mtls_server_factory: Factory, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """The verdict is what grpcio itself reports: it raised, and had sent nothing."""
    require_library("grpc", pip="grpcio")
    driver = DRIVERS["grpcio"]
    arguments = clients.arguments("grpcio", mtls_client_cert, trust=mtls_ca)
    server = mtls_server_factory(cert=case, **driver.served_by)
    raised: list[BaseException] = []

    def call() -> None:
        try:
            driver.call(Server(server.host, server.port), arguments)
        except BaseException as error:
            raised.append(error)
            raise

    try:
        with server.expect_rejected(by="client") as seen:
            call()
    except HandshakeAssertionError:
        assert case.id in _AFTER_THE_PREFACE or not raised, "grpcio rejected the server, and the verdict is another"
    else:
        assert raised
        assert seen.handshake.rejected_by == "client"


@pytest.mark.parametrize(("name", "tls"), _BEFORE_ALL_SERVERS)
def test_the_verdict_on_each_bad_server_is_what_the_client_itself_reports(
    name: str, tls: str, mtls_ca: CertificateAuthority, mtls_client_cert: Identity, tmp_path: Path
) -> None:
    """Before every server of the catalogue: rejected by the client where it reports an error, else accepted."""
    trust = tmp_path / "ca.pem"
    trust.write_bytes(mtls_ca.pem)
    cases = [case for case in CATALOGUE["server"].select(["*"]) if tls in case.versions and not case.misbehaves]
    differing, rejections = {}, 0
    with (
        CLIENTS[name](mtls_client_cert, trust, [case.host for case in cases]) as ask,
        MutualTLSServer(cert=mtls_ca.issue_server(), trust=mtls_ca, tls=tls) as server,
    ):
        for case in cases:
            server.reload(cert=case)
            reported, seen = _reported_and_seen(server, case, ask)
            rejections += reported is not None
            if (reported is None) is not (seen == "accepted"):
                differing[case.id] = (seen, reported)
    assert {} == differing
    assert len(cases) / 3 < rejections < len(cases)


def _reported_and_seen(server: MutualTLSServer, case: Case, ask: Ask) -> tuple[ClientSaysNo | None, str]:
    """What the client says of a server, None where it is content, and in a word what the server makes of the client."""
    reported: list[ClientSaysNo] = []
    try:
        with server.expect_rejected(by="client"):
            try:
                ask(server.port, case.host)
            except ClientSaysNo as error:
                reported.append(error)
                raise
        word = "rejected by the client"
    except HandshakeAssertionError as error:
        last = error.handshakes[-1] if error.handshakes else None
        word = {True: "accepted", False: "rejected by the server"}.get(last.accepted, "?") if last else "nobody came"
    return (reported[0] if reported else None), word


def test_client_that_ends_without_a_byte_and_raises_nothing_proves_nothing(
    mtls_server_factory: Factory, mtls_client_cert: Identity
) -> None:
    """A handshake that is done and closed may be all that an insecure client wanted: the failure tells how to be sure."""
    server = mtls_server_factory(cert=_WRONG_HOST)
    context = mtls_client_cert.ssl_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        pytest.raises(HandshakeAssertionError, match="let its error leave the with block"),
        server.expect_rejected(by="client"),
        socket.create_connection(server.address) as plain,
        context.wrap_socket(plain) as sock,
    ):
        sock.unwrap()


def test_client_that_has_yet_to_end_its_connection_is_waited_for(
    mtls_server: MutualTLSServer, mtls_client_cert: Identity, mtls_ca: CertificateAuthority
) -> None:
    """grpcio ends the connection of a server that it rejects in a thread of its own, after it has raised."""
    context = mtls_client_cert.ssl_context(trust=mtls_ca)
    with ThreadPoolExecutor(1) as other, socket.create_connection(mtls_server.address) as plain:
        sock = context.wrap_socket(plain, server_hostname="localhost")
        looks = other.submit(mtls_server.handshakes_since, 0, wait=True, late=True)
        while not mtls_server._watchers and not wait([looks], timeout=0).done:
            pass  # it has not begun to look
        sock.close()
        (seen,) = looks.result()
    assert (True, True) == (seen.accepted, seen.is_unused)


def test_client_that_raises_after_it_sent_a_request_accepted_the_server(
    mtls_server_factory: Factory, mtls_client_cert: Identity
) -> None:
    """An error after a request went out rejects nothing: the secret is already sent."""
    server = mtls_server_factory(cert=_WRONG_HOST)
    session = requests.Session()
    session.cert = (str(mtls_client_cert.cert_path), str(mtls_client_cert.key_path))
    session.trust_env = False
    session.verify = False

    def send_and_fail() -> None:
        with server.expect_rejected(by="client"):
            session.get(server.url)
            raise OSError("after all")

    with pytest.warns(Warning, match="Unverified HTTPS"), pytest.raises(HandshakeAssertionError) as failed:
        send_and_fail()
    assert "the client accepted the server" in str(failed.value)


def test_renegotiation_that_a_client_asks_for_does_not_undo_its_handshake(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """OpenSSL rejects renegotiation, upon which its own client sends an alert; the first handshake was accepted."""
    openssl = require_program("openssl", apt="openssl")
    server = mtls_server_factory(tls="1.2")
    command = [openssl, "s_client", "-connect", f"{server.host}:{server.port}", "-tls1_2", "-CAfile", mtls_ca.cert_path]
    command += ["-cert", mtls_client_cert.cert_path, "-key", mtls_client_cert.key_path]
    with server.expect_accepted() as seen:
        subprocess.run(list(map(str, command)), input="R\n", text=True, capture_output=True, timeout=20)
    assert [True] == [handshake.accepted for handshake in seen.handshakes]
    assert "ClientHello" in [message.name for message in seen.handshake.transcript]


def test_handshakes_of_other_clients_are_not_judged(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A health check in the background does not spoil the verdict on the client that a test is about."""
    expired = mtls_ca.issue_client("alice", not_before=-10, not_after=-1)
    with mtls_server.expect_rejected(Reason.EXPIRED, client=expired) as seen:
        assert requests.get(
            mtls_server.url, cert=(mtls_client_cert.cert_path, mtls_client_cert.key_path), verify=mtls_ca.cert_path
        ).ok
        requests.get(mtls_server.url, cert=(expired.cert_path, expired.key_path), verify=mtls_ca.cert_path)
    assert [expired.certificate] == [handshake.peer_certificate for handshake in seen.handshakes]
    with mtls_server.expect_accepted(client=mtls_client_cert) as accepted:
        with pytest.raises(requests.ConnectionError):
            requests.get(mtls_server.url, cert=(expired.cert_path, expired.key_path), verify=mtls_ca.cert_path)
        assert requests.get(
            mtls_server.url, cert=(mtls_client_cert.cert_path, mtls_client_cert.key_path), verify=mtls_ca.cert_path
        ).ok
    assert 1 == len(accepted.handshakes)
