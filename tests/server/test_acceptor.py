"""Connections are taken and led on by few threads, which never wait for one of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from pytest_mtls import CertificateAuthority, Handshake, Identity, MutualTLSServer, probe
from pytest_mtls.server.acceptor import Acceptor
from pytest_mtls.server.connection import ServingSocket
from pytest_mtls.server.listener import Listener

Factory = Callable[..., MutualTLSServer]


@pytest.fixture
def silent(mtls_server: MutualTLSServer) -> Iterator[list[socket.socket]]:
    """Some clients of the server that have connected and said nothing."""
    with ExitStack() as opened:
        yield [opened.enter_context(socket.create_connection(mtls_server.address)) for _ in range(40)]


def receiving() -> int:
    """How many threads take connections."""
    return sum(thread.name.startswith("mtls-accept") for thread in threading.enumerate())


def seen_while_failing(
    server: MutualTLSServer, client: Identity, monkeypatch: pytest.MonkeyPatch, target: object, name: str, problem: str
) -> Handshake:
    """The handshake of a client, as its server saw it while a function raised RuntimeError."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(problem)

    with monkeypatch.context() as patched:
        patched.setattr(target, name, fail)
        probe(server, client)
        (seen,) = server.handshakes
    return seen


def test_silent_clients_need_no_thread_and_delay_nobody(
    mtls_server: MutualTLSServer, mtls_client_cert: Identity, silent: list[socket.socket]
) -> None:
    """Forty clients say nothing. Another is still served, with no more threads than one client needs."""
    before = threading.active_count()
    assert probe(mtls_server, mtls_client_cert).accepted
    assert threading.active_count() - before <= 2
    assert len(mtls_server.handshakes) == 1


def test_second_thread_is_begun_only_for_clients_that_come_at_once(
    mtls_server: MutualTLSServer, mtls_client_cert: Identity
) -> None:
    """One client after the other needs one; one beside a silent one gets a second, and a stopped server has none."""
    before = receiving()
    for _ in range(5):
        assert probe(mtls_server, mtls_client_cert).accepted
    assert before == receiving()
    with socket.create_connection(mtls_server.address), socket.create_connection(mtls_server.address):
        while receiving() == before:
            threading.Event().wait(0.001)
        assert before + 1 == receiving()
    mtls_server.stop()
    assert before - 1 == receiving()


def test_every_silent_client_has_a_deadline_of_its_own(mtls_server_factory: Factory) -> None:
    """One that came later with less time is given up first; the stop is the end of the other."""
    server = mtls_server_factory(handshake_timeout=600.0)
    with socket.create_connection(server.address):
        server.bookmark()
        server.handshake_timeout = 0.1
        bookmark = server.bookmark()
        with socket.create_connection(server.address):
            (late,) = server.handshakes_since(bookmark, wait=True)
            assert "the other side was silent until the deadline of 0.1 s" in (late.error or "")
        assert (late,) == server.handshakes
        server.stop()
    assert "stopped in the middle" in (server.handshakes[-1].error or "")
    assert [None, None] == [handshake.accepted for handshake in server.handshakes]


def test_step_that_fails_by_a_fault_of_python_is_undecided_and_ends_no_thread(
    mtls_server: MutualTLSServer,
    mtls_client_cert: Identity,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """PyPy's ssl raises RuntimeError for some resets: the handshake has no verdict, and the next client is served."""
    seen = seen_while_failing(mtls_server, mtls_client_cert, monkeypatch, ServingSocket, "do_handshake", "undocumented")
    assert (None, "RuntimeError: undocumented") == (seen.accepted, seen.error)
    assert "could not be done" in caplog.text
    assert probe(mtls_server, mtls_client_cert).accepted


def test_client_that_no_thread_can_serve_is_undecided(
    mtls_server: MutualTLSServer,
    mtls_client_cert: Identity,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It was accepted, and not served: the server says so, goes on, and serves the next one."""
    seen = seen_while_failing(
        mtls_server, mtls_client_cert, monkeypatch, mtls_server._workers, "start", "can't start new thread"
    )
    assert (None, "accepted, and not served: can't start new thread") == (seen.accepted, seen.error)
    assert "cannot serve a connection: can't start new thread" in caplog.text
    assert probe(mtls_server, mtls_client_cert).accepted


def test_server_without_a_second_thread_goes_on_with_one(
    mtls_server: MutualTLSServer,
    mtls_client_cert: Identity,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where no more threads can be had, clients that come at once are served by the one that is there."""
    start = threading.Thread.start

    def fail(self: threading.Thread) -> None:
        if self.name.startswith("mtls-accept"):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", fail)
    with ExitStack() as opened:
        for _ in range(10):
            opened.enter_context(socket.create_connection(mtls_server.address))
        assert probe(mtls_server, mtls_client_cert).accepted
        assert 1 == receiving()


def test_server_that_can_have_no_thread_leaves_nothing(
    mtls_ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`start` raises, the port is closed, and the server does not run."""
    server = MutualTLSServer(cert=mtls_ca.issue_server(), trust=mtls_ca)

    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    listeners: list[Listener] = []
    known = Listener.__init__

    def keep(self: Listener, host: str, port: int) -> None:
        known(self, host, port)
        listeners.append(self)

    monkeypatch.setattr(Listener, "__init__", keep)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="new thread"):
            server.start()
    assert not server.is_running
    assert {-1} == {sock.fileno() for listener in listeners for sock in listener.sockets}


def test_who_asks_whether_the_queue_is_empty_hears_of_a_connection_being_taken() -> None:
    """From the moment when it left the queue until it was handed on, the queue counts as not empty."""
    inside, go_on = threading.Event(), threading.Event()

    def take(sock: socket.socket, address: tuple[str, int]) -> None:
        inside.set()
        go_on.wait(10)
        sock.close()

    acceptor = Acceptor(Listener("127.0.0.1", 0), "test", take, pytest.fail)
    acceptor.start()
    try:
        assert acceptor.is_queue_empty()
        with socket.create_connection(acceptor.listening[0].getsockname()):
            assert inside.wait(10)
            assert not acceptor.is_queue_empty()
            go_on.set()
    finally:
        go_on.set()
        acceptor.stop()
