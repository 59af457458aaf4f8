"""For each bypass, a server that has it and one that has not: they differ in one thing."""

from __future__ import annotations

import posixpath
import re
import select
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

from support.bypassed_server import HELLO, Answer, App, Asked, Door, chooses, page, server_context, wraps
from support.requirements import require_program
from support.scripted_servers import MYSQL_GREETING

from pytest_mtls import CertificateAuthority, Endpoint, launch
from pytest_mtls.bypasses import Site

OTHER = "other.localhost"
PUBLIC = "public.localhost"


@dataclass
class Kit:
    """What scenarios are made of, once a session."""

    ca: CertificateAuthority = field(default_factory=CertificateAuthority.create)
    other_ca: CertificateAuthority = field(default_factory=lambda: CertificateAuthority.create("another CA"))

    def __post_init__(self) -> None:
        self.cert = self.ca.issue_server("localhost", sans=["localhost", OTHER, PUBLIC])

    def context(self, mode: ssl.VerifyMode = ssl.CERT_REQUIRED, ca: Any = None) -> ssl.SSLContext:
        return server_context(self.cert, ca or self.ca, mode)

    @property
    def required(self) -> ssl.SSLContext:
        return self.context()

    @property
    def optional(self) -> ssl.SSLContext:
        return self.context(ssl.CERT_OPTIONAL)

    @property
    def lax(self) -> ssl.SSLContext:
        return self.context(ssl.CERT_NONE)


Started = AbstractContextManager[tuple[Endpoint, Site]]
Scenario = Callable[[Kit, bool], Started]
#: By the id of a bypass. The flag says whether the server has the hole.
SCENARIOS: dict[str, list[Scenario]] = {}
SETTINGS = ("resumption",)


def scenario(function: Callable[[Kit, bool], Iterator[tuple[Endpoint, Site]]]) -> Scenario:
    """Add one, named as its bypass; a second one of the same bypass has something behind two underscores."""
    made = contextmanager(function)
    SCENARIOS.setdefault(function.__name__.partition("__")[0].replace("_", "-"), []).append(made)
    return made


def opened(door: Door, **known: Any) -> Iterator[tuple[Endpoint, Site]]:
    with door:
        yield door.endpoint, Site(**known)


def needs_certificate(asked: Asked) -> Answer:
    return page(asked) if asked.certificate else (403, "no certificate")


# --- sessions --------------------------------------------------------------------------------------------------------


@scenario
def resume_across_names(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """CPython's ``sni_callback``: the sessions of all names are those of the first context."""
    own, other = kit.required, kit.context(ca=kit.other_ca)
    if hole:

        def switch(sock: Any, name: str | None, context: ssl.SSLContext) -> None:
            if name == OTHER:
                sock.context = other

        own.sni_callback = switch
    greet = wraps(own) if hole else chooses(lambda hello: other if OTHER.encode() in hello else own)
    yield from opened(
        Door(kit.ca, greet), other_name=OTHER, other_client=kit.other_ca.issue_client("client of the other name")
    )


@scenario
def resume_from_public_name(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The certificate is looked for after a full handshake only."""

    def app(asked: Asked) -> Answer:
        is_let_in = asked.host == PUBLIC or asked.certificate or (hole and asked.is_resumed)
        return page(asked) if is_let_in else (403, "no certificate")

    yield from opened(Door(kit.ca, wraps(kit.optional), app), public_name=PUBLIC)


@scenario
def resume_after_refusal(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The same, without a public name."""

    def app(asked: Asked) -> Answer:
        return page(asked) if asked.certificate or (hole and asked.is_resumed) else (403, "no certificate")

    yield from opened(Door(kit.ca, wraps(kit.optional), app))


@scenario
def resume_after_revocation(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The list of revoked certificates is looked at after a full handshake only."""
    revoked: set[int] = set()

    def app(asked: Asked) -> Answer:
        is_revoked = int(str(asked.certificate["serialNumber"]), 16) in revoked
        return (403, "revoked") if is_revoked and not (hole and asked.is_resumed) else page(asked)

    yield from opened(Door(kit.ca, wraps(kit.required), app), revoke=lambda client: revoked.add(client.serial_number))


@scenario
def resume_after_expiry(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """OpenSSL does not look at the dates of a resumed session's certificate; the sound application does."""

    def app(asked: Asked) -> Answer:
        end = ssl.cert_time_to_seconds(str(asked.certificate["notAfter"]))
        return (403, "expired") if not hole and end < datetime.now(timezone.utc).timestamp() else page(asked)

    yield from opened(Door(kit.ca, wraps(kit.required), app))


# --- names -----------------------------------------------------------------------------------------------------------


@scenario
def name_without_certificate(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """Settings by name, of which one was forgotten."""
    required, lax = kit.required, kit.lax
    greet = chooses(lambda hello: lax if hole and OTHER.encode() in hello else required)
    yield from opened(Door(kit.ca, greet), names=(OTHER,))


@scenario
def name_without_certificate__sni_callback(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """CPython's ``sni_callback`` that switches to a context which requires a certificate."""
    first, required = kit.lax if hole else kit.required, kit.required

    def switch(sock: Any, name: str | None, context: ssl.SSLContext) -> None:
        sock.context = required

    first.sni_callback = switch
    yield from opened(Door(kit.ca, wraps(first)), names=(OTHER,))


@scenario
def host_other_than_server_name(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The name in TLS chooses the settings, and Host the page."""
    required, lax = kit.required, kit.lax

    def app(asked: Asked) -> Answer:
        if not hole and asked.host != asked.server_name:
            return 421, "misdirected"
        return (200, "a public page") if asked.host == PUBLIC else page(asked)

    greet = chooses(lambda hello: lax if PUBLIC.encode() in hello else required)
    yield from opened(Door(kit.ca, greet, app), public_name=PUBLIC)


@scenario
def host_other_than_server_name__same_page(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """All hosts give the same page, and the protected application tells which paths came to it."""
    required, lax = kit.required, kit.lax
    paths = set[str]()

    def app(asked: Asked) -> Answer:
        if not hole and asked.host != asked.server_name:
            return 421, "misdirected"
        if asked.host != PUBLIC:
            paths.add(asked.path)
        return 200, "the same page"

    greet = chooses(lambda hello: lax if PUBLIC.encode() in hello else required)
    known = {"public_name": PUBLIC, "was_reached": lambda token: f"/{token}" in paths}
    yield from opened(Door(kit.ca, greet, app), **known)


@scenario
def no_server_name(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """Without a name the settings of a default host apply."""
    required, lax = kit.required, kit.lax
    yield from opened(Door(kit.ca, chooses(lambda hello: lax if hole and b"localhost" not in hello else required)))


@scenario
def odd_server_name(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """Names are compared byte by byte."""
    required, lax = kit.required, kit.lax
    name = len(b"localhost").to_bytes(2, "big") + b"localhost\x00"
    yield from opened(
        Door(kit.ca, chooses(lambda hello: lax if hole and name[:-1] not in hello else required)),
    )


@scenario
def split_client_hello(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The name is looked for in the first record."""
    required, lax = kit.required, kit.lax

    def choose(hello: bytes) -> ssl.SSLContext:
        first_record = hello[: 5 + int.from_bytes(hello[3:5], "big")]
        return lax if hole and b"localhost" not in first_record else required

    yield from opened(Door(kit.ca, chooses(choose)))


# --- paths -----------------------------------------------------------------------------------------------------------

_PATHS = {"protected_path": "/protected", "public_path": "/public"}


def _is_public(asked: Asked) -> bool:
    return not asked.path.startswith("/protected")


def _public(asked: Asked) -> Answer:
    return 200, "a public page"


@scenario
def protected_path_without_certificate(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """A connection on which one request was allowed is trusted from then on."""

    def app(asked: Asked) -> Answer:
        if _is_public(asked):
            return _public(asked)
        return page(asked) if asked.certificate or (hole and asked.number > 1) else (403, "no certificate")

    yield from opened(Door(kit.ca, wraps(kit.optional), app), **_PATHS)


@scenario
def empty_post_handshake_authentication(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The certificate is asked for, and what comes is not looked at."""
    context = kit.optional
    context.post_handshake_auth = True

    def app(asked: Asked) -> Answer:
        if _is_public(asked):
            return _public(asked)
        sock = asked.sock
        assert isinstance(sock, ssl.SSLSocket)
        if sock.version() == "TLSv1.3":
            try:
                sock.verify_client_post_handshake()
            except ssl.SSLError:
                return 403, "the client cannot be asked"
            _hear_certificate(sock)
        return page(asked) if hole or asked.certificate else (403, "no certificate")

    yield from opened(Door(kit.ca, wraps(context), app), **_PATHS)


def _hear_certificate(sock: ssl.SSLSocket) -> None:
    """Send the request and take in the answer to it, which is not data."""
    sock.setblocking(False)
    try:
        sock.recv(1)
    except ssl.SSLWantReadError:
        select.select([sock], [], [], 5)
    try:
        sock.recv(1)
    except ssl.SSLWantReadError:
        pass  # there was no data behind it
    sock.settimeout(5)


@scenario
def protected_path_spelt_otherwise(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """What decides reads the path as it comes, and what serves decodes it."""

    def app(asked: Asked) -> Answer:
        decoded = posixpath.normpath(unquote(asked.path.partition("?")[0])).replace("//", "/")
        decided = asked.path if hole else decoded
        if decided.startswith("/protected") and not asked.certificate:
            return 403, "no certificate"
        return page(asked) if decoded == "/protected" else _public(asked)

    yield from opened(Door(kit.ca, wraps(kit.optional), app), **_PATHS)


@scenario
def protected_path_over_http2(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The certificate is forgotten over HTTP/2."""
    context = kit.optional
    context.set_alpn_protocols(["h2", "http/1.1"])

    def speak(sock: socket.socket, app: App) -> None:
        from support.bypassed_server import speak_http

        if not isinstance(sock, ssl.SSLSocket) or sock.selected_alpn_protocol() != "h2":
            speak_http(sock, app)
            return
        asked = b""
        while b"/public" not in asked and b"/protected" not in asked:
            asked += sock.recv(65536)
        ok = hole or b"/public" in asked
        status = b"\x88" if ok else b"\x48\x82\x68\x01"  # 200 by its number; 403 in RFC 7541's Huffman code
        sock.sendall(_frame(4, 0, b"") + _frame(1, 1, status))

    def app(asked: Asked) -> Answer:
        return _public(asked) if _is_public(asked) else needs_certificate(asked)

    yield from opened(Door(kit.ca, wraps(context), app, speak=speak), **_PATHS)


def _frame(kind: int, stream: int, payload: bytes) -> bytes:
    flags = 0x05 if stream else 0
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


# --- versions and parameters -------------------------------------------------------------------------------------------


@scenario
def older_version(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The old versions have settings of their own."""
    required, lax = kit.required, kit.lax
    for context in (required, lax):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
    yield from opened(Door(kit.ca, chooses(lambda hello: lax if hole and hello[9:11] < b"\x03\x03" else required)))


@scenario
def other_cipher_suite(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """A client that offers no AES-GCM suite gets other settings."""
    required, lax = kit.required, kit.lax
    usual = b"\xc0\x2c"
    yield from opened(Door(kit.ca, chooses(lambda hello: lax if hole and usual not in hello else required)))


@scenario
def other_application_protocol(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """A validation of the server's own certificate asks for none."""
    required, lax = kit.required, kit.lax
    yield from opened(Door(kit.ca, chooses(lambda hello: lax if hole and b"acme-tls/1" in hello else required)))


@scenario
def client_renegotiates(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """OpenSSL's own server, with the option and without."""
    openssl = require_program("openssl", apt="openssl")
    command = [
        str(openssl),
        "s_server",
        "-accept",
        "{port}",
        "-cert",
        "{server_cert}",
        "-key",
        "{server_key}",
        "-CAfile",
    ]
    command += ["{ca}", "-Verify", "3", "-verify_return_error", "-www"]
    with launch([*command, *(["-client_renegotiation"] if hole else [])], ready="ACCEPT", ca=kit.ca) as server:
        yield server.endpoint, Site()


# --- plain bytes -----------------------------------------------------------------------------------------------------


@scenario
def without_tls(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The first byte tells TLS from plain."""
    context = kit.required

    def greet(raw: socket.socket) -> socket.socket:
        if hole and raw.recv(1, socket.MSG_PEEK) != HELLO:
            return raw
        return context.wrap_socket(raw, server_side=True)

    yield from opened(Door(kit.ca, greet))


@scenario
def plain_bytes_and_end(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """What is left of a connection without a handshake is served all the same."""
    context, paths = kit.required, set[str]()

    def greet(raw: socket.socket) -> socket.socket:
        if hole and raw.recv(1, socket.MSG_PEEK) != HELLO:
            return raw
        return context.wrap_socket(raw, server_side=True)

    def app(asked: Asked) -> Answer:
        paths.add(asked.path)
        return page(asked)

    yield from opened(Door(kit.ca, greet, app), was_reached=lambda token: f"/{token}" in paths)


@scenario
def bytes_before_tls(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """A server of PostgreSQL's protocol that keeps what it has read in plain, as it did up to version 14.0."""
    context = kit.required
    kept: dict[int, bytes] = {}

    def greet(raw: socket.socket) -> socket.socket:
        data = raw.recv(65536) if hole else raw.recv(8)
        raw.sendall(b"S")
        if not hole and select.select([raw], [], [], 0)[0] and raw.recv(1, socket.MSG_PEEK) != HELLO:
            raise ConnectionError("plain bytes behind SSLRequest")
        sock = context.wrap_socket(raw, server_side=True)
        kept[id(sock)] = data[8:]
        return sock

    def speak(sock: socket.socket, app: App) -> None:
        message = kept.pop(id(sock)) or sock.recv(65536)
        if message:
            sock.sendall(b"R" + (8).to_bytes(4, "big") + (0).to_bytes(4, "big"))
            sock.recv(65536)

    yield from opened(Door(kit.ca, greet, protocol="postgres", speak=speak))


def _keeps_what_follows(
    kit: Kit, hole: bool, protocol: str, dialogue: Sequence[tuple[bytes, bytes]], go: bytes, answer: bytes
) -> Iterator[tuple[Endpoint, Site]]:
    """A server that reads as much as there is, and answers inside what came behind the request for TLS, or drops it.

    The dialogue is what it says, and what it waits for each time.
    """
    context = kit.required
    kept: dict[int, bytes] = {}

    def greet(raw: socket.socket) -> socket.socket:
        data = b""
        for said, awaited in dialogue:
            raw.sendall(said)
            while not (found := re.search(awaited, data, re.DOTALL)):
                more = raw.recv(65536)
                if not more:
                    raise ConnectionError("the client left")
                data += more
            data = data[found.end() :]
        raw.sendall(go)
        sock = context.wrap_socket(raw, server_side=True)
        kept[id(sock)] = data if hole else b""
        return sock

    def speak(sock: socket.socket, app: App) -> None:
        if kept.pop(id(sock)) or sock.recv(65536):
            sock.sendall(answer)
            sock.recv(65536)

    yield from opened(Door(kit.ca, greet, protocol=protocol, speak=speak))


@scenario
def bytes_before_tls__ldap(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """A directory that searches what it was asked for in plain; the message number is that of the injected search."""
    started = bytes.fromhex("300c 020101 7807 0a0100 0400 0400")
    entry = bytes.fromhex("3009 020103 6404 0400 3000 300c 020103 6507 0a0100 0400 0400")
    yield from _keeps_what_follows(kit, hole, "ldap", [(b"", rb"1466\.20037")], started, entry)


@scenario
def bytes_before_tls__xmpp(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """A server whose parser of XML goes on with what it has read in plain."""
    stream = b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'><stream:features>%s</stream:features>"
    offer, done = stream % b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", stream % b"<x/>"
    dialogue = [(b"", b"<stream:stream [^>]*>"), (offer, b"<starttls [^>]*>")]
    proceed = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    yield from _keeps_what_follows(kit, hole, "xmpp", dialogue, proceed, done)


@scenario
def bytes_before_tls__mysql(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """A server that takes a login for one inside TLS which came behind SSLRequest, before the ClientHello."""
    context = kit.required
    kept: dict[int, bytes] = {}

    def packet(raw: socket.socket) -> bytes:
        head = raw.recv(4, socket.MSG_WAITALL)
        return head + raw.recv(int.from_bytes(head[:3], "little"), socket.MSG_WAITALL)

    def greet(raw: socket.socket) -> socket.socket:
        raw.sendall(MYSQL_GREETING)
        packet(raw)
        login = packet(raw) if hole and raw.recv(1, socket.MSG_PEEK) != HELLO else b""
        sock = context.wrap_socket(raw, server_side=True)
        kept[id(sock)] = login
        return sock

    def speak(sock: socket.socket, app: App) -> None:
        if kept.pop(id(sock)) or sock.recv(65536):
            sock.sendall(b"\x07\0\0\x03\0\0\0\x02\0\0\0")
            sock.recv(65536)

    yield from opened(Door(kit.ca, greet, protocol="mysql", speak=speak))


# --- identity --------------------------------------------------------------------------------------------------------

ALLOWED = "alice.example"


def _names(certificate: Mapping[str, Any], *kinds: str) -> list[str]:
    return [value for kind, value in certificate.get("subjectAltName", ()) if not kinds or kind in kinds]


def _common_names(certificate: Mapping[str, Any]) -> list[str]:
    return [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]


@scenario
def common_name_in_place_of_alternative_name(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The common name counts, and the alternative names do not."""

    def app(asked: Asked) -> Answer:
        names = _common_names(asked.certificate) if hole else _names(asked.certificate, "DNS")
        return page(asked) if ALLOWED in names else (403, "somebody else")

    with opened_as(kit, Door(kit.ca, wraps(kit.required), app)) as endpoint:
        yield endpoint, Site(allowed_name=ALLOWED)


@scenario
def allowed_name_of_another_type(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """All alternative names are taken for the same thing."""

    def app(asked: Asked) -> Answer:
        names = _names(asked.certificate, *(() if hole else ("DNS",)))
        return page(asked) if ALLOWED in names else (403, "somebody else")

    with opened_as(kit, Door(kit.ca, wraps(kit.required), app)) as endpoint:
        yield endpoint, Site(allowed_name=ALLOWED)


@contextmanager
def opened_as(kit: Kit, door: Door) -> Iterator[Endpoint]:
    """A server that lets in one name alone."""
    with door:
        yield replace(door.endpoint, client=kit.ca.issue_client(ALLOWED, sans=[ALLOWED]))


@scenario
def identity_headers_of_the_client(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The header is replaced, and its spelling with underscores passes to an app that takes it for the same."""

    def app(asked: Asked) -> Answer:
        own = "x-ssl-client-s-dn"
        passed = {n: v for n, v in asked.headers.items() if (n if hole else n.replace("_", "-")) != own}
        heard = {**passed, own: str(asked.certificate["subject"])}
        return 200, "\n".join(f"{name.replace('_', '-')}: {value}" for name, value in heard.items())

    yield from opened(Door(kit.ca, wraps(kit.required), app), echo_path="/headers")


@scenario
def client_of_a_ca_for_servers(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The other CA is in the same store."""
    trusted = kit.ca.pem + (kit.other_ca.pem if hole else b"")
    yield from opened(Door(kit.ca, wraps(kit.context(ca=trusted))), server_ca=kit.other_ca)


# --- listeners -------------------------------------------------------------------------------------------------------


@scenario
def every_listener(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """The second one was forgotten."""
    second = Door(kit.ca, wraps(kit.optional if hole else kit.required))
    with second, Door(kit.ca, wraps(kit.required)) as first:
        yield first.endpoint, Site(listeners=(second.endpoint,))


@scenario
def alive_after_odd_keys(kit: Kit, hole: bool) -> Iterator[tuple[Endpoint, Site]]:
    """An error in a handshake ends the server."""
    yield from opened(Door(kit.ca, wraps(kit.required), ends_on=lambda error: hole))
