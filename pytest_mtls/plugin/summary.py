"""What a test's servers saw, as text for the report of a test: in full where it failed, a word each for the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mtls.errors import HandshakeAssertionError
from pytest_mtls.server.server import MutualTLSServer
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.explain import explain

__all__ = ["story", "verdicts"]


def story(servers: Sequence[MutualTLSServer], error: BaseException | None) -> str:
    """The handshakes of these servers in full, but for those that a failed assertion tells of in its own text.

    Args:
        servers: the test's.
        error: what the test raised.

    Returns:
        The text; empty if there is nothing left to tell.
    """
    told: Sequence[Handshake] = error.handshakes if isinstance(error, HandshakeAssertionError) else ()
    ends = [*told, *(handshake.counterpart for handshake in told if handshake.counterpart is not None)]
    untold = [
        handshake
        for server in servers
        for handshake in server.handshakes
        if handshake not in ends and (handshake.counterpart is None or handshake.counterpart not in ends)
    ]
    return "\n\n".join(map(explain, untold))


def verdicts(servers: Sequence[MutualTLSServer]) -> Iterator[str]:
    """Each handshake's verdict, such as ``refused by the server: expired``."""
    for server in servers:
        for handshake in server.handshakes:
            words = {True: "accepted", False: f"refused by the {handshake.rejected_by}", None: "undecided"}
            reason = f": {handshake.reason.words}" if handshake.reason is not None else ""
            yield words[handshake.accepted] + reason
