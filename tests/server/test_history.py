"""How many handshakes a server keeps, and how they are found again."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable

import pytest

from pytest_mtls import CertificateAuthority, Handshake, Identity, MutualTLSServer, Reason, probe
from pytest_mtls.errors import HandshakesForgotten, InvalidArgument
from pytest_mtls.server.history import History

Factory = Callable[..., MutualTLSServer]
KEPT = 200_000


def seen(port: int) -> Handshake:
    """A handshake of a client from this port."""
    return Handshake("server", accepted=True, peer_address=("127.0.0.1", port))


def filled(keep: int | None, count: int) -> History:
    """A history of so many connections, each from a port of its own number."""
    history = History(keep)
    for port in range(count):
        history.record(history.new_number(), seen(port))
    return history


def ports(handshakes: tuple[Handshake, ...]) -> list[int]:
    """The clients' ports."""
    return [one.peer_address[1] for one in handshakes if one.peer_address is not None]


class Counted(dict):  # type: ignore[type-arg]
    """A dict that counts how often something is looked up or iterated over in it."""

    steps = 0

    def __getitem__(self, key: object) -> object:
        Counted.steps += 1
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        Counted.steps += 1
        return super().__contains__(key)

    def items(self):  # type: ignore[no-untyped-def]
        for item in super().items():
            Counted.steps += 1
            yield item


def test_last_ones_are_kept() -> None:
    """Beyond the number to keep, the oldest verdicts go, and nothing of them stays."""
    history = filled(3, 5)
    assert [2, 3, 4] == ports(history.kept())
    assert [3, 4] == ports(history.since(3))
    assert None is history.of_client(("127.0.0.1", 1), 0)
    assert seen(4) == history.of_client(("127.0.0.1", 4), 0)
    assert 5 == history.count
    assert 5 == len(filled(None, 5).kept())


def test_what_was_forgotten_is_missed() -> None:
    """Who asks for more than is kept is told so, and not given the rest as if it were all."""
    history = filled(3, 5)
    assert [2, 3, 4] == ports(history.since(2))
    with pytest.raises(HandshakesForgotten, match=r"4 connections came since then, and the server keeps 3 handshakes"):
        history.since(1)


def test_order_is_that_of_the_verdicts() -> None:
    """Handshakes come in the order of their verdicts, by whichever way they are looked up."""
    history = History(None)
    numbers = [history.new_number() for _ in range(6)]
    for number in (3, 5, 1, 4):
        history.record(numbers[number], seen(number))
    assert [3, 5, 1, 4] == ports(history.kept()) == ports(history.since(0))
    assert [3, 5, 4] == ports(history.since(3))
    assert [5, 4] == ports(history.since(4))


def test_port_that_comes_again_is_found_by_its_bookmark() -> None:
    """Of several clients from one address, the first after the bookmark is meant."""
    history = History(2)
    verdicts = [Handshake("server", accepted, peer_address=("::1", 7)) for accepted in (True, False, None)]
    for verdict in verdicts:
        history.record(history.new_number(), verdict)
    assert [verdicts[1], verdicts[1], verdicts[2], None] == [history.of_client(("::1", 7), place) for place in range(4)]


def test_verdict_is_revised_in_its_place_and_not_after_it_was_forgotten() -> None:
    """A second verdict takes the place of the first; where that is forgotten, so is this."""
    history = filled(2, 3)
    history.revise(1, seen(100))
    history.revise(0, seen(200))
    assert [100, 2] == ports(history.kept())
    history.clear()
    history.revise(2, seen(300))
    assert () == history.kept() == history.since(0)


def test_look_up_takes_the_same_time_however_many_are_kept() -> None:
    """Among 200,000 handshakes as many steps are taken as among ten."""
    steps = []
    for count in (10, KEPT):
        history = filled(None, count)
        history._decided, history._by_client = Counted(history._decided), Counted(history._by_client)
        Counted.steps = 0
        assert seen(count - 1) == history.of_client(("127.0.0.1", count - 1), count - 2)
        assert [count - 2, count - 1] == ports(history.since(count - 2))
        steps.append(Counted.steps)
    assert steps[0] == steps[1] < 10


@pytest.mark.parametrize("keep", [0, -1, "all", True, 1.5])
def test_number_to_keep_that_cannot_be(mtls_server_factory: Factory, keep: object) -> None:
    """It is a number above 0, or None."""
    with pytest.raises(InvalidArgument, match="how many handshakes are kept"):
        mtls_server_factory(keep=keep)


def test_server_keeps_the_last_handshakes(mtls_server_factory: Factory, mtls_client_cert: Identity) -> None:
    """A server shows as many handshakes as it keeps; what a probe or a block needs is there, or missed in words."""
    server = mtls_server_factory(keep=2)
    with server.expect_accepted() as two:
        assert [probe(server, mtls_client_cert).counterpart for _ in range(2)] == list(server.handshakes)
    assert 2 == len(two.handshakes)
    expected = server.expect_rejected(Reason.NO_CERTIFICATE)
    with pytest.raises(HandshakesForgotten, match="keep=None"), expected:
        list(map(probe, [server] * 3))
    assert [False, False] == [one.accepted for one in server.handshakes]


def test_cleared_server_shows_what_comes_afterwards(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """What was seen is forgotten, and the rejection of a client that was cleared does not come back."""
    context = mtls_client_cert.ssl_context(trust=mtls_ca)
    with socket.create_connection(mtls_server.address) as plain:
        sock = context.wrap_socket(plain, server_hostname="localhost")
        bookmark = mtls_server.bookmark()
        counts = [len(mtls_server.handshakes)]
        mtls_server.clear()
        assert [1, 0] == [*counts, len(mtls_server.handshakes)]
        with mtls_server.expect_rejected(Reason.NO_CERTIFICATE):
            probe(mtls_server)
        sock.close()
    assert [False] == [one.accepted for one in mtls_server.handshakes_since(bookmark)]


def test_clear_leaves_a_client_that_has_said_nothing(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority
) -> None:
    """A client that connected before, and begins its handshake only afterwards, is seen."""
    context = mtls_ca.issue_client("late").ssl_context(trust=mtls_ca)
    with socket.create_connection(mtls_server.address) as plain:
        mtls_server.clear()
        with context.wrap_socket(plain, server_hostname="localhost"):
            (late,) = mtls_server.handshakes_since(0, wait=True)
    assert "CN=late" == late.peer_chain[0].subject.rfc4514_string()


def test_idle_connection_that_was_forgotten_delays_no_look(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A connection that stays open after its handshake is no longer kept is not waited for."""
    server = mtls_server_factory(keep=1, handler=lambda sock, _: sock.recv(1))
    context = mtls_client_cert.ssl_context(trust=mtls_ca)
    answered = threading.Event()
    with socket.create_connection(server.address) as plain, context.wrap_socket(plain, server_hostname="localhost"):
        assert probe(server).accepted is False

        def look() -> None:
            if len(server.handshakes) == 1:
                answered.set()

        looking = threading.Thread(target=look)
        looking.start()
        assert answered.wait(0.9), "the second within which a late refusal is heard out"
        looking.join()


def test_memory_is_bounded(mtls_server_factory: Factory) -> None:
    """A thousand handshakes are kept unless told otherwise."""
    server = mtls_server_factory()
    for port in range(1500):
        server._history.record(server._history.new_number(), seen(port))
    assert 1000 == len(server.handshakes) == len(server._history._by_client)


def test_resumed_session_is_found_like_any(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """The look-up is by address alone, so that a handshake without a Certificate message is found too."""
    context = mtls_ca.issue_client().ssl_context(trust=mtls_ca, tls="1.2")
    session: ssl.SSLSession | None = None
    for resumed in (False, True):
        bookmark = mtls_server.bookmark()
        with (
            socket.create_connection(mtls_server.address) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as sock,
        ):
            session = sock.session
            found = mtls_server.handshake_of(sock.getsockname()[:2], bookmark, 5)
        assert found is not None
        assert resumed is found.resumed
