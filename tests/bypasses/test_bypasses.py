"""Each check of a bypass fails on a server that has it, and holds on one that differs in that alone."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.bypass_scenarios import SCENARIOS, SETTINGS, Kit, Scenario
from support.bypassed_server import Answer, Asked, Door, wraps
from support.bypasses_page import as_markdown
from support.generated_pages import DOCS, generated_part
from support.scripted_servers import Step, scripted_server

from pytest_mtls import Endpoint, MutualTLSServer
from pytest_mtls.bypasses import BYPASSES, Finding, Site, Trial, Verdict, bypass, story
from pytest_mtls.bypasses.attempt import Attempt
from pytest_mtls.bypasses.identity import is_named
from pytest_mtls.certificates.trust import Trust
from pytest_mtls.errors import InvalidArgument
from pytest_mtls.tls.context import server_context


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


# --- the decorator, and what else is told ----------------------------------------------------------------------------


def test_page_is_current() -> None:
    """The reference says of each what its docstring says."""
    page = DOCS / "reference" / "bypasses.md"
    assert as_markdown().rstrip("\n") == generated_part(page), "run: python docs/generate/catalogue.py bypasses"


def test_bypass_without_a_mechanism_is_a_typed_error() -> None:
    """A docstring of one part does not say how it works."""

    def no_mechanism(attempt: object) -> None:
        """Nothing happens."""

    with pytest.raises(InvalidArgument, match="the docstring of no-mechanism"):
        bypass()(no_mechanism)
    assert "no-mechanism" not in BYPASSES


def test_two_of_a_name_are_a_typed_error() -> None:
    """The name of a function of another module is taken."""

    def older_version(attempt: object) -> None:
        """Nothing happens.

        By no means.
        """

    known = BYPASSES["older-version"]
    with pytest.raises(InvalidArgument, match="one that no other has"):
        bypass()(older_version)
    assert known is BYPASSES["older-version"]


def test_what_is_needed_is_told(kit: Kit) -> None:
    """Without what a bypass needs it is not applicable, says what that is, and makes no connection."""
    with SCENARIOS["resume-across-names"][0](kit, False) as (endpoint, _):
        found = Trial(endpoint).check(BYPASSES["resume-across-names"])
    expected = (
        "it needs another name on the port, which requires a certificate of another CA, and a client that the other"
    )
    assert (Verdict.NOT_APPLICABLE, ()) == (found.verdict, found.handshakes)
    assert found.note.startswith(expected)


@pytest.mark.parametrize("hole", [True, False])
@pytest.mark.parametrize("tells_of_all", [True, False])
def test_hosts_of_the_same_page_without_a_mark_are_told_loudly(kit: Kit, hole: bool, tells_of_all: bool) -> None:
    """Where nothing tells the hosts apart, the check fails as undecided and says what to do, hole or none."""
    scenario = SCENARIOS["host-other-than-server-name"][1]
    with scenario(kit, hole) as (endpoint, site):
        known = Site(public_name=site.public_name, was_reached=(lambda token: True) if tells_of_all else None)
        found = Trial(endpoint, known).check(BYPASSES["host-other-than-server-name"])
    assert Verdict.UNDECIDED is found.verdict
    assert "could not be told" in found.note
    assert "give was_reached" in found.note


def test_server_that_is_not_there_is_undecided(kit: Kit) -> None:
    """Nothing is proved by a rejected connection."""
    with SCENARIOS["no-server-name"][0](kit, False) as (endpoint, _):
        pass
    found = Trial(endpoint).check(BYPASSES["no-server-name"])
    assert Verdict.UNDECIDED is found.verdict
    assert "cannot connect" in found.note


def test_server_that_refuses_everybody_is_undecided(kit: Kit) -> None:
    """A server of another CA rejects every attacker, and proves nothing by that."""
    with SCENARIOS["no-server-name"][0](kit, False) as (endpoint, _):
        found = Trial(replace(endpoint, ca=kit.other_ca)).check(BYPASSES["no-server-name"])
    assert Verdict.UNDECIDED is found.verdict


def test_our_own_server_has_none(mtls_server: MutualTLSServer) -> None:
    """`MutualTLSServer` holds against all that can be tried on it."""
    trial = Trial(mtls_server.endpoint, Site(names=("localhost",)))
    found = list(trial.check_all())
    assert [] == [story(one) for one in found if one.verdict in (Verdict.BYPASSED, Verdict.UNDECIDED)]
    assert sum(one.verdict is Verdict.HELD for one in found) > 7


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_session_that_cannot_be_resumed_is_none(kit: Kit, tls: str) -> None:
    """Under TLS 1.3 a server without tickets has given nothing; under TLS 1.2 its cache has."""
    context = server_context(kit.ca.issue_server(), Trust.of(kit.ca), tls=tls)
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    inside: list[Step] = [re.compile(rb"\r\n\r\n"), b"HTTP/1.1 204 No Content\r\n\r\n"]
    with scripted_server(context, [], inside) as (address, _):
        attempt = Attempt(Endpoint(*address, "https", server_name="localhost", ca=kit.ca), Site())
        seen = attempt.visit(kit.ca.issue_client(), tls=tls)
    assert (True, tls == "1.2") == (seen.accepted, seen.session is not None)


def test_header_names_are_compared_whole() -> None:
    """``SSL-Client-Cert`` is not heard in ``X-SSL-Client-Cert``, and a CGI variable is the header that it stands for."""
    assert not is_named("ssl-client-cert", "x-ssl-client-cert: abc")
    assert is_named("x-ssl-client-cert", "x-ssl-client-cert: abc")
    assert is_named("x-ssl-client-cert", "http-x-ssl-client-cert=abc")
    assert not is_named("x-ssl-client-cert", "x-ssl-client-cert-chain: abc")


@pytest.mark.parametrize(
    ("shown", "verdict"),
    [
        (lambda name: name.replace("-", "_"), Verdict.BYPASSED),
        (lambda name: name.replace("_", "-"), Verdict.BYPASSED),
        (lambda name: name, Verdict.HELD),
    ],
    ids=["folded to underscores", "folded to hyphens", "kept apart"],
)
def test_spelling_is_a_bypass_where_the_app_takes_it_for_the_same(
    kit: Kit, shown: Callable[[str], str], verdict: Verdict
) -> None:
    """A header that is spelt with underscores lies to an app that folds the two spellings, and to no other."""
    own = "x-ssl-client-cn"

    def app(asked: Asked) -> Answer:
        passed = {name: value for name, value in asked.headers.items() if name != own}
        heard = {own: str(asked.certificate["subject"]), **passed}
        return 200, "\n".join(f"{shown(name)}: {value}" for name, value in heard.items())

    with Door(kit.ca, wraps(kit.required), app) as door:
        site = Site(echo_path="/headers", identity_headers=(own,))
        found = Trial(door.endpoint, site).check(BYPASSES["identity-headers-of-the-client"])
    assert verdict is found.verdict, story(found)
