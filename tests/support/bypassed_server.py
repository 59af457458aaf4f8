"""`Door`: a small HTTPS server on the standard library, which a test makes as bad as it likes."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from pytest_mtls import CertificateAuthority, Endpoint, Identity

HELLO = b"\x16"
PATIENCE = 5.0


@dataclass(frozen=True)
class Asked:
    """A request, and the connection it came on."""

    path: str
    headers: dict[str, str]
    sock: socket.socket
    number: int = 1

    @property
    def host(self) -> str:
        return self.headers.get("host", "").partition(":")[0].lower()

    @property
    def server_name(self) -> str:
        return getattr(self.sock, "asked_for", None) or ""

    @property
    def certificate(self) -> Mapping[str, Any]:
        """The client's, in `ssl`'s form; empty without one."""
        return self.sock.getpeercert() or {} if isinstance(self.sock, ssl.SSLSocket) else {}

    @property
    def is_resumed(self) -> bool:
        return isinstance(self.sock, ssl.SSLSocket) and bool(self.sock.session_reused)


Answer = tuple[int, str]
App = Callable[[Asked], Answer]
#: Makes of an accepted connection, whose first bytes can be peeked at, what the application speaks on.
Greet = Callable[[socket.socket], socket.socket]


def page(asked: Asked) -> Answer:
    """What is protected."""
    return 200, "the secret page"


@dataclass
class Door:
    """Serves until the block ends.

    Attributes:
        greet: does the handshake.
        app: answers.
        endpoint: where it listens.
        ends_on: called with the error of a handshake, says whether the whole server ends for it.
    """

    ca: CertificateAuthority
    greet: Greet
    app: App = page
    protocol: str = "https"
    ends_on: Callable[[OSError], bool] = lambda error: False
    speak: Callable[[socket.socket, App], None] | None = None
    endpoint: Endpoint = field(init=False)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.endpoint = Endpoint(
            "127.0.0.1", port, self.protocol, server_name="localhost", trust=self.ca.pem, ca=self.ca
        )
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Door:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _end(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            raw.settimeout(PATIENCE)
            thread = threading.Thread(target=self._serve, args=(raw,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            sock = self.greet(raw)
        except OSError as error:
            if self.ends_on(error):
                self._end()
            with suppress(OSError):
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65536):
                    pass
            raw.close()
            return
        with sock, suppress(OSError):
            (self.speak or speak_http)(sock, self.app)
            if isinstance(sock, ssl.SSLSocket):
                sock.unwrap()


def speak_http(sock: socket.socket, app: App) -> None:
    """Requests and answers until the client wants no more."""
    data, number = b"", 0
    while True:
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        number += 1
        status, body = app(Asked(first.split()[1], headers, sock, number))
        sock.sendall(f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode("latin-1"))
        if headers.get("connection") == "close":
            return


# --- handshakes ------------------------------------------------------------------------------------------------------


class NamedSocket(ssl.SSLSocket):
    """One that knows what name was asked for."""

    asked_for: str | None


def server_context(
    cert: Identity, ca: CertificateAuthority | bytes | None, mode: ssl.VerifyMode = ssl.CERT_REQUIRED
) -> ssl.SSLContext:
    """What an ordinary Python program makes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert.combined_path)
    if ca is not None:
        context.load_verify_locations(cadata=(ca if isinstance(ca, bytes) else ca.pem).decode())
    context.verify_mode = mode
    context.sslsocket_class = NamedSocket
    context.sni_callback = remember
    return context


def remember(sock: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
    """Keep the name that was asked for."""
    sock.asked_for = name  # type: ignore[union-attr]


def wraps(context: ssl.SSLContext) -> Greet:
    """The same settings for everybody."""
    return lambda raw: context.wrap_socket(raw, server_side=True)


def chooses(choose: Callable[[bytes], ssl.SSLContext]) -> Greet:
    """Settings by the first bytes of the connection, as far as they have come."""
    return lambda raw: choose(raw.recv(65536, socket.MSG_PEEK)).wrap_socket(raw, server_side=True)
