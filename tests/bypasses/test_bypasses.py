"""Each check of a bypass fails on a server that has it, and holds on one that differs in that alone."""

from __future__ import annotations

import pytest
from bypasses.scenarios import SCENARIOS, SETTINGS, Kit, Scenario

from pytest_mtls.bypasses import BYPASSES, Finding, Trial, Verdict, story


@pytest.fixture(scope="module")
def kit() -> Kit:
    return Kit()


def tried(id: str, scenario: Scenario, kit: Kit, *, hole: bool) -> Finding:
    with scenario(kit, hole) as (endpoint, site):
        return Trial(endpoint, site, settings=SETTINGS).check(BYPASSES[id])


ALL = [pytest.param(id, one, id=f"{id}-{n}") for id, several in SCENARIOS.items() for n, one in enumerate(several, 1)]


@pytest.mark.parametrize(("id", "scenario"), ALL)
def test_a_hole_is_found(kit: Kit, id: str, scenario: Scenario) -> None:
    """The check says that it was bypassed, and tells of the handshake by which."""
    found = tried(id, scenario, kit, hole=True)
    assert (Verdict.BYPASSED, True) == (found.verdict, bool(found.note)), story(found)
    assert found.bypass.title in story(found)


@pytest.mark.parametrize(("id", "scenario"), ALL)
def test_a_sound_server_holds(kit: Kit, id: str, scenario: Scenario) -> None:
    """The check says that the server held."""
    found = tried(id, scenario, kit, hole=False)
    assert Verdict.HELD is found.verdict, story(found)


def test_every_bypass_is_proved() -> None:
    """There is a server with and without a hole for each."""
    assert set(BYPASSES) == set(SCENARIOS)
