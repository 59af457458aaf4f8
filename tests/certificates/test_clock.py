"""The clock is the real one, whatever tests do to Python's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timezone

import freezegun
import pytest
import time_machine

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.clock import _RealClock, now

Trick = Callable[[], AbstractContextManager[object]]
TRICKS: dict[str, Trick] = {
    "freezegun, past": lambda: freezegun.freeze_time("2001-02-03"),
    "freezegun, future": lambda: freezegun.freeze_time("2101-02-03"),
    "freezegun, ticking": lambda: freezegun.freeze_time("2001-02-03", tick=True),
    "time-machine, past": lambda: time_machine.travel("2001-02-03T00:00:00Z"),
    "time-machine, future": lambda: time_machine.travel("2101-02-03T00:00:00Z", tick=False),
}


#: Seconds that a loaded machine may take between two looks at the clock; tricks are off by years.
NEAR = 120


def _seconds_from_real(moment: datetime, real: float) -> float:
    return abs((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds() - real)


def test_without_tricks() -> None:
    """It agrees with `time.time` to the second."""
    assert _seconds_from_real(now(), time.time()) <= NEAR
    assert 0 == now().microsecond


@pytest.mark.parametrize("trick", TRICKS.values(), ids=list(TRICKS))
class TestUnderTricks:
    """A test may do what it likes to the clock."""

    def test_now(self, trick: Trick) -> None:
        """The real time is told."""
        real = time.time()
        with trick():
            assert abs(time.time() - real) > 10**8
            assert _seconds_from_real(now(), real) <= NEAR

    def test_certificates(self, trick: Trick) -> None:
        """A certificate is really valid now."""
        real = time.time()
        with trick():
            certificate = CertificateAuthority.create("Example CA").issue_client().certificate
        assert _seconds_from_real(certificate.not_valid_before_utc, real - 300) <= NEAR
        assert _seconds_from_real(certificate.not_valid_after_utc, real + 12 * 3600) <= NEAR

    def test_relative_validity(self, trick: Trick) -> None:
        """Days from now are days from the real now."""
        real = time.time()
        with trick():
            certificate = CertificateAuthority.create().issue_client(not_before=-2, not_after=-1).certificate
        assert _seconds_from_real(certificate.not_valid_after_utc, real - 86400) <= NEAR

    def test_crl(self, trick: Trick) -> None:
        """A CRL is really current."""
        real = time.time()
        with trick():
            crl = CertificateAuthority.create().crl()
        assert _seconds_from_real(crl.last_update_utc, real - 300) <= NEAR


def test_stamp_is_read_again_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """In between it goes by the seconds that pass, so that a clock that is set again is noticed."""
    seconds = iter([100.0, 100.5, 101.5, 90.0])
    monkeypatch.setattr("pytest_mtls.certificates.clock.clock", lambda: next(seconds))
    stamps = iter([1000.0, 2000.0, 3000.0])
    monkeypatch.setattr("pytest_mtls.certificates.clock._stamp", lambda: next(stamps))
    clock = _RealClock()
    assert [1000.0, 1000.5, 2000.0, 3000.0] == [clock.read() for _ in range(4)]


def test_without_a_clock_that_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the only even clock is one that tests may move, the stamp is read each time."""
    monkeypatch.setattr("pytest_mtls.certificates.clock.clock", time.monotonic)
    stamps = iter([1000.0, 1000.25])
    monkeypatch.setattr("pytest_mtls.certificates.clock._stamp", lambda: next(stamps))
    clock = _RealClock()
    assert [1000.0, 1000.25] == [clock.read() for _ in range(2)]


def test_pipes_without_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a pipe has no time of its own, a file's is taken."""
    real_fstat = os.fstat
    calls = []

    def fstat_without_first(descriptor: int) -> os.stat_result:
        calls.append(descriptor)
        return real_fstat(descriptor) if len(calls) > 1 else os.stat_result([0] * 10)

    monkeypatch.setattr(os, "fstat", fstat_without_first)
    assert _seconds_from_real(datetime.fromtimestamp(_RealClock().read(), timezone.utc), time.time()) <= NEAR
    assert len(calls) > 1


@pytest.mark.parametrize("first_use", ["import", "signing"])
def test_first_use_under_freezegun(first_use: str) -> None:
    """cryptography does not take freezegun's datetime for the real one, even if all is first used while frozen."""
    importing = "from pytest_mtls.certificates.authority import CertificateAuthority"
    frozen = f"{importing if first_use == 'import' else 'pass'}; CertificateAuthority.create('frozen').issue_client()"
    program = (
        "import datetime, freezegun\n"
        f"{importing if first_use == 'signing' else 'pass'}\n"
        "with freezegun.freeze_time('2001-02-03'):\n"
        f"    {frozen}\n"
        "certificate = CertificateAuthority.create('thawed').issue_client().certificate\n"
        "assert type(certificate.not_valid_after_utc) is datetime.datetime\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
