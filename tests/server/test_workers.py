"""Threads that are used again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pytest_mtls import Identity, MutualTLSServer, probe
from pytest_mtls.server.workers import Workers


def test_thread_is_used_again_and_jobs_at_once_have_each_their_own() -> None:
    """A job that comes while others run gets a new thread; one that comes when all are idle gets one of those."""
    workers, gate = Workers("worker"), threading.Barrier(4)
    names: list[str] = []

    def job() -> None:
        names.append(threading.current_thread().name)
        gate.wait(10)

    for _ in range(3):
        workers.start(job)
    gate.wait(10)
    assert 3 == len(set(names))
    known = set(names)
    while workers._idle < 3:
        threading.Event().wait(0.001)
    done = threading.Event()

    def another() -> None:
        names.append(threading.current_thread().name)
        done.set()

    workers.start(another)
    assert done.wait(10)
    assert names[-1] in known
    workers.close(10)
    assert not any(thread.is_alive() for thread in workers._threads)


def test_close_waits_for_jobs_and_may_be_called_by_one() -> None:
    """It returns when all jobs are done; the thread that calls it is not waited for."""
    workers, ended = Workers("worker"), threading.Event()

    def end() -> None:
        workers.close(10)
        ended.set()

    workers.start(end)
    assert ended.wait(5)
    for thread in workers._threads:
        thread.join(10)
        assert not thread.is_alive()


def test_server_uses_one_thread_for_clients_that_come_one_after_the_other(
    mtls_server_factory: Callable[..., MutualTLSServer], mtls_client_cert: Identity
) -> None:
    """Many connections in turn need few threads, and a stopped server leaves none of them."""
    before = threading.active_count()
    server = mtls_server_factory()
    for _ in range(30):
        assert probe(server, mtls_client_cert).accepted
    assert threading.active_count() - before < 10
    server.stop()
    assert before == threading.active_count()
