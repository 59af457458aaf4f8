"""`Site`: what has to be known of a server besides its endpoint, so that the bypasses can be tried on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.client.endpoint import Endpoint

__all__ = ["DESCRIPTIONS", "Site"]


@dataclass(frozen=True)
class Site:
    """What is known of a server. All of it is optional; what a bypass needs and is not here makes it not applicable.

    Attributes:
        names: further names on the same port, each of which requires a certificate of the same CA.
        other_name: a name on the same port that requires a certificate of another CA.
        other_client: a client that ``other_name`` accepts, and the endpoint's own name does not.
        public_name: a name on the same port that asks for no certificate.
        public_path: an HTTP path for which no certificate is needed, on a server that needs one for ``protected_path``.
        protected_path: an HTTP path for which one is needed.
        echo_path: an HTTP path that answers with the headers which the application got.
        identity_headers: the headers by which the application is told who the client is; by default those of the usual
            names that it is seen to get.
        allowed_name: the DNS name in a certificate that the server lets in, where it lets in no other.
        server_ca: a CA that the server's machine trusts for servers, and must not trust for clients.
        listeners: further endpoints of the same server, each of which requires a certificate of the same CA.
        revoke: called with a client, makes the server know that it is revoked, and returns when it does.
        was_reached: called with a token, says whether a request with this token in its path came to the application.
    """

    names: tuple[str, ...] = ()
    other_name: str | None = None
    other_client: Identity | None = None
    public_name: str | None = None
    public_path: str | None = None
    protected_path: str | None = None
    echo_path: str | None = None
    identity_headers: tuple[str, ...] = ()
    allowed_name: str | None = None
    server_ca: CertificateAuthority | None = None
    listeners: tuple[Endpoint, ...] = ()
    revoke: Callable[[Identity], object] | None = field(default=None, repr=False)
    was_reached: Callable[[str], object] | None = field(default=None, repr=False)


#: What a bypass needs, in words.
DESCRIPTIONS = {
    "names": "further names on the port that require a certificate",
    "other_name": "another name on the port, which requires a certificate of another CA",
    "other_client": "a client that the other name accepts",
    "public_name": "a name on the port that asks for no certificate",
    "public_path": "a path for which no certificate is needed",
    "protected_path": "a path for which a certificate is needed",
    "echo_path": "a path that answers with the headers which the application got",
    "allowed_name": "the only name that is let in, as a certificate has it",
    "server_ca": "a CA, with its key, that the server's machine trusts for servers only",
    "listeners": "further listeners of the same server",
    "revoke": "a way to revoke a client while the server runs",
    "was_reached": "a way to tell whether a request came to the application",
    "ca_key": "the private key of the CA, to issue clients with",
    "http": "a server that speaks HTTP",
    "good_client": "a client that the server accepts",
}
