"""A transport adapter for requests that keeps its TLS context, which requests makes anew from files for each connection."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

__all__ = ["KeptContextAdapter"]

#: How many contexts are kept for sessions to come: fixtures make one for each test, with the same certificate and trust.
_MOST_CONTEXTS = 16

#: requests 2.32 and later ask the adapter how connections are told apart; before that, nothing is kept.
_CAN_KEEP = hasattr(HTTPAdapter, "build_connection_pool_key_attributes")


class KeptContextAdapter(HTTPAdapter):
    """For a session's own certificate and trust. Whatever else a request or the session is given is for requests to read.

    Args:
        verify: the session's ``verify``, the path of a file of CAs.
        cert: the session's ``cert``, the paths of certificate and key; None for no certificate.
    """

    __attrs__: Sequence[str] = [*HTTPAdapter.__attrs__, "_own"]  # those that are pickled

    def __init__(self, verify: str, cert: tuple[str, str] | None) -> None:
        self._own = (verify, cert)
        super().__init__()

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Which connections are alike, by host and by TLS; requests asks for it."""
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        context = self._context(verify, cert)
        return host, tls if context is None else {"cert_reqs": "CERT_REQUIRED", "ssl_context": context}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Tell a pool of connections which files to read: none where the context is kept."""
        if self._context(verify, cert) is None:
            adapter: Any = super()
            adapter.cert_verify(conn, url, verify, cert)

    def _context(self, verify: Any, cert: Any) -> ssl.SSLContext | None:
        if not _CAN_KEEP or (verify, cert) != self._own:
            return None
        try:
            return _kept(*self._own, os.environ.get("SSLKEYLOGFILE"))
        except OSError:
            return None  # requests meets the same error, and has a type of its own for it


@lru_cache(_MOST_CONTEXTS)
def _kept(verify: str, cert: tuple[str, str] | None, key_log: str | None) -> ssl.SSLContext:
    """As requests would make it. urllib3 has it log keys where the environment says so."""
    context = create_urllib3_context()
    context.load_verify_locations(verify)
    if cert is not None:
        context.load_cert_chain(*cert)
    return context
