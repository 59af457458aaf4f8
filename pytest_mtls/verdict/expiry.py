"""`assert_expires_after`: that no certificate of a chain ends too soon.

Every certificate of the chain counts, because a path is as good as the first of them that ends (RFC 5280 section 6.1.3
(a)(2)). Nothing is verified here but the end of the validity.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Union

from cryptography import x509

from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.loading import load_certificates
from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.validity import now
from pytest_mtls.client.endpoint import EndpointArgument
from pytest_mtls.client.probe import probe
from pytest_mtls.errors import HandshakeAssertionError, InvalidArgument
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.explain import headline

__all__ = ["assert_expires_after", "describe_expiry", "first_to_end", "remaining_words"]

#: What has certificates that end: an identity, a file, or an endpoint.
Expiring = Union[Identity, "str | os.PathLike[str]", EndpointArgument]


def assert_expires_after(
    what: Expiring, days: float = 30, *, server_name: str | None = None, timeout: float = 5.0
) -> x509.Certificate:
    """Assert that every certificate of a chain is valid for so many days yet.

    Args:
        what: an `Identity`; a file of certificates; or a server, as a running `MutualTLSServer`, an `Endpoint`,
            ``(host, port)`` or a URL. A server need not be trusted, and need not accept anybody: what it presents counts.
        days: how many days there have to be left.
        server_name: the name to ask a server for; the endpoint's by default.
        timeout: seconds for the handshake with a server.

    Returns:
        The certificate that is the first to end.

    Raises:
        HandshakeAssertionError: one ends sooner; the text has a line for each certificate, and says which is the first. Or the
            server presented no certificate.
        MtlsError: a file cannot be read, or an endpoint says of no server where it listens.
    """
    __tracebackhide__ = True
    if isinstance(days, bool) or not isinstance(days, (int, float)) or not days >= 0:
        raise InvalidArgument("days", days, "a number of days, 0 or more")
    chain, source, handshakes = _chain_of(what, server_name, timeout)
    if not chain:
        raise HandshakeAssertionError(f"{source} presented no certificate: {headline(handshakes[0])}", handshakes)
    first = first_to_end(chain)
    if first.not_valid_after_utc <= now() + timedelta(days=days):
        lines = [
            f"a certificate of {source} is valid for less than {days:g} days: {remaining_words(first)}",
            "",
            *(f"  {line}" for line in describe_expiry(chain)),
            "",
            "  likely cause: the certificate was not renewed in time. Renew it, and see that the server loads the new one.",
        ]
        raise HandshakeAssertionError("\n".join(lines), handshakes)
    return first


def first_to_end(chain: Sequence[x509.Certificate]) -> x509.Certificate:
    """The certificate of a chain whose validity is the first to end; of several, the one nearest to the leaf."""
    return min(chain, key=lambda certificate: certificate.not_valid_after_utc)


def describe_expiry(chain: Sequence[x509.Certificate]) -> list[str]:
    """A line for each certificate: its subject, when it ends, and a mark at the first to end."""
    first = first_to_end(chain)
    return [
        f"{index}: {describe_name(certificate.subject)}; valid until "
        f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC; {remaining_words(certificate)}"
        f"{'  <-- the first to end' if certificate is first else ''}"
        for index, certificate in enumerate(chain)
    ]


def remaining_words(certificate: x509.Certificate) -> str:
    """How long it is valid yet, in words: ``ends in 12 days``, ``ended 3 hours ago``."""
    left = certificate.not_valid_after_utc - now()
    span = abs(left)
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if span >= size:
            count = span // size
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            break
    else:
        words = "less than a minute"
    return f"ends in {words}" if left > timedelta(0) else f"ended {words} ago"


def _chain_of(
    what: Expiring, server_name: str | None, timeout: float
) -> tuple[Sequence[x509.Certificate], str, list[Handshake]]:
    """The certificates, where they are from, and the handshake by which they came."""
    if isinstance(what, Identity):
        return what.chain, f"the identity {what.subject}", []
    if isinstance(what, os.PathLike) or (isinstance(what, str) and "://" not in what):
        return load_certificates(what), os.fspath(what), []
    handshake = probe(what, server_name=server_name, timeout=timeout)
    chain = handshake.peer_chain
    where = "{}:{}".format(*handshake.peer_address) if handshake.peer_address else "the server"
    return chain, where, [handshake]
