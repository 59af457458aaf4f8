"""What is said before TLS and inside it, against scripted servers, which openssl s_client judges, and servers of HTTP."""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from support.requirements import require_program
from support.scripted_servers import SCRIPTS, STARTTLS, Step, heard, scripted, scripted_server

from pytest_mtls import (
    CertificateAuthority,
    Identity,
    MutualTLSServer,
    Reason,
    probe,
)
from pytest_mtls.client.protocols import ALIASES, PROTOCOLS
from pytest_mtls.verdict.explain import explain

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
    """A server that completes the handshake and rejects afterwards has rejected, at its own layer."""
    script = SCRIPTS[protocol]
    with scripted_server(context, script.plain, script.refusal) as (address, _):
        seen = probe(scripted(address, protocol, mtls_ca), mtls_client_cert, tls=tls)
    assert (False, "server", None) == (seen.accepted, seen.rejected_by, seen.alert)
    assert {"https": "http", "h2": "http"}.get(protocol, protocol) == seen.layer
    assert re.fullmatch(script.answer.rpartition("|")[2], seen.answer or "")
    names_the_certificate = protocol in ("smtp", "ftp")
    assert (Reason.UNSPECIFIED if names_the_certificate else Reason.ACCESS_DENIED) == seen.reason
    assert names_the_certificate == (Reason.REVOKED in seen.possible_reasons)
    assert f"({seen.answer})\n" in explain(seen)


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
    """On the ports of their own, servers greet inside TLS; another greeting rejects."""
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
    """A time-out is not a verdict, inside TLS either."""
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
    [(200, True), (404, True), (302, None), (421, None), (502, None)]
    + [(status, False) for status in (400, 401, 403, 495, 496)],
)
def test_http_status_refuses_or_not(
    status: int,
    accepted: bool | None,
    mtls_server_factory: Callable[..., MutualTLSServer],
    mtls_ca: CertificateAuthority,
) -> None:
    """Some status codes reject the client, and some are no verdict: a redirect, or a server that is not ready."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response(f"{status} {environ['PATH_INFO']}?{environ['QUERY_STRING']}", [])
        return [b"something"]

    server = mtls_server_factory(app, client_certs="optional")
    seen = probe(f"https://localhost:{server.port}/path?query=1", trust=mtls_ca, tls="1.2")
    assert (accepted, f"HTTP {status}") == (seen.accepted, seen.answer)
    assert ("http" if accepted is False else None) == seen.layer
    by_status = {495: Reason.UNSPECIFIED, 496: Reason.NO_CERTIFICATE}
    assert (by_status.get(status, Reason.ACCESS_DENIED) if accepted is False else None) == seen.reason


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 99 x\r\n", b"HTTP/1.1 20"])
def test_what_is_no_http_is_undecided(
    answer: bytes, context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A server that answers in another language, or only half, has not said what it thinks of the client."""
    with scripted_server(context, [], [heard(b"GET"), answer]) as (address, _):
        seen = probe(scripted(address, "https", mtls_ca), mtls_client_cert)
    assert seen.accepted is None
    assert "inside TLS, in https: the server" in (seen.error or "")


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
    """An answer about the state that the server is in is not a rejection of a client."""
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


@pytest.mark.parametrize("length", [b"9" * 5000, b"0" * 5000 + b"7", b"99999"])
def test_length_of_any_number_of_digits(
    length: bytes, context: ssl.SSLContext, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """The status is the verdict, whatever the server says of the length of its page."""
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: " + length + b"\r\n\r\n"
    inside: list[Step] = [heard(rb"\r\n\r\n"), head + b"No required SSL certificate was sent"]
    with scripted_server(context, [], inside) as (address, _):
        seen = probe(scripted(address, "https", mtls_ca), mtls_client_cert)
    assert (False, "server") == (seen.accepted, seen.rejected_by)
