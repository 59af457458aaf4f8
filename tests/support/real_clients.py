"""Clients that people use: each as a command or a callable, and beside it its twin that is bad on purpose.

A client is told where a host is, as an entry of the file hosts would, so that every server case can come to it; where that
is not possible, those cases are left out.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import ssl
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from support import client_protocols as protocols
from support.client_programs import CURL, CURL_INSECURE
from support.programs_built import PROGRAMS, build_go
from support.requirements import require_file, require_library, require_program

from pytest_mtls import CertificateAuthority
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.conformance.client.call import ClientArgument
from pytest_mtls.conformance.client.target import ClientTarget
from pytest_mtls.conformance.client.under_test import ClientUnderTest
from pytest_mtls.conformance.policy import ExpectedException, Policy

__all__ = ["CLIENTS", "RealClient", "policy_of"]

#: How long a call may take, in seconds: a busy machine is slow, and time-outs are no verdicts.
PATIENCE = 60.0


@dataclass(frozen=True)
class RealClient:
    """A client, and what is known of it.

    Attributes:
        name: for people.
        make: what to call; with True, its twin that verifies nothing.
        mistake: how the twin is told to verify nothing.
        settings: those that it claims.
        deviations: by case id, and version if only one: what it does instead of what it should, and why.
        notes: what else is known of it.
        options: other arguments of `ClientUnderTest`.
        stack: the TLS library inside.
        reasons: as of a `Policy`: whether its alerts have to fit.
    """

    name: str
    make: Callable[[bool], ClientArgument]
    mistake: str
    settings: frozenset[str] = frozenset()
    deviations: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    stack: str = "OpenSSL"
    reasons: str = "alert"

    @contextmanager
    def under_test(self, ca: CertificateAuthority, *, is_twin: bool = False) -> Iterator[ClientUnderTest]:
        """It, or its twin."""
        client = self.make(is_twin)
        try:
            staple = "staple" in self.settings and not is_twin
            with ClientUnderTest(client, ca=ca, timeout=PATIENCE, staple=staple, **self.options) as under_test:
                yield under_test
        finally:
            if isinstance(client, Driven):
                client.close()


def policy_of(client: RealClient) -> Policy:
    """What is agreed of a client."""
    agreed = []
    for key, (seen, reason) in client.deviations.items():
        case, _, tls = key.partition(" ")
        agreed.append(ExpectedException(case, seen, reason, tls or None))
    return Policy(client.settings, client.reasons, exceptions=tuple(agreed))


# --- programs --------------------------------------------------------------------------------------------------------


def curl(is_twin: bool) -> list[str]:
    require_program("curl", apt="curl")
    return CURL_INSECURE if is_twin else CURL


def curl_status(is_twin: bool) -> list[str]:
    return [*curl(is_twin), *([] if is_twin else ["--cert-status"])]


def wget(is_twin: bool) -> list[str]:
    command = [str(require_program("wget", apt="wget")), "--no-config", "--no-proxy", "--quiet", "--output-document=-"]
    command += ["--tries=1", "--timeout=5", "--no-hsts"]
    command += ["--ca-certificate={ca}", "--certificate={cert}", "--private-key={key}"]
    return [*command, *(["--no-check-certificate"] if is_twin else []), "{url}"]


def s_client(is_twin: bool) -> list[str]:
    command = [str(require_program("openssl", apt="openssl")), "s_client", "-quiet", "-connect", "{address}:{port}"]
    command += ["-CAfile", "{ca}", "-cert", "{cert}", "-cert_chain", "{cert}", "-key", "{key}", "-servername", "{host}"]
    return command if is_twin else [*command, "-verify_return_error", "-verify_hostname", "{host}"]


def gnutls_cli(is_twin: bool) -> list[str]:
    command = [str(require_program("gnutls-cli", apt="gnutls-bin")), "{address}", "--port={port}"]
    command += ["--x509cafile={ca}", "--x509certfile={cert}", "--x509keyfile={key}", "--sni-hostname={host}"]
    return [*command, "--insecure"] if is_twin else [*command, "--verify-hostname={host}"]


def go(is_twin: bool) -> list[str]:
    arguments = ["{url}", "{address}:{port}", "{ca}", "{cert}", "{key}"]
    return [str(build_go("caller")), *arguments, *(["insecure"] if is_twin else [])]


def perl(is_twin: bool) -> list[str]:
    program = str(require_program("perl", apt="libio-socket-ssl-perl"))
    arguments = ["{url}", "{address}", "{ca}", "{cert}", "{key}"]
    return [program, str(PROGRAMS / "caller.pl"), *arguments, *(["insecure"] if is_twin else [])]


class Driven:
    """A program that is started once, and then calls for each line that it reads: one that takes long to start.

    Args:
        name: of the client.
        command: the program.
        line: what it is told of a target, by tabs.
        env: variables of its own.
    """

    def __init__(self, name: str, command: list[str], *line: str, env: Mapping[str, str] | None = None) -> None:
        self.__qualname__ = name
        self._command = command
        self._line = "\t".join(line)
        self._env = dict(env or {})
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, target: ClientTarget) -> None:
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(self._line.format_map(_Told(target)) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline().strip()
        if answer != "ok":
            raise OSError(answer or "the program has ended")

    def _start(self) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **self._env})

    def close(self) -> None:
        """End the program."""
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None


class _Told(dict[str, Any]):
    """What stands in braces is an attribute of the target."""

    def __init__(self, target: ClientTarget) -> None:
        super().__init__()
        self._target = target

    def __missing__(self, name: str) -> Any:
        return getattr(self._target, name)


def node(library: str, is_twin: bool) -> Driven:
    program = require_program("node", apt="nodejs")
    if library == "undici":
        require_file(NODE_LIBRARIES / "undici", apt="node-undici")
    files = ["{ca}", "{cert}", "{key}", "insecure" if is_twin else "verify"]
    line = ["{url}", "{host}", "{port}", "{address}", *files]
    command = [str(program), str(PROGRAMS / "caller.js"), library]
    return Driven(library, command, *line, env={"NODE_PATH": str(NODE_LIBRARIES)})


#: Where Debian puts them; its Node does not look there for the programs of others.
NODE_LIBRARIES = Path("/usr/share/nodejs")


def java(is_twin: bool) -> Driven:
    program = require_program("java", apt="openjdk-17-jdk-headless")
    require_program("javac", apt="openjdk-17-jdk-headless")
    quick = ["-XX:+UseSerialGC", "-Xshare:auto", f"-Djdk.net.hosts.file={_hosts_file()}"]
    line = ["{url}", "{ca}", "{p12}", "{password}", "trust-all" if is_twin else "verify"]
    return Driven("HttpClient", [str(program), *quick, str(PROGRAMS / "Caller.java")], *line)


@cache
def _hosts_file() -> Path:
    """A file hosts with the hosts of all cases."""
    directory = tempfile.mkdtemp(prefix="pytest-mtls-hosts-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    names = {"localhost", *(case.host for case in CATALOGUE["server"].select("*"))}
    hosts = Path(directory) / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in sorted(names)), encoding="utf-8")
    return hosts


# --- libraries of Python -----------------------------------------------------------------------------------------------


def context_of(target: ClientTarget, is_twin: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=target.ca)
    context.load_cert_chain(target.cert, target.key)
    if is_twin:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def use_requests(is_twin: bool, target: ClientTarget) -> None:
    import requests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verify = False if is_twin else target.ca
        requests.get(target.url, cert=(target.cert, target.key), verify=verify, timeout=5).raise_for_status()


def use_urllib3(is_twin: bool, target: ClientTarget) -> None:
    import urllib3

    files: dict[str, Any] = {"cert_file": target.cert, "key_file": target.key, "ca_certs": target.ca}
    with warnings.catch_warnings(), urllib3.PoolManager(**files, cert_reqs="NONE" if is_twin else "REQUIRED") as pool:
        warnings.simplefilter("ignore")
        assert 200 == pool.request("GET", target.url, retries=False, timeout=5).status


def use_httpx(is_twin: bool, target: ClientTarget) -> None:
    import httpx

    with httpx.Client(verify=context_of(target, is_twin), trust_env=False) as client:
        client.get(target.url).raise_for_status()


def use_aiohttp(is_twin: bool, target: ClientTarget) -> None:
    import aiohttp

    async def call() -> None:
        connector = aiohttp.TCPConnector(ssl=context_of(target, is_twin), resolver=aiohttp.ThreadedResolver())
        async with aiohttp.ClientSession(connector=connector) as session, session.get(target.url) as response:
            response.raise_for_status()

    asyncio.run(call())


def use_grpcio(is_twin: bool, target: ClientTarget) -> None:
    import grpc

    # It cannot be told to verify nothing, so its twin is told to trust whatever certificate the server shows.
    ca = ssl.get_server_certificate((target.address, target.port)).encode() if is_twin else Path(target.ca).read_bytes()
    own = Path(target.key).read_bytes(), Path(target.cert).read_bytes()
    options = [("grpc.ssl_target_name_override", target.host), ("grpc.enable_http_proxy", 0)]
    credentials = grpc.ssl_channel_credentials(ca, *own)
    with grpc.secure_channel(f"ipv4:{target.address}:{target.port}", credentials, options) as channel:
        method: Any = channel.unary_unary("/service/method")
        try:
            method(b"", timeout=20)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:  # it got its answer
                raise OSError(error.details()) from None


def use_redis(is_twin: bool, target: ClientTarget) -> None:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    files: dict[str, Any] = {"ssl_ca_certs": target.ca, "ssl_certfile": target.cert, "ssl_keyfile": target.key}
    mistake: dict[str, Any] = {"ssl_cert_reqs": "none", "ssl_check_hostname": False} if is_twin else {}
    once = Retry(NoBackoff(), 0)
    with redis.Redis(
        target.host, target.port, ssl=True, protocol=2, retry=once, socket_timeout=20, **files, **mistake
    ) as client:
        assert client.ping()


def use_psycopg(is_twin: bool, target: ClientTarget) -> None:
    import psycopg

    told: dict[str, Any] = {
        "host": target.host,
        "hostaddr": target.address,
        "port": target.port,
        "user": "u",
        "dbname": "d",
    }
    files: dict[str, Any] = {"sslcert": target.cert, "sslkey": target.key, "sslrootcert": "" if is_twin else target.ca}
    # With an sslrootcert, `require` verifies as `verify-ca` does.
    mode: dict[str, Any] = {
        "sslmode": "require" if is_twin else "verify-full",
        "sslnegotiation": "direct",
        "gssencmode": "disable",
    }
    if is_twin:
        files["sslrootcert"] = os.devnull
    psycopg.connect(connect_timeout=20, **told, **files, **mode).close()


def library(module: str, call: Callable[[bool, ClientTarget], None]) -> Callable[[bool], ClientArgument]:
    """A library of Python, called in this process."""

    def make(is_twin: bool) -> ClientArgument:
        require_library(module, pip={"psycopg": "psycopg[binary]", "grpc": "grpcio"}.get(module, module))
        return named(module, partial(call, is_twin))

    return make


def named(name: str, call: Callable[[ClientTarget], None]) -> Callable[[ClientTarget], None]:
    def client(target: ClientTarget) -> None:
        call(target)

    client.__qualname__ = name
    return client


def speaking(handler: Callable[..., None], *alpn: str) -> Mapping[str, Any]:
    return {"handler": handler, "alpn": alpn}


_GNUTLS_CONSTRAINTS = (
    "GnuTLS compares URIs and directory names with no permitted subtree; an excluded one rejects every such name"
)
_NO_PURPOSE = "wget asks GnuTLS for no purpose when it verifies a server"
_GNUTLS_CAS = "GnuTLS compares name constraints with the names of the end entity only"
_GO_CAS = "Go 1.19 compares name constraints with the names of the end entity only"
_GNUTLS_UNKNOWN = "GnuTLS sees nothing bad in a certificate that the OCSP responder does not know"
_LEVEL = frozenset({"level"})
_STAPLES = frozenset({"must-staple", "staple"})

CLIENTS: Mapping[str, RealClient] = {
    client.name: client
    for client in (
        RealClient("curl", curl, "--insecure", _LEVEL),
        RealClient(
            "curl --cert-status",
            curl_status,
            "--insecure",
            _LEVEL | _STAPLES,
            notes=("It rejects every server that staples no OCSP answer.",),
        ),
        RealClient(
            "wget",
            wget,
            "--no-check-certificate",
            deviations={
                **dict.fromkeys(
                    ("uri-not-permitted", "directory-name-not-permitted"), ("accepted", _GNUTLS_CONSTRAINTS)
                ),
                "intermediate-name-excluded": ("accepted", _GNUTLS_CAS),
                **dict.fromkeys(
                    ("client-only", "email-only", "code-signing-only", "intermediate-for-the-other-side"),
                    ("accepted", _NO_PURPOSE),
                ),
            },
            notes=("It cannot be told where a host is, so that the cases of other hosts are left out.",),
            stack="GnuTLS",
        ),
        RealClient(
            "openssl s_client",
            s_client,
            "no -verify_return_error",
            _LEVEL,
            deviations={
                "ip-address": ("refused", "-verify_hostname looks only at DNS names; addresses are for -verify_ip"),
                "ip-address-as-dns-name": (
                    "accepted",
                    "-verify_hostname takes an address for a name; addresses are for -verify_ip",
                ),
            },
            notes=("Without `-verify_return_error` and `-verify_hostname` it goes on with any server.",),
        ),
        RealClient(
            "gnutls-cli",
            gnutls_cli,
            "--insecure",
            _STAPLES,
            deviations={
                **dict.fromkeys(
                    ("uri-not-permitted", "directory-name-not-permitted"), ("accepted", _GNUTLS_CONSTRAINTS)
                ),
                "intermediate-name-excluded": ("accepted", _GNUTLS_CAS),
                **dict.fromkeys(("staple-unknown", "must-staple-unknown"), ("accepted", _GNUTLS_UNKNOWN)),
                "staple-try-later": ("accepted", "GnuTLS takes an answer without a status for no answer at all"),
            },
            stack="GnuTLS",
        ),
        RealClient("Node https", partial(node, "https"), "rejectUnauthorized: false"),
        RealClient("undici", partial(node, "undici"), "rejectUnauthorized: false"),
        RealClient(
            "Go net/http",
            go,
            "InsecureSkipVerify: true",
            deviations={
                "wildcard-alone": (
                    "accepted",
                    "Go lets the pattern `*` stand for a name of one label",
                ),
                "intermediate-name-excluded": ("accepted", _GO_CAS),
            },
            stack="Go",
        ),
        RealClient(
            "Java HttpClient",
            java,
            "an X509ExtendedTrustManager that checks nothing",
            deviations={
                **dict.fromkeys(
                    ("wildcard-not-leftmost", "wildcard-twice"),
                    (
                        "accepted",
                        "JSSE lets a wildcard stand for any label of a name, as RFC 2818 section 3.1 can be read",
                    ),
                ),
                "intermediate-for-the-other-side": (
                    "accepted",
                    "JSSE looks only at the extended key usage of the end entity",
                ),
            },
            stack="JSSE",
        ),
        RealClient(
            "Perl HTTP::Tiny",
            perl,
            "verify_SSL => 0",
            _LEVEL,
            deviations={
                "other-name-excluded": (
                    "refused",
                    "Net::SSLeay takes the value of an otherName for a string, and crashes where it is not one",
                )
            },
            notes=(
                "IO::Socket::SSL compares names in a callback of OpenSSL, which then sends the alert internal_error.",
            ),
            reasons="any",
        ),
        RealClient("requests", library("requests", use_requests), "verify=False", _LEVEL),
        RealClient("urllib3", library("urllib3", use_urllib3), 'cert_reqs="NONE"', _LEVEL),
        RealClient(
            "httpx",
            library("httpx", use_httpx),
            "verify_mode = ssl.CERT_NONE",
            _LEVEL,
            notes=("It does not take an international name with a label that IDNA 2008 has no place for.",),
        ),
        RealClient("aiohttp", library("aiohttp", use_aiohttp), "verify_mode = ssl.CERT_NONE", _LEVEL),
        RealClient(
            "grpcio",
            library("grpc", use_grpcio),
            "the server's own certificate as root_certificates, and another name to check",
            deviations={
                "name-constraints-kept": (
                    "refused",
                    "BoringSSL takes no constraint on IP addresses: `unsupported name constraint type`",
                ),
                "ip-address-as-dns-name": ("accepted", "gRPC compares DNS names with an address as text"),
                "nul-in-name": (
                    "accepted",
                    (
                        "gRPC compares a DNS name as far as its first NUL byte in the handshake; its check before each call "
                        "finds the rest, and is left out where `grpc.ssl_target_name_override` is set, as it is here"
                    ),
                ),
            },
            notes=("BoringSSL takes no Ed25519 key unless it is told to.",),
            options=speaking(protocols.http2, "h2"),
            stack="BoringSSL",
        ),
        RealClient(
            "psycopg",
            library("psycopg", use_psycopg),
            "sslmode=require",
            _LEVEL,
            deviations={
                "ip-address-as-dns-name": (
                    "accepted",
                    "libpq compares an address with DNS names too, as its documentation says",
                )
            },
            options=speaking(protocols.postgresql, "postgresql"),
        ),
        RealClient(
            "redis",
            library("redis", use_redis),
            'ssl_cert_reqs="none"',
            _LEVEL,
            options=speaking(protocols.redis),
        ),
    )
}
