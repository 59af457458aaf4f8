"""What a test's servers saw, as text for the report of a test: in full where it failed, a word each for the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pytest_mtls.errors import HandshakeAssertionError
from pytest_mtls.server.server import MutualTLSServer
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.explain import explain

__all__ = ["count", "story", "verdicts"]

#: How many handshakes of a test are told of one by one: in full, and as properties in JUnit XML.
_MOST_TOLD = 10
_MOST_LISTED = 20


def story(servers: Sequence[MutualTLSServer], error: BaseException | None) -> str:
    """The handshakes of these servers in full, but for those that a failed assertion tells of in its own text.

    Args:
        servers: the test's.
        error: what the test raised.

    Returns:
        The text; empty if there is nothing left to tell. Of many handshakes the last ones are told.
    """
    told: Sequence[Handshake] = error.handshakes if isinstance(error, HandshakeAssertionError) else ()
    ends = [*told, *(handshake.counterpart for handshake in told if handshake.counterpart is not None)]
    untold = [
        handshake
        for server in servers
        for handshake in server.handshakes
        if handshake not in ends and (handshake.counterpart is None or handshake.counterpart not in ends)
    ]
    told_of = list(map(explain, untold[-_MOST_TOLD:]))
    if len(untold) > len(told_of):
        told_of.insert(0, f"{len(untold)} handshakes, of which these are the last {len(told_of)}:")
    return "\n\n".join(told_of)


def verdicts(servers: Sequence[MutualTLSServer]) -> list[str]:
    """Each handshake's verdict, such as ``refused by the server: expired``; of many, how often each came: ``accepted x 500``."""
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
            words = {True: "accepted", False: f"refused by the {handshake.rejected_by}", None: "undecided"}
            reason = f": {handshake.reason.words}" if handshake.reason is not None else ""
            yield words[handshake.accepted] + reason
