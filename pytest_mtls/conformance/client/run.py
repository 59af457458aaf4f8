"""`ClientRun`: one client under test with every server case, and a good server beside them. No pytest here.

The tests of `pytest_mtls.conformance` hand each `ClientResult` to pytest; anybody else can do with them what they want.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_mtls.cases import CATALOGUE, Case, Tier
from pytest_mtls.conformance.client.observation import Observation
from pytest_mtls.conformance.client.under_test import ClientUnderTest
from pytest_mtls.conformance.policy import Policy
from pytest_mtls.conformance.run import Outcome, Result
from pytest_mtls.errors import ClientNotUsable, MtlsError
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.settings import NO_HOSTNAME
from pytest_mtls.reasons.versions import TLS_VERSIONS
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import headline, tell
from pytest_mtls.verdict.judge import judge

__all__ = ["ClientResult", "ClientRun", "client_checks"]

#: After so many rejections a good server has to be accepted again.
_REJECTIONS = 8
#: Why the server itself may give up before the client can judge it, through nobody's fault.
_NO_PARAMETERS = (Reason.NO_COMMON_PARAMETERS,)


def client_checks() -> Iterator[tuple[Case, str]]:
    """Every server case with each TLS version over which it can present itself.

    One that answers no hello, or speaks one version only, comes once.
    """
    for case in CATALOGUE["server"].select("*"):
        yield from ((case, tls) for tls in (case.versions[-1:] if case.misbehaves else case.versions))


@dataclass(frozen=True)
class ClientResult(Result):
    """What one server case came to.

    Attributes:
        observation: what became of the call; None if it was left out.
    """

    observation: Observation | None = field(default=None, repr=False)

    def story(self) -> str:
        """All that is to be told of it."""
        if self.observation is None or self.handshake is None:
            return self.note
        is_good = self.case.tier is Tier.GOOD
        expected = Expected(accepted=is_good, by="client", reasons=self.case.reasons)
        return f"{tell([self.handshake], expected, self.note or None)}\n\n{self.observation.story()}"

    def facts(self) -> dict[str, str | int]:
        """The same for machines; without what is not known."""
        facts = super().facts()
        if self.observation is not None:
            facts["answer"] = self.observation.outcome
        return facts


class ClientRun:
    """Checks one client.

    Args:
        client: the client, inside its ``with`` block.
        policy: what is agreed of it.
    """

    def __init__(self, client: ClientUnderTest, policy: Policy | None = None) -> None:
        self.client = client
        self.policy = Policy() if policy is None else policy
        self._controls: dict[str, Observation] = {}
        self._rejections = 0
        self._is_told = False

    def check(self, case: Case, tls: str) -> ClientResult:
        """Call the client once for one server.

        Args:
            case: a server's.
            tls: "1.2" or "1.3".
        """
        expected = self._expected(case)
        try:
            obstacle = self._obstacle(tls)
        except ClientNotUsable as error:
            return ClientResult(case, tls, expected, Outcome.DEVIATES, None, str(error))
        if obstacle is not None:
            outcome, note, control = obstacle
            if outcome is Outcome.LEFT_OUT or expected not in ("accepted", "refused"):
                return ClientResult(case, tls, expected, Outcome.LEFT_OUT, None, note)
            return ClientResult(
                case, tls, expected, outcome, None if control is None else control.verdict, note, observation=control
            )
        try:
            seen = self.client.observe(case, tls=tls)
        except MtlsError as error:
            return ClientResult(case, tls, expected, Outcome.LEFT_OUT, None, str(error))
        verdict = seen.verdict
        outcome, note = self._judge(case, seen, verdict)
        if outcome is Outcome.CONFORMS and seen.call.is_crash:
            outcome, note = Outcome.DEVIATES, f"the client crashed on this server: it {seen.call.ending}"
        if verdict.accepted is False:
            self._rejections += 1
            if self._rejections % _REJECTIONS == 0 and not self.still_works(tls):
                outcome, note = (
                    Outcome.DEVIATES,
                    "after this rejection the client does not reach a good server any more",
                )
        return self._with_exception(ClientResult(case, tls, expected, outcome, verdict, note, observation=seen))

    def check_all(self) -> Iterator[ClientResult]:
        """Every check, in the order of the catalogue."""
        return (self.check(case, tls) for case, tls in client_checks())

    def still_works(self, tls: str) -> bool:
        """Whether the client accepts a good server now; True for a version that it never spoke."""
        if not self._speaks(tls):
            return True
        self._controls[tls] = self.client.observe(tls=tls)
        return _is_good(self._controls[tls])

    # --- before -------------------------------------------------------------------------------------------------------

    def _control(self, tls: str) -> Observation:
        """The latest call for a good server."""
        if tls not in self._controls:
            self._controls[tls] = self.client.observe(tls=tls)
        return self._controls[tls]

    def _speaks(self, tls: str) -> bool:
        seen = self._control(tls)
        return seen.is_accepted or seen.verdict.tls_version == f"TLSv{tls}"

    def _obstacle(self, tls: str) -> tuple[Outcome, str, Observation | None] | None:
        """Why nothing can be proved over this version, if so; with all that was seen the first time."""
        control = self._control(tls)
        if _is_good(control):
            return None
        if not self._speaks(tls) and any(_is_good(self._control(other)) for other in TLS_VERSIONS if other != tls):
            return Outcome.LEFT_OUT, f"the client does not speak TLS {tls}", None
        note = f"the client does not reach a good server, so that nothing is proved: {headline(control.verdict)}"
        if control.is_accepted:
            note = f"the client's request arrived at a good server, and it {control.call.ending}: nothing is proved"
        is_told, self._is_told = self._is_told, True
        return Outcome.DEVIATES, note, None if is_told else control

    # --- after --------------------------------------------------------------------------------------------------------

    def _expected(self, case: Case) -> str:
        if case.tier is Tier.GOOD:
            return "accepted"
        if case.tier is Tier.INFORMATIVE:
            return "either"
        if Reason.HOSTNAME_MISMATCH in case.reasons and NO_HOSTNAME in self.policy.settings:
            return f"either, with {NO_HOSTNAME}"
        if case.requires <= self.policy.settings and (case.tier is not Tier.SETTING or bool(case.requires)):
            return "refused"
        return f"either, without {' and '.join(sorted(case.requires))}" if case.requires else "either"

    def _judge(self, case: Case, seen: Observation, verdict: Handshake) -> tuple[Outcome, str]:
        expects = self._expected(case)
        if expects not in ("accepted", "refused"):
            return Outcome.REPORTED, ""
        if verdict.rejected_by == "server" and verdict.reason in _NO_PARAMETERS:
            return Outcome.LEFT_OUT, "the client takes no signature by a key of this kind"
        reasons = () if self.policy.reasons == "any" else case.reasons
        expected = Expected(accepted=expects == "accepted", by="client", reasons=reasons)
        judgement = judge(expected, [verdict])
        if judgement.is_met:
            if expected.accepted and not seen.call.succeeded:
                return Outcome.DEVIATES, f"the request arrived at a good server, and the client {seen.call.ending}"
            return Outcome.CONFORMS, ""
        if seen.has_gone_on_without_tls:
            return Outcome.DEVIATES, str(verdict.error)
        if verdict.accepted is None:
            return Outcome.DEVIATES, f"there is no verdict: {verdict.error}"
        if expected.accepted:
            return Outcome.DEVIATES, f"a good server was {headline(verdict)}"
        if verdict.accepted:
            return Outcome.DEVIATES, "the client sent its request to this server"
        if verdict.rejected_by == "server":
            return Outcome.DEVIATES, f"the client let the server judge first: {headline(verdict)}"
        should = " or ".join(reason.words for reason in case.reasons)
        return Outcome.DEVIATES, f"the client rejected the server, but not for {should}: {headline(verdict)}"

    def _with_exception(self, result: ClientResult) -> ClientResult:
        agreed = self.policy.exception_for(result.case.id, result.tls)
        if agreed is None or result.outcome in (Outcome.REPORTED, Outcome.LEFT_OUT):
            return result
        outcome, note = result.outcome, result.note
        if outcome is Outcome.CONFORMS:
            outcome = Outcome.EXCEPTION_GONE
            note = f"the policy says that it is {agreed.seen} ({agreed.reason}), which no longer happens: remove that"
        elif result.seen == agreed.seen:
            outcome, note = Outcome.EXCEPTED, agreed.reason
        return ClientResult(
            result.case, result.tls, result.expected, outcome, result.handshake, note, observation=result.observation
        )


def _is_good(seen: Observation) -> bool:
    return seen.is_accepted and seen.call.succeeded
