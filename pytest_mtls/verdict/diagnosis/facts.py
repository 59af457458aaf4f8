"""What is known of a handshake when its cause is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryptography import x509

from pytest_mtls.client.plan import ProbePlan
from pytest_mtls.reasons.alert import Alert
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.chain import parsed
from pytest_mtls.verdict.expected import Expected

__all__ = ["Control", "Facts", "connected_to"]

#: They stand for whatever may be wrong with a certificate (RFC 8446 section 6.2).
_ALERTS_THAT_SAY_LITTLE = (Alert.HANDSHAKE_FAILURE, Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_UNKNOWN)


#: A good client that comes after the one under test: the first one again, or another one with the same issuers' names.
Control = Literal["afterwards", "namesake"]


@dataclass(frozen=True)
class Facts:
    """What is known of a handshake.

    Attributes:
        handshake: what was seen.
        expected: what it should have been; None if nothing was expected of it.
        plan: what the probe was asked to do; None where a server saw the handshake of somebody else's client.
        control: which later good client it is of; None for any other client.
    """

    handshake: Handshake
    expected: Expected | None = None
    plan: ProbePlan | None = None
    control: Control | None = None

    @property
    def rejected_chain(self) -> list[x509.Certificate]:
        """The certificates of the side that was rejected, as far as they can be read."""
        seen = self.handshake
        return parsed(seen.server_chain_der if seen.rejected_by == "client" else seen.client_chain_der)

    @property
    def leaf(self) -> x509.Certificate | None:
        """The own certificate of the side that was rejected."""
        return next(iter(self.rejected_chain), None)

    @property
    def is_unexplained(self) -> bool:
        """Whether the rejecting side did not say why: by no alert, or by one that may stand for anything."""
        seen = self.handshake
        if seen.accepted is not False or seen.is_reason_exact:
            return False
        return seen.reason in (None, Reason.UNSPECIFIED) or seen.alert in _ALERTS_THAT_SAY_LITTLE


def connected_to(facts: Facts) -> str:
    """The name or address that the client asked for."""
    return facts.plan.target.name if facts.plan is not None else "the name that was asked for"
