"""Named checks of a client beyond the server's certificate: what it does with its own, and with its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from pytest_mtls.cases.case import CATALOGUE, Case
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.conformance.client.leaks import is_key_in
from pytest_mtls.conformance.client.observation import Observation, Recorder
from pytest_mtls.conformance.client.target import ClientFiles
from pytest_mtls.conformance.client.under_test import ClientUnderTest
from pytest_mtls.conformance.offers import OfferResult, with_exception
from pytest_mtls.conformance.policy import Policy
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.errors import ClientNotUsable
from pytest_mtls.reasons.versions import TLS_VERSIONS, VERSION_NUMBERS
from pytest_mtls.server.hellos import ENDINGS, HelloServer
from pytest_mtls.server.wsgi import Environ
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.transcript import versions_offered

__all__ = ["CHECKS", "CheckResult", "check_client"]


@dataclass(frozen=True)
class CheckResult(OfferResult):
    """What one check of a client came to."""

    def facts(self) -> dict[str, str | int]:
        """The same for machines; without what is not known."""
        return {**super().facts(), "theme": "client"}


#: What a check found: what was seen, whether it is as it should be, and why; with the handshake that shows it.
_Found = tuple[str, bool, str, "Handshake | None"]

#: Versions of TLS by their numbers.
_VERSION_NAMES = {number: name for name, number in VERSION_NUMBERS.items()}
#: How each ending of `HelloServer` is told.
_ENDED_BY = {
    "alert": "was rejected by the alert protocol_version",
    "close": "was cut by the end of the stream",
    "reset": "was cut by a reset",
}


@dataclass(frozen=True)
class _Check:
    """One check.

    Attributes:
        title: what it asks, in one sentence.
        rfc: what it rests on.
        expected: what a client does that is sound.
        run: does it; where it does not apply to this client, the text that says why.
        tier: "must", or "informative" for what many clients do: it is reported and never failed.
    """

    title: str
    rfc: str
    expected: str
    run: Callable[[ClientUnderTest], _Found | str]
    tier: str = "must"


def check_client(client: ClientUnderTest, policy: Policy, name: str) -> CheckResult:
    """Make one check.

    Args:
        client: the client, inside its ``with`` block.
        policy: what is agreed of it.
        name: one of `CHECKS`.
    """
    check = CHECKS[name]
    result = CheckResult(name, check.title, check.rfc, check.tier, check.expected, "-", Outcome.LEFT_OUT)
    try:
        client.check_usable()
        found = check.run(client)
    except ClientNotUsable as error:
        return replace(result, note=str(error))
    if isinstance(found, str):
        return replace(result, note=f"not applicable: {found}")
    seen, is_sound, why, handshake = found
    outcome = Outcome.CONFORMS if is_sound else Outcome.DEVIATES if check.tier == "must" else Outcome.REPORTED
    return with_exception(replace(result, seen=seen, outcome=outcome, note=why, handshake=handshake), policy)


def _case(id: str) -> Case:
    (case,) = CATALOGUE["server"].select([id])
    return case


def _certificate_before_trust(client: ClientUnderTest) -> _Found:
    for tls in TLS_VERSIONS:
        for handshake in client.observe(_case("untrusted-ca"), tls=tls).handshakes:
            if handshake.client_chain_der:
                why = f"the client showed its certificate to a server that it does not trust, over TLS {tls}"
                return "shown", False, why, handshake
    return "withheld", True, "", None


def _no_certificate_after_rejection(client: ClientUnderTest) -> _Found | str:
    stranger = CertificateAuthority.create("another CA")
    is_asked = False
    try:
        for tls in TLS_VERSIONS:
            seen = client.observe(tls=tls, trust=stranger, client_certs="optional", revocation=False)
            if not any(one.client_chain_der and one.rejected_by == "server" for one in seen.handshakes):
                continue  # it does not speak this version, or shows its certificate only where its CA is named
            is_asked = True
            for handshake in _of_requests(seen):
                if not handshake.client_chain_der:
                    why = f"the client's certificate was rejected over TLS {tls}, and it sent its request without one"
                    return "sent without one", False, why, handshake
    finally:
        stranger.remove_files()
    return ("given up", True, "", None) if is_asked else "the client shows no certificate to a server of another CA"


def _certificate_of_another_host(client: ClientUnderTest) -> _Found:
    other = Recorder()
    with (
        client.good_server(other, client_certs="optional") as elsewhere,
        client.good_server(app := _Redirect(f"https://127.0.0.1:{elsewhere.port}/")) as server,
    ):
        client.call(server, app, host="localhost", tls="1.3")
        for handshake in elsewhere.handshakes:
            if handshake.client_chain_der:
                why = "the client followed a redirect to another host, and showed its certificate there, too"
                return "shown", False, why, handshake
    return "withheld" if other.requests else "not followed", True, "", None


def _key_in_output(client: ClientUnderTest) -> _Found | str:
    if not client.client.is_program:
        return "the client is called in this process, and what it prints is not known"
    stranger = CertificateAuthority.create("another CA")
    try:
        seen = (
            client.observe(),
            client.observe(_case("expired")),
            client.observe(trust=stranger, revocation=False),
        )
    finally:
        stranger.remove_files()
    assert client.files.identity.private_key is not None
    if any(is_key_in(one.call.output, client.files.identity.private_key) for one in seen):
        return "printed", False, "the client's private key is in what it printed", None
    if any(one.call.is_cut for one in seen):
        return "the client prints more than is searched"
    return "kept", True, "", None


def _older_version(client: ClientUnderTest) -> _Found | str:
    has_begun = False
    for ending in ENDINGS:
        with HelloServer("localhost", ending) as server:
            for _ in range(1 if client.client.is_program else 2):  # a callable may remember what failed
                client.call_port(server.port)
        offers = [(hello, max(versions_offered(hello))) for hello in server.hellos if versions_offered(hello)]
        has_begun = has_begun or bool(offers)
        for (_, before), (hello, highest) in pairwise(offers):
            if highest < before:
                seen = _version(highest)
                why = (
                    f"its offer of {_version(before)} {_ENDED_BY[ending]}, and the client came again and offered at most "
                    f"{seen}"
                )
                return seen, False, why, Handshake("server", None, transcript=(hello,), error=why)
        if offers and server.is_followed_by_plain_data:
            why = f"its offer of {_version(offers[0][1])} {_ENDED_BY[ending]}, and the client came again without TLS"
            return "no TLS", False, why, Handshake("server", None, transcript=(offers[0][0],), error=why)
    return ("no older one", True, "", None) if has_begun else "the client began no handshake"


def _version(number: int) -> str:
    return f"TLS {_VERSION_NAMES.get(number, hex(number))}"


def _session_of_another_certificate(client: ClientUnderTest) -> _Found | str:
    other = client.other_files("other-client")
    is_asked = False
    for tls in TLS_VERSIONS:
        (alone,) = _calls_for_one_server(client, tls, other)
        if not any(_shows(request.handshake, other) for request in alone.requests):
            continue  # it does not speak this version, or does not take another certificate
        is_asked = True
        _, seen = _calls_for_one_server(client, tls, client.files, other)
        for handshake in _of_requests(seen):
            if not _shows(handshake, other):
                did = "resumed the session" if handshake.resumed else "used the connection"
                why = f"the client was given another certificate, and {did} of the earlier one, over TLS {tls}"
                return "resumed" if handshake.resumed else "same connection", False, why, handshake
    if not is_asked:
        return "the client does not present another certificate when it is given one"
    return "new session", True, "", None


def _calls_for_one_server(client: ClientUnderTest, tls: str, *files: ClientFiles) -> tuple[Observation, ...]:
    """Call the client for the same good server with one client's files after the other's."""
    app = Recorder()
    with client.good_server(app, tls=tls, revocation=False) as server:
        return tuple(client.call(server, app, tls=tls, files=one) for one in files)


def _shows(handshake: Handshake, files: ClientFiles) -> bool:
    """Whether the client of a handshake is the one whose files these are, by what the server knows of it."""
    return handshake.client_chain_der[:1] == (files.identity.der,)


def _of_requests(seen: Observation) -> Iterable[Handshake]:
    return (request.handshake for request in seen.requests)


class _Redirect(Recorder):
    """Sends everybody elsewhere."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self._location = location

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        super().__call__(environ, lambda *_: None)
        start_response("302 Found", [("Location", self._location), ("Content-Length", "0")])
        return [b""]


CHECKS: Mapping[str, _Check] = {
    "certificate-before-trust": _Check(
        "The client shows its certificate only to a server that it has verified.",
        "RFC 8446 section 2",
        "withheld",
        _certificate_before_trust,
    ),
    "no-certificate-after-rejection": _Check(
        "The client does not come again without a certificate after its own was rejected.",
        "good practice",
        "given up",
        _no_certificate_after_rejection,
    ),
    "certificate-to-another-host": _Check(
        "The client does not show its certificate to another host that a redirect names.",
        "good practice",
        "withheld",
        _certificate_of_another_host,
        "informative",
    ),
    "no-older-version": _Check(
        "The client does not come again with an older version of TLS, or without TLS, after its handshake was cut.",
        "RFC 8446 appendix D.1",
        "no older one",
        _older_version,
    ),
    "session-of-another-certificate": _Check(
        "The client does not resume a session that it began with another certificate than it has now.",
        "RFC 8446 section 2.2",
        "new session",
        _session_of_another_certificate,
    ),
    "key-in-output": _Check(
        "The client keeps its private key out of what it prints.",
        "good practice",
        "kept",
        _key_in_output,
    ),
}
