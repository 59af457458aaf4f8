"""What a test's servers saw, as text for the report of a test: in full where it failed, a word each for the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mtls.errors import HandshakeAssertionError
from pytest_mtls.server.server import MutualTLSServer
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.explain import explain

__all__ = ["story", "verdicts"]


def story(servers: Sequence[MutualTLSServer], error: BaseException | None) -> str:
    """All handshakes of these servers, and those that a failed assertion is about; empty if there are none.

    Args:
        servers: the test's.
        error: what the test raised.
    """
    seen: list[Handshake] = [handshake for server in servers for handshake in server.handshakes]
    own: Sequence[Handshake] = error.handshakes if isinstance(error, HandshakeAssertionError) else ()
    seen += [handshake for handshake in own if handshake not in seen and handshake.counterpart not in seen]
    return "\n\n".join(map(explain, seen))


def verdicts(servers: Sequence[MutualTLSServer]) -> Iterator[str]:
    """Each handshake's verdict, such as ``refused by the server: expired``."""
    for server in servers:
        for handshake in server.handshakes:
            words = {True: "accepted", False: f"refused by the {handshake.rejected_by}", None: "undecided"}
            reason = f": {handshake.reason.words}" if handshake.reason is not None else ""
            yield words[handshake.accepted] + reason
