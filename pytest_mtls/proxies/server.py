"""What a server that terminates TLS itself puts into a WSGI app's environ, and into an ASGI app's scope."""

from __future__ import annotations

from typing import Any

from cryptography import x509

from pytest_mtls.certificates.identity import Identity
from pytest_mtls.proxies.environ import mod_ssl_variables, tls_extension
from pytest_mtls.proxies.headers import Presented, presented_chain
from pytest_mtls.proxies.verification import Verified, failure_words

__all__ = ["asgi_scope", "wsgi_environ"]


def wsgi_environ(identity: Presented, verified: Verified = True) -> dict[str, str]:
    """What a WSGI app reads of its client in its environ, under the names of Apache's mod_ssl (``SSL_CLIENT_S_DN``...).

    It is a part of an environ, to be given to a framework's test client: ``client.get("/", environ_overrides=...)`` of
    Flask, ``client.get("/", **...)`` of Django.

    Args:
        identity: what the client presented: an `Identity`, only its certificate, or None for no certificate.
        verified: True; False, a `Reason` or OpenSSL's own words if the server let a client in that it did not verify.

    Raises:
        InvalidArgument: no identity, or an unknown reason.
    """
    variables = mod_ssl_variables(presented_chain(identity), failure_words(verified))
    return {"wsgi.url_scheme": "https", "HTTPS": "on", **variables}


def asgi_scope(
    identity: Presented,
    verified: Verified = True,
    *,
    server_cert: Identity | x509.Certificate | None = None,
    tls_version: int | None = 0x0304,
    cipher_suite: int | None = 0x1301,
) -> dict[str, Any]:
    """What an ASGI app reads of its client in its scope: the TLS extension, version 0.2 (asgiref, specs/tls.rst).

    It is a part of a scope, with ``scheme`` and ``extensions``, to be merged into that of a request.

    Args:
        identity: what the client presented: an `Identity`, only its certificate, or None for no certificate.
        verified: True; False, a `Reason` or OpenSSL's own words if the server let a client in that it did not verify.
        server_cert: the server's own certificate; None for a server that does not tell it.
        tls_version: its number (RFC 8446 section 4.1.2); that of TLS 1.3 by default.
        cipher_suite: its number (RFC 8446 appendix B.4); TLS_AES_128_GCM_SHA256 by default.

    Raises:
        InvalidArgument: no identity, or an unknown reason.
    """
    tls = tls_extension(
        presented_chain(identity),
        failure=failure_words(verified),
        server_cert=next(iter(presented_chain(server_cert)), None),
        tls_version=tls_version,
        cipher_suite=cipher_suite,
    )
    return {"scheme": "https", "extensions": {"tls": tls}}
