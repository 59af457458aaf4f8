"""Names: a server that chooses its settings by the name in the ClientHello (RFC 6066 section 3)."""

from __future__ import annotations

import secrets

from pytest_mtls.bypasses.attempt import SAME_ANSWER, Attempt, ConnectionResult
from pytest_mtls.bypasses.bypass import bypass
from pytest_mtls.bypasses.ends import Bypassed, NotApplicable, Undecided
from pytest_mtls.bypasses.request import Reply, Request
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.client.endpoint import Endpoint, is_address
from pytest_mtls.client.relay import Change, split_into_records, split_into_segments


def _secret(attempt: Attempt) -> Reply | None:
    """What a good client gets."""
    if not attempt.speaks_http or attempt.good is None:
        return None
    return attempt.must_accept(attempt.visit(attempt.good), "a good client").reply


def _must_not_get_in(attempt: Attempt, visit: ConnectionResult, who: str, secret: Reply | None) -> None:
    if attempt.speaks_http:
        attempt.must_not_reach(visit, who, secret, attempt.public_reply)
    else:
        attempt.must_reject(visit, who)


def _check_that_it_has_a_name(attempt: Attempt) -> None:
    if is_address(attempt.target.name):
        raise NotApplicable("the server is asked for by an address, and a ClientHello names no addresses")


@bypass(cves=["pyOpenSSL issue 255"], needs=["names"])
def name_without_certificate(attempt: Attempt) -> str | None:
    """Every name on the port that requires a certificate is rejected to a client without one.

    A server that changes its settings when it has read the name may leave the verification mode behind: CPython's
    ``sni_callback`` that sets ``socket.context`` takes the certificate of the new context, and not its verify mode.
    """
    for name in (attempt.target.name, *attempt.site.names):
        for tls in attempt.versions:
            if attempt.good is not None:
                good = attempt.visit(attempt.good, endpoint=attempt.at(name), tls=tls)
                attempt.must_accept(good, f"a good client of {name}")
            anybody = attempt.visit(endpoint=attempt.at(name), tls=tls)
            attempt.must_reject(anybody, f"a client without a certificate for {name} over TLS {tls}")
    return None


@bypass(cves=["CVE-2025-66614", "CVE-2026-48491"], needs=["http", "public_name"])
def host_other_than_server_name(attempt: Attempt) -> str | None:
    """A client that asks for a public name in TLS does not reach a protected one by its Host header.

    The name in the ClientHello chooses whether a certificate is required, and the Host header chooses the site. A server
    that does not compare the two serves the protected site to anybody (RFC 9110 section 7.4 has 421 for that).
    """
    assert attempt.site.public_name is not None
    public, secret = attempt.at(attempt.site.public_name), _secret(attempt)
    attempt.must_accept(attempt.visit(endpoint=public), "a client of the public name")
    public_reply = attempt.public_reply
    is_by_mark = secret is not None and public_reply is not None and public_reply.same_as(secret)
    if is_by_mark and not _is_marked(attempt, public):
        raise Undecided(f"which site a Host header reaches could not be told: {SAME_ANSWER}")
    for name in (attempt.target.name, *attempt.site.names):
        host = attempt.at(name).netloc
        for spelling in (host, host.upper(), name):
            for tls in attempt.versions:
                who = f"Host {spelling} behind the public name"
                if is_by_mark:
                    if _reaches(attempt, None, public, tls=tls, host=spelling):
                        raise Bypassed(f"{who} came to the application that is for clients with a certificate")
                    continue
                seen = attempt.visit(None, Request(host=spelling), endpoint=public, tls=tls)
                attempt.must_not_reach(seen, who, secret, public_reply)
    return None


def _is_marked(attempt: Attempt, public: Endpoint) -> bool:
    """Whether the application that is protected tells of its own requests, and of no others."""
    if attempt.site.was_reached is None:
        return False
    return _reaches(attempt, attempt.good, attempt.target) and not _reaches(attempt, None, public)


def _reaches(
    attempt: Attempt, client: Identity | None, endpoint: Endpoint, *, tls: str | None = None, host: str | None = None
) -> bool:
    """Whether a request with a token of its own comes to the application."""
    assert attempt.site.was_reached is not None
    token = secrets.token_hex(8)
    attempt.visit(client, Request(f"/{token}", host=host), endpoint=endpoint, tls=tls)
    return bool(attempt.site.was_reached(token))


@bypass(cves=["CVE-2026-32305"])
def no_server_name(attempt: Attempt) -> str | None:
    """A client that names no server in its ClientHello does not get in without a certificate.

    Without a name the settings of a default host apply, which may ask for nothing.
    """
    secret = _secret(attempt)
    for tls in attempt.versions:
        seen = attempt.visit(name=None, tls=tls)
        _must_not_get_in(attempt, seen, f"a client without certificate and server name over TLS {tls}", secret)
    return None


@bypass()
def odd_server_name(attempt: Attempt) -> str | None:
    """A client that spells the server's name in its own way does not get in without a certificate.

    Upper case, a dot at the end, a port, an unknown name: where a table of names is compared byte by byte, the default
    host's settings apply, and the Host header still finds the protected site.
    """
    _check_that_it_has_a_name(attempt)
    secret, name = _secret(attempt), attempt.target.name
    for spelling in (name.upper(), name.capitalize(), f"{name}.", f"unknown.{name}", "unknown.invalid"):
        for tls in attempt.versions:
            seen = attempt.visit(name=spelling, tls=tls)
            who = f"a client without a certificate that asks for {spelling!r} over TLS {tls}"
            _must_not_get_in(attempt, seen, who, secret)
    return None


_SPLITS: tuple[tuple[str, Change], ...] = (
    ("several records", split_into_records),
    ("several TCP segments", split_into_segments),
)


@bypass(cves=["CVE-2026-32305"])
def split_client_hello(attempt: Attempt) -> str | None:
    """A ClientHello that comes in pieces is not taken for one without a server name.

    A proxy that looks for the name only in the first record or the first segment finds none, and applies the settings of
    its default host. The client has no certificate.
    """
    secret = _secret(attempt)
    remarks = []
    for how, change in _SPLITS:
        for tls in attempt.versions:
            seen = attempt.visit(tls=tls, change=change)
            who = f"a client without a certificate whose ClientHello comes in {how} over TLS {tls}"
            _must_not_get_in(attempt, seen, who, secret)
        if attempt.good is not None and not attempt.visit(attempt.good, change=change).accepted:
            remarks.append(f"it rejects a good client whose ClientHello comes in {how} as well")
    return "; ".join(remarks) or None
