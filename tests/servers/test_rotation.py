"""Real servers whose certificate files are replaced: what each makes of it is what the documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.generated_pages import generated_part
from support.rotating_servers import ROTATING
from support.rotation_record import (
    FIRST,
    LATE,
    PAGE,
    REJECTS,
    STATES,
    STOPS,
    WHOLE,
    as_markdown,
    observe,
    recorded,
    takes_up_bundle,
)

from pytest_mtls import CertificateAuthority

NAMES = list(ROTATING)
#: Those that the plain suite rotates; the others take a while, and are rotated by the slow tests.
QUICK = ("nginx", "HAProxy", "Redis", "gunicorn")
#: Those in which a state of the files hurts, whenever they are told of it.
VULNERABLE = [name for name, row in recorded().items() if any(row["half_way"].values())]


def those(names: list[str]) -> list[Any]:
    """Servers to be rotated, the slow ones with their marker."""
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]


@pytest.fixture(scope="module")
def ca() -> Iterator[CertificateAuthority]:
    ca = CertificateAuthority.create()
    yield ca
    ca.remove_files()


@pytest.mark.parametrize(
    "name", those([name for name in NAMES if ROTATING[name].reads_again and not ROTATING[name].by_luck])
)
def test_rotation(ca: CertificateAuthority, name: str) -> None:
    """It takes up its files three times, and no state that it is said to live with hurts."""
    harmless = [state for state in STATES if not recorded()[name]["half_way"][state]]
    seen, _, story = observe(ROTATING[name], ca, harmless, watch=0.2)
    assert seen is not None, story
    assert set(harmless) == set(seen.half_way)


@pytest.mark.parametrize("name", those(VULNERABLE))
def test_half_way_state_that_hurts(ca: CertificateAuthority, name: str) -> None:
    """The first of the states that are said to hurt it does."""
    state, expected = next((state, wrong) for state, wrong in recorded()[name]["half_way"].items() if wrong)
    _, wrong, story = observe(ROTATING[name], ca, [state])
    either = (REJECTS, STOPS) if ROTATING[name].by_luck else (expected,)
    assert wrong in either, story
    assert "while the files were half way" in story


@pytest.mark.parametrize("name", those([name for name in NAMES if ROTATING[name].by_luck]))
def test_server_that_rejects_some(ca: CertificateAuthority, name: str) -> None:
    """It takes up its files; whether it rejects somebody meanwhile is a matter of luck."""
    seen, wrong, story = observe(ROTATING[name], ca, half_way=False)
    assert wrong != LATE, story
    assert (seen is None) == (" in rotation " in story)


@pytest.mark.parametrize("name", those([name for name in NAMES if not ROTATING[name].reads_again]))
def test_server_that_never_reads_its_files_again(ca: CertificateAuthority, name: str) -> None:
    """It goes on with the old certificate."""
    _, wrong, story = observe(ROTATING[name], ca, half_way=False, within=1.0)
    assert LATE == wrong, story
    assert (
        ": accepted by both sides, with the old certificate" in story or ": accepted, with the old certificate" in story
    )


@pytest.mark.parametrize("name", those([name for name in NAMES if not ROTATING[name].by_luck]))
def test_bundle(ca: CertificateAuthority, name: str) -> None:
    """It takes up its CA bundle with its certificate, or does not, as is said."""
    expected = recorded()[name]["bundle"]
    assert (expected == WHOLE) == takes_up_bundle(ROTATING[name], ca, 60.0 if expected == WHOLE else 5.0)
    if expected == FIRST:
        assert takes_up_bundle(ROTATING[name], ca, 60.0, first=True)


def test_every_server_is_recorded() -> None:
    """None is left out, nor a state of it."""
    assert list(ROTATING) == list(recorded())
    states = {name: list(row["half_way"]) for name, row in recorded().items()}
    assert states == {name: list(STATES) if server.reads_again else [] for name, server in ROTATING.items()}


def test_page_is_current() -> None:
    """The documentation says what is recorded."""
    assert as_markdown(recorded()) == generated_part(PAGE), "run: python tests/support/rotation_record.py --page-only"
