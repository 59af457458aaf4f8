"""`Run`: every client case against one server, with a control beside each rejection. No pytest here.

The tests of this package hand each `Result` to pytest; anybody else can do with them what they want.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from enum import Enum
from itertools import cycle

from pytest_mtls.cases import CATALOGUE, Case, Tier
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.client.plan import ProbePlan
from pytest_mtls.client.probe import Connected, connect, run
from pytest_mtls.conformance.policy import Policy
from pytest_mtls.errors import MissingPrivateKey, MtlsError
from pytest_mtls.reasons.alert import Alert
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side
from pytest_mtls.reasons.versions import TLS_VERSIONS
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.transcript import was_sent
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import headline, tell
from pytest_mtls.verdict.judge import (
    DIFFERENT_ANSWERS,
    NAMESAKE_DENIED,
    Evidence,
    is_said_by_the_application,
    judge,
    was_withheld,
)
from pytest_mtls.verdict.twins import control_of, good_client, namesake_of, own_der

__all__ = ["Outcome", "Result", "Run", "checks", "theme_of"]

_CASES = "pytest_mtls.cases.themes."
_ASKED_AND_SENT: tuple[tuple[Side, str], ...] = (("server", "CertificateRequest"), ("client", "Certificate"))


#: What a server has to do, where it has to do one thing.
_BINDING = ("accepted", "refused")


def _for(expected: Expected) -> str:
    return " or ".join(reason.words for reason in expected.reasons)


#: Why a check deviates, by the rule of the judge that says so.
_NOTES: Mapping[str, Callable[[Expected, Handshake], str]] = {
    "good-client-not-accepted": lambda expected, seen: (
        f"the application rejected it, and rejects a good client of the same names too: {headline(seen)}"
    ),
    NAMESAKE_DENIED: lambda expected, seen: (
        f"the application rejected it, and another good client with the same names and issuers' names too: {headline(seen)}"
    ),
    "undecided": lambda expected, seen: f"there is no verdict: {seen.error}",
    "rejected-instead-of-accepted": lambda expected, seen: f"a good client was {headline(seen)}",
    "accepted-instead-of-rejected": lambda expected, seen: "the server let this client in",
    "rejected-by-the-other-side": lambda expected, seen: (
        f"the client gave up before the server could judge: {headline(seen)}"
    ),
    "rejected-for-another-reason": lambda expected, seen: (
        f"the server rejected it, but not for {_for(expected)}: {headline(seen)}"
    ),
    "certificate-not-presented": lambda expected, seen: (
        f"the server rejected it, and had not asked for a certificate: {headline(seen)}"
    ),
    DIFFERENT_ANSWERS: lambda expected, seen: (
        f"the server gives different answers to the same client: once it was {headline(seen)}. Is a balancer before it?"
    ),
}


class Outcome(str, Enum):
    """What a check comes to."""

    CONFORMS = "conforms"  #: the server does what it should.
    DEVIATES = "deviates"  #: it does not; this fails.
    REPORTED = "reported"  #: both answers can be right, or the server does not claim the setting.
    EXCEPTED = "excepted"  #: it does not, as the policy says.
    EXCEPTION_GONE = "exception gone"  #: it does, though the policy says that it does not; this fails.
    LEFT_OUT = "left out"  #: it could not be tried; the note says why.

    @property
    def is_failure(self) -> bool:
        """Whether the run fails for it."""
        return self in (Outcome.DEVIATES, Outcome.EXCEPTION_GONE)


def theme_of(case: Case) -> str:
    """The theme of a case: the module of the catalogue that it is in, or "own"."""
    module: str = inspect.unwrap(case.build).__module__
    return module[len(_CASES) :] if module.startswith(_CASES) else "own"


def checks() -> Iterator[tuple[Case, str]]:
    """Every client case with each TLS version over which it can present itself."""
    for case in CATALOGUE["client"].select("*"):
        yield from ((case, tls) for tls in case.versions)


@dataclass(frozen=True)
class Result:
    """What one check came to.

    Attributes:
        case: the client.
        tls: the TLS version.
        expected: what a server has to do with this client.
        outcome: what it comes to.
        handshake: what was seen; None if it was left out.
        note: why it was left out, deviates or is excepted; may be empty.
        control: how the good client came, if the handshake is that client's: nothing could be proved without it.
    """

    case: Case
    tls: str
    expected: str
    outcome: Outcome
    handshake: Handshake | None = None
    note: str = ""
    control: ProbePlan | None = None

    @property
    def seen(self) -> str:
        """The verdict in a word: "accepted", "refused", "undecided", or "-" if there was none."""
        if self.handshake is None:
            return "-"
        return {True: "accepted", False: "refused", None: "undecided"}[self.handshake.accepted]

    def story(self) -> str:
        """All that is to be told of it."""
        if self.handshake is None:
            return self.note
        if self.control is not None:
            return tell([self.handshake], Expected(accepted=True), self.note, plan=self.control)
        is_good = self.case.tier is Tier.GOOD
        return tell([self.handshake], Expected(accepted=is_good, reasons=self.case.reasons), self.note or None)

    def facts(self) -> dict[str, str | int]:
        """The same for machines; without what is not known."""
        seen = self.handshake
        facts: dict[str, str | int | None] = {
            "case": self.case.id,
            "tls": self.tls,
            "theme": theme_of(self.case),
            "tier": self.case.tier.value,
            "requires": " ".join(sorted(self.case.requires)) or None,
            "expected": self.expected,
            "seen": self.seen,
            "outcome": self.outcome.value,
            "note": self.note or None,
        }
        if seen is not None:
            facts |= {
                "layer": seen.layer,
                "alert": None if seen.alert is None else seen.alert.name.lower(),
                "alert_number": None if seen.alert is None else int(seen.alert),
                "reason": None if seen.reason is None else seen.reason.value,
                "answer": seen.answer,
                "error": seen.error,
            }
        return {name: value for name, value in facts.items() if value is not None}


def _was_being_sent(seen: Handshake) -> bool:
    """Whether the server ended the connection while a certificate, asked for, was still on its way: it was too long."""
    asked, sent = (was_sent(seen.transcript, *what) for what in _ASKED_AND_SENT)
    return asked and not sent


def _is_shown(plan: ProbePlan, seen: Handshake) -> bool:
    """Whether the server saw the client's certificate, or there is none to see."""
    certificate = own_der(plan.presents.identity)
    return certificate is None or not was_withheld(certificate, seen) or _was_being_sent(seen)


def _why_not_sent(seen: Handshake) -> str:
    if was_sent(seen.transcript, "client", "Certificate"):
        return "its certificate was not sent: its key fits none of the signature algorithms that the server takes"
    return "the server ended the connection before the certificate was sent"


class Run:
    """Checks one server.

    Args:
        target: the server. Its ``ca`` builds the cases, or as many as it can without a key.
        policy: what is agreed of it.
        timeout: seconds for each handshake. A server that hangs is given so long, and is not said to have rejected.
    """

    def __init__(self, target: Endpoint, policy: Policy | None = None, *, timeout: float = 5.0) -> None:
        self.target = target
        self.policy = Policy() if policy is None else policy
        self.timeout = timeout
        self._good = good_client(target, target.ca)
        self._controls: dict[str, Handshake] = {}
        self._is_told = False
        self._more_times = cycle((1, 2))
        self._building: AbstractContextManager[object] = nullcontext()
        self._connecting: AbstractContextManager[object] | None = None

    @property
    def has_control(self) -> bool:
        """Whether there is a good client, without which a rejection proves little."""
        return self._good is not None

    def do_beside_others(
        self, building: AbstractContextManager[object], connecting: AbstractContextManager[object]
    ) -> None:
        """Be one of several runs that check the same server at once, in threads.

        Args:
            building: entered while a client is built: what some cases do with Python's warnings, only one thread may do.
            connecting: entered while all connections of a check are made in a row, so that a balancer that takes its
                backends in turn gives them different ones.
        """
        self._building, self._connecting = building, connecting

    def check(self, case: Case, tls: str) -> Result:
        """Present one client over one TLS version.

        Args:
            case: a client's.
            tls: "1.2" or "1.3".
        """
        expected = self._expected(case)
        obstacle = self._obstacle(tls)
        if obstacle is not None:
            outcome, note, control = obstacle
            if outcome is Outcome.LEFT_OUT or expected not in ("accepted", "refused"):
                return Result(case, tls, expected, Outcome.LEFT_OUT, None, note)
            return Result(case, tls, expected, outcome, control, note, self._plan(self._good, tls))
        try:
            plan = self._plan(case, tls)
            seen = self._present(case, plan)
        except MissingPrivateKey:
            return Result(
                case, tls, expected, Outcome.LEFT_OUT, None, "it needs the CA's private key, which is not here"
            )
        except MtlsError as error:
            return Result(case, tls, expected, Outcome.LEFT_OUT, None, str(error))
        first = seen[0]
        if first.accepted is False and not _is_shown(plan, first):
            return Result(case, tls, expected, Outcome.LEFT_OUT, first, _why_not_sent(first))
        outcome, note = self._judge(case, plan, seen)
        if first.accepted is False and not self._still_takes_good_clients(tls):
            outcome, note = Outcome.DEVIATES, "after this rejection a good client does not get in any more"
        return self._with_exception(Result(case, tls, expected, outcome, first, note))

    def check_all(self) -> Iterator[Result]:
        """Every check, in the order of the catalogue."""
        return (self.check(case, tls) for case, tls in checks())

    def _plan(self, client: Case | Identity | None, tls: str) -> ProbePlan:
        with self._building:
            return ProbePlan.of(self.target, client, tls=tls, timeout=self.timeout)

    def _present(self, case: Case, plan: ProbePlan) -> list[Handshake]:
        """Present a client, and again if the answer matters: two and three times by turns.

        With the control that makes three and four connections, so that a balancer that takes its backends in turn
        never keeps step with the clients: each of them meets other backends than the one before.
        """
        if self._connecting is not None and plan.protocol.probe is None and self._expected(case) in _BINDING:
            return self._present_in_a_row(plan, 1 + next(self._more_times), self._connecting)
        seen = [run(plan)]
        if seen[0].accepted is None or self._expected(case) not in _BINDING:
            return seen
        seen += (run(plan) for _ in range(next(self._more_times)))
        return seen

    def _present_in_a_row(
        self, plan: ProbePlan, times: int, connecting: AbstractContextManager[object]
    ) -> list[Handshake]:
        """Present a client on connections that are all made before the first of them is used."""
        connections: list[Connected] = []
        try:
            with connecting, suppress(OSError):  # then there are too few, and the check is done again
                for _ in range(times):
                    if plan.target.rate_limiter is not None:
                        plan.target.rate_limiter.wait()
                    connections.append(connect(plan.target.address, plan.timeout))
            seen = [run(plan, connection) for connection in connections]
        finally:
            for plain, _, _ in connections:
                plain.close()
        if len(seen) < times:
            return [Handshake("client", None, server_name=plan.target.name, error="it takes no more connections")]
        return seen

    # --- before -------------------------------------------------------------------------------------------------------

    def _control(self, tls: str) -> Handshake:
        """The latest handshake of the good client, or without one of a client without certificate."""
        if tls not in self._controls:
            self._controls[tls] = run(self._plan(self._good, tls))
        return self._controls[tls]

    def _speaks(self, tls: str) -> bool:
        return self._control(tls).accepted is not False or self._control(tls).tls_version == f"TLSv{tls}"

    def _obstacle(self, tls: str) -> tuple[Outcome, str, Handshake | None] | None:
        """Why nothing can be proved over this version, if so: a failure the first time, and told no more after that."""
        obstacle = self._find_obstacle(tls)
        if obstacle is None or obstacle[0] is Outcome.LEFT_OUT:
            return obstacle
        if not self._is_told:
            self._is_told = True
            return obstacle
        return Outcome.LEFT_OUT, f"nothing can be proved, as the first failure tells: {headline(obstacle[2])}", None

    def _find_obstacle(self, tls: str) -> tuple[Outcome, str, Handshake] | None:
        control = self._control(tls)
        if not self._speaks(tls):
            if any(map(self._speaks, TLS_VERSIONS)):
                return Outcome.LEFT_OUT, f"the server does not speak TLS {tls}", control
            return (
                Outcome.DEVIATES,
                f"the server speaks no TLS version that is known here: {headline(control)}",
                control,
            )
        if control.accepted or (self._good is None and control.rejected_by == "server"):
            return None
        who = "a good client" if self._good is not None else "a client"
        note = f"{who} does not get in, so nothing can be proved: {headline(control)}"
        if control.rejected_by == "client" and control.reason in (Reason.UNKNOWN_CA, Reason.SELF_SIGNED):
            note += ". Give the CA of the server's own certificate: --mtls-server-ca"
        return Outcome.DEVIATES, note, control

    def _still_takes_good_clients(self, tls: str) -> bool:
        if self._good is None:
            return True
        self._controls[tls] = run(self._plan(self._good, tls))
        return self._controls[tls].accepted is True

    # --- after --------------------------------------------------------------------------------------------------------

    def _is_claimed(self, case: Case) -> bool:
        return case.requires <= self.policy.settings and (case.tier is not Tier.SETTING or bool(case.requires))

    def _expected(self, case: Case) -> str:
        if case.tier is Tier.GOOD:
            return "accepted"
        if case.tier is Tier.INFORMATIVE:
            return "either"
        if self._is_claimed(case):
            return "refused"
        return f"either, without {' and '.join(sorted(case.requires))}" if case.requires else "either"

    def _judge(self, case: Case, plan: ProbePlan, seen: Sequence[Handshake]) -> tuple[Outcome, str]:
        if self._expected(case) not in _BINDING:
            return Outcome.REPORTED, ""
        reasons = () if self.policy.reasons == "any" else case.reasons
        expected = Expected(accepted=True) if case.tier is Tier.GOOD else Expected(accepted=False, reasons=reasons)
        judgement = judge(expected, seen, self._evidence(case, plan, expected, seen[0]))
        if judgement.is_met:
            return Outcome.CONFORMS, ""
        odd = judgement.handshake or seen[0]
        if case.rewrite is not None and odd.rejected_by == "server" and odd.alert is Alert.DECRYPT_ERROR:
            return Outcome.LEFT_OUT, "the server looks at the proof of the key first, which fits no changed certificate"
        return Outcome.DEVIATES, _NOTES[judgement.rule](expected, odd)

    def _evidence(self, case: Case, plan: ProbePlan, expected: Expected, seen: Handshake) -> Evidence:
        """What is known beside the handshake; the twin is asked only where a denial of access hangs on it."""
        evidence = Evidence(None if _was_being_sent(seen) else own_der(plan.presents.identity))
        is_inside = is_said_by_the_application(seen)
        if seen.reason is not Reason.ACCESS_DENIED and not is_inside:
            return evidence
        with self._building:
            control, is_twin = control_of(plan, case, expected)
            namesake = namesake_of(plan) if is_inside else None
        if control is not None:
            evidence = replace(evidence, control=run(control), control_is_twin=is_twin)
        if namesake is not None:
            evidence = replace(evidence, namesake=run(namesake))
        return evidence

    def _with_exception(self, result: Result) -> Result:
        agreed = self.policy.exception_for(result.case.id, result.tls)
        if agreed is None or result.outcome in (Outcome.REPORTED, Outcome.LEFT_OUT):
            return result
        outcome, note = result.outcome, result.note
        if outcome is Outcome.CONFORMS:
            outcome = Outcome.EXCEPTION_GONE
            note = f"the policy says that it is {agreed.seen} ({agreed.reason}), which no longer happens: remove that"
        elif result.seen == agreed.seen:
            outcome, note = Outcome.EXCEPTED, agreed.reason
        return Result(result.case, result.tls, result.expected, outcome, result.handshake, note)
