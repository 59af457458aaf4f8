"""HTTP/2 on our server, spoken by httpx, curl, grpcio, and byte by byte."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import httpx
import pytest
from support.requirements import require_program

import pytest_mtls.server.http2
from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer
from pytest_mtls.certificates.trust import Trust
from pytest_mtls.errors import MissingExtra
from pytest_mtls.tls.context import client_context

Factory = Callable[..., MutualTLSServer]

LARGE = bytes(range(256)) * 2000  # many times the first window of a stream


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the body of the request, and with what else is asked for by path."""
    if environ["PATH_INFO"] == "/raise":
        raise RuntimeError("on purpose")
    if environ["PATH_INFO"] == "/environ":
        start_response("200 OK", [])
        return [json.dumps({key: value for key, value in environ.items() if isinstance(value, str)}).encode()]
    headers = [("X-Protocol", environ["SERVER_PROTOCOL"]), ("Connection", "close"), ("Set-Cookie", "a=1")]
    start_response("201 Created", headers)
    return [environ["wsgi.input"].read()]


@pytest.fixture
def server(mtls_server_factory: Factory) -> MutualTLSServer:
    """A server that offers HTTP/2 first."""
    return mtls_server_factory(echo, alpn=("h2", "http/1.1"))


@pytest.fixture
def context(mtls_ca: CertificateAuthority, mtls_client_cert: Identity) -> ssl.SSLContext:
    """What a client needs."""
    return mtls_client_cert.ssl_context(trust=mtls_ca)


# --- real clients ----------------------------------------------------------------------------------------------------


@pytest.fixture
def client(context: ssl.SSLContext) -> Iterator[httpx.Client]:
    """A client that prefers HTTP/2."""
    with httpx.Client(verify=context, http2=True, trust_env=False) as client:
        yield client


def test_httpx(server: MutualTLSServer, client: httpx.Client) -> None:
    """Requests over several streams of one connection; bodies larger than any window go both ways."""
    for body in (b"", b"small", LARGE):
        answer = client.post(f"{server.url}/path", content=body)
        assert ("HTTP/2", 201, body) == (answer.http_version, answer.status_code, answer.content)
        assert ("HTTP/2.0", "a=1", str(len(body))) == tuple(
            answer.headers[name] for name in ("x-protocol", "set-cookie", "content-length")
        )
        assert "connection" not in answer.headers
    (handshake,) = server.handshakes
    assert (True, "h2", "TLSv1.3") == (handshake.accepted, handshake.alpn, handshake.tls_version)


def test_the_app_learns_what_it_learns_over_http_1(
    server: MutualTLSServer, client: httpx.Client, context: ssl.SSLContext
) -> None:
    """The environ is the same over both versions, but for the version itself."""
    url = f"{server.url}/environ?a=%20b"
    headers = {"X-Two": "2", "Cookie": "a=1; b=2", "Content-Type": "text/plain"}
    over_2 = client.get(url, headers=headers).json()
    with httpx.Client(verify=context, trust_env=False) as client_of_1:
        over_1 = client_of_1.get(url, headers={**headers, "Connection": "keep-alive"}).json()
    assert ("HTTP/2.0", "HTTP/1.1") == (over_2.pop("SERVER_PROTOCOL"), over_1.pop("SERVER_PROTOCOL"))
    del over_1["HTTP_CONNECTION"], over_1["REMOTE_PORT"], over_2["REMOTE_PORT"]
    assert over_1 == over_2
    assert ("CN=client", "a=%20b", f"localhost:{server.port}", "a=1; b=2") == tuple(
        over_2[name] for name in ("SSL_CLIENT_S_DN", "QUERY_STRING", "HTTP_HOST", "HTTP_COOKIE")
    )


def test_an_app_that_raises(server: MutualTLSServer, client: httpx.Client) -> None:
    """The client gets status 500 and the connection goes on."""
    assert [500, 201] == [client.get(f"{server.url}{path}").status_code for path in ("/raise", "/")]
    assert 1 == len(server.handshakes)


def test_head_has_no_body(mtls_server_factory: Factory, client: httpx.Client) -> None:
    """The length is that of the body which GET would have."""
    server = mtls_server_factory(alpn=["h2"])
    got, head = client.get(server.url), client.head(server.url)
    assert (200, b"") == (head.status_code, head.content)
    assert len(got.content) - len("GET") == int(head.headers["content-length"]) - len("HEAD")


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_curl(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority, mtls_client_cert: Identity, tls: str
) -> None:
    """``curl --http2`` speaks it and ``curl --http1.1`` does not, on one server and over both versions of TLS."""
    curl = str(require_program("curl", apt="curl"))
    server = mtls_server_factory(alpn=("h2", "http/1.1"), tls=tls)
    command = [curl, "-sS", "--cacert", mtls_ca.cert_path, "--cert", mtls_client_cert.combined_path]
    for option, version, alpn in (("--http2", "2", "h2"), ("--http1.1", "1.1", "http/1.1")):
        said = subprocess.run(
            [*command, option, "-w", "\n%{http_version}", server.url], capture_output=True, text=True, check=True
        )
        body, _, spoken = said.stdout.rpartition("\n")
        assert (version, "CN=client") == (spoken, json.loads(body)["client"]["subject"])
        assert alpn == server.handshakes[-1].alpn


def test_grpc(mtls_server_factory: Factory, mtls_ca: CertificateAuthority, mtls_client_cert: Identity) -> None:
    """grpcio, which takes a server only with ``h2``, is ready; a call fails as it must where no gRPC is spoken."""
    server = mtls_server_factory(alpn=["h2"])
    credentials = grpc.ssl_channel_credentials(mtls_ca.pem, mtls_client_cert.key_pem, mtls_client_cert.cert_pem)
    with grpc.secure_channel(f"localhost:{server.port}", credentials) as channel:
        grpc.channel_ready_future(channel).result(timeout=10)
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/Service/Method", bytes, bytes)(b"", timeout=10)
    assert isinstance(caught.value, grpc.Call)
    assert "h2" == server.handshakes[-1].alpn
    assert mtls_client_cert.certificate == server.handshakes[-1].peer_certificate


# --- what is chosen --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "wanted", "chosen"),
    [
        (["h2", "http/1.1"], ["http/1.1", "h2"], "h2"),
        (["http/1.1", "h2"], ["h2", "http/1.1"], "http/1.1"),
        (["h2"], ["http/1.1"], None),
        (["h2"], [], None),
        ([], ["h2"], None),
    ],
)
def test_what_was_chosen_is_recorded_and_spoken(
    mtls_server_factory: Factory,
    mtls_ca: CertificateAuthority,
    mtls_client_cert: Identity,
    offered: list[str],
    wanted: list[str],
    chosen: str | None,
) -> None:
    """The server's first choice that the client offers; HTTP/1.1 where there is none."""
    server = mtls_server_factory(alpn=offered)
    with connect(server, client_context(mtls_client_cert, Trust.of(mtls_ca), alpn=wanted)) as sock:
        if chosen == "h2":
            assert Peer(sock).get() == b"200"
        else:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.1 200"
    assert [chosen] == [handshake.alpn for handshake in server.handshakes]


def test_without_the_extra(
    mtls_server_factory: Factory, mtls_client_cert: Identity, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error that says what to install; a server that speaks something of its own under that name needs nothing."""
    missing = {"h2"}
    monkeypatch.setattr(
        pytest_mtls.server.http2, "find_spec", lambda name: None if name in missing else find_spec(name)
    )
    with pytest.raises(MissingExtra, match=r"pip install 'pytest-mtls\[h2\]'") as caught:
        mtls_server_factory(alpn=["h2"])
    assert "h2" == caught.value.extra
    context.set_alpn_protocols(["h2"])
    server = mtls_server_factory(alpn=["h2"], handler=lambda sock, handshake: sock.sendall(handshake.alpn.encode()))
    with connect(server, context) as sock:
        assert sock.recv(2) == b"h2"


# --- clients that misbehave ------------------------------------------------------------------------------------------


def connect(server: MutualTLSServer, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection after its handshake."""
    plain = socket.create_connection(server.address, 10)
    return context.wrap_socket(plain, server_hostname="localhost")


class Peer:
    """A client of HTTP/2 that does as it is told."""

    def __init__(self, sock: ssl.SSLSocket, **settings: int) -> None:
        self.sock = sock
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes[name]: value for name, value in settings.items()})
        self.seen: list[h2.events.Event] = []
        self.send()

    def send(self, more: bytes = b"") -> None:
        """Send what h2 has made, and other bytes after it."""
        self.sock.sendall(self.h2.data_to_send() + more)

    def request(self, body: bytes = b"", method: str = "POST") -> int:
        """Begin a request, on a stream of its own; give the stream."""
        stream = self.h2.get_next_available_stream_id()
        fields = {":method": method, ":path": "/", ":scheme": "https", ":authority": "localhost"}
        self.h2.send_headers(stream, list(fields.items()), end_stream=not body)
        if body:
            self.h2.send_data(stream, body, end_stream=True)
        self.send()
        return stream

    def until(self, kind: type[h2.events.Event], stream: int | None = None) -> Any:
        """What has happened of this kind; waits for it. None if the connection ends first."""
        while True:
            for event in self.seen:
                if isinstance(event, kind) and stream in (None, getattr(event, "stream_id", None)):
                    self.seen.remove(event)
                    return event
            data = self.sock.recv(65536)
            if not data:
                return None
            self.seen += self.h2.receive_data(data)
            self.send()

    def get(self) -> bytes:
        """The status of one more request."""
        stream = self.request(method="GET")
        headers: dict[bytes, bytes] = dict(self.until(h2.events.ResponseReceived, stream).headers)
        return headers[b":status"]


@pytest.fixture
def peer(server: MutualTLSServer, context: ssl.SSLContext) -> Iterator[Peer]:
    """A connected client."""
    context.set_alpn_protocols(["h2"])
    with connect(server, context) as sock:
        yield Peer(sock)


def test_streams_at_once_are_answered_one_after_the_other(peer: Peer) -> None:
    """Requests that are all there before the first answer all get theirs."""
    streams = [peer.request(f"{number}".encode()) for number in range(5)]
    answers = [peer.until(h2.events.DataReceived, stream).data for stream in streams]
    assert [b"0", b"1", b"2", b"3", b"4"] == answers


def test_small_windows_are_respected(server: MutualTLSServer, context: ssl.SSLContext) -> None:
    """A client that takes ten bytes at a time gets ten at a time, and another request in between is not lost."""
    context.set_alpn_protocols(["h2"])
    with connect(server, context) as sock:
        peer = Peer(sock, INITIAL_WINDOW_SIZE=10)
        peer.until(h2.events.SettingsAcknowledged)
        first, second, body = peer.request(b"a" * 25), peer.request(b"b"), b""
        for size in (10, 10, 5):
            event = peer.until(h2.events.DataReceived, first)
            assert size == len(event.data)
            body += event.data
            assert [] == [seen for seen in peer.seen if isinstance(seen, h2.events.DataReceived)]
            if event.stream_ended is None:
                peer.h2.increment_flow_control_window(10, first)
                peer.send()
        assert b"a" * 25 == body
        assert b"b" == peer.until(h2.events.DataReceived, second).data


def test_cancelled_streams_stop(server: MutualTLSServer, context: ssl.SSLContext) -> None:
    """A stream that is reset in the middle of its answer, or before it, is dropped; the connection goes on."""
    context.set_alpn_protocols(["h2"])
    with connect(server, context) as sock:
        peer = Peer(sock, INITIAL_WINDOW_SIZE=10)
        peer.until(h2.events.SettingsAcknowledged)
        waiting, unwanted = peer.request(b"a" * 25), peer.request(b"b")
        peer.until(h2.events.DataReceived, waiting)
        for stream in (waiting, unwanted):
            peer.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        peer.send()
        assert b"201" == peer.get()
        assert [] == [seen for seen in peer.seen if getattr(seen, "stream_id", None) == unwanted]


def test_broken_protocol_is_answered_with_goaway(peer: Peer) -> None:
    """The client is told which error it made, and the connection ends in order."""
    peer.send(b"\0\0\1" + b"\0" + b"\0" + b"\0\0\0\0" + b"x")  # DATA on stream 0 (RFC 9113 section 6.1)
    assert h2.errors.ErrorCodes.PROTOCOL_ERROR == peer.until(h2.events.ConnectionTerminated).error_code
    assert b"" == peer.sock.recv(1)


def test_goaway_ends_the_connection(peer: Peer) -> None:
    """A client that says goodbye is let go."""
    assert b"201" == peer.get()
    peer.h2.close_connection()
    peer.send()
    assert peer.until(h2.events.RemoteSettingsChanged) is not None
    assert peer.until(h2.events.ConnectionTerminated) is None


def test_silent_client_is_told_and_left(mtls_server_factory: Factory, context: ssl.SSLContext) -> None:
    """After the idle time-out comes a GOAWAY without error, and the end."""
    context.set_alpn_protocols(["h2"])
    with connect(mtls_server_factory(alpn=["h2"], idle_timeout=0.05), context) as sock:
        peer = Peer(sock)
        assert h2.errors.ErrorCodes.NO_ERROR == peer.until(h2.events.ConnectionTerminated).error_code
        assert b"" == sock.recv(1)


def test_client_that_breaks_off(server: MutualTLSServer, context: ssl.SSLContext) -> None:
    """A connection that breaks off in the middle of an answer ends; the server serves the next."""
    context.set_alpn_protocols(["h2"])
    for _ in range(2):
        with connect(server, context) as sock:
            peer = Peer(sock, INITIAL_WINDOW_SIZE=10)
            peer.until(h2.events.SettingsAcknowledged)
            stream = peer.request(b"a" * 25)
            assert 10 == len(peer.until(h2.events.DataReceived, stream).data)
    assert [True, True] == [handshake.accepted for handshake in server.handshakes]
