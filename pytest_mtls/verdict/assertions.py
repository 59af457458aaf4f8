"""Assertions on handshakes: `assert_accepted`, `assert_rejected`, and what a server's ``expect_`` contexts do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from pytest_mtls.cases.case import Case, Tier
from pytest_mtls.cases.presentation import PeerArgument
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.client.endpoint import EndpointArgument, ObservedServer, is_address
from pytest_mtls.client.plan import ProbePlan
from pytest_mtls.client.probe import run
from pytest_mtls.errors import CaseNotPresentable, HandshakeAssertionError, InvalidArgument
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side, opposite
from pytest_mtls.tls.engine import Engine
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.diagnosis.facts import Control
from pytest_mtls.verdict.diagnosis.no_handshake import CONNECTION_REUSED, client_not_called
from pytest_mtls.verdict.diagnosis.symptoms import Diagnosis
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import headline, tell
from pytest_mtls.verdict.judge import (
    DIFFERENT_ANSWERS,
    NAMESAKE_DENIED,
    NOT_ACCEPTED_AFTERWARDS,
    Evidence,
    Judgement,
    is_said_by_the_application,
    judge,
)
from pytest_mtls.verdict.twins import control_of, namesake_of, own_der

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Expectation", "assert_accepted", "assert_rejected", "expect_accepted", "expect_rejected"]

_LATE = (
    "the client completed the handshake and sent no data. If it judges the server only after its handshake, let its "
    "error leave the with block, as subprocess.run(..., check=True) does"
)
#: How often a client is presented to a server that a balancer may stand before.
_ATTEMPTS_ELSEWHERE = 3
#: What is a slip in the test's own code and never a client's answer to a rejection: it passes through `Expectation`.
_NOT_A_CLIENT_FAILURE = (AssertionError, NameError, AttributeError, TypeError, ImportError)


def assert_accepted(
    endpoint: EndpointArgument,
    client: PeerArgument | None = None,
    *,
    trust: TrustArgument | None = None,
    tls: str | None = None,
    server_name: str | None = None,
    timeout: float = 5.0,
    ca: CertificateAuthority | None = None,
    engine: Engine = "ssl",
) -> Handshake:
    """Do a handshake and assert that both sides accept each other.

    Args: as for `probe`.

    Returns:
        The handshake.

    Raises:
        HandshakeAssertionError: it was rejected, or is undecided.
        MtlsError: a bad argument, as for `probe`.
    """
    __tracebackhide__ = True
    plan = ProbePlan.of(endpoint, client, trust, tls, server_name, timeout, ca=ca, engine=engine)
    handshake = run(plan)
    expected = Expected(accepted=True)
    if not judge(expected, [handshake]).is_met:
        story = tell([handshake], expected, _complaint(handshake, expected), plan=plan)
        raise HandshakeAssertionError(story, [handshake])
    return handshake


def assert_rejected(
    endpoint: EndpointArgument,
    client: PeerArgument | None = None,
    reason: Reason | str | None = None,
    *,
    by: Side | None = None,
    trust: TrustArgument | None = None,
    tls: str | None = None,
    server_name: str | None = None,
    timeout: float = 5.0,
    ca: CertificateAuthority | None = None,
    like: Identity | None = None,
    attempts: int | None = None,
    engine: Engine = "ssl",
) -> Handshake:
    """Do a handshake and assert that it is rejected, for the right reason.

    First a good client must get in, where there is a CA here that can issue one: a server that rejects everybody
    enforces nothing. A server of this process is not asked again if it has accepted that client since it was last set up.
    Then the rejection counts only if the client's certificate really went over the wire. Where the application denies the
    client, another good one must get in too, with the same names and with issuers of the same names. At a server of another
    process, which may go down or ban frequent clients, the first good client must get in once more afterwards.

    Args:
        endpoint, client, trust, tls, server_name, timeout, ca, engine: as for `probe`.
        reason: why; by default the case's own reason where ``client`` is a `Case`, else any.
        by: the side that rejects, "server" or "client"; by default "client" where the server plays a bad server's
            case, else "server".
        like: whose names the client of a case and its control carry; those of the endpoint's ``client`` by default.
            Cases that are about names keep theirs.
        attempts: how many times the client is presented, an odd number; 3 by default, and once to a server of this
            process, before which nothing stands. Two different verdicts fail.

    Returns:
        The first handshake.

    Raises:
        HandshakeAssertionError: it was accepted, is undecided, or was rejected by another side or for another reason.
        MtlsError: a bad argument, as for `probe`.
        CaseNotPresentable: what the case presents did not go over the wire. The plugin lets the test skip for it.
    """
    __tracebackhide__ = True
    plan = ProbePlan.of(endpoint, client, trust, tls, server_name, timeout, ca=ca, like=like, engine=engine)
    expected = _rejection(reason, by, "client" if plan.target.server_case is not None else "server")
    if reason is None and isinstance(client, Case):
        expected = replace(expected, reasons=client.reasons)
    times = _attempts(attempts, 1 if plan.observer is not None else _ATTEMPTS_ELSEWHERE)
    evidence = Evidence(own_der(plan.presents.identity))
    control: ProbePlan | None = None
    if expected.by == "server":
        control, is_twin = control_of(plan, client, expected)
        if control is not None:
            evidence = replace(evidence, control=_seen_before(control) or run(control), control_is_twin=is_twin)
            if not evidence.control.accepted:  # type: ignore[union-attr]
                _fail_for_the_control(control, evidence.control)  # type: ignore[arg-type]
    seen = [run(plan)]
    if isinstance(client, Case) and client.tier is Tier.INFORMATIVE and seen[0].accepted is not None:
        return seen[0]
    while len(seen) < times and seen[-1].accepted is seen[0].accepted is not None:
        seen.append(run(plan))
    judgement = judge(expected, seen, evidence)
    if judgement.is_met and expected.by == "server":
        evidence = _with_more_controls(evidence, plan, control, seen)
        judgement = judge(expected, seen, evidence)
        _fail_for_a_later_control(judgement, evidence, plan)
    if judgement.is_met:
        return seen[0]
    if judgement.not_presented and isinstance(client, Case):
        raise CaseNotPresentable(client.id, "its key fits none of the signature algorithms that the server takes")
    told = seen if judgement.rule == DIFFERENT_ANSWERS else [judgement.handshake or seen[0]]
    story = tell(told, expected, _remark(judgement, told[-1], expected), plan=plan)
    raise HandshakeAssertionError(story, told)


def _seen_before(control: ProbePlan) -> Handshake | None:
    """The control's handshake, if a server of this process has accepted the client since it was last set up.

    The server's own record is evidence enough: nobody else answered for it. A new certificate, trust or CRL empties it.
    """
    certificate_der = own_der(control.presents.identity)
    if control.observer is None or certificate_der is None:
        return None
    name = control.target.name
    return control.observer.accepted_client(certificate_der, control.tls, None if is_address(name) else name)


def _with_more_controls(
    evidence: Evidence, plan: ProbePlan, control: ProbePlan | None, seen: Sequence[Handshake]
) -> Evidence:
    """The evidence with what a rejection still needs: good clients that get in afterwards, and under the same names.

    A server of this process needs no control afterwards: its own record tells the end of each connection, and nothing that
    bans clients stands before it.
    """
    if control is not None and plan.observer is None:
        evidence = replace(evidence, control_afterwards=run(control))
    if any(map(is_said_by_the_application, seen)):
        namesake = namesake_of(plan)
        if namesake is not None:
            evidence = replace(evidence, namesake=run(namesake))
    return evidence


def _fail_for_a_later_control(judgement: Judgement, evidence: Evidence, plan: ProbePlan) -> None:
    __tracebackhide__ = True
    which: Control
    if judgement.rule == NOT_ACCEPTED_AFTERWARDS:
        which, control = "afterwards", evidence.control_afterwards
        why = "a good client that got in before does not get in any more"
    elif judgement.rule == NAMESAKE_DENIED:
        which, control = "namesake", evidence.namesake
        why = "another good client, with the same names and issuers' names, does not get in either"
    else:
        return
    assert control is not None
    verdict = f"{control.error} (no verdict)" if control.accepted is None else f"it was {headline(control)}"
    remark = f"{why}, so the rejection proves nothing: {verdict}"
    story = tell([control], Expected(accepted=True), remark, plan=plan, control=which)
    raise HandshakeAssertionError(story, [control])


def _fail_for_the_control(plan: ProbePlan, control: Handshake) -> NoReturn:
    __tracebackhide__ = True
    why = headline(control)
    remark = f"a good client does not get in either, so a rejection proves nothing: it was {why}"
    if control.accepted is None:
        remark = (
            f"{control.error} (no verdict): a good client does not get in either, so a rejection would prove nothing"
        )
    story = tell([control], Expected(accepted=True), remark, plan=plan)
    raise HandshakeAssertionError(story, [control])


def _attempts(given: int | None, default: int) -> int:
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, int) or given < 1 or given % 2 == 0:
        raise InvalidArgument(
            "attempts", given, "an odd number, so that case and control never keep step with a balancer"
        )
    return given


class Expectation:
    """What happens at a server during a ``with`` block, and whether it is what a test expects.

    Made by `MutualTLSServer.expect_accepted` and `MutualTLSServer.expect_rejected`.

    Attributes:
        handshakes: those of the connections that came during the block, in the order of their verdicts; those of
            ``client`` only, if it is given.
        exception: what the client raised when it was rejected; None if it raised nothing.
    """

    def __init__(self, server: ObservedServer, expected: Expected, client: Identity | None = None) -> None:
        self._server = server
        self._expected = expected
        self._client = client
        self.handshakes: tuple[Handshake, ...] = ()
        self.exception: Exception | None = None

    @property
    def handshake(self) -> Handshake:
        """The first handshake of the block.

        Raises:
            LookupError: none has happened yet, or the block has not ended.
        """
        if not self.handshakes:
            raise LookupError("no handshake is known yet: it is when the block has ended")
        return self.handshakes[0]

    def __enter__(self) -> Self:
        self._bookmark = self._server.bookmark()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        __tracebackhide__ = True
        if error is not None and not _may_be_the_clients(error):
            return False
        self.exception = error if isinstance(error, Exception) else None
        is_late = error is not None and self._expected.by == "client" and not self._expected.accepted
        seen = self._server.handshakes_since(self._bookmark, wait=True, late=is_late)
        began = [self._with_the_clients_word(handshake) for handshake in seen if handshake.began]
        self.handshakes = tuple(handshake for handshake in began if self._is_judged(handshake))
        complaint = self._complaint(silent=len(seen) - len(began), others=len(began) - len(self.handshakes))
        if complaint is not None:
            told = self.handshakes or tuple(began)
            nobody_came = None if told else self._why_nobody_came(len(seen))
            raise HandshakeAssertionError(
                tell(told, self._expected, complaint, nobody_came=nobody_came), told
            ) from error
        return not self._expected.accepted

    def _with_the_clients_word(self, handshake: Handshake) -> Handshake:
        """A client that judges after its handshake ends the connection without a byte; what it raised says that it did."""
        error = self.exception
        is_asked = self._expected.by == "client" and not self._expected.accepted
        if error is None or not is_asked or not handshake.accepted or not handshake.is_unused:
            return handshake
        return handshake.rejected_late(f"the client sent no data, and raised {type(error).__name__}: {error}")

    def _is_judged(self, handshake: Handshake) -> bool:
        """Whether it is a handshake of the client that is asked for; one that ended before any certificate may be."""
        if self._client is None:
            return True
        own = handshake.client_chain_der[:1]
        if not own and handshake.rejected_by == self._expected.by == "client":
            return True
        return own == (own_der(self._client),)

    def _complaint(self, silent: int, others: int) -> str | None:
        """What is wrong, if anything."""
        if not self.handshakes:
            if self._client is not None and others:
                return f"{self._client.subject} did not connect: {others} handshake{'s' * (others > 1)} of other clients came"
            return _nobody_came(silent, self.exception)
        for handshake in self.handshakes:
            if not judge(self._expected, [handshake]).is_met:
                complaint = _complaint(handshake, self._expected)
                return f"{complaint}; {_LATE}" if self._may_be_late(handshake) else complaint
        return None

    def _why_nobody_came(self, silent: int) -> Diagnosis:
        endpoint = self._server.endpoint
        address = f"https://{endpoint.netloc}"
        if not silent and self._server.is_one_open_from_before(self._bookmark):
            return CONNECTION_REUSED
        return client_not_called(address, self.exception)

    def _may_be_late(self, handshake: Handshake) -> bool:
        return self._expected.by == "client" and handshake.is_unused and self.exception is None


def expect_accepted(server: ObservedServer, client: Identity | None) -> Expectation:
    """See `MutualTLSServer.expect_accepted`."""
    return Expectation(server, Expected(accepted=True), client)


def expect_rejected(
    server: ObservedServer, reason: Reason | str | None, by: Side | None, client: Identity | None
) -> Expectation:
    """See `MutualTLSServer.expect_rejected`."""
    plays_case = server.endpoint.server_case is not None
    return Expectation(server, _rejection(reason, by, "client" if plays_case else "server"), client)


def _rejection(reason: Reason | str | None, by: Side | None, default: Side) -> Expected:
    """An expected rejection, from what a caller gave."""
    if by not in (None, "client", "server"):
        raise InvalidArgument("by", by, "'client' or 'server'")
    try:
        known = None if reason is None else Reason(reason)
    except ValueError:
        raise InvalidArgument("reason", reason, f"one of {', '.join(Reason)}") from None
    return Expected(accepted=False, by=by or default, reasons=() if known is None else (known,))


def _remark(judgement: Judgement, handshake: Handshake, expected: Expected) -> str:
    """What is wrong, in one line."""
    if judgement.rule == DIFFERENT_ANSWERS:
        return "the server gives different answers to the same client: is there a balancer before it?"
    if judgement.not_presented:
        return "the rejection proves nothing: the client's certificate did not go over the wire"
    return _complaint(handshake, expected)


def _complaint(handshake: Handshake, expected: Expected) -> str:
    """What is wrong about a handshake that is not as expected, in one line."""
    if handshake.accepted is None:
        return f"{handshake.error or 'the handshake ended early'} (no verdict); {expected.demand}"
    if handshake.accepted:
        why = f": {' or '.join(reason.words for reason in expected.reasons)}" if expected.reasons else ""
        return f"the {expected.by} accepted the {opposite(expected.by)}; it should have rejected it{why}"
    by = handshake.rejected_by or "other side"
    who = f"the {by} rejected the {opposite(handshake.rejected_by or 'client')}"
    why = headline(handshake).removeprefix(f"rejected by the {by}")
    if not expected.accepted and expected.by == by and expected.reasons:
        return f"{who}{why}; the expected reason is {' or '.join(reason.words for reason in expected.reasons)}"
    return f"{who}{why}; {expected.demand}"


def _nobody_came(silent: int, error: BaseException | None) -> str:
    """What is wrong where no handshake was seen at all."""
    said = f"the client raised {type(error).__name__}: {error}" if error is not None else "the client raised nothing"
    opened = f"{silent} connection{'s were' if silent != 1 else ' was'} opened and closed in silence" if silent else ""
    opened = f"{opened or 'nobody connected'}, and "
    return f"no handshake happened: {opened}{said}"


def _may_be_the_clients(error: BaseException) -> bool:
    """Whether an exception may be how a client shows that it was rejected."""
    within = getattr(error, "exceptions", None)  # a group; on Python 3.10 one of exceptiongroup's
    if isinstance(within, (tuple, list)) and all(isinstance(one, BaseException) for one in within):
        return all(map(_may_be_the_clients, within))
    return isinstance(error, Exception) and not isinstance(error, _NOT_A_CLIENT_FAILURE)
