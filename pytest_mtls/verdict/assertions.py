"""Assertions on handshakes: `assert_accepted`, `assert_rejected`, and what a server's ``expect_`` contexts do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.cases.case import Case, Tier
from pytest_mtls.cases.presentation import PeerArgument, presented
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.trust import Trust, TrustArgument
from pytest_mtls.certificates.validity import now
from pytest_mtls.client.endpoint import Endpoint, EndpointArgument, ObservedServer, endpoint_of
from pytest_mtls.client.probe import probe
from pytest_mtls.errors import CaseNotPresentable, HandshakeAssertionError, InvalidArgument
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.explain import Expected, headline, tell

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Expectation", "assert_accepted", "assert_rejected", "good_client", "was_presented"]

#: How long a client that is kept as a control still has to be valid to be used again.
_CONTROL_LEFT = timedelta(hours=1)
#: What is a slip in the test's own code and never a client's answer to a refusal: it passes through `Expectation`.
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
) -> Handshake:
    """Do a handshake and assert that both sides accept each other.

    Args: as for `probe`.

    Returns:
        The handshake.

    Raises:
        HandshakeAssertionError: it was refused, or is undecided.
        MtlsError: a bad argument, as for `probe`.
    """
    __tracebackhide__ = True
    handshake = probe(endpoint, client, trust, tls, server_name, timeout, ca=ca)
    expected = Expected(accepted=True)
    if not expected.is_met_by(handshake):
        raise HandshakeAssertionError(tell([handshake], expected, _complaint(handshake, expected)), [handshake])
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
) -> Handshake:
    """Do a handshake and assert that it is refused, for the right reason.

    First a good client must get in, where there is a CA here that can issue one: a server that refuses everybody
    enforces nothing. Then the refusal counts only if the client's certificate really went over the wire.

    Args:
        endpoint, client, trust, tls, server_name, timeout, ca: as for `probe`.
        reason: why; by default the case's own reason where ``client`` is a `Case`, else any.
        by: the side that refuses, "server" or "client"; by default "client" where the server plays a bad server's
            case, else "server".

    Returns:
        The handshake.

    Raises:
        HandshakeAssertionError: it was accepted, is undecided, or was refused by another side or for another reason.
        MtlsError: a bad argument, as for `probe`.
        CaseNotPresentable: what the case presents did not go over the wire. The plugin lets the test skip for it.
    """
    __tracebackhide__ = True
    target = endpoint_of(endpoint)
    expected = _refusal(reason, by, "client" if target.server_case is not None else "server")
    if reason is None and isinstance(client, Case):
        expected = replace(expected, reasons=client.reasons)
    trusted = target.trust if trust is None else trust
    issuer = ca or target.ca or (Trust.of(trusted).issuer if trusted is not None else None)
    good = good_client(target, issuer) if expected.by == "server" else None
    if good is not None:
        _check_that_a_good_client_gets_in(endpoint, good, trust, tls, server_name, timeout)
    presents = presented(client, "client", issuer, target.client_cases)
    handshake = probe(endpoint, presents, trust, tls, server_name, timeout)
    if isinstance(client, Case) and client.tier is Tier.INFORMATIVE and handshake.accepted is not None:
        return handshake
    if not expected.is_met_by(handshake):
        raise HandshakeAssertionError(tell([handshake], expected, _complaint(handshake, expected)), [handshake])
    if expected.by == "server" and not was_presented(presents.identity, handshake):
        if isinstance(client, Case):
            raise CaseNotPresentable(client.id, "its key fits none of the signature algorithms that the server takes")
        remark = "the refusal proves nothing: the client's certificate did not go over the wire"
        raise HandshakeAssertionError(tell([handshake], expected, remark), [handshake])
    return handshake


class Expectation:
    """What happens at a server during a ``with`` block, and whether it is what a test expects.

    Made by `MutualTLSServer.expect_accepted` and `MutualTLSServer.expect_rejected`.

    Attributes:
        handshakes: those of the connections that came during the block, in the order of their verdicts.
        exception: what the client raised when it was refused; None if it raised nothing.
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
        seen = self._server.handshakes_since(self._bookmark, wait=True)
        self.handshakes = tuple(handshake for handshake in seen if handshake.began)
        complaint = self._complaint(silent=len(seen) - len(self.handshakes))
        if complaint is not None:
            story = tell(self.handshakes, self._expected, complaint)
            raise HandshakeAssertionError(story, self.handshakes) from error
        return not self._expected.accepted

    def _complaint(self, silent: int) -> str | None:
        """What is wrong, if anything."""
        if not self.handshakes:
            return _nobody_came(silent, self.exception)
        for handshake in self.handshakes:
            if not self._expected.is_met_by(handshake):
                return _complaint(handshake, self._expected)
            if self._client is not None and handshake.peer_certificate != self._client.certificate:
                return f"another certificate than that of {self._client.subject} arrived"
        return None


def expect_accepted(server: ObservedServer, client: Identity | None) -> Expectation:
    """See `MutualTLSServer.expect_accepted`."""
    return Expectation(server, Expected(accepted=True), client)


def expect_rejected(server: ObservedServer, reason: Reason | str | None, by: Side | None) -> Expectation:
    """See `MutualTLSServer.expect_rejected`."""
    plays_case = server.endpoint.server_case is not None
    return Expectation(server, _refusal(reason, by, "client" if plays_case else "server"))


def _refusal(reason: Reason | str | None, by: Side | None, default: Side) -> Expected:
    """An expected refusal, from what a caller gave."""
    if by not in (None, "client", "server"):
        raise InvalidArgument("by", by, "'client' or 'server'")
    try:
        known = None if reason is None else Reason(reason)
    except ValueError:
        raise InvalidArgument("reason", reason, f"one of {', '.join(Reason)}") from None
    return Expected(accepted=False, by=by or default, reasons=() if known is None else (known,))


def good_client(target: Endpoint, issuer: CertificateAuthority | None) -> Identity | None:
    """A client that the server is to accept; None where nobody here can make one."""
    if target.client is not None:
        return target.client
    if issuer is None or issuer.private_key is None:
        return None
    kept: Identity | None = issuer.__dict__.get("kept_control")
    if kept is None or kept.certificate.not_valid_after_utc < now() + _CONTROL_LEFT:
        kept = issuer.__dict__["kept_control"] = issuer.issue_client("control")
    return kept


def _check_that_a_good_client_gets_in(endpoint: EndpointArgument, good: Identity, *how: Any) -> None:
    __tracebackhide__ = True
    control = probe(endpoint, good, *how)
    if not control.accepted:
        remark = f"a good client does not get in either, so that a refusal proves nothing: {headline(control)}"
        raise HandshakeAssertionError(tell([control], Expected(accepted=True), remark), [control])


def was_presented(identity: Identity | None, handshake: Handshake) -> bool:
    """Whether the client's own certificate went over the wire, or there was none to go."""
    if identity is None or not handshake.transcript:
        return True
    return handshake.sent_chain_der[:1] == (identity.certificate.public_bytes(Encoding.DER),)


def _complaint(handshake: Handshake, expected: Expected) -> str:
    """What is wrong about a handshake that is not as expected, in one line."""
    should = f"it should have been {expected}"
    if handshake.accepted is None:
        return f"there is no verdict ({handshake.error}); {should}"
    if handshake.accepted:
        return f"the {expected.by} accepted the {'client' if expected.by == 'server' else 'server'}; {should}"
    return f"the handshake was {headline(handshake)}; {should}"


def _nobody_came(silent: int, error: BaseException | None) -> str:
    """What is wrong where no handshake was seen at all."""
    said = f"the client raised {type(error).__name__}: {error}" if error is not None else "the client raised nothing"
    opened = (
        f"{silent} connection{'s were' if silent != 1 else ' was'} opened and closed in silence, and " if silent else ""
    )
    return f"no handshake happened: {opened}{said}"


def _may_be_the_clients(error: BaseException) -> bool:
    """Whether an exception may be how a client shows that it was refused."""
    within = getattr(error, "exceptions", None)  # a group; on Python 3.10 one of exceptiongroup's
    if isinstance(within, (tuple, list)) and all(isinstance(one, BaseException) for one in within):
        return all(map(_may_be_the_clients, within))
    return isinstance(error, Exception) and not isinstance(error, _NOT_A_CLIENT_FAILURE)
