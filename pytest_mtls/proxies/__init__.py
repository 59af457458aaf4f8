"""How an app learns who its client was from what terminates TLS: a proxy's headers, a server's environ or scope.

One file a family of proxies, each with a table of its styles; `headers` works on all of them.
"""

from pytest_mtls.proxies.headers import (
    STYLES,
    ForwardedClient,
    forwarded_headers,
    parse_forwarded_headers,
)
from pytest_mtls.proxies.server import asgi_scope, wsgi_environ

__all__ = [
    "STYLES",
    "ForwardedClient",
    "asgi_scope",
    "forwarded_headers",
    "parse_forwarded_headers",
    "wsgi_environ",
]
