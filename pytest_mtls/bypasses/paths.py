"""Paths: a server that requires a certificate for a part of its site only."""

from __future__ import annotations

from urllib.parse import quote

from pytest_mtls.bypasses.attempt import Attempt, ConnectionResult
from pytest_mtls.bypasses.bypass import bypass
from pytest_mtls.bypasses.ends import NotApplicable
from pytest_mtls.bypasses.http2 import get_over_http2
from pytest_mtls.bypasses.request import Reply, Request
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.client.protocols import Answer
from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.tls.context import heedless_context

_NEEDS = ("http", "protected_path")


def _paths(attempt: Attempt) -> tuple[str, str]:
    assert attempt.site.protected_path is not None
    return attempt.site.protected_path, attempt.site.public_path or "/"


def _replies(attempt: Attempt) -> tuple[Reply | None, Reply | None]:
    """What a good client gets on the protected path, and what anybody gets on the public one."""
    protected, public = _paths(attempt)
    secret = None
    if attempt.good is not None:
        context = heedless_context(attempt.good, tls="1.2")
        seen = attempt.visit(None, Request(protected), context=context if "1.2" in attempt.versions else None)
        secret = attempt.must_accept(seen, "a good client on the protected path").reply
    anybody = attempt.visit(None, Request(public)).reply if attempt.site.public_path is not None else None
    return secret, anybody


@bypass(cves=["CVE-2016-4979"], needs=_NEEDS)
def protected_path_without_certificate(attempt: Attempt) -> str | None:
    """The path that requires a certificate is not served to a client without one.

    First by itself, then on the connection on which a public path has just been served: there the server has to ask for a
    certificate in the middle, by renegotiation under TLS 1.2 and by post-handshake authentication under TLS 1.3.
    """
    (protected, public), (secret, anybody) = _paths(attempt), _replies(attempt)
    for tls in attempt.versions:
        for client, who in ((None, "a client without a certificate"), (attempt.stranger, "a client of an unknown CA")):
            alone = attempt.visit(client, Request(protected), tls=tls)
            attempt.must_not_reach(alone, f"{who} over TLS {tls}", secret, anybody)
            if attempt.site.public_path is not None:
                after = attempt.visit(client, Request(public), Request(protected), tls=tls)
                attempt.must_not_reach(after, f"{who} on an open connection over TLS {tls}", secret, anybody)
    return None


@bypass(cves=["CVE-2019-0215"], needs=_NEEDS)
def empty_post_handshake_authentication(attempt: Attempt) -> str | None:
    """A client that answers the request for a certificate after the handshake with none does not reach the path.

    Under TLS 1.3 the client says that it can be asked later (RFC 8446 section 4.6.2), and then sends an empty certificate
    message, or a certificate of an unknown CA.
    """
    if "1.3" not in attempt.versions:
        raise NotApplicable("the server does not speak TLS 1.3")
    protected, _ = _paths(attempt)
    secret, anybody = _replies(attempt)
    for client, who in ((None, "an empty certificate message"), (attempt.stranger, "a certificate of an unknown CA")):
        context = heedless_context(client, tls="1.3", post_handshake=True)
        for _ in range(2):
            seen = attempt.visit(None, Request(protected), context=context)
            attempt.must_not_reach(seen, f"{who} after the handshake", secret, anybody)
    return None


@bypass(needs=_NEEDS)
def protected_path_spelt_otherwise(attempt: Attempt) -> str | None:
    """The path that requires a certificate is not served under another spelling of it either.

    What decides on the certificate and what serves the file may read a path in two ways: percent-encoded letters, doubled
    slashes, a dot segment, another case, a parameter.
    """
    protected, _ = _paths(attempt)
    secret, anybody = _replies(attempt)
    if secret is None:
        raise NotApplicable("it needs a client that the server accepts")
    for spelling in _spellings(protected):
        seen = attempt.visit(None, Request(spelling))
        reply = seen.reply
        if reply is not None and reply.same_as(secret):
            attempt.must_not_reach(seen, f"a client without a certificate, by {spelling!r},", secret, anybody)
    return None


def _spellings(path: str) -> list[str]:
    first, rest = path[1:2], path[2:]
    encoded = f"/%{ord(first):02x}{rest}" if first else path
    return [
        encoded,
        f"/{path}",
        f"/.{path}",
        f"/x/..{path}",
        path.upper(),
        f"{path};x",
        f"{path}?x",
        quote(path) + "/.",
    ]


@bypass(cves=["CVE-2016-4979"], needs=_NEEDS)
def protected_path_over_http2(attempt: Attempt) -> str | None:
    """The path that requires a certificate is not served over HTTP/2 to a client without one.

    HTTP/2 has no renegotiation and no post-handshake authentication (RFC 8740), so that a server which asks for the
    certificate in the middle cannot ask. It has to reject, and not to forget.
    """
    protected, public = _paths(attempt)
    if attempt.site.public_path is not None and not _visit_over_http2(attempt, public).accepted:
        raise NotApplicable("the server does not serve its public path over HTTP/2")
    attempt.must_reject(_visit_over_http2(attempt, protected), "a client without a certificate over HTTP/2")
    return None


def _visit_over_http2(attempt: Attempt, path: str) -> ConnectionResult:
    def ask(channel: Channel, endpoint: Endpoint) -> Answer:
        return get_over_http2(channel, endpoint.netloc, path)

    seen = attempt.visit(context=heedless_context(alpn=("h2",)), speak=ask)
    if seen.handshake.alpn != "h2" and seen.accepted is not False:
        raise NotApplicable("the server does not speak HTTP/2")
    return seen
