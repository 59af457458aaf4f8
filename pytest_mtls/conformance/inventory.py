"""What a server offers: versions, cipher suites, groups, signature algorithms, CA names, ALPN, tickets, its certificate.

It is found only by connections: each asks for what the ones before did not get, until the server declines. No more of them are
made a second than the target's limiter allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from pytest_mtls.bypasses import Site
from pytest_mtls.bypasses.attempt import Attempt
from pytest_mtls.certificates.names import describe_name
from pytest_mtls.client.asking import Answer, ask
from pytest_mtls.client.endpoint import Endpoint, is_address
from pytest_mtls.client.plan import ProbePlan
from pytest_mtls.client.probe import run
from pytest_mtls.client.protocols import PROTOCOLS
from pytest_mtls.conformance.chains import chain_facts
from pytest_mtls.reasons.versions import VERSION_NUMBERS
from pytest_mtls.tls.context import heedless_context
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.hello import Choice, Offer
from pytest_mtls.tls.registry import (
    GROUPS,
    SUITES_OF_TLS13,
    group_name,
    is_weak_suite,
    scheme_name,
    suite_name,
    suites_up_to_tls12,
)
from pytest_mtls.tls.transcript import signature_schemes_asked, was_sent
from pytest_mtls.verdict.twins import good_client

__all__ = ["Inventory", "ask_version", "compared", "offer_for", "take_inventory"]

#: By kind, what a server offers of it.
Inventory = Mapping[str, Sequence[str]]

VERSIONS = "versions"
SUITES = "cipher suites"
GROUPS_OFFERED = "groups"
SCHEMES = "signature algorithms"
CA_NAMES = "CA names"
ALPN = "ALPN"
TICKETS = "session tickets"
CERTIFICATE = "certificate"

#: A list has at most so many entries, and so takes so many connections and one.
_MOST = 100
_OLD = ("1.0", "1.1")


def offer_for(target: Endpoint, tls: str) -> Offer:
    """An offer of one version, with every cipher suite and group."""
    suites = SUITES_OF_TLS13 if tls == "1.3" else suites_up_to_tls12()
    name = None if is_address(target.name) else target.name
    return Offer(tls, suites, tuple(GROUPS), name)


def ask_version(target: Endpoint, tls: str, timeout: float = 5.0) -> Answer:
    """Offer one version, "1.0" to "1.3", with everything else; one that the server answers with another is not taken.

    Args:
        target: the server.
        tls: the version.
        timeout: seconds for it.
    """
    answer = ask(target, offer_for(target, tls), timeout)
    names = {"1.0": "TLSv1"}
    if answer.choice is not None and answer.choice.version not in (None, names.get(tls, f"TLSv{tls}")):
        return replace(answer, choice=replace(answer.choice, version=None))
    return answer


def take_inventory(target: Endpoint, timeout: float = 5.0) -> dict[str, list[str]]:
    """Find out what a server offers.

    Args:
        target: the server. Where it has a good client, the lists hold what that client sees.
        timeout: seconds for each connection.

    Returns:
        By kind, the list; a kind of which nothing is offered is not there. Empty for a protocol with a probe of its own.
    """
    if PROTOCOLS[target.protocol].probe is not None:
        return {}
    versions = [tls for tls in VERSION_NUMBERS if ask_version(target, tls, timeout).is_taken]
    found: dict[str, list[str]] = {VERSIONS: versions, SUITES: [], GROUPS_OFFERED: []}
    for tls in versions:
        offer = offer_for(target, tls)
        suites = _all_of(target, offer.suites, partial(_with_suites, offer), _suite_of, timeout)
        found[SUITES] += (name for name in map(suite_name, suites) if name not in found[SUITES])
    if versions:
        offer = offer_for(target, versions[-1])
        groups = _all_of(target, offer.groups, partial(_with_groups, offer), _group_of, timeout)
        found[GROUPS_OFFERED] += map(group_name, groups)
    _look_at_handshakes(target, [tls for tls in versions if tls not in _OLD], found, timeout)
    for name in (SUITES, GROUPS_OFFERED, SCHEMES, CA_NAMES, ALPN):
        found[name] = sorted(found.get(name, ()))
    return {name: values for name, values in found.items() if values}


def _with_suites(offer: Offer, left: tuple[int, ...]) -> Offer:
    return replace(offer, suites=left)


def _with_groups(offer: Offer, left: tuple[int, ...]) -> Offer:
    return replace(offer, groups=left)


def _suite_of(choice: Choice) -> int | None:
    return choice.suite


def _group_of(choice: Choice) -> int | None:
    return choice.group


def _all_of(
    target: Endpoint,
    left: tuple[int, ...],
    narrowed: Callable[[tuple[int, ...]], Offer],
    chosen: Callable[[Choice], int | None],
    timeout: float,
) -> list[int]:
    """All that a server takes of a list: it is asked again without what it chose, until it chooses nothing of it."""
    found: list[int] = []
    while left and len(found) < _MOST:
        number = chosen(ask(target, narrowed(left), timeout).choice or Choice())
        if number is None and found and chosen is _group_of:
            # Up to TLS 1.2 the groups are also those of certificates (RFC 8422 section 5.1.1), so that without its own a
            # server takes none.
            number = chosen(ask(target, narrowed((*left, *found)), timeout).choice or Choice())
        if number is None or number not in left:
            break
        found.append(number)
        left = tuple(one for one in left if one != number)
    return found


def _look_at_handshakes(target: Endpoint, versions: Sequence[str], found: dict[str, list[str]], timeout: float) -> None:
    """What only a whole handshake shows: one for each version, and with HTTP one for each application protocol."""
    client = good_client(target, target.ca)
    for tls in versions:
        seen = run(ProbePlan.of(target, client, tls=tls, timeout=timeout))
        found.setdefault(SCHEMES, [])
        found[SCHEMES] += (
            name for name in map(scheme_name, signature_schemes_asked(seen.transcript)) if name not in found[SCHEMES]
        )
        found.setdefault(CA_NAMES, [])
        found[CA_NAMES] += (name for name in map(describe_name, seen.acceptable_cas) if name not in found[CA_NAMES])
        if was_sent(seen.transcript, "server", "NewSessionTicket"):
            found.setdefault(TICKETS, []).append(tls)
        found.setdefault(CERTIFICATE, list(_certificate(seen)))
    if versions and target.protocol in ("https", "h2"):
        attempt = Attempt(target, Site(), good=client, timeout=timeout)
        for name in ("h2", "http/1.1"):
            context = heedless_context(client, tls=versions[-1], alpn=(name,))
            if attempt.visit(context=context, speak=lambda channel, target: True).handshake.alpn == name:
                found.setdefault(ALPN, []).append(name)


def _certificate(seen: Handshake) -> Iterator[str]:
    """What stays of a certificate when it is renewed: whose it is, by whom, for which names, with which kind of key."""
    for facts in chain_facts(seen.server_chain_der[:1]):
        if "unreadable" not in facts:
            yield facts["subject"]
            yield f"issued by {facts['issuer']}"
            yield f"names {facts.get('names', 'none')}"
            yield f"key {facts['key']}, signed with {facts['signature']}"


# --- comparing -------------------------------------------------------------------------------------------------------


def compared(old: Inventory, new: Inventory) -> Iterator[tuple[str, str]]:
    """What changed between two inventories: "weaker", "stronger" or "changed", and a line about it.

    Nothing is said of a kind that one of them does not know at all, unless the server offered nothing of it.

    Args:
        old: the earlier one; empty if none was taken, and then nothing is compared.
        new: the later one.
    """
    if not old or not new:
        return
    for kind in _KINDS:
        before, after = list(old.get(kind, ())), list(new.get(kind, ()))
        gone, come = [one for one in before if one not in after], [one for one in after if one not in before]
        if kind == CERTIFICATE:
            if gone or come:
                yield "changed", f"{kind}: {'; '.join(gone) or 'nothing'} -> {'; '.join(come) or 'nothing'}"
            continue
        for is_come, names in ((True, come), (False, gone)):
            for strength in ("weaker", "stronger", "changed"):
                told = [name for name in names if _KINDS[kind](name, is_come) == strength]
                if told:
                    yield strength, f"{kind}: {'now' if is_come else 'no longer'} {', '.join(told)}"


def _of_version(name: str, is_come: bool) -> str:
    """TLS 1.3 is what a server should have, and anything older is one more thing to attack."""
    return "weaker" if is_come != (name == "1.3") else "stronger"


def _of_suite(name: str, is_come: bool) -> str:
    if not is_weak_suite(name):
        return "changed"
    return "weaker" if is_come else "stronger"


def _of_scheme(name: str, is_come: bool) -> str:
    """SHA-1 is not to be signed with any more (RFC 9155)."""
    if not name.endswith("_sha1"):
        return "changed"
    return "weaker" if is_come else "stronger"


def _of_ca(name: str, is_come: bool) -> str:
    """One CA more is one more that can let clients in."""
    return "weaker" if is_come else "changed"


def _neither(name: str, is_come: bool) -> str:
    return "changed"


#: Each kind, and what it is worth that something of it has come or gone.
_KINDS: Mapping[str, Callable[[str, bool], str]] = {
    VERSIONS: _of_version,
    SUITES: _of_suite,
    GROUPS_OFFERED: _neither,
    SCHEMES: _of_scheme,
    CA_NAMES: _of_ca,
    ALPN: _neither,
    TICKETS: _neither,
    CERTIFICATE: _neither,
}
