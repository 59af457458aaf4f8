"""A small TLS server that reads its files itself, and takes up new ones well or badly, as it is told."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from typing_extensions import Self

from pytest_mtls import CertificateAuthority, Endpoint, RotatingFiles

__all__ = ["FLAWS", "ReloadingServer"]

#: What it can do wrong.
FLAWS = (
    "forgets client certificates",
    "drops open connections",
    "never reloads",
    "reloads once",
    "rejects during the reload",
    "breaks on half-way files",
    "opens up on half-way files",
    "goes back",
    "ignores the bundle",
    "keeps every bundle",
    "one process in four stays",
)
#: How long a server of ``waits`` lets its files be before it reads them, in seconds.
_QUIET_SECONDS = 0.3


class ReloadingServer:
    """Answers every HTTP request with 204, over TLS with client certificates.

    Args:
        files: what it reads.
        ca: the CA of its clients and its own.
        flaw: one of `FLAWS`; None for a good one.
        watches: whether it looks at the files at each connection, instead of waiting for `reload`.
        checks_crl: whether it reads the CRL.
        waits: whether it reads files that it watches only when they have been the same for a while, as those do that
            want them to be whole.
        turned_away: the common name of a client that its application answers by 403.
    """

    def __init__(
        self,
        files: RotatingFiles,
        ca: CertificateAuthority,
        flaw: str | None = None,
        *,
        watches: bool = False,
        checks_crl: bool = False,
        waits: bool = False,
        turned_away: str | None = None,
    ) -> None:
        assert flaw is None or flaw in FLAWS
        self._files, self._flaw, self._watches = files, flaw, watches
        self._checks_crl, self._waits, self._turned_away = checks_crl, waits, turned_away
        self._connections = 0
        self._changed: tuple[tuple[int, ...], float] = ((), 0.0)
        self._reloads = 0
        self._countdown: int | None = None
        self._bundle = ""
        self._seen: tuple[int, ...] = ()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._first = self._context = self._load(files.ca_path)
        self._refusing = threading.Event()
        self._refused = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = Endpoint(
            "127.0.0.1", self._listening.getsockname()[1], "https", trust=ca, ca=ca, server_name="localhost"
        )

    def reload(self) -> None:
        """Take up the files; raises what OpenSSL raises for those that it cannot use."""
        self._reloads += 1
        if self._flaw == "never reloads" or (self._flaw == "reloads once" and self._reloads > 1):
            return
        if self._flaw == "rejects during the reload":
            self._refused.clear()
            self._refusing.set()
            assert self._refused.wait(10)
        if self._flaw == "breaks on half-way files":
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context = self._load(self._files.ca_path)
        except (OSError, ssl.SSLError):
            if self._flaw == "opens up on half-way files":
                self._context = self._load(None)
            raise
        if self._flaw == "forgets client certificates":
            context.verify_mode = ssl.CERT_NONE
        self._context = context
        if self._flaw == "goes back":
            self._countdown = 4
        if self._flaw == "drops open connections":
            for sock in list(self._open):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _load(self, ca_path: str | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._files.cert_path, self._files.key_path)
        if ca_path is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            if self._flaw == "ignores the bundle":
                ca_path = self._bundle = self._bundle or self._copy_of(ca_path)
            if self._flaw == "keeps every bundle":
                with open(ca_path, encoding="ascii") as bundle:
                    self._bundle += bundle.read()
                context.load_verify_locations(cadata=self._bundle)
            context.load_verify_locations(ca_path)
        if self._checks_crl:
            context.load_verify_locations(self._files.crl_path)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context

    def _copy_of(self, path: str) -> str:
        copy = f"{path}.copy"
        with open(path, "rb") as old, open(copy, "wb") as new:
            new.write(old.read())
        return copy

    def _context_now(self) -> ssl.SSLContext:
        if self._watches:
            with suppress(OSError):
                paths = (self._files.cert_path, self._files.key_path, self._files.ca_path)
                now = tuple(number for path in paths for number in (os.stat(path).st_mtime_ns, os.stat(path).st_ino))
                if now != self._seen and self._is_quiet(now):
                    self._seen = now
                    self.reload()
        if self._countdown is not None:
            self._countdown -= 1
            if self._countdown < 0:
                return self._first
        if self._flaw == "one process in four stays":
            self._connections += 1
            if self._connections % 4 == 0:
                return self._first
        return self._context

    def _is_quiet(self, now: tuple[int, ...]) -> bool:
        """Whether the files have been as they are for long enough."""
        if now != self._changed[0]:
            self._changed = now, time.monotonic()
        return not self._waits or time.monotonic() - self._changed[1] > _QUIET_SECONDS

    # --- serving -----------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            if self._refusing.is_set():
                sock.close()
                self._refusing.clear()
                self._refused.set()
                continue
            self._start(self._serve, sock)

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(10)
        try:
            with self._context_now().wrap_socket(plain, server_side=True) as sock, suppress(OSError):
                self._open.add(sock)
                try:
                    self._answer(sock)
                finally:
                    self._open.discard(sock)
        except OSError:
            # Read on until the client has heard why.
            with plain, suppress(OSError):
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(4096):
                    pass

    def _answer(self, sock: ssl.SSLSocket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            data = sock.recv(4096)
            if not data:
                return
            request += data
        name = f"(('commonName', '{self._turned_away}'),)"
        is_turned_away = name in str((sock.getpeercert() or {}).get("subject"))
        status = b"403 Forbidden" if is_turned_away else b"204 No Content"
        sock.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n")

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)
