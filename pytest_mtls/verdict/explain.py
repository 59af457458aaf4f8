"""A handshake, and what was expected of it, as text for people who do not know OpenSSL's codes.

`tell` makes the text of a failed assertion, which fits a screen; `explain` tells everything of one handshake. Every
function here takes what a peer may have sent, so none may raise for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from pytest_mtls.certificates.names import describe_name
from pytest_mtls.client.plan import ProbePlan
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side, opposite
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.transcript import Message, was_sent
from pytest_mtls.verdict.chain import UNREADABLE, chain_lines, one_line, parsed
from pytest_mtls.verdict.diagnosis.facts import Control, Facts
from pytest_mtls.verdict.diagnosis.symptoms import Diagnosis, diagnose
from pytest_mtls.verdict.expected import Expected

__all__ = ["brief", "explain", "headline", "likely_cause", "tell"]

_SIDES: tuple[Side, ...] = ("client", "server")
#: How many handshakes a failed assertion tells of.
_MOST_TOLD = 2
_MORE = "  (-vv tells every message and both chains)"


def tell(
    handshakes: Sequence[Handshake],
    expected: Expected,
    remark: str | None = None,
    *,
    plan: ProbePlan | None = None,
    control: Control | None = None,
    nobody_came: Diagnosis | None = None,
) -> str:
    """The text of an expectation that was not met: first who rejected whom, the likely cause and what to do.

    Args:
        handshakes: those to tell of, in order.
        expected: what was expected of them.
        remark: what is wrong, in one line.
        plan: what the probe was asked to do, if this side is the client: it tells more of the likely cause.
        control: which later good client they are of, if they are of one.
        nobody_came: why there is no handshake, if there is none.
    """
    lines = [remark or "no handshake happened"]
    if not handshakes:
        why = _why(nobody_came) if nobody_came is not None else ()
        return "\n".join([*lines, *why, "", f"  expected: {expected}"])
    first = _most_telling(handshakes, expected)
    diagnosis = diagnose(Facts(first, expected, plan, control))
    lines += [*_why(diagnosis), "", f"  expected: {expected}"]
    told = [first, *(handshake for handshake in handshakes if handshake is not first)][:_MOST_TOLD]
    for number, handshake in enumerate(told):
        lines += _summary(handshake, expected, is_first=not number)
    if len(handshakes) > len(told):
        lines.append(f"  {len(handshakes)} handshakes, of which {len(told)} are told")
    return "\n".join([*lines, _MORE])


def _most_telling(handshakes: Sequence[Handshake], expected: Expected) -> Handshake:
    """The first handshake that is not as expected."""
    odd = (seen for seen in handshakes if diagnose(Facts(seen, expected)).symptom != "as-expected")
    if expected.accepted:
        odd = (seen for seen in handshakes if not seen.accepted)
    return next(odd, handshakes[0])


def headline(handshake: Handshake) -> str:
    """The verdict in one line."""
    if handshake.accepted:
        return "accepted by both sides"
    if handshake.accepted is None:
        return f"undecided: {handshake.error or 'no verdict'}"
    told = handshake.is_reason_exact or handshake.alert is None
    where = ""
    if handshake.layer not in (None, "tls"):
        where = f" ({handshake.answer})" if handshake.answer else f" (at the {handshake.layer} layer)"
    if handshake.reason is None or handshake.reason is Reason.UNSPECIFIED:
        return f"rejected by the {handshake.rejected_by}, which did not say why{where}"
    source = "" if told else ", as its alert says"
    return f"rejected by the {handshake.rejected_by}: {handshake.reason.words}{source}{where}"


def brief(handshake: Handshake) -> str:
    """One handshake in a few lines: verdict, parameters, the chain that matters, likely cause."""
    return "\n".join([_title(handshake), *_summary(handshake, None, is_first=True), *_cause_lines(handshake, None)])


def explain(handshake: Handshake, expected: Expected | None = None, *, plan: ProbePlan | None = None) -> str:
    """One handshake in full: verdict, alert, parameters, both chains, messages, and where it matters the likely cause.

    Args:
        handshake: the handshake.
        expected: what it should have been, if anything was expected of it.
        plan: what the probe was asked to do, if this side is the client.
    """
    lines = [_title(handshake), f"  verdict: {headline(handshake)}"]
    if handshake.alert is not None:
        lines.append(f"  alert: {handshake.alert.label}, sent by the {handshake.rejected_by}")
    elif handshake.accepted is False:
        lines.append("  alert: none was seen")
    if handshake.verify_error is not None:
        lines.append(f"  verification: {handshake.verify_error} (OpenSSL's code {handshake.verify_code})")
    lines.append(f"  parameters: {_parameters(handshake)}")
    for side in _SIDES:
        lines += _chain(handshake, expected, side)
    if handshake.transcript:
        lines.append("  messages:")
        lines += (f"    {message.sender}: {message}" for message in handshake.transcript)
    return "\n".join([*lines, *_cause_lines(handshake, expected, plan)])


def likely_cause(handshake: Handshake, expected: Expected | None = None) -> str:
    """One sentence on why it came so: of a handshake that was not accepted, or should not have been."""
    return diagnose(Facts(handshake, expected)).cause


# --- parts -----------------------------------------------------------------------------------------------------------


def _title(handshake: Handshake) -> str:
    peer = "{}:{}".format(*handshake.peer_address) if handshake.peer_address else "an unknown address"
    return f"handshake with the {opposite(handshake.side)} at {peer}, as the {handshake.side} saw it"


def _why(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"  likely cause: {diagnosis.cause}"
    if diagnosis.remedy is not None:
        yield f"  remedy: {diagnosis.remedy}"


def _cause_lines(handshake: Handshake, expected: Expected | None, plan: ProbePlan | None = None) -> Iterator[str]:
    if not handshake.accepted or (expected is not None and not expected.accepted):
        yield from _why(diagnose(Facts(handshake, expected, plan)))


def _summary(handshake: Handshake, expected: Expected | None, *, is_first: bool) -> Iterator[str]:
    """What was seen, with the chain that is in question and, of the first handshake, the messages by sender."""
    yield f"  {'seen:     ' if expected is not None else 'verdict: '}{headline(handshake)}"
    if handshake.alert is not None:
        yield f"  alert:    {handshake.alert.label}, sent by the {handshake.rejected_by}"
    if handshake.verify_error is not None:
        yield f"  verified: {handshake.verify_error} (OpenSSL's code {handshake.verify_code})"
    if handshake.peer_address is not None:
        peer = "{}:{}".format(*handshake.peer_address)
        yield f"  with:     the {opposite(handshake.side)} at {peer}, {_parameters(handshake)}"
    else:
        yield f"  with:     {_parameters(handshake)}"
    if not handshake.began and handshake.accepted is None:
        return
    in_question = _rejected_side(handshake, expected)
    if _came_to_certificates(handshake):
        yield from _chain(handshake, expected, in_question)
    if not is_first:
        return
    yield from _other_chain(handshake, opposite(in_question))
    if handshake.transcript:
        yield f"  messages: {'; '.join(_flights(handshake.transcript))}"


def _came_to_certificates(handshake: Handshake) -> bool:
    """Whether it went so far that a side could present one; where messages cannot be observed, it may have."""
    if handshake.client_chain_der or handshake.server_chain_der or not handshake.transcript:
        return bool(handshake.tls_version or handshake.client_chain_der or handshake.server_chain_der)
    return was_sent(handshake.transcript, "server", "ServerHello")


def _flights(transcript: Sequence[Message]) -> Iterator[str]:
    """The messages in order, those that one side sent in a row on one line."""
    for sender, messages in groupby(transcript, key=lambda message: message.sender):
        yield f"{sender} {', '.join(map(str, messages))}"


def _chain(handshake: Handshake, expected: Expected | None, side: Side) -> Iterator[str]:
    chain = handshake.client_chain_der if side == "client" else handshake.server_chain_der
    is_in_question = side == _rejected_side(handshake, expected)
    reasons = (handshake.reason,) if handshake.reason is not None else (expected.reasons if expected else ())
    yield f"  the {side} presented {'' if chain else 'no certificate'}".rstrip() + (":" if chain else "")
    marked = reasons if is_in_question else ()
    yield from (f"    {line}" for line in chain_lines(chain, marked, handshake.server_name))


def _other_chain(handshake: Handshake, side: Side) -> Iterator[str]:
    """The chain that is not in question, in a line."""
    chain = handshake.client_chain_der if side == "client" else handshake.server_chain_der
    if not chain:
        return
    try:
        name = next((describe_name(certificate.subject) for certificate in parsed(chain)), "what cannot be read")
    except UNREADABLE:
        name = "a certificate without a readable subject"
    more = len(chain) - 1
    yield f"  the {side} presented {one_line(name)}" + (
        f" and {more} more certificate{'s' * (more > 1)}" if more else ""
    )


def _rejected_side(handshake: Handshake, expected: Expected | None) -> Side:
    """The side whose certificates are in question."""
    if handshake.rejected_by is not None:
        return opposite(handshake.rejected_by)
    return opposite(expected.by) if expected is not None else "client"


def _parameters(handshake: Handshake) -> str:
    parts = [handshake.tls_version or "no TLS version agreed"]
    if handshake.cipher:
        parts.append(handshake.cipher)
    parts.append(f"server name {handshake.server_name}" if handshake.server_name else "no server name")
    if handshake.alpn:
        parts.append(f"ALPN {handshake.alpn}")
    if handshake.resumed:
        parts.append("a resumed session")
    return ", ".join(parts)
