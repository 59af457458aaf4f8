"""Validities: what callers may give, and what they get."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mtls.certificates.clock import now
from pytest_mtls.certificates.validity import AUTHORITY_LIFE, BACKDATED, LEAF_LIFE, Instant, validity
from pytest_mtls.errors import InvalidValidity

INSTANTS = st.one_of(
    st.integers(-20_000, 1_000_000),
    st.floats(-20_000, 1_000_000),
    st.timedeltas(timedelta(-20_000), timedelta(1_000_000)),
    st.datetimes(datetime(1950, 1, 1), timezones=st.sampled_from([None, timezone.utc])),
)


def _close(one: datetime, other: datetime) -> bool:
    return abs(one - other) <= timedelta(seconds=2)


def test_defaults() -> None:
    """From five minutes ago for as long as is asked."""
    for life in (LEAF_LIFE, AUTHORITY_LIFE):
        start, end = validity(life=life)
        assert _close(start, now() - BACKDATED)
        assert _close(end, now() + life)


@pytest.mark.parametrize("day", [1, 1.0, timedelta(days=1)])
def test_from_now(day: Instant) -> None:
    """Numbers are days from now, and so are timedeltas."""
    assert _close(validity(not_after=day)[1], now() + timedelta(days=1))


def test_datetimes() -> None:
    """A datetime without time zone is UTC; one with is the same moment in UTC."""
    east = timezone(timedelta(hours=2))
    start, end = validity(datetime(2030, 1, 1, 12), datetime(2031, 1, 1, 12, tzinfo=east))
    assert (datetime(2030, 1, 1, 12, tzinfo=timezone.utc), datetime(2031, 1, 1, 10, tzinfo=timezone.utc)) == (
        start,
        end,
    )


def test_end_alone_in_the_past() -> None:
    """The beginning moves a day before an end that has passed, so that the certificate is expired and nothing else."""
    start, end = validity(not_after=-1)
    assert timedelta(days=1) == end - start


def test_beginning_alone_in_the_future() -> None:
    """The end moves behind a beginning that is to come."""
    start, end = validity(not_before=2)
    assert LEAF_LIFE == end - start


def test_both_reversed() -> None:
    """Both ends as given, even if there is no time between them."""
    start, end = validity(1, -1)
    assert end < start


@settings(max_examples=25, deadline=None)
@given(INSTANTS, INSTANTS)
def test_any_moment_that_can_be_written(not_before: Instant, not_after: Instant) -> None:
    """Whatever is given, both ends are whole seconds in UTC."""
    for moment in validity(not_before, not_after):
        assert (timezone.utc, 0) == (moment.tzinfo, moment.microsecond)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        10**12,
        -(10**12),
        timedelta.max,
        datetime(1949, 12, 31),
        datetime.min,
        "soon",
        {},
    ],
    ids=repr,
)
def test_unrepresentable(value: Any) -> None:
    """What no certificate can hold is rejected, and named."""
    with pytest.raises(InvalidValidity) as refused:
        validity(not_before=value)
    assert repr(value) in str(refused.value)
