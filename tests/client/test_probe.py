"""`probe` comes to a verdict with every kind of server, ours and others."""

from __future__ import annotations

import errno
import gc
import socket
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pytest_mtls import (
    Alert,
    CertificateAuthority,
    Endpoint,
    Handshake,
    Identity,
    MtlsError,
    MutualTLSServer,
    Reason,
    probe,
)
from pytest_mtls.cases import CATALOGUE, Case
from pytest_mtls.cases.presentation import Presentation
from pytest_mtls.certificates.trust import Trust
from pytest_mtls.client.probe import Conversation, shake_hands
from pytest_mtls.client.protocols import PROTOCOLS
from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.errors import (
    AuthorityUsedAsIdentity,
    CaseNotPresentable,
    CaseOfWrongSide,
    InvalidArgument,
    InvalidEndpoint,
)
from pytest_mtls.server.misbehaviour import reset
from pytest_mtls.tls import transcript
from pytest_mtls.tls.context import client_context, server_context
from pytest_mtls.tls.handshake import judge_failure
from pytest_mtls.tls.wire import Deadline, wait_for

Act = Callable[[socket.socket], None]


@contextmanager
def raw_server(act: Act) -> Iterator[tuple[str, int]]:
    """A TCP server that does something to its one client, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                act(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()
        thread.join()


def close_at_once(sock: socket.socket) -> None:
    """Say nothing."""


def close_after_hello(sock: socket.socket) -> None:
    """Hear the client out, and close."""
    sock.recv(65536)


def reset_after_hello(sock: socket.socket) -> None:
    """Hear the client out, and reset the connection."""
    sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def speak_http(sock: socket.socket) -> None:
    """Answer as an HTTP server does to what is not HTTP."""
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    sock.recv(65536)


def send_alert(sock: socket.socket) -> None:
    """Refuse by a fatal handshake_failure at once."""
    sock.recv(65536)
    sock.sendall(bytes([21, 3, 3, 0, 2, 2, 40]))


def test_good_client_is_accepted(mtls_server: MutualTLSServer, mtls_client_cert: Identity, tls: str) -> None:
    """A good client is accepted, and both ends know all about each other."""
    seen = probe(mtls_server, mtls_client_cert, tls=tls)
    assert (True, None, None, None) == (seen.accepted, seen.rejected_by, seen.reason, seen.error)
    assert f"TLSv{tls}" == seen.tls_version
    assert mtls_server.cert.certificate == seen.peer_certificate
    assert "localhost" == seen.server_name
    there = seen.counterpart
    assert there is not None
    assert mtls_client_cert.certificate == there.peer_certificate
    assert (seen.cipher, "localhost", False) == (there.cipher, there.server_name, there.resumed)
    assert seen.local_address == there.peer_address


@pytest.mark.parametrize(
    ("case", "version"),
    [
        pytest.param(case, version, id=f"{case.id}-{version}")
        for case in CATALOGUE["client"].select()
        for version in ("1.2", "1.3")
        if case.tls in (None, version)
    ],
)
def test_bad_client_is_refused_for_its_reason(mtls_server: MutualTLSServer, case: Case, version: str) -> None:
    """Each bad client is rejected by the server, for its own reason, over every version that can carry it."""
    seen = probe(mtls_server, case, tls=version)
    assert (False, "server", case.reason) == (seen.accepted, seen.rejected_by, seen.reason)
    assert seen.alert is not None


def test_case_is_not_carried_by_every_version(mtls_server: MutualTLSServer) -> None:
    """What only TLS 1.2 can carry is an error under TLS 1.3 and no verdict."""
    (garbage,) = CATALOGUE["client"].select(["garbage-certificate"])
    with pytest.raises(CaseNotPresentable, match=r"'garbage-certificate' .* TLS 1\.2 only, and TLS 1\.3 is asked"):
        probe(mtls_server, garbage, tls="1.3")
    assert () == mtls_server.handshakes


def test_refusal_is_the_same_without_our_own_servers_word(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority
) -> None:
    """To a server of somebody else the alert alone tells, and stands for several reasons."""
    stranger = Endpoint("localhost", mtls_server.port, trust=mtls_ca)
    seen = probe(stranger, mtls_ca.issue_client(not_before=-10, not_after=-1))
    assert (Alert.CERTIFICATE_EXPIRED, Reason.EXPIRED, None) == (seen.alert, seen.reason, seen.counterpart)
    assert Reason.CRL_EXPIRED in seen.possible_reasons
    assert Reason.REVOKED not in seen.possible_reasons


@pytest.mark.parametrize("act", [close_at_once, close_after_hello, reset_after_hello])
def test_bare_close_is_a_refusal_with_no_alert(act: Act, mtls_ca: CertificateAuthority) -> None:
    """An end of stream before any byte of data is a rejection whose alert is not known."""
    with raw_server(act) as address:
        seen = probe(address, trust=mtls_ca)
    assert (False, "server", Reason.UNSPECIFIED, None) == (seen.accepted, seen.rejected_by, seen.reason, seen.alert)
    assert frozenset(Reason) == seen.possible_reasons


def test_alert_at_once_is_a_refusal(mtls_ca: CertificateAuthority) -> None:
    """A fatal alert before anything else is a rejection by the server."""
    with raw_server(send_alert) as address:
        seen = probe(address, trust=mtls_ca)
    assert (False, "server", Alert.HANDSHAKE_FAILURE) == (seen.accepted, seen.rejected_by, seen.alert)


def test_plain_http_is_refused_by_the_client(mtls_ca: CertificateAuthority) -> None:
    """A server that does not speak TLS has rejected nobody: it is the client that gives up."""
    with raw_server(speak_http) as address:
        seen = probe(address, trust=mtls_ca)
    assert (False, "client", Reason.NOT_TLS) == (seen.accepted, seen.rejected_by, seen.reason)


def test_hanging_server_is_undecided(mtls_ca: CertificateAuthority) -> None:
    """A time-out is not a verdict."""
    hold = threading.Event()

    def hang(_: socket.socket) -> None:
        hold.wait(30)

    with raw_server(hang) as address:
        seen = probe(address, trust=mtls_ca, timeout=0.2)
        hold.set()
    assert seen.accepted is None
    assert seen.error is not None
    assert "silent until the deadline of 0.2 s" in seen.error


def test_absent_server_is_undecided(mtls_ca: CertificateAuthority) -> None:
    """Nobody there is no verdict."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    seen = probe(address, trust=mtls_ca)
    assert seen.accepted is None
    assert seen.error is not None
    assert seen.error.startswith(f"cannot connect to 127.0.0.1:{address[1]}: ")


def test_silent_server_without_tickets_is_undecided(
    mtls_ca: CertificateAuthority, mtls_server_cert: Identity, mtls_client_cert: Identity
) -> None:
    """Under TLS 1.3 a server that gives neither ticket, data nor end has not said whether it accepts."""
    context = server_context(mtls_server_cert, Trust.of(mtls_ca), tls="1.3")
    context.num_tickets = 0
    hold = threading.Event()

    def accept_in_silence(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True):
            hold.wait(30)

    with raw_server(accept_in_silence) as address:
        seen = probe(Endpoint(*address, server_name="localhost"), mtls_client_cert, trust=mtls_ca, timeout=0.3)
        hold.set()
    assert seen.accepted is None


def test_client_refuses_a_server_it_does_not_trust(
    mtls_server: MutualTLSServer, mtls_untrusted_ca: CertificateAuthority, mtls_client_cert: Identity, tls: str
) -> None:
    """The probe is a client that looks at the server; the server sees its alert."""
    seen = probe(mtls_server, mtls_client_cert, trust=mtls_untrusted_ca, tls=tls)
    assert (False, "client", Reason.UNKNOWN_CA) == (seen.accepted, seen.rejected_by, seen.reason)
    assert (19, "self-signed certificate in certificate chain") == (seen.verify_code, seen.verify_error)
    assert seen.counterpart is not None
    assert (False, "client", Alert.UNKNOWN_CA) == (
        seen.counterpart.accepted,
        seen.counterpart.rejected_by,
        seen.counterpart.alert,
    )


def test_server_name_is_asked_for_and_checked(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """Another name than the certificate's is a mismatch."""
    seen = probe(mtls_server, mtls_client_cert, server_name="elsewhere.example")
    assert (False, "client", Reason.HOSTNAME_MISMATCH) == (seen.accepted, seen.rejected_by, seen.reason)


def test_refused_peers_chain_is_known(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """The certificates of a client that was rejected are in its handshake, leaf first."""
    middle = mtls_ca.intermediate()
    expired = middle.issue_client(not_before=-10, not_after=-1)
    probe(mtls_server, expired)
    seen = mtls_server.handshakes[-1]
    assert expired.chain == seen.peer_chain[: len(expired.chain)]
    assert expired.certificate == seen.peer_certificate


def test_transcript_has_the_messages_in_order(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """Both ends see the same messages of a TLS 1.3 handshake, each with its sender."""
    seen = probe(mtls_server, mtls_client_cert, tls="1.3")
    expected = [
        ("client", "ClientHello"),
        ("server", "ServerHello"),
        ("server", "EncryptedExtensions"),
        ("server", "CertificateRequest"),
        ("server", "Certificate"),
        ("server", "CertificateVerify"),
        ("server", "Finished"),
        ("client", "Certificate"),
        ("client", "CertificateVerify"),
        ("client", "Finished"),
    ]
    assert expected == [(message.sender, message.name) for message in seen.transcript[:10]]
    assert seen.counterpart is not None
    assert expected == [(message.sender, message.name) for message in seen.counterpart.transcript[:10]]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"client": "CA"}, AuthorityUsedAsIdentity),
        ({"client": "SERVER-CASE"}, CaseOfWrongSide),
        ({"client": 7}, InvalidArgument),
        ({"tls": "1.4"}, InvalidArgument),
        ({"timeout": 0}, InvalidArgument),
        ({"server_name": ""}, None),
        ({"server_name": ".x"}, InvalidArgument),
        ({"trust": 7}, InvalidArgument),
        ({"trust": ()}, InvalidArgument),
        ({"endpoint": "localhost"}, InvalidEndpoint),
        ({"endpoint": ("localhost", 0)}, InvalidEndpoint),
        ({"endpoint": ("a..b", 443), "server_name": "localhost"}, InvalidEndpoint),
    ],
)
def test_bad_arguments_get_one_typed_error(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, arguments: dict[str, object], error: type[MtlsError]
) -> None:
    """Bad input is one `MtlsError` that names the value, and never a verdict."""
    from pytest_mtls import server_cases

    stand_ins = {"CA": mtls_ca, "SERVER-CASE": server_cases("expired")[0].values[0]}
    given = {name: stand_ins.get(value, value) for name, value in arguments.items()}  # type: ignore[call-overload]
    endpoint = given.pop("endpoint", mtls_server)
    if error is None:
        probe(endpoint, **given)
        return
    with pytest.raises(error):
        probe(endpoint, **given)


def test_server_that_accepts_and_closes_has_accepted(
    mtls_server_factory: Callable[..., MutualTLSServer], mtls_client_cert: Identity, tls: str
) -> None:
    """A session ticket says that the client was taken in, whatever the server does next."""
    server = mtls_server_factory(handler=lambda sock, handshake: None)
    assert [True] * 20 == [probe(server, mtls_client_cert, tls=tls).accepted for _ in range(20)]


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENOBUFS, errno.EAGAIN])
def test_failure_of_the_network_is_no_refusal(number: int) -> None:
    """What neither side said is undecided."""
    judged = judge_failure(Handshake("client", None), OSError(number, "no way"))
    assert (None, None, "no way") == (judged.accepted, judged.rejected_by, judged.error)


def test_message_of_any_size_goes_out_whole(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """A Certificate message that fills all buffers is sent on as the server takes it, and its alert is heard."""
    huge = Presentation(mtls_client_cert, tls="1.2", rewrite=lambda chain: bytes(8_000_000))
    seen = probe(Endpoint(*mtls_server.address, trust=mtls_server.endpoint.trust), huge)
    assert (False, "server") == (seen.accepted, seen.rejected_by)
    assert seen.alert is not None


def test_reset_before_the_handshake_is_a_refusal(
    mtls_ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that resets the connection as soon as it has taken it has rejected, whatever the client was about to do."""
    really = socket.create_connection

    def connect_and_wait(address: tuple[str, int], timeout: float) -> socket.socket:
        sock = really(address, timeout)
        wait_for(sock, timeout)
        return sock

    monkeypatch.setattr(socket, "create_connection", connect_and_wait)
    with raw_server(reset) as address:
        seen = probe(address, trust=mtls_ca)
    assert (False, "server", Reason.UNSPECIFIED) == (seen.accepted, seen.rejected_by, seen.reason)


def test_no_socket_stays_open_where_the_other_side_has_gone(mtls_ca: CertificateAuthority) -> None:
    """A connection that was reset between the first byte and TLS is a rejection, and its socket is closed."""
    with raw_server(reset) as address, socket.create_connection(address) as plain:
        wait_for(plain, 5)
        context, deadline = client_context(None, Trust.of(mtls_ca)), Deadline(5)
        target = Endpoint(*address, server_name="localhost")
        conversation = Conversation(PROTOCOLS["tls"], target, Channel(plain, deadline))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            seen = shake_hands(context, plain, conversation, deadline)
            gc.collect()
    assert (False, "server", []) == (seen.accepted, seen.rejected_by, caught)


def test_client_with_the_port_of_an_earlier_one_is_not_taken_for_it(
    mtls_server_factory: Callable[..., MutualTLSServer],
    mtls_ca: CertificateAuthority,
    mtls_client_cert: Identity,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A good client that connects from the port of a rejected one is accepted: the server's word on that one is not used."""
    server = mtls_server_factory(host="127.0.0.1")
    stranger = CertificateAuthority.create("unknown CA").issue_client()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def connect_from_port(address: tuple[str, int], timeout: float) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reset(sock)  # so that the port is free again at once
        sock.bind(("127.0.0.1", port))
        sock.settimeout(timeout)
        sock.connect(address)
        return sock

    monkeypatch.setattr(socket, "create_connection", connect_from_port)
    for _ in range(15):
        assert False is probe(server, stranger).accepted
        assert True is probe(server, mtls_client_cert).accepted


@pytest.mark.parametrize(
    "url", ["nope://alice:s3:cr@et@h:1", "postgres://alice:s3:cr@et@:1", "postgres://a:s3:cr@et@h:99999"]
)
def test_password_in_a_bad_url_is_not_shown(url: str) -> None:
    """The error about a URL goes to logs, and its password does not."""
    with pytest.raises(InvalidEndpoint, match=r"://a(lice)?:\*\*\*@") as raised:
        Endpoint.parse(url)
    assert "s3" not in str(raised.value)
    assert "et@" not in str(raised.value)


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_verdicts_where_no_messages_are_told(tls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Python such as PyPy a TLS 1.3 server's session ticket shows in the session, and all verdicts are the same."""
    monkeypatch.setattr(transcript, "MESSAGE_CALLBACK", None)
    ca = CertificateAuthority.create()
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        accepted = probe(server, ca.issue_client(), tls=tls)
        rejected = probe(server, ca.issue_client(not_before=-10, not_after=-1), tls=tls)
        (stolen,) = CATALOGUE["client"].select(["stolen-certificate"])
        assert Reason.POSSESSION_NOT_PROVED is probe(server, stolen, tls=tls).reason
    assert (True, (), False) == (accepted.accepted, accepted.transcript, accepted.is_observed)
    assert (False, "server", Reason.EXPIRED) == (rejected.accepted, rejected.rejected_by, rejected.reason)
