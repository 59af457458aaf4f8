"""A browser that Playwright drives."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.clients.library import ClientArgument, Credentials
from pytest_mtls.errors import InvalidArgument

__all__ = ["playwright"]


def playwright(identity: ClientArgument, trust: TrustArgument, *urls: str) -> dict[str, list[dict[str, Any]]]:
    """The arguments of Playwright's ``browser.new_context``: ``client_certificates``, in memory.

    Playwright does the handshakes of these origins itself, by Node.js, and has no argument for whom to trust: start it with
    ``environment(identity, trust)`` in the environment, of which it reads ``NODE_EXTRA_CA_CERTS``.

    Args:
        identity: what the browser presents; None for nothing.
        trust: the CA or CAs whose servers it accepts. They are only checked here; see above.
        *urls: the servers that it presents it to. Playwright compares scheme, host and port; ``https://localhost`` by
            default.

    Raises:
        InvalidArgument: a URL that is not one of https.
        AuthorityUsedAsIdentity, CaseOfWrongSide, CaseNotPresentable: a bad identity.
        MissingPrivateKey: the identity's key is not here.
    """
    client = Credentials.of(identity, trust)
    origins = list(dict.fromkeys(map(_origin, urls or ("https://localhost",))))
    if client.identity is None:
        return {"client_certificates": []}
    pair = {"cert": client.identity.cert_pem, "key": client.identity.key_pem}
    return {"client_certificates": [{"origin": origin, **pair} for origin in origins]}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.netloc:
        raise InvalidArgument("urls", url, "the URL of a server, such as https://localhost:8443")
    return f"https://{parts.netloc}"
