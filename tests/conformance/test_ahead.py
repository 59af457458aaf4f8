"""Checks of a server that are done several at once have the verdicts that each has alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

import pytest
from support.balancer import balancer
from support.conforming import EVERYTHING, case_of, https

from pytest_mtls import CertificateAuthority, Endpoint, MutualTLSServer
from pytest_mtls.cases import CATALOGUE, Case, Tier
from pytest_mtls.client.rate import RateLimiter
from pytest_mtls.conformance.ahead import Ahead
from pytest_mtls.conformance.run import Outcome, Run
from pytest_mtls.errors import InvalidArgument
from pytest_mtls.server.http import default_app

Factory = Callable[..., MutualTLSServer]

BAD = (
    "expired",
    "not-yet-valid",
    "untrusted-ca",
    "self-signed-certificate",
    "no-certificate",
    "server-only",
    "revoked",
)


def good_checks() -> list[tuple[Case, str]]:
    """Clients that any server takes."""
    return [(case, "1.3") for case in CATALOGUE["client"].select("*") if case.tier is Tier.GOOD and case.tls is None]


def checks_of(*ids: str) -> list[tuple[Case, str]]:
    """Each case over TLS 1.3."""
    return [(case_of(id), "1.3") for id in ids]


def test_checks_are_in_flight_at_once(mtls_server_factory: Factory) -> None:
    """So many clients as there are jobs reach the server before the first of them is answered."""
    meeting, calls, is_on = threading.Barrier(3), count(), threading.Event()

    def app(environ: object, start_response: object) -> object:
        if is_on.is_set() and next(calls) < 3:
            meeting.wait(60)
        return default_app(environ, start_response)  # type: ignore[arg-type]

    target = https(mtls_server_factory(app))
    wanted = good_checks()
    with Ahead(lambda: Run(target, timeout=60), wanted, 3) as ahead:
        first = ahead.check(*wanted[0])  # alone
        is_on.set()
        results = [first, *(ahead.check(*one) for one in wanted[1:])]
    assert not meeting.broken
    assert next(calls) > 3
    assert wanted == [(result.case, result.tls) for result in results]
    assert {Outcome.CONFORMS} == {result.outcome for result in results}


def test_verdicts_are_those_of_one_at_a_time(mtls_server_factory: Factory) -> None:
    """A server with faults is told the same of, in the same order."""
    target = https(mtls_server_factory(revocation=False))
    wanted = checks_of("valid", *BAD)
    alone = [Run(target, EVERYTHING).check(*one) for one in wanted]
    with Ahead(lambda: Run(target, EVERYTHING), wanted, 4) as ahead:
        results = [ahead.check(*one) for one in wanted]
    assert [(one.case.id, one.outcome, one.note) for one in alone] == [
        (one.case.id, one.outcome, one.note) for one in results
    ]
    assert Outcome.DEVIATES is results[-1].outcome


def test_server_with_one_worker_fails_nothing(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """A server that takes the next client when the one before has gone is asked by several at once, and conforms."""
    wanted = checks_of("valid", *BAD)
    with balancer(mtls_server) as port:
        target = Endpoint("127.0.0.1", port, "https", server_name="localhost", trust=mtls_ca, ca=mtls_ca)
        with Ahead(lambda: Run(target, EVERYTHING, timeout=60), wanted, 4) as ahead:
            results = [ahead.check(*one) for one in wanted]
    assert {Outcome.CONFORMS} == {result.outcome for result in results}


def test_backends_that_differ_are_found(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """Of two backends taken in turn one does not look who is revoked: jobs do not keep step with them."""
    wanted = checks_of("valid", *BAD)
    with balancer(mtls_server_factory(), mtls_server_factory(revocation=False)) as port:
        target = Endpoint("127.0.0.1", port, "https", server_name="localhost", trust=mtls_ca, ca=mtls_ca)
        with Ahead(lambda: Run(target, EVERYTHING, timeout=60), wanted, 2) as ahead:
            results = {one[0].id: ahead.check(*one) for one in wanted}
    assert ["revoked"] == [id for id, result in results.items() if result.outcome.is_failure]
    assert "different answers to the same client" in results["revoked"].note


def test_server_that_takes_too_few_at_once_fails_nothing(mtls_server_factory: Factory) -> None:
    """What a server did not answer while others were there is done again alone, and that is the result."""
    busy, is_on = threading.Lock(), threading.Event()

    def app(environ: object, start_response: Callable[..., object]) -> object:
        if not is_on.is_set():
            return default_app(environ, start_response)  # type: ignore[arg-type]
        arrived.release()
        if not busy.acquire(blocking=False):
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        try:
            others.wait(60)
            return default_app(environ, start_response)  # type: ignore[arg-type]
        finally:
            busy.release()

    others, arrived = threading.Event(), threading.Semaphore(0)
    wanted = good_checks()[:5]
    target = https(mtls_server_factory(app))
    with Ahead(lambda: Run(target, timeout=60), wanted, 2) as ahead:
        results = [ahead.check(*wanted[0])]
        is_on.set()
        ahead._begin()
        assert all(arrived.acquire(timeout=60) for _ in range(2))  # the app answers one of them with 503
        others.set()
        results += [ahead.check(*one) for one in wanted[1:]]
    assert {Outcome.CONFORMS} == {result.outcome for result in results}


def test_rate_is_kept_by_all_jobs_together() -> None:
    """Threads that wait for their turn at once get turns that are apart."""
    slept: list[float] = []
    limiter = RateLimiter(1e-9)
    limiter.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_mtls.client.rate.time.sleep", slept.append)
        threads = [threading.Thread(target=limiter.wait) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [1, 2, 3, 4] == sorted(round(seconds / 1e9) for seconds in slept)


@pytest.mark.parametrize("jobs", [0, -1, True])
def test_number_of_jobs_is_checked(jobs: int) -> None:
    """It is a number above 0."""
    with pytest.raises(InvalidArgument, match="--mtls-jobs"):
        Ahead(lambda: Run(Endpoint("localhost", 1)), [], jobs)
