"""Checks of what a server offers to everybody: its TLS versions, its weakest cipher suites, and how long its certificate lasts.

No pytest here. Each check is one connection, and never more than that is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.validity import now
from pytest_mtls.client.asking import Answer, ask
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.client.plan import ProbePlan
from pytest_mtls.client.probe import run
from pytest_mtls.client.protocols import PROTOCOLS
from pytest_mtls.conformance.inventory import ask_version, offer_for
from pytest_mtls.conformance.policy import SERVER_CHECKS, Policy
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.reasons.versions import ALL_VERSIONS
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.registry import is_weak_suite, suite_name
from pytest_mtls.verdict.expiry import describe_expiry, first_to_end, remaining_words
from pytest_mtls.verdict.twins import good_client

__all__ = ["OfferResult", "check_id", "check_offer", "with_exception"]

_FAILS = "fails"
_OLD = ("1.0", "1.1")


def check_id(name: str) -> str:
    """What a check is called among the cases of a report."""
    return f"check[{name}]"


@dataclass(frozen=True)
class OfferResult:
    """What one check came to, in the form of the results of client cases.

    Attributes:
        name: the check, one of `pytest_mtls.conformance.policy.SERVER_CHECKS`.
        title: what it is, in one sentence.
        rfc: what it rests on.
        tier: "must", "good" for what should be offered, or "informative".
        expected: what the server has to do.
        seen: what it does.
        outcome: what it comes to.
        note: why.
        handshake: what was seen, if it came to a handshake.
    """

    name: str
    title: str
    rfc: str
    tier: str
    expected: str
    seen: str
    outcome: Outcome
    note: str = ""
    handshake: Handshake | None = None

    def story(self) -> str:
        """All that is to be told of it."""
        return f"{self.note}\n\n  {self.title} ({self.rfc})\n  expected: {self.expected}\n  seen:     {self.seen}"

    def facts(self) -> dict[str, str | int]:
        """The same for machines; without what is not known."""
        facts = {
            "case": check_id(self.name),
            "tls": "-",
            "theme": "offers",
            "tier": self.tier,
            "expected": self.expected,
            "seen": self.seen,
            "outcome": self.outcome.value,
            "note": self.note,
        }
        return {name: value for name, value in facts.items() if value}


R = TypeVar("R", bound=OfferResult)


def check_offer(target: Endpoint, policy: Policy, name: str, timeout: float = 5.0) -> OfferResult:
    """Make one check.

    Args:
        target: the server.
        policy: what is agreed of it.
        name: one of `pytest_mtls.conformance.policy.SERVER_CHECKS`.
        timeout: seconds for it.
    """
    return with_exception(_CHECKS[name](target, policy, timeout), policy)


def with_exception(result: R, policy: Policy) -> R:
    """What a check comes to where its failure is agreed, or is agreed and no longer so.

    Args:
        result: what it came to.
        policy: what is agreed.
    """
    agreed = policy.exception_for(check_id(result.name), "-")
    if agreed is None:
        return result
    if result.outcome is Outcome.DEVIATES:
        return replace(result, outcome=Outcome.EXCEPTED, note=agreed.reason)
    if result.outcome is Outcome.CONFORMS:
        note = f"the policy says that it {_FAILS} ({agreed.reason}), which no longer happens: remove that"
        return replace(result, outcome=Outcome.EXCEPTION_GONE, note=note)
    return result


# --- versions and suites ---------------------------------------------------------------------------------------------


def _seen_of(answer: Answer) -> str:
    if answer.choice is None:
        return "undecided"
    return "accepted" if answer.is_taken else "refused"


def _obstacle(target: Endpoint) -> str:
    protocol = PROTOCOLS[target.protocol]
    return "" if protocol.probe is None else f"protocol {protocol.name!r} has a probe of its own"


def _version_check(tls: str) -> Callable[[Endpoint, Policy, float], OfferResult]:
    is_old = tls in _OLD

    def check(target: Endpoint, policy: Policy, timeout: float) -> OfferResult:
        if policy.versions is None:
            expected = "refused" if is_old else "either"
        else:
            expected = "accepted" if tls in policy.versions else "refused"
        result = OfferResult(
            name=f"tls-{tls}",
            title=f"The server speaks TLS {tls}.",
            rfc="RFC 8996" if is_old else "RFC 9325 section 3.1.1",
            tier="good" if tls == "1.3" else "must" if is_old else "informative",
            expected=expected,
            seen="-",
            outcome=Outcome.LEFT_OUT,
            note=_obstacle(target),
        )
        if result.note:
            return result
        answer = ask_version(target, tls, timeout)
        return _judged(replace(result, seen=_seen_of(answer)), answer, _why_version(tls, policy))

    return check


def _why_version(tls: str, policy: Policy) -> Mapping[str, str]:
    if policy.versions is None:
        return {"accepted": f"the server speaks TLS {tls}, which nobody should any more"}
    claimed = " and ".join(sorted(policy.versions))
    return {
        "accepted": f"the server speaks TLS {tls}, and the policy allows {claimed} only",
        "refused": f"the server does not speak TLS {tls}, and the policy says that it offers {claimed}",
    }


def _judged(result: OfferResult, answer: Answer, why: Mapping[str, str]) -> OfferResult:
    if result.expected == "either":
        return replace(result, outcome=Outcome.REPORTED)
    if result.seen == result.expected:
        return replace(result, outcome=Outcome.CONFORMS)
    note = why.get(result.seen) or f"there is no verdict: {answer.error}"
    return replace(result, outcome=Outcome.DEVIATES, note=note)


def _check_suites(target: Endpoint, policy: Policy, timeout: float) -> OfferResult:
    """Up to TLS 1.2, by the newest version of those; TLS 1.3 has no weak suites."""
    result = OfferResult(
        name="weak-cipher-suites",
        title="The server takes a cipher suite without encryption, without authentication, or with a broken cipher.",
        rfc="RFC 9325 section 4.1",
        tier="must",
        expected="refused",
        seen="-",
        outcome=Outcome.LEFT_OUT,
        note=_obstacle(target),
    )
    if result.note:
        return result
    answer = Answer(None)
    for tls in ("1.2", *reversed(_OLD)):
        offer = offer_for(target, tls)
        weak = tuple(number for number in offer.suites if is_weak_suite(suite_name(number)))
        answer = ask(target, replace(offer, suites=weak), timeout)
        if answer.is_taken or answer.choice is None:
            break
    suite = "" if answer.choice is None or answer.choice.suite is None else suite_name(answer.choice.suite)
    seen = _seen_of(answer)
    return _judged(replace(result, seen=seen), answer, {"accepted": f"the server takes {suite}"})


# --- the certificate -------------------------------------------------------------------------------------------------


def _check_expiry(target: Endpoint, policy: Policy, timeout: float) -> OfferResult:
    days = policy.expiry_days
    result = OfferResult(
        name="server-certificate-expires-soon",
        title="A certificate of the server's chain ends soon.",
        rfc="RFC 5280 section 4.1.2.5",
        tier="informative" if days is None else "must",
        expected="either" if days is None else "lasts",
        seen="-",
        outcome=Outcome.LEFT_OUT,
        note=_obstacle(target),
    )
    if result.note:
        return result
    seen = run(ProbePlan.of(target, good_client(target, target.ca), timeout=timeout))
    chain = seen.peer_chain
    if not chain:
        return replace(result, note=f"the server presented no certificate: {seen.error}", handshake=seen)
    first = first_to_end(chain)
    is_soon = first.not_valid_after_utc <= now() + timedelta(days=days or 0)
    said = f"{describe_name(first.subject)} {remaining_words(first)}"
    result = replace(result, seen="ends soon" if is_soon else "lasts", note=said, handshake=seen)
    if days is None:
        return replace(result, outcome=Outcome.REPORTED)
    if not is_soon:
        return replace(result, outcome=Outcome.CONFORMS)
    note = "\n".join((f"{said}, and has to be valid for {days:g} days", *describe_expiry(chain)))
    return replace(result, outcome=Outcome.DEVIATES, note=note)


_CHECKS: Mapping[str, Callable[[Endpoint, Policy, float], OfferResult]] = {
    **{f"tls-{tls}": _version_check(tls) for tls in ALL_VERSIONS},
    "weak-cipher-suites": _check_suites,
    "server-certificate-expires-soon": _check_expiry,
}
assert tuple(_CHECKS) == SERVER_CHECKS
