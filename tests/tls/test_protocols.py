"""What is said before TLS and inside it, against scripted servers, which openssl s_client judges, and servers of HTTP."""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
<<<<<<< HEAD
from requirements import require_program
from scripted import SCRIPTS, heard, scripted_server
=======
from requirements import require_postgres, require_program
from scripted import SCRIPTS, Step, heard, scripted_server
>>>>>>> review-core

from pytest_mtls import (
    CertificateAuthority,
    Endpoint,
    Identity,
    MutualTLSServer,
    Reason,
    probe,
)
from pytest_mtls.explain import explain
from pytest_mtls.tls.context import server_context
from pytest_mtls.tls.protocols import ALIASES, PROTOCOLS
from pytest_mtls.tls.trust import Trust

STARTTLS = [name for name, script in SCRIPTS.items() if script.plain]


@pytest.fixture
def context(mtls_ca: CertificateAuthority, mtls_server_cert: Identity) -> ssl.SSLContext:
    """A server's context, as strict as ours."""
    return server_context(mtls_server_cert, Trust.of(mtls_ca), alpn=["h2", "http/1.1"])


@pytest.fixture(params=["1.2", "1.3"])
def tls(request: pytest.FixtureRequest) -> str:
    """Each TLS version in turn."""
    version: str = request.param
    return version


def scripted(address: tuple[str, int], protocol: str, ca: CertificateAuthority) -> Endpoint:
    """The endpoint of a scripted server."""
    return Endpoint(*address, protocol=protocol, server_name="localhost", trust=ca, ca=ca)


# --- scripted servers ------------------------------------------------------------------------------------------------


def test_there_is_a_script_for_every_protocol() -> None:
    """All protocols of the table have a scripted server here, or are the same inside as one that has."""
    same_inside = {"smtps", "imaps", "pop3s", "ftps", "ldaps"}
    assert set(PROTOCOLS) - {"tls"} - same_inside == set(SCRIPTS)
    assert set(ALIASES.values()) <= set(PROTOCOLS)


@pytest.mark.parametrize("protocol", [name for name in STARTTLS if SCRIPTS[name].starttls])
def test_scripted_server_is_right_by_openssl(
    protocol: str, context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """Another client, openssl s_client, understands what the scripted servers say before TLS."""
    openssl = require_program("openssl", apt="openssl")
    script = SCRIPTS[protocol]
    with scripted_server(context, script.plain_for_openssl or script.plain, []) as ((host, port), wrong):
        files = ["-CAfile", mtls_ca.cert_path, "-cert", mtls_client_cert.cert_path, "-key", mtls_client_cert.key_path]
        command = [str(openssl), "s_client", "-starttls", script.starttls, "-connect", f"{host}:{port}", *files]
        options = ["-verify_return_error", "-name", "localhost", "-xmpphost", "localhost", "-brief"]
        finished = subprocess.run([*command, *options], input="", capture_output=True, text=True, timeout=20)
    assert (0, []) == (finished.returncode, wrong), finished.stderr
    assert "CONNECTION ESTABLISHED" in finished.stderr


@pytest.mark.parametrize("protocol", SCRIPTS)
def test_good_client_is_accepted_inside(
    protocol: str, tls: str, context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """The server's answer inside TLS is the verdict, and is told."""
    script = SCRIPTS[protocol]
    with scripted_server(context, script.plain, script.inside) as (address, wrong):
        seen = probe(scripted(address, protocol, mtls_ca), mtls_client_cert, tls=tls)
    assert (True, None, []) == (seen.accepted, seen.error, wrong)
    assert (None, f"TLSv{tls}") == (seen.layer, seen.tls_version)
    assert re.fullmatch(script.answer.split("|", maxsplit=1)[0], seen.answer or "")


@pytest.mark.parametrize("protocol", SCRIPTS)
def test_refusal_inside_says_at_which_layer(
    protocol: str, tls: str, context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A server that completes the handshake and refuses afterwards has refused, at its own layer."""
    script = SCRIPTS[protocol]
    with scripted_server(context, script.plain, script.refusal) as (address, _):
        seen = probe(scripted(address, protocol, mtls_ca), mtls_client_cert, tls=tls)
    assert (False, "server", None) == (seen.accepted, seen.rejected_by, seen.alert)
    assert {"https": "http", "h2": "http"}.get(protocol, protocol) == seen.layer
    assert re.fullmatch(script.answer.rpartition("|")[2], seen.answer or "")
    assert Reason.REVOKED in seen.possible_reasons
    told = explain(seen)
    assert f"  verdict: refused by the server for unspecified, at the {seen.layer} layer: {seen.answer}\n" in told
    assert "likely cause: TLS was fine with the client, or left it to the application, which refused" in told


@pytest.mark.parametrize("protocol", SCRIPTS)
def test_refusal_by_tls_is_of_the_tls_layer(
    protocol: str, tls: str, context: ssl.SSLContext, mtls_ca: CertificateAuthority
) -> None:
    """An alert is the verdict, though something was to be said inside."""
    script = SCRIPTS[protocol]
    expired = mtls_ca.issue_client(not_before=-10, not_after=-1)
    with scripted_server(context, script.plain, script.inside) as (address, _):
        seen = probe(scripted(address, protocol, mtls_ca), expired, tls=tls)
    assert (False, "server", "tls", Reason.EXPIRED) == (seen.accepted, seen.rejected_by, seen.layer, seen.reason)


@pytest.mark.parametrize("protocol", STARTTLS)
def test_server_that_declines_tls_is_undecided(
    protocol: str, context: ssl.SSLContext, mtls_ca: CertificateAuthority
) -> None:
    """To do no TLS at all is to judge no client."""
    script = SCRIPTS[protocol]
    plain = [script.declines] if protocol == "mysql" else [*script.plain[:-1], script.declines]
    with scripted_server(context, plain, None) as (address, _):
        seen = probe(scripted(address, protocol, mtls_ca))
    assert seen.accepted is None
    assert re.match(rf"before TLS, in {protocol}: the server.* (declined|does not offer)", seen.error or "")


@pytest.mark.parametrize("protocol", STARTTLS)
@pytest.mark.parametrize("said", [b"", b"\x15\x03\x01\x00\x02\x02\x46 what?\r\n>" + bytes(300)], ids=["close", "other"])
def test_server_of_another_kind_is_undecided(
    protocol: str, said: bytes, context: ssl.SSLContext, mtls_ca: CertificateAuthority
) -> None:
    """A server that ends the connection before TLS, or speaks something else, has judged no client."""
    with scripted_server(context, [said], None) as (address, _):
        seen = probe(scripted(address, protocol, mtls_ca), timeout=0.5)
    assert seen.accepted is None
    assert f"before TLS, in {protocol}: " in (seen.error or "")


def test_bytes_too_many_before_tls_are_noticed(context: ssl.SSLContext, mtls_ca: CertificateAuthority) -> None:
    """Nothing that came in plain is taken for something that was said inside."""
    plain = [*SCRIPTS["smtp"].plain[:-1], b"220 go ahead\r\n250 injected\r\n"]
    with scripted_server(context, plain, None) as (address, _):
        seen = probe(scripted(address, "smtp", mtls_ca))
    assert (None, "before TLS, in smtp: the server sent 14 bytes too many before TLS") == (seen.accepted, seen.error)


@pytest.mark.parametrize(
    ("protocol", "greeting"),
    [("smtps", b"220 mail\r\n"), ("imaps", b"* OK IMAP\r\n"), ("pop3s", b"+OK\r\n"), ("ftps", b"220 FTP\r\n")],
)
def test_greeting_comes_inside_where_tls_comes_first(
    protocol: str, greeting: bytes, context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """On the ports of their own, servers greet inside TLS; another greeting refuses."""
    script = SCRIPTS[protocol[:-1]]
    with scripted_server(context, [], [greeting, *script.inside]) as (address, wrong):
        assert probe(scripted(address, protocol, mtls_ca), mtls_client_cert).accepted
    assert [] == wrong
    with scripted_server(context, [], [b"554 go away\r\n"]) as (address, _):
        seen = probe(scripted(address, protocol, mtls_ca), mtls_client_cert)
    assert (False, protocol[:-1], "554 go away") == (seen.accepted, seen.layer, seen.answer)


def test_silence_inside_is_undecided(
    tls: str, context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A time-out is no verdict, inside TLS either."""
    with scripted_server(context, [], [heard(b"GET"), heard(b"never")]) as (address, _):
        seen = probe(scripted(address, "https", mtls_ca), mtls_client_cert, tls=tls, timeout=0.3)
    assert (None, "the other side was silent until the deadline of 0.3 s") == (seen.accepted, seen.error)


@pytest.mark.parametrize(("tickets", "expected"), [(2, "http"), (0, "tls")])
def test_layer_of_a_bare_close_depends_on_what_tls_had_said(
    tickets: int, expected: str, context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """After a session ticket it is the application that closes; without one, nobody knows that TLS had accepted."""
    context.num_tickets = tickets
    with scripted_server(context, [], []) as (address, _):
        endpoint = scripted(address, "https", mtls_ca)
        seen = probe(endpoint, mtls_client_cert, tls="1.3")
        older = probe(endpoint, mtls_client_cert, tls="1.2")
    assert (False, "server", expected, None) == (seen.accepted, seen.rejected_by, seen.layer, seen.alert)
    assert (False, "server", "http") == (older.accepted, older.rejected_by, older.layer)


# --- HTTP ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "accepted"),
    [(200, True), (302, True), (404, True), (421, True), (502, True)]
    + [(status, False) for status in (400, 401, 403, 495, 496)],
)
def test_http_status_refuses_or_not(
    status: int, accepted: bool, mtls_server_factory: Callable[..., MutualTLSServer], mtls_ca: CertificateAuthority
) -> None:
    """Some status codes refuse the client; the others do not."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response(f"{status} {environ['PATH_INFO']}?{environ['QUERY_STRING']}", [])
        return [b"something"]

    server = mtls_server_factory(app, client_certs="optional")
    seen = probe(f"https://localhost:{server.port}/path?query=1", trust=mtls_ca, tls="1.2")
    assert (accepted, f"HTTP {status}") == (seen.accepted, seen.answer)
    assert (None if accepted else "http") == seen.layer
    assert (Reason.NO_CERTIFICATE if status == 496 else None if accepted else Reason.UNSPECIFIED) == seen.reason


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 99 x\r\n", b"HTTP/1.1 20"])
def test_what_is_no_http_is_undecided(
    answer: bytes, context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A server that answers in another language, or only half, has not said what it thinks of the client."""
    with scripted_server(context, [], [heard(b"GET"), answer]) as (address, _):
        seen = probe(scripted(address, "https", mtls_ca), mtls_client_cert)
    assert seen.accepted is None
    assert "inside TLS, in https: the server" in (seen.error or "")
<<<<<<< HEAD
=======


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


def test_what_is_known_wins_over_the_url(mtls_ca: CertificateAuthority) -> None:
    """Attributes are given beside the URL."""
    endpoint = Endpoint.parse("https://10.0.0.1:8443", server_name="web.example", trust=mtls_ca, port=1)
    assert ("web.example", mtls_ca, 1) == (endpoint.name, endpoint.trust, endpoint.port)
    assert ("web.example:1", "web.example") == (endpoint.authority, replace(endpoint, port=443).authority)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("localhost", "it is no URL with a host"),
        ("localhost:8443", "it is no URL with a host"),
        ("https://", "it is no URL with a host"),
        ("gopher://localhost", "protocol 'gopher' is unknown; known are tls, https,"),
        ("tls://localhost", "tls has no port of its own"),
        ("https://localhost:99999", "it cannot be read as a URL"),
        ("https://[::1", "it cannot be read as a URL"),
        (None, "it is no URL with a host"),
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
    """A prelude and what settles the verdict are functions of the user's; a bool is enough of an answer."""

    def prelude(channel: Any, endpoint: Endpoint) -> None:
        channel.send(b"secure?")
        assert (b"yes", b";") == (channel.exactly(3), channel.until(b";"))

    def settle(channel: Any, endpoint: Endpoint) -> bool | Answer:
        channel.send(endpoint.path.encode() + b"\n")
        line: bytes = channel.line()
        return line == b"/x" if len(line) < 3 else Answer(False, "too long", Reason.ACCESS_DENIED)

    register_protocol(own_protocol, port=7, prelude=prelude, settle=settle)
    assert 7 == Endpoint.parse("echo://localhost").port
    for said, expected in ((b"/x\r\n", (True, None)), (b"no\n", (False, None)), (b"nononono\n", (False, "too long"))):
        with scripted_server(context, [heard(b"secure\\?"), b"yes;"], [heard(b"/x\n"), said]) as (address, wrong):
            endpoint = replace(scripted(address, own_protocol, mtls_ca), path="/x")
            seen = probe(endpoint, mtls_client_cert)
        assert ([], *expected) == (wrong, seen.accepted, seen.answer)
        assert seen.layer == (None if seen.accepted else "echo")


@pytest.mark.parametrize("verdict", [True, False, None])
def test_own_probe_does_everything_itself(
    verdict: bool | None, own_protocol: str, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A callable that says accepted, refused or undecided is a protocol too, and gets all that it needs to know."""
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
    """An `OSError` is no verdict; what it returns has to be one."""

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
    [{"name": "Upper"}, {"name": ""}, {"name": "a:b"}, {"name": "x", "probe": print, "settle": print}],
    ids=["upper", "empty", "colon", "both"],
)
def test_registration_that_cannot_be_is_an_error(arguments: dict[str, Any]) -> None:
    """The name has to fit a URL, and a probe stands alone."""
    with pytest.raises(InvalidArgument):
        register_protocol(**arguments)


def test_connections_keep_the_pace(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """An endpoint's pace spaces out the connections to it."""
    from pytest_mtls.tls.pace import Pace
    from pytest_mtls.tls.wire import clock

    endpoint = Endpoint("localhost", mtls_server.port, trust=mtls_ca, pace=Pace(50))
    start = clock()
    for _ in range(6):
        probe(endpoint)
    assert 0.1 <= clock() - start
    with pytest.raises(InvalidArgument):
        Pace(0)


# --- real servers ----------------------------------------------------------------------------------------------------

NGINX = """
daemon off; pid {dir}/pid; error_log stderr; worker_processes 1;
events {}
http {
    access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
    fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    server {
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {server_cert}; ssl_certificate_key {server_key};
        ssl_client_certificate {ca}; ssl_verify_client on;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / { return 204; }
    }
}
"""


def verdicts(
    endpoint: Endpoint, ca: CertificateAuthority, tls: str
) -> list[tuple[bool | None, str | None, str | None]]:
    """What a server makes of a good client, one without certificate, and an expired one."""
    clients = (ca.issue_client(), None, ca.issue_client(not_before=-10, not_after=-1))
    handshakes = [probe(endpoint, client, tls=tls) for client in clients]
    assert [f"TLSv{tls}"] * 3 == [seen.tls_version for seen in handshakes]
    return [(seen.accepted, seen.layer, seen.answer) for seen in handshakes]


def test_nginx(mtls_ca: CertificateAuthority) -> None:
    """nginx completes the handshake and refuses by status 400, whose page tells no certificate from a bad one."""
    nginx = require_program("nginx", apt="nginx")
    with launch([nginx, "-c", "{dir}/nginx.conf", "-e", "stderr"], files={"nginx.conf": NGINX}, ca=mtls_ca) as server:
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
    """Redis refuses by TLS, and answers a PING of whom it takes in."""
    redis = require_program("redis-server", apt="redis-server")
    options = (
        "--port 0 --tls-port {port} --tls-cert-file {server_cert} --tls-key-file {server_key} --tls-ca-cert-file {ca}"
    )
    with launch([redis, *options.split(), "--save", ""], protocol="redis", ca=mtls_ca) as server:
        for tls in ("1.2", "1.3"):
            expected = [(True, None, "+PONG"), (False, "tls", None), (False, "tls", None)]
            assert expected == verdicts(server.endpoint, mtls_ca, tls)


def test_mosquitto(mtls_ca: CertificateAuthority) -> None:
    """mosquitto refuses by TLS, and by CONNACK whom it does not know by name."""
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
    """A server that refuses in the middle of a long Certificate message is heard, though it resets the connection."""
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


@pytest.mark.parametrize(
    ("protocol", "inside"),
    [
        ("smtp", [heard(rb"EHLO"), b"421 4.3.2 too many connections\r\n"]),
        ("smtps", [b"421 4.3.2 too many connections\r\n"]),
        ("ftp", [heard(rb"PBSZ"), b"421 closing\r\n"]),
        ("redis", [heard(rb"PING"), b"-LOADING Redis is loading the dataset in memory\r\n"]),
        ("ldaps", [heard(rb"objectClass"), bytes.fromhex("300c 020102 6507 0a0133 0400 0400")]),
        ("xmpp", [heard(rb"<stream:stream"), b"<stream:stream><stream:error><system-shutdown/></stream:error>"]),
    ],
)
def test_server_that_is_not_ready_has_judged_nobody(
    protocol: str,
    inside: list[Step],
    context: ssl.SSLContext,
    mtls_ca: CertificateAuthority,
    mtls_client_cert: Identity,
) -> None:
    """An answer about the state that the server is in is no refusal of a client."""
    plain = SCRIPTS[protocol].plain if protocol in SCRIPTS else []
    with scripted_server(context, plain, inside) as (address, _):
        seen = probe(scripted(address, protocol, mtls_ca), mtls_client_cert)
    assert seen.accepted is None
    assert "the server is not ready" in (seen.error or "")


def test_answer_before_the_answer_is_passed_over(
    context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A status of 103 says nothing yet: the one after it does."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    inside: list[Step] = [heard(rb"\r\n\r\n"), hints + b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"]
    with scripted_server(context, [], inside) as (address, _):
        seen = probe(scripted(address, "https", mtls_ca), mtls_client_cert)
    assert (False, "HTTP 403") == (seen.accepted, seen.answer)
>>>>>>> review-core
