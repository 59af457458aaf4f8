"""When certificates and CRLs begin and end to hold (RFC 5280 section 4.1.2.5), by the real clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from typing import Union

from pytest_mtls.certificates.clock import now
from pytest_mtls.errors import InvalidValidity

__all__ = ["AUTHORITY_LIFE", "BACKDATED", "LEAF_LIFE", "Instant", "as_utc", "now", "prolonged", "validity"]

#: A moment as callers give it: days from now, a timedelta from now, or a datetime (UTC if it names no time zone).
Instant = Union[int, float, timedelta, datetime]

#: How long before now a validity begins, against clocks that differ a little.
BACKDATED = timedelta(minutes=5)
#: How long a good leaf certificate or CRL holds.
LEAF_LIFE = timedelta(hours=12)
#: How long a good CA certificate holds: longer than the last leaf that a long test run issues.
AUTHORITY_LIFE = timedelta(days=7)

#: UTCTime begins here (RFC 5280 section 4.1.2.5.1), and GeneralizedTime is for dates from 2050.
_EARLIEST = datetime(1950, 1, 1, tzinfo=timezone.utc)

#: What is added to every life that nobody chose; see `prolonged`.
_EXTRA: ContextVar[timedelta] = ContextVar("extra life", default=timedelta(0))


@contextmanager
def prolonged(extra: timedelta) -> Iterator[None]:
    """Within the block, certificates and CRLs hold that much longer where no end is given.

    Args:
        extra: what is added to their ordinary life.
    """
    token = _EXTRA.set(extra)
    try:
        yield
    finally:
        _EXTRA.reset(token)


def validity(
    not_before: Instant | None = None, not_after: Instant | None = None, life: timedelta = LEAF_LIFE
) -> tuple[datetime, datetime]:
    """Both ends of a validity.

    If only one end is given and lies beyond the other's default, the default moves along, so that ``not_after=-1`` is
    a validity of a day that ended yesterday and not one that ends before it begins.

    Args:
        not_before: five minutes ago by default.
        not_after: ``life`` from now by default. May be before ``not_before`` if both are given.
        life: how long it holds by default.

    Raises:
        InvalidValidity: a date that no certificate can hold.
    """
    present, life = now(), life + _EXTRA.get()
    start = present - BACKDATED if not_before is None else _moment(not_before, present)
    end = present + life if not_after is None else _moment(not_after, present)
    if end <= start:
        if not_before is None:
            start = max(end - timedelta(days=1), _EARLIEST)
        elif not_after is None:
            end = _moment(start + life, present)
    return start, end


def as_utc(moment: datetime) -> datetime:
    """A datetime in UTC and in whole seconds; one that names no time zone is taken for UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).replace(microsecond=0)


def _moment(value: Instant, present: datetime) -> datetime:
    try:
        if isinstance(value, datetime):
            moment = as_utc(value)
        else:
            moment = as_utc(present + (value if isinstance(value, timedelta) else timedelta(days=value)))
    except (OverflowError, ValueError):
        raise InvalidValidity(repr(value), "it lies beyond the year 9999 or before the year 1") from None
    except TypeError:
        raise InvalidValidity(repr(value), "it is not a time") from None
    if moment < _EARLIEST:
        raise InvalidValidity(repr(value), "certificates cannot hold dates before 1950")
    return moment
