"""What the command line says of the server under test, read into an `Endpoint`. No pytest here: the plugin hands it over.

Raises `MtlsError` for what cannot be; the plugin makes a usage error of it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.loading import load_certificates, read
from pytest_mtls.certificates.validity import now
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.client.rate import RateLimiter
from pytest_mtls.errors import InvalidArgument, InvalidOption, MtlsError, WrongPassword

__all__ = ["TargetOptions", "read_authority", "read_target"]

#: What `pytest-mtls mint` calls its files.
_CA, _CA_KEY = "ca.crt", "ca.key"
_CLIENT, _CLIENT_KEY, _CLIENT_CASES = "client.crt", "client.key", "client-cases"
_SYSTEM = "system"


@dataclass(frozen=True)
class TargetOptions:
    """The options, as they were given.

    Attributes:
        target: the URL.
        ca: a directory that ``mint`` wrote, or the file of a CA's certificate.
        ca_key: the file of its key.
        server_ca: the file of the CA that the server's own certificate comes from, or "system".
        server_name: the name to ask the server by.
        client: the file of a client's certificate and key that the server is known to accept.
        rate: connections a second, at most.
        workers: how many processes share the rate.
        allow_remote: whether the server may be on another machine.
    """

    target: str
    ca: str | None = None
    ca_key: str | None = None
    server_ca: str | None = None
    server_name: str | None = None
    client: str | None = None
    rate: float | None = None
    workers: int = 1
    allow_remote: bool = False


def read_target(options: TargetOptions) -> Endpoint:
    """The endpoint under test.

    Raises:
        MtlsError: an option is none that there can be, or the server is elsewhere and may not be tested.
    """
    with _option("--mtls-target"):
        endpoint = Endpoint.parse(options.target, server_name=options.server_name, strict=False)
    if not options.allow_remote:
        _check_loopback(endpoint, options.target)
    if options.rate is not None:
        if not options.rate > 0:
            raise InvalidArgument("--mtls-rate", options.rate, "a number of connections a second, above 0")
        endpoint = replace(endpoint, rate_limiter=RateLimiter(options.rate / options.workers))
    directory = Path(options.ca) if options.ca is not None and Path(options.ca).is_dir() else None
    ca = read_authority(options.ca, options.ca_key)
    client = None if options.client is None else _client(options.client)
    if directory is not None:
        client = client or _client_in(directory)
        cases = directory / _CLIENT_CASES
        endpoint = replace(endpoint, client_cases=cases if cases.is_dir() else None)
    trust = None if ca is None else ca.pem
    if options.server_ca is not None:
        trust = None if options.server_ca == _SYSTEM else _server_ca(options.server_ca)
    return replace(endpoint, ca=ca, trust=trust, client=client)


@contextmanager
def _option(name: str) -> Iterator[None]:
    """Whatever is wrong inside is wrong with this option."""
    try:
        yield
    except WrongPassword as error:
        problem = f"{error.source} is encrypted, and a run asks for no password. Give a copy without one, which"
        raise InvalidOption(name, f"{problem} `openssl pkey -in {error.source} -out FILE` writes.") from error
    except MtlsError as error:
        raise InvalidOption(name, str(error)) from error


def _client(path: str) -> Identity:
    with _option("--mtls-client-cert"):
        client = Identity.load(path)
    if client.private_key is None:
        raise InvalidArgument("--mtls-client-cert", path, "a file that holds the private key beside the certificate")
    return client


def _server_ca(path: str) -> bytes:
    with _option("--mtls-server-ca"):
        load_certificates(path)
        return read(path)[0]


def _check_loopback(endpoint: Endpoint, url: str) -> None:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InvalidArgument("--mtls-target", url, f"a server that can be found ({error.strerror or error})") from None
    for *_, address in found:
        number = str(address[0]).partition("%")[0]
        if not ip_address(number).is_loopback:
            allowed = f"on this machine, unless --mtls-allow-remote says that {number} is yours to test"
            raise InvalidArgument("--mtls-target", url, allowed)


def read_authority(ca: str | None, ca_key: str | None) -> CertificateAuthority | None:
    """The CA that ``--mtls-ca`` and ``--mtls-ca-key`` name; None where they are not given.

    Raises:
        MtlsError: there is none to read.
    """
    if ca is None:
        return None
    directory = Path(ca)
    if not directory.is_dir():
        return _load_authority(ca, ca_key)
    cert, key = directory / _CA, directory / _CA_KEY
    if not cert.is_file():
        raise InvalidArgument("--mtls-ca", ca, f"a directory that `pytest-mtls mint` wrote, with a {_CA}")
    return _load_authority(str(cert), ca_key or (str(key) if key.is_file() else None))


def _load_authority(cert: str, key: str | None) -> CertificateAuthority:
    with _option("--mtls-ca"):
        CertificateAuthority.load(cert, partial=True)  # so that what is wrong then is about the key
    with _option("--mtls-ca-key"):
        return CertificateAuthority.load(cert, key, partial=True)


def _client_in(directory: Path) -> Identity | None:
    cert, key = directory / _CLIENT, directory / _CLIENT_KEY
    if not (cert.is_file() and key.is_file()):
        return None
    client = Identity.load(str(cert), str(key))
    return client if client.certificate.not_valid_after_utc > now() else None
