"""Endpoints by their URLs, protocols of a user's own, and real servers."""

from __future__ import annotations

import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.nginx import nginx_command, nginx_config
from support.requirements import require_postgres, require_program
from support.scripted_servers import heard, scripted, scripted_server

from pytest_mtls import (
    Alert,
    Answer,
    CertificateAuthority,
    Endpoint,
    Handshake,
    Identity,
    MutualTLSServer,
    Reason,
    launch,
    probe,
    register_protocol,
)
from pytest_mtls.client.protocols import PROTOCOLS
from pytest_mtls.errors import CaseNotPresentable, InvalidArgument, InvalidEndpoint

# --- endpoints -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://localhost", Endpoint("localhost", 443, "https")),
        ("https://[::1]:8443/a/b?c=d", Endpoint("::1", 8443, "https", path="/a/b?c=d")),
        (
            "postgresql://al%20ice:pw@db/bank",
            Endpoint("db", 5432, "postgres", path="/bank", user="al ice", password="pw"),
        ),
        ("mariadb://localhost", Endpoint("localhost", 3306, "mysql")),
        ("smtp://mail", Endpoint("mail", 25, "smtp")),
        ("smtps://mail", Endpoint("mail", 465, "smtps")),
        ("ldap://127.0.0.1", Endpoint("127.0.0.1", 389, "ldap")),
        ("rediss://localhost:7000", Endpoint("localhost", 7000, "redis")),
        ("mqtt://localhost", Endpoint("localhost", 8883, "mqtt")),
        ("grpc://localhost:50051", Endpoint("localhost", 50051, "h2")),
        ("tls://localhost:1", Endpoint("localhost", 1, "tls")),
    ],
)
def test_url_names_an_endpoint(url: str, expected: Endpoint) -> None:
    """Host, port, protocol, path, user and password come from the URL, and the protocol's own port where it has none."""
    assert expected == Endpoint.parse(url)


@pytest.mark.parametrize(("alias", "protocol"), [("grpc", "h2"), ("postgresql", "postgres"), ("mqtts", "mqtt")])
def test_other_name_of_a_protocol(alias: str, protocol: str) -> None:
    """An endpoint takes the names that URLs have for a protocol."""
    assert Endpoint("localhost", 1, protocol) == Endpoint("localhost", 1, alias)


def test_what_is_known_wins_over_the_url(mtls_ca: CertificateAuthority) -> None:
    """Attributes are given beside the URL."""
    endpoint = Endpoint.parse("https://10.0.0.1:8443", server_name="web.example", trust=mtls_ca, port=1)
    assert ("web.example", mtls_ca, 1) == (endpoint.name, endpoint.trust, endpoint.port)
    assert ("web.example:1", "web.example") == (endpoint.netloc, replace(endpoint, port=443).netloc)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("localhost", "it is not a URL with a host"),
        ("localhost:8443", "it is not a URL with a host"),
        ("https://", "it is not a URL with a host"),
        ("gopher://localhost", "protocol 'gopher' is unknown; known are tls, https,"),
        ("tls://localhost", "tls has no port of its own"),
        ("https://localhost:99999", "it cannot be read as a URL"),
        ("https://[::1", "it cannot be read as a URL"),
        (None, "it is not a URL with a host"),
        (7, "it cannot be read as a URL"),
    ],
)
def test_what_is_no_url_gets_a_typed_error(url: Any, problem: str) -> None:
    """Bad input is an `InvalidEndpoint` that says what is wrong with it."""
    with pytest.raises(InvalidEndpoint, match=re.escape(problem)):
        Endpoint.parse(url)


def test_unknown_protocol_of_an_endpoint_is_an_error() -> None:
    """The known ones are named."""
    with pytest.raises(InvalidEndpoint, match="protocol 'gopher' is unknown; known are tls, https, "):
        Endpoint("localhost", 70, "gopher")


# --- a user's own ----------------------------------------------------------------------------------------------------


@pytest.fixture
def own_protocol() -> Iterator[str]:
    """The name of a protocol that is forgotten after the test."""
    yield "echo"
    PROTOCOLS.pop("echo", None)


def test_own_protocol_is_registered_in_two_functions(
    own_protocol: str, context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A preamble and what settles the verdict are functions of the user's; a bool is enough of an answer."""

    def preamble(channel: Any, endpoint: Endpoint) -> None:
        channel.send(b"secure?")
        assert (b"yes", b";") == (channel.exactly(3), channel.until(b";"))

    def read_verdict(channel: Any, endpoint: Endpoint) -> bool | Answer:
        channel.send(endpoint.path.encode() + b"\n")
        line: bytes = channel.line()
        return line == b"/x" if len(line) < 3 else Answer(False, "too long", Reason.ACCESS_DENIED)

    register_protocol(own_protocol, port=7, preamble=preamble, read_verdict=read_verdict)
    assert 7 == Endpoint.parse("echo://localhost").port
    for said, expected in ((b"/x\r\n", (True, None)), (b"no\n", (False, None)), (b"nononono\n", (False, "too long"))):
        with scripted_server(context, [heard(b"secure\\?"), b"yes;"], [heard(b"/x\n"), said]) as (address, wrong):
            endpoint = replace(scripted(address, own_protocol, mtls_ca), path="/x")
            seen = probe(endpoint, mtls_client_cert)
        assert ([], *expected) == (wrong, seen.accepted, seen.answer)
        assert seen.layer == (None if seen.accepted else "echo")


def test_old_name_of_netloc_warns() -> None:
    """What 0.1 called authority still works."""
    with pytest.warns(DeprecationWarning, match=r"Endpoint\.authority is now called Endpoint\.netloc"):
        assert "localhost:7" == Endpoint("localhost", 7).authority


def test_old_names_of_a_protocols_parts_warn(own_protocol: str) -> None:
    """What 0.1 called prelude and settle still works, and says what it is called now."""
    with pytest.warns(DeprecationWarning, match=r"register_protocol\(settle=\) is now called read_verdict="):
        register_protocol(own_protocol, port=7, settle=lambda channel, endpoint: True)
    assert PROTOCOLS[own_protocol].read_verdict is not None
    with pytest.warns(DeprecationWarning, match=r"register_protocol\(prelude=\) is now called preamble="):
        register_protocol(own_protocol, port=7, prelude=lambda channel, endpoint: None)
    assert PROTOCOLS[own_protocol].preamble is not None


@pytest.mark.parametrize("verdict", [True, False, None])
def test_own_probe_does_everything_itself(
    verdict: bool | None, own_protocol: str, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A callable that says accepted, rejected or undecided is a protocol too, and gets all that it needs to know."""
    calls: list[dict[str, Any]] = []

    def own(**given: Any) -> bool | None:
        assert mtls_ca.pem == Path(given["trust"]).read_bytes()
        calls.append(given)
        return verdict

    register_protocol(own_protocol, port=7, probe=own)
    seen = probe("echo://localhost", mtls_client_cert, mtls_ca, "1.2", timeout=3)
    assert isinstance(seen, Handshake)
    assert (verdict, "echo" if verdict is False else None) == (seen.accepted, seen.layer)
    assert ["localhost", mtls_client_cert, "1.2", 3] == [
        calls[0]["endpoint"].host,
        *(calls[0][name] for name in ("client", "tls", "timeout")),
    ]
    assert not Path(calls[0]["trust"]).exists()


def test_own_probe_that_fails_is_undecided(own_protocol: str, mtls_ca: CertificateAuthority) -> None:
    """An `OSError` is not a verdict; what it returns has to be one."""

    def own(*, endpoint: Endpoint, **_: Any) -> Any:
        if endpoint.path == "/":
            raise ConnectionRefusedError("nobody there")
        return "accepted"

    register_protocol(own_protocol, port=7, probe=own)
    seen = probe("echo://localhost", trust=mtls_ca)
    assert (None, "the probe of protocol 'echo' failed: nobody there") == (seen.accepted, seen.error)
    with pytest.raises(InvalidArgument, match="returned is 'accepted', but it must be True, False or None"):
        probe("echo://localhost/other", trust=mtls_ca)
    (case,) = [case for case in _rewritten_cases() if case.id == "garbage-certificate"]
    with pytest.raises(CaseNotPresentable, match="cannot change what goes over the wire"):
        probe("echo://localhost", case, trust=mtls_ca)


def _rewritten_cases() -> list[Any]:
    from pytest_mtls.cases import CATALOGUE

    return [case for case in CATALOGUE["client"].select("*") if case.rewrite is not None]


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "Upper"},
        {"name": ""},
        {"name": "a:b"},
        {"name": "x", "port": 70000},
        {"name": "x", "probe": print, "read_verdict": print},
    ],
    ids=["upper", "empty", "colon", "port", "both"],
)
def test_registration_that_cannot_be_is_an_error(arguments: dict[str, Any]) -> None:
    """The name has to fit a URL, and a probe stands alone."""
    with pytest.raises(InvalidArgument):
        register_protocol(**arguments)


def test_connections_keep_the_pace(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """A rate limiter spaces out the connections to it."""
    from pytest_mtls.certificates.clock import clock
    from pytest_mtls.client.rate import RateLimiter

    endpoint = Endpoint("localhost", mtls_server.port, trust=mtls_ca, rate_limiter=RateLimiter(50))
    start = clock()
    for _ in range(6):
        probe(endpoint)
    assert 0.1 <= clock() - start
    with pytest.raises(InvalidArgument):
        RateLimiter(0)


# --- real servers ----------------------------------------------------------------------------------------------------

NGINX = nginx_config("""
    server {
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {server_cert}; ssl_certificate_key {server_key};
        ssl_client_certificate {ca}; ssl_verify_client on;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / { return 204; }
    }
""")


def verdicts(
    endpoint: Endpoint, ca: CertificateAuthority, tls: str
) -> list[tuple[bool | None, str | None, str | None]]:
    """What a server makes of a good client, one without certificate, and an expired one."""
    clients = (ca.issue_client(), None, ca.issue_client(not_before=-10, not_after=-1))
    handshakes = [probe(endpoint, client, tls=tls) for client in clients]
    assert [f"TLSv{tls}"] * 3 == [seen.tls_version for seen in handshakes]
    return [(seen.accepted, seen.layer, seen.answer) for seen in handshakes]


def test_nginx(mtls_ca: CertificateAuthority) -> None:
    """nginx completes the handshake and rejects by status 400, whose page tells no certificate from a bad one."""
    with launch(nginx_command(), files={"nginx.conf": NGINX}, ca=mtls_ca) as server:
        for tls in ("1.2", "1.3"):
            assert [
                (True, None, "HTTP 204"),
                (False, "http", "HTTP 400, 'No required SSL certificate was sent'"),
                (False, "http", "HTTP 400, 'The SSL certificate error'"),
            ] == verdicts(server.endpoint, mtls_ca, tls)
        assert frozenset({Reason.NO_CERTIFICATE}) == probe(server.endpoint).possible_reasons


def test_postgres(mtls_ca: CertificateAuthority) -> None:
    """PostgreSQL issues no session tickets, and misses a certificate only when it is asked for a database."""
    binaries = require_postgres()
    script = (
        "{bin}/initdb -D {dir}/data -U postgres -A trust --no-sync --no-instructions > {dir}/initdb.log && "
        "exec {bin}/postgres -D {dir}/data -p {port} -c listen_addresses=localhost -c unix_socket_directories={dir} "
        "-c hba_file={dir}/hba.conf -c ssl=on -c ssl_cert_file={server_cert} -c ssl_key_file={server_key} "
        "-c ssl_ca_file={ca}"
    )
    good = mtls_ca.issue_client()
    with launch(
        ["sh", "-c", script.replace("{bin}", str(binaries))],
        protocol="postgres",
        files={"hba.conf": "hostssl all all all trust clientcert=verify-ca\n"},
        ca=mtls_ca,
        run_as="postgres" if os.name != "nt" and os.geteuid() == 0 else None,
        ready=lambda server: probe(server.endpoint, good).accepted,
    ) as server:
        for tls in ("1.2", "1.3"):
            assert [
                (True, None, "authenticated"),
                (False, "postgres", "connection requires a valid client certificate"),
                (False, "tls", None),
            ] == verdicts(server.endpoint, mtls_ca, tls)
        assert Reason.NO_CERTIFICATE is probe(server.endpoint).reason


def test_redis(mtls_ca: CertificateAuthority) -> None:
    """Redis rejects by TLS, and answers a PING of whom it takes in."""
    redis = require_program("redis-server", apt="redis-server")
    options = (
        "--port 0 --tls-port {port} --tls-cert-file {server_cert} --tls-key-file {server_key} --tls-ca-cert-file {ca}"
    )
    with launch([redis, *options.split(), "--save", ""], protocol="redis", ca=mtls_ca) as server:
        for tls in ("1.2", "1.3"):
            expected = [(True, None, "+PONG"), (False, "tls", None), (False, "tls", None)]
            assert expected == verdicts(server.endpoint, mtls_ca, tls)


def test_mosquitto(mtls_ca: CertificateAuthority) -> None:
    """mosquitto rejects by TLS, and by CONNACK whom it does not know by name."""
    mosquitto = require_program("mosquitto", apt="mosquitto")
    lines = ("listener {port} localhost", "cafile {ca}", "certfile {server_cert}", "keyfile {server_key}")
    for anonymous, expected in (
        ("true", (True, None, "CONNACK 0")),
        ("false", (False, "mqtt", "CONNACK 5, not authorized")),
    ):
        config = "\n".join([*lines, "require_certificate true", f"allow_anonymous {anonymous}", ""])
        with launch(
            [mosquitto, "-c", "{dir}/mosquitto.conf"],
            protocol="mqtt",
            files={"mosquitto.conf": config},
            ca=mtls_ca,
            run_as="nobody" if os.name != "nt" and os.geteuid() == 0 else None,
        ) as server:
            for tls in ("1.2", "1.3"):
                assert [expected, (False, "tls", None), (False, "tls", None)] == verdicts(server.endpoint, mtls_ca, tls)


def test_alert_is_read_though_writing_fails(
    context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A server that rejects in the middle of a long Certificate message is heard, though it resets the connection."""
    chain = (mtls_client_cert.certificate, *[mtls_ca.intermediate().certificate] * 500)
    long = replace(mtls_client_cert, chain=chain)

    def refuse() -> None:
        sock, _ = listener.accept()
        with sock, pytest.raises(ssl.SSLError):
            context.wrap_socket(sock, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(10):
            thread = threading.Thread(target=refuse)
            thread.start()
            endpoint = scripted(listener.getsockname(), "tls", mtls_ca)
            seen = probe(endpoint, long, tls="1.2")
            thread.join()
            assert (False, "server", Alert.ILLEGAL_PARAMETER) == (seen.accepted, seen.rejected_by, seen.alert)
