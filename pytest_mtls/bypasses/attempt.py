"""`Attempt`: visits to one server, by good clients and by attackers, that one check makes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from pytest_mtls.bypasses.ends import Bypassed, Undecided
from pytest_mtls.bypasses.request import Reply, Request
from pytest_mtls.bypasses.site import DESCRIPTIONS, Site
from pytest_mtls.cases.presentation import Presentation
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.client.probe import Conversation, connect, not_connected, probe, shake_hands
from pytest_mtls.client.protocols import PROTOCOLS, Answer
from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.protocol import Preamble, UnexpectedAnswer, VerdictReader
from pytest_mtls.client.reading import read_verdict
from pytest_mtls.client.relay import Change, FirstRecord, Relay
from pytest_mtls.reasons.versions import TLS_VERSIONS
from pytest_mtls.tls.context import heedless_context
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.wire import Deadline
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import headline
from pytest_mtls.verdict.judge import ACCEPTED_INSTEAD_OF_REJECTED, judge
from pytest_mtls.verdict.twins import good_client

__all__ = ["SAME_ANSWER", "Attempt", "ConnectionResult"]

T = TypeVar("T")

_HTTP = ("https",)
_FIRST_ERROR = 400
#: Why nothing can be told apart, and what to do.
SAME_ANSWER = (
    "what is protected and what is public give the same answer. Let them answer differently, give was_reached, "
    "or take the public name out of the site"
)
#: What becomes of an attacker.
_REJECTED = Expected(accepted=False, by="server")
#: And of a good client.
_ACCEPTED = Expected(accepted=True)


@dataclass(frozen=True)
class ConnectionResult:
    """One visit to the server.

    Attributes:
        handshake: its handshake, with the verdict.
        replies: the answers to its HTTP requests, in order; one is missing for each that was not answered.
        asked: how many requests there were.
        session: what the server gave to resume; None if nothing.
        context: the client's context, the only one that can resume it.
    """

    handshake: Handshake
    replies: tuple[Reply, ...] = ()
    asked: int = 0
    session: ssl.SSLSession | None = None
    context: ssl.SSLContext | None = None

    @property
    def accepted(self) -> bool | None:
        """The verdict."""
        return self.handshake.accepted

    @property
    def reply(self) -> Reply | None:
        """The answer to the last request; None if it was not answered."""
        return self.replies[-1] if self.replies and len(self.replies) == self.asked else None


class Attempt:
    """What a check has at hand.

    Args:
        target: the server.
        site: what else is known of it.
        timeout: seconds for each visit.

    Attributes:
        handshakes: those that were done so far.
        good: a client that the server accepts; None where there is none.
    """

    def __init__(self, target: Endpoint, site: Site, *, good: Identity | None = None, timeout: float = 5.0) -> None:
        self.target = target
        self.site = site
        self.good = good if good is not None else good_client(target, target.ca)
        self.timeout = timeout
        self.handshakes: list[Handshake] = []

    # --- what is known -----------------------------------------------------------------------------------------------

    @property
    def speaks_http(self) -> bool:
        """Whether there can be HTTP requests of the check's own."""
        return self.target.protocol in _HTTP

    @property
    def ca(self) -> CertificateAuthority:
        """The CA that the server trusts for clients; its key is here where the bypass says that it needs it."""
        assert self.target.ca is not None
        return self.target.ca

    def missing(self, needs: tuple[str, ...]) -> tuple[str, ...]:
        """What of that is not known, in words."""
        return tuple(DESCRIPTIONS[name] for name in needs if not self._knows(name))

    def _knows(self, name: str) -> bool:
        if name == "http":
            return self.speaks_http
        if name == "ca_key":
            return self.target.ca is not None and self.target.ca.private_key is not None
        if name == "good_client":
            return self.good is not None
        return bool(getattr(self.site, name))

    # --- visits ------------------------------------------------------------------------------------------------------

    def visit(
        self,
        client: Identity | None = None,
        *requests: Request,
        endpoint: Endpoint | None = None,
        name: str | None = "",
        tls: str | None = None,
        context: ssl.SSLContext | None = None,
        resume: ConnectionResult | None = None,
        change: Change | None = None,
        speak: VerdictReader | None = None,
        preamble: Preamble | None = None,
    ) -> ConnectionResult:
        """Do one handshake and ask what the protocol, or the requests, ask.

        Args:
            client: what to present; None for no certificate.
            *requests: what to ask by HTTP; the endpoint's own path by default.
            endpoint: another than the target.
            name: the server name to ask for; that of the endpoint by default, None for none.
            tls: the version.
            context: the client's context, instead of the two above.
            resume: a visit whose session is to be resumed, with its context.
            change: what changes the client's records on their way.
            speak: what is said inside TLS, instead of the requests.
            preamble: what is said before TLS, instead of the protocol's own.
        """
        target = endpoint or self.target
        if target.rate_limiter is not None:
            target.rate_limiter.wait()
        used = resume.context if resume is not None else context
        if used is None:
            used = heedless_context(client, tls=tls, alpn=PROTOCOLS[target.protocol].alpn)
        deadline = Deadline(self.timeout)
        try:
            plain, _, peer = connect(target.address, self.timeout)
        except OSError as error:
            return self._seen(ConnectionResult(not_connected(target, PROTOCOLS[target.protocol], error)))
        with plain:
            talk = _Talk(target, Channel(plain, deadline), requests or (Request(),), speak, preamble)
            talk.name = target.name if name == "" else name
            talk.session = None if resume is None else resume.session
            try:
                talk.begin()
            except (OSError, UnexpectedAnswer) as error:
                return self._seen(ConnectionResult(Handshake("client", None, error=f"before TLS: {error}")))
            ends: dict[str, Any] = {"server_name": talk.name, "peer_address": peer}
            if change is None:
                seen = shake_hands(used, plain, talk, deadline, **ends)
            else:
                with Relay(plain, FirstRecord(change)) as relay:
                    seen = shake_hands(used, relay.client, talk, deadline, relay.wait, **ends)
        return self._seen(ConnectionResult(seen, tuple(talk.replies), len(requests) or 1, talk.new_session, used))

    def _seen(self, visit: ConnectionResult) -> ConnectionResult:
        self.handshakes.append(visit.handshake)
        return visit

    def probe(self, client: Presentation) -> Handshake:
        """Present a client as `pytest_mtls.probe` does."""
        seen = probe(self.target, client, timeout=self.timeout)
        self.handshakes.append(seen)
        return seen

    def talk_plainly(self, speak: Callable[[Channel, Endpoint], T]) -> T:
        """Connect and speak without TLS.

        Raises:
            OSError, UnexpectedAnswer: what ``speak`` raises.
        """
        if self.target.rate_limiter is not None:
            self.target.rate_limiter.wait()
        with socket.create_connection(self.target.address, self.timeout) as plain:
            plain.setblocking(False)
            return speak(Channel(plain, Deadline(self.timeout)), self.target)

    def at(self, name: str) -> Endpoint:
        """The same port, asked for by another name."""
        return replace(self.target, server_name=name)

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """The TLS versions that the server speaks."""
        seen = {tls: self.visit(self.good, tls=tls).handshake for tls in TLS_VERSIONS}
        return tuple(tls for tls in TLS_VERSIONS if seen[tls].accepted or seen[tls].tls_version == f"TLSv{tls}")

    @cached_property
    def stranger(self) -> Identity:
        """A client of a CA that nobody knows."""
        return CertificateAuthority.create("unknown CA").issue_client("stranger")

    @cached_property
    def public_reply(self) -> Reply | None:
        """What the public name gives to anybody, if there is one and it gives anything."""
        if self.site.public_name is None:
            return None
        return self.visit(endpoint=self.at(self.site.public_name)).reply

    # --- verdicts ----------------------------------------------------------------------------------------------------

    def must_reject(self, visit: ConnectionResult, who: str) -> None:
        """End the check unless the server rejected this visit.

        Args:
            visit: an attacker's.
            who: that attacker, in words.

        Raises:
            Bypassed: it was let in.
            Undecided: there is no verdict.
        """
        seen = visit.handshake
        judgement = judge(_REJECTED, [seen])
        if judgement.rule == ACCEPTED_INSTEAD_OF_REJECTED:
            raise Bypassed(f"the server let in {who}{_resumed(seen)}")
        if not judgement.is_met:
            raise Undecided(f"there is no verdict on {who}: {headline(seen)}")

    def must_accept(self, visit: ConnectionResult, who: str) -> ConnectionResult:
        """End the check, with nothing proved, unless the server let this visit in.

        Raises:
            Undecided: it did not.
        """
        if not judge(_ACCEPTED, [visit.handshake]).is_met:
            raise Undecided(f"{who} does not get in, so that nothing is proved: {headline(visit.handshake)}")
        return visit

    def must_not_reach(
        self, visit: ConnectionResult, who: str, secret: Reply | None, public: Reply | None = None
    ) -> None:
        """End the check if an attacker got an answer that is for clients with a certificate.

        Whoever gets what the public name or path gives to anybody was served there, and has reached nothing.

        Args:
            visit: an attacker's.
            who: that attacker, in words.
            secret: what a good client gets; None if that is not known.
            public: what anybody gets elsewhere on this port; None if that is not known.

        Raises:
            Bypassed: the attacker got what is not public.
            Undecided: there is no answer, or the answer is the same for everybody.
        """
        reply = visit.reply
        if reply is None or not visit.accepted:
            if not judge(_REJECTED, [visit.handshake]).is_met:
                raise Undecided(f"there is no verdict on {who}: {headline(visit.handshake)}")
            return
        if public is not None and reply.same_as(public):
            if secret is not None and public.same_as(secret):
                raise Undecided(f"whether {who} reached what is protected could not be told: {SAME_ANSWER}")
            return
        if reply.status < _FIRST_ERROR or (secret is not None and reply.status == secret.status):
            raise Bypassed(f"{who} got an answer that is for clients with a certificate: HTTP {reply.status}")


def _resumable(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
    """The session, if the server gave anything to resume it by: under TLS 1.3 there is one without a ticket too."""
    return session if session is not None and (session.has_ticket or session.id) else None


def _resumed(seen: Handshake) -> str:
    return ", in a resumed session" if seen.resumed else ""


class _Talk(Conversation):
    """A conversation of the check's own."""

    def __init__(
        self,
        target: Endpoint,
        channel: Channel,
        requests: tuple[Request, ...],
        speak: VerdictReader | None,
        preamble: Preamble | None,
    ) -> None:
        protocol = PROTOCOLS[target.protocol]
        protocol = replace(protocol, preamble=preamble or protocol.preamble)
        super().__init__(replace(protocol, read_verdict=self._say), target, channel)
        self.replies: list[Reply] = []
        self.new_session: ssl.SSLSession | None = None
        self._requests = requests
        self._speak = speak or (self._ask if target.protocol in _HTTP else protocol.read_verdict)

    def read_verdict(self, sock: ssl.SSLSocket, wait: Callable[..., bool]) -> Answer:
        try:
            if self._speak is None:
                if sock.version() == "TLSv1.3":
                    read_verdict(sock, self._channel.deadline, wait)
                return Answer(True, "")
            return super().read_verdict(sock, wait)
        finally:
            self.new_session = _resumable(sock.session)

    def _say(self, channel: Channel, endpoint: Endpoint) -> Answer | bool:
        assert self._speak is not None
        return self._speak(channel, endpoint)

    def _ask(self, channel: Channel, endpoint: Endpoint) -> Answer:
        for place, request in enumerate(self._requests, 1):
            channel.begin_answer()
            channel.send(request.as_bytes(endpoint, is_last=place == len(self._requests)))
            self.replies.append(Reply.read(channel))
            if not self.replies[-1].answer.accepted:
                break
        return self.replies[-1].answer
