"""`MutualTLSServer`: the server end of floor 3, with the assertions of floor 4 as methods."""

from __future__ import annotations

from pytest_mtls.assertions import Expectation, expect_accepted, expect_rejected
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.reason import Reason
from pytest_mtls.tls.server import TLSServer
from pytest_mtls.tls.transcript import Side

__all__ = ["MutualTLSServer"]


class MutualTLSServer(TLSServer):  # noqa: D101
    __doc__ = TLSServer.__doc__

    def expect_accepted(self, client: Identity | None = None) -> Expectation:
        """Assert that the clients which connect in a ``with`` block are accepted.

        It fails if nobody connects, or any handshake is refused or undecided. What the block raises passes through,
        unless a refusal explains it better.

        Args:
            client: whose certificate has to arrive; anybody's by default.

        Returns:
            A context manager; it gives itself, with ``handshakes`` and ``handshake``.

        Raises:
            HandshakeAssertionError: at the end of the block.
            ServerNotRunning: the server does not run.
        """
        return expect_accepted(self, client)

    def expect_rejected(self, reason: Reason | str | None = None, *, by: Side | None = None) -> Expectation:
        """Assert that the handshakes in a ``with`` block are refused, for the right reason.

        It fails if nobody connects, if any handshake is accepted or undecided, or if one is refused by the other side
        or for another reason. Several refusals are fine, since many clients try again. What the client raises because of
        them is swallowed and kept; an `AssertionError`, ``pytest.fail`` or a plain slip (a `NameError`, `TypeError`,
        `AttributeError` or `ImportError`) passes through.

        Args:
            reason: why; any reason by default.
            by: the side that refuses, "server" or "client"; by default "client" where this server plays a bad server's
                case, else "server".

        Returns:
            A context manager; it gives itself, with ``handshakes``, ``handshake`` and ``exception``.

        Raises:
            HandshakeAssertionError: at the end of the block.
            InvalidArgument: an unknown reason or side.
            ServerNotRunning: the server does not run.
        """
        return expect_rejected(self, reason, by)
