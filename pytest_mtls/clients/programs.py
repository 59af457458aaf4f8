"""Clients that are programs: curl's arguments, and the variables that programs and libraries read."""

from __future__ import annotations

from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.clients.library import Arguments, ClientArgument, Credentials, Library

__all__ = ["LIBRARIES", "curl", "environment"]

#: Variables that name a file of trusted CAs, and who reads them.
_TRUST_VARIABLES = {
    "SSL_CERT_FILE": "OpenSSL, and so Python's ssl",
    "REQUESTS_CA_BUNDLE": "requests",
    "CURL_CA_BUNDLE": "curl",
    "PGSSLROOTCERT": "libpq",
    "GIT_SSL_CAINFO": "git",
    "NODE_EXTRA_CA_CERTS": "Node.js",
}


def curl(identity: ClientArgument, trust: TrustArgument) -> list[str]:
    """The command-line arguments of curl: ``subprocess.run(["curl", *curl(identity, trust), url])``."""
    return [word for option in _curl(identity, trust).items() for word in option]


def _curl(identity: ClientArgument, trust: TrustArgument) -> dict[str, str]:
    return Credentials.of(identity, trust).files(trust="--cacert", cert="--cert", key="--key")


def environment(identity: ClientArgument, trust: TrustArgument) -> dict[str, str]:
    """Variables for a subprocess, ``env={**os.environ, **environment(identity, trust)}``, or for ``monkeypatch.setenv``.

    OpenSSL, requests, curl and Node.js take from them whom they trust. Only libpq and git take a certificate too.
    """
    client = Credentials.of(identity, trust)
    variables = {**dict.fromkeys(_TRUST_VARIABLES, client.trust.path), "PGSSLMODE": "verify-full"}
    if client.identity is None:
        return variables | {"PGSSLCERT": f"{client.trust.path}.none"}
    certificate = dict.fromkeys(("PGSSLCERT", "GIT_SSL_CERT"), client.identity.cert_path)
    return variables | certificate | dict.fromkeys(("PGSSLKEY", "GIT_SSL_KEY"), client.identity.key_path)


def _environment(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    return dict(environment(identity, trust))


LIBRARIES = (
    Library("curl", None, "curl **arguments url", _curl),
    Library("environment", None, "env={**os.environ, **arguments}", _environment),
)
