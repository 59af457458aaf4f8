"""What a test's servers saw, as text for the report of a test: in full where it failed, a word each for the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

from pytest_mtls.errors import HandshakeAssertionError
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.server.server import MutualTLSServer
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.explain import brief, explain

__all__ = ["count", "hide_our_frames", "keep_first_line", "keep_last_of_chain", "story", "verdicts"]

#: How many handshakes of a test are told of one by one: in full, and as properties in JUnit XML.
_MOST_TOLD = 10
_MOST_LISTED = 20


def keep_first_line(longrepr: object, error: BaseException) -> None:
    """Have ``--tb=line``, the short summary and JUnit's message say what is wrong, in one line.

    Args:
        longrepr: the report's, as pytest made it.
        error: what the test raised.
    """
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        crash.message = _first_line(error)


def _first_line(error: BaseException) -> str:
    """What is wrong, with the reason at its head: at 80 columns the end is cut."""
    line = str(error).partition("\n")[0]
    if not isinstance(error, HandshakeAssertionError):
        return f"{type(error).__name__}: {line}"
    reason = error.handshakes[0].reason if error.handshakes else None
    if reason is None or reason is Reason.UNSPECIFIED or error.handshakes[0].accepted is not False:
        return line
    return f"{reason.words}: {line}"


def hide_our_frames(error: BaseException) -> None:
    """End the traceback of an error of ours in the frame of the test that called us, as that of a failed assertion ends.

    Args:
        error: what the test raised; its traceback is cut off.
    """
    last, entry = None, error.__traceback__
    while entry is not None:
        if _package(entry) != "pytest_mtls":
            last = entry
        entry = entry.tb_next
    if last is not None and _package(last) not in ("_pytest", "pluggy"):
        last.tb_next = None


def _package(entry: TracebackType) -> str:
    return str(entry.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def keep_last_of_chain(longrepr: object, error: BaseException) -> None:
    """Show the failed assertion only, and not at full length what the client raised before it.

    Its text has that in a line; the traceback of an HTTP client is hundreds of lines, which ``-vv`` prints.

    Args:
        longrepr: the report's, as pytest made it.
        error: what the test raised.
    """
    chain = getattr(longrepr, "chain", None)
    if chain and isinstance(error, HandshakeAssertionError):
        del chain[:-1]


def story(servers: Sequence[MutualTLSServer], error: BaseException | None, *, in_full: bool) -> str:
    """The handshakes of these servers, except those that a failed assertion tells of in its own text.

    Args:
        servers: the test's.
        error: what the test raised.
        in_full: every message and both chains, of the failed assertion's handshakes too.

    Returns:
        The text; empty if there is nothing left to tell. Of many handshakes the last ones are told.
    """
    asserted: Sequence[Handshake] = error.handshakes if isinstance(error, HandshakeAssertionError) else ()
    ends = [*asserted, *(handshake.counterpart for handshake in asserted if handshake.counterpart is not None)]
    others = [
        handshake
        for server in servers
        for handshake in server.handshakes
        if not any(_is_same(handshake, end) for end in ends)
    ]
    if asserted and not in_full:  # such as that of the control
        others = [handshake for handshake in others if not handshake.accepted]
    last = others[-_MOST_TOLD:]
    told = [*map(explain, asserted), *map(explain, last)] if in_full else list(map(brief, last))
    if len(others) > len(last):
        told.insert(0, f"{len(others)} handshakes, of which these are the last {len(last)}:")
    return "\n\n".join(told)


def _is_same(handshake: Handshake, asserted: Handshake) -> bool:
    """Whether it is the same handshake, seen from either end."""
    if asserted in (handshake, handshake.counterpart):
        return True
    return handshake.peer_address is not None and handshake.peer_address == asserted.local_address


def verdicts(servers: Sequence[MutualTLSServer]) -> list[str]:
    """Each handshake's verdict, such as ``rejected by the server: expired``; of many, how often each came: ``accepted x 500``."""
    each = list(_verdicts(servers))
    if len(each) <= _MOST_LISTED:
        return each
    return [verdict if times == 1 else f"{verdict} x {times}" for verdict, times in Counter(each).items()]


def count(verdicts: Iterable[str]) -> Counter[str]:
    """How often each verdict came, from what `verdicts` returned for any number of tests."""
    counted: Counter[str] = Counter()
    for verdict in verdicts:
        word, _, times = verdict.rpartition(" x ")
        counted[word or verdict] += int(times) if word else 1
    return counted


def _verdicts(servers: Sequence[MutualTLSServer]) -> Iterator[str]:
    for server in servers:
        for handshake in server.handshakes:
            words = {True: "accepted", False: f"rejected by the {handshake.rejected_by}", None: "undecided"}
            reason = f": {handshake.reason.words}" if handshake.reason is not None else ""
            yield words[handshake.accepted] + reason
