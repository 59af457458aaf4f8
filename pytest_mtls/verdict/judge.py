"""The judge: whether what was observed is what was expected, and by which rule.

No sockets and no certificates are made here: it is a pure function of what was seen, so that every rule has a test that
needs no network. `RULES` lists the rules in the order in which they are tried; the first one that applies decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_mtls.reasons.reason import Reason
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.transcript import was_sent
from pytest_mtls.verdict.expected import Expected

__all__ = [
    "ACCEPTED_INSTEAD_OF_REJECTED",
    "DIFFERENT_ANSWERS",
    "NAMESAKE_DENIED",
    "NOT_ACCEPTED_AFTERWARDS",
    "NO_HANDSHAKE",
    "RULES",
    "Evidence",
    "Judgement",
    "Rule",
    "is_said_by_the_application",
    "judge",
    "was_withheld",
]


@dataclass(frozen=True)
class Evidence:
    """What is known beside the handshakes.

    Attributes:
        certificate_der: the client's own certificate as it should go over the wire; None for a client without one.
        control: the handshake of a good client at the same server; None where there is none.
        control_is_twin: whether that client has the names of the one that is judged, so that nothing but the defect
            tells them apart.
        control_afterwards: a later handshake of the same good client, after those that are judged; None where there is
            none.
        namesake: the handshake of another good client with the bad one's names and its issuers' names; None where there is
            none.
    """

    certificate_der: bytes | None = None
    control: Handshake | None = None
    control_is_twin: bool = False
    control_afterwards: Handshake | None = None
    namesake: Handshake | None = None


@dataclass(frozen=True)
class Judgement:
    """What the judge says.

    Attributes:
        is_met: whether the handshakes are what was expected.
        rule: the id of the rule that decided.
        handshake: the handshake that it is about; None for the absence of one.
        not_presented: whether it failed because the certificate did not go over the wire.
    """

    is_met: bool
    rule: str
    handshake: Handshake | None = None
    not_presented: bool = False


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: its name.
        applies: whether it decides, given what was expected, the handshake and the evidence.
        is_met: what it decides.
        meaning: what was seen and what it means, for the reference page.
    """

    id: str
    applies: Callable[[Expected, Handshake, Evidence], bool]
    is_met: bool
    meaning: str


def is_said_by_the_application(seen: Handshake) -> bool:
    """Whether the server rejected the client only once TLS had accepted it, and did not say that it was for its certificate.

    A probe of the user's own tells nothing of TLS, so that its word is taken for what it says.
    """
    if seen.accepted is not False or seen.rejected_by != "server" or seen.layer in (None, "tls"):
        return False
    return seen.reason is Reason.ACCESS_DENIED or _is_without_a_word(seen)


def _is_without_a_word(seen: Handshake) -> bool:
    return seen.reason is Reason.UNSPECIFIED and seen.answer is None and seen.tls_version is not None


def _is_for_reason(expected: Expected, seen: Handshake, evidence: Evidence) -> bool:
    if not expected.reasons:
        return True
    if is_said_by_the_application(seen) and _is_without_a_word(seen):
        return False  # a bare end of the connection, which any application may come to for any reason
    return not seen.possible_reasons.isdisjoint(expected.reasons)


def _is_for_the_defect(expected: Expected, seen: Handshake, evidence: Evidence) -> bool:
    """A denial of access that its good twin does not meet is for what tells the two apart."""
    control = evidence.control
    return bool(evidence.control_is_twin and control is not None and control.accepted)


def _is_denied(expected: Expected, seen: Handshake, evidence: Evidence) -> bool:
    """By the application, or by the alert access_denied, which GnuTLS's server sends for every bad certificate."""
    if is_said_by_the_application(seen):
        return True
    return seen.reason is Reason.ACCESS_DENIED and seen.rejected_by == "server"


def was_withheld(certificate_der: bytes, seen: Handshake) -> bool:
    """Whether a client's certificate did not go over the wire, as far as this Python can tell."""
    return seen.is_observed and seen.sent_chain_der[:1] != (certificate_der,)


def _was_not_presented(expected: Expected, seen: Handshake, evidence: Evidence) -> bool:
    """Whether the evidence is missing that the server saw the client's certificate, or asked for one that is not there."""
    if evidence.certificate_der is not None:
        return was_withheld(evidence.certificate_der, seen)
    names_no_certificate = Reason.NO_CERTIFICATE in expected.reasons and seen.is_observed
    is_said_inside = seen.layer not in (None, "tls")
    return names_no_certificate and not is_said_inside and not was_sent(seen.transcript, "server", "CertificateRequest")


ACCEPTED_INSTEAD_OF_REJECTED = "accepted-instead-of-rejected"
NOT_ACCEPTED_AFTERWARDS = "good-client-not-accepted-afterwards"
NAMESAKE_DENIED = "namesake-denied-as-well"

#: In this order; the first that applies decides about a handshake.
RULES: tuple[Rule, ...] = (
    Rule(
        "good-client-not-accepted",
        lambda expected, seen, evidence: (
            expected.by == "server"
            and not expected.accepted
            and evidence.control is not None
            and not evidence.control.accepted
        ),
        False,
        "A good client does not get in either: a server that rejects everybody proves nothing.",
    ),
    Rule(
        NOT_ACCEPTED_AFTERWARDS,
        lambda expected, seen, evidence: (
            expected.by == "server"
            and not expected.accepted
            and evidence.control_afterwards is not None
            and not evidence.control_afterwards.accepted
        ),
        False,
        "A good client that got in before does not get in any more: the server has gone down, or bans whoever comes often.",
    ),
    Rule(
        "undecided",
        lambda expected, seen, evidence: seen.accepted is None,
        False,
        "There is no verdict: a time-out, a network failure, or an answer about the state of the server.",
    ),
    Rule(
        "accepted-as-expected",
        lambda expected, seen, evidence: expected.accepted and seen.accepted is True,
        True,
        "Both sides accepted, as expected.",
    ),
    Rule(
        "rejected-instead-of-accepted",
        lambda expected, seen, evidence: expected.accepted,
        False,
        "One side rejected the other, and should not have.",
    ),
    Rule(
        ACCEPTED_INSTEAD_OF_REJECTED,
        lambda expected, seen, evidence: seen.accepted is True,
        False,
        "Both sides accepted, and one should have rejected the other.",
    ),
    Rule(
        "rejected-by-the-other-side",
        lambda expected, seen, evidence: seen.rejected_by != expected.by,
        False,
        "The other side gave up before the expected one could judge.",
    ),
    Rule(
        NAMESAKE_DENIED,
        lambda expected, seen, evidence: (
            is_said_by_the_application(seen)
            and not _is_for_reason(expected, seen, evidence)
            and evidence.namesake is not None
            and is_said_by_the_application(evidence.namesake)
        ),
        False,
        "The application denied the bad client, and another good one with the same names and issuers' names: it goes by the "
        "issuer, or knows one certificate only, and what is wrong with the bad one is not the reason.",
    ),
    Rule(
        "denied-but-not-its-twin",
        lambda expected, seen, evidence: (
            _is_denied(expected, seen, evidence)
            and not _is_for_reason(expected, seen, evidence)
            and _is_for_the_defect(expected, seen, evidence)
            and not _was_not_presented(expected, seen, evidence)
        ),
        True,
        "The server denied access to the bad client (inside, or by the alert access_denied), or ended the connection inside "
        "without a word. It served the good twin, so the defect is the reason.",
    ),
    Rule(
        "rejected-for-another-reason",
        lambda expected, seen, evidence: not _is_for_reason(expected, seen, evidence),
        False,
        "The expected side rejected the other, for another reason; an application's rejection stands for no defect.",
    ),
    Rule(
        "certificate-not-presented",
        lambda expected, seen, evidence: expected.by == "server" and _was_not_presented(expected, seen, evidence),
        False,
        "The certificate did not go over the wire, or none was asked for: the rejection is for something else.",
    ),
    Rule(
        "rejected-as-expected",
        lambda expected, seen, evidence: True,
        True,
        "The expected side rejected the other, for an expected reason, after it had seen what was presented.",
    ),
)

#: What no single handshake shows; `judge` looks for it first.
DIFFERENT_ANSWERS = "different-answers"
NO_HANDSHAKE = "no-handshake"


def judge(expected: Expected, handshakes: Sequence[Handshake], evidence: Evidence | None = None) -> Judgement:
    """Judge the handshakes of one client.

    Args:
        expected: what they should have been.
        handshakes: all of them, in order; several where the same client was presented several times.
        evidence: what else is known.

    Returns:
        The judgement by the first rule that fails, or else by the one that the last handshake meets.
    """
    known = evidence or Evidence()
    if not handshakes:
        return Judgement(False, NO_HANDSHAKE)
    decided = {seen.accepted for seen in handshakes if seen.accepted is not None}
    if len(decided) > 1:
        odd = next(seen for seen in handshakes if seen.accepted is not handshakes[0].accepted)
        return Judgement(False, DIFFERENT_ANSWERS, odd)
    judgement = Judgement(False, NO_HANDSHAKE)
    for seen in handshakes:
        rule = next(rule for rule in RULES if rule.applies(expected, seen, known))
        judgement = Judgement(rule.is_met, rule.id, seen, rule.id == "certificate-not-presented")
        if not rule.is_met:
            return judgement
    return judgement
