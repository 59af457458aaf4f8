"""``pytest-mtls serve``: the good server and every bad one, until interrupted, and what came in."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from pytest_mtls.commands.command import ACCEPTED, INTERRUPTED, Command
from pytest_mtls.commands.terminal import one_line

if TYPE_CHECKING:
    from pytest_mtls.certificates.authority import CertificateAuthority
    from pytest_mtls.server.gallery import Gallery
    from pytest_mtls.server.gallery_lines import ClientPaths
    from pytest_mtls.tls.handshake import Handshake

__all__ = ["SERVE"]

_PORT = 8443

#: Some clients compare the server's name only after their handshake.
_UNUSED = "; then the client closed without a byte, as those do that reject the server's name late"

_DESCRIPTION = f"""Run the good mutual TLS server and every bad one of the catalogue on this machine, until interrupted.

Each is asked for by its own name, such as expired.localhost, at one port ({_PORT} by default). Cases that are about names have
a port of their own. A page at http://localhost:PORT/ lists them all, with a line to copy for each client. What comes in is
told line by line.
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory",
        nargs="?",
        help="where to write a CA and the files of clients, as `mint` does; the CA of an earlier mint is kept. "
        "By default a directory that is gone afterwards",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=_PORT,
        metavar="N",
        help=f"the port of all; 0 for any that is free; {_PORT} by default",
    )
    parser.add_argument(
        "--ports", action="store_true", help="give every server a port of its own, where it is called localhost"
    )
    parser.add_argument(
        "--days",
        type=float,
        default=0,
        help="how many days new certificates are valid, beyond half a day; 0 by default",
    )
    parser.add_argument("--json", action="store_true", help="tell each handshake as a line of JSON, for programs")


def _run(options: argparse.Namespace) -> int:
    from pytest_mtls.server.gallery import Gallery
    from pytest_mtls.server.gallery_page import as_page

    told = _Told(options.json)
    with ExitStack() as stack:
        stopped = stack.enter_context(_until_interrupted())
        directory = options.directory or str(
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pytest-mtls-serve-"))) / "certs"
        )
        ca, files = _files(directory, options.days)
        page: list[bytes] = []
        gallery = Gallery(ca, port=options.port, own_ports=options.ports, app=_app(page), on_verdict=told.verdict)
        stack.enter_context(gallery)
        page.append(as_page(gallery.exhibits, files).encode())
        told.start(gallery, files)
        stopped.wait()
    return INTERRUPTED if stopped.by == signal.SIGINT else ACCEPTED


class _Stopped:
    """Tells when the program has to end.

    A handler of signals runs in the middle of whatever the main thread does. So it takes no lock, as `threading.Event` would,
    which the same thread may hold: a byte in a socket wakes who waits, and stays there for who comes later.

    Attributes:
        by: the signal that says so; None before.
    """

    def __init__(self, woken: socket.socket) -> None:
        self.by: int | None = None
        self._woken = woken

    def wait(self) -> None:
        """Return once a signal has come, now or before."""
        while self.by is None:
            self._woken.recv(1)


@contextmanager
def _until_interrupted() -> Iterator[_Stopped]:
    """What Ctrl-C and SIGTERM stop."""
    waking, woken = socket.socketpair()
    with waking, woken:
        waking.setblocking(False)
        stopped = _Stopped(woken)

        def stop(number: int, frame: FrameType | None) -> None:
            stopped.by = number

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        wakeup = signal.set_wakeup_fd(waking.fileno())
        try:
            yield stopped
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)


def _files(directory: str, days: float) -> tuple[CertificateAuthority, ClientPaths]:
    """The CA and the client's files of a directory. The CA of an earlier mint is kept, and all else is minted anew."""
    from pytest_mtls.cases.mint import mint
    from pytest_mtls.certificates.authority import CertificateAuthority
    from pytest_mtls.server.gallery_lines import ClientPaths

    where = Path(os.path.abspath(directory))
    names = {name: str(where / name) for name in ("ca.crt", "ca.key", "client.crt", "client.key")}
    is_there = all(map(os.path.isfile, names.values()))
    ca = CertificateAuthority.load(names["ca.crt"], names["ca.key"]) if is_there else CertificateAuthority.create()
    mint(where, days=days, replace_old=is_there, ca=ca)
    return ca, ClientPaths(names["ca.crt"], names["client.crt"], names["client.key"])


def _app(page: list[bytes]) -> Callable[..., Iterable[bytes]]:
    """Gives browsers the page, and programs the JSON of the default application."""
    from pytest_mtls.server.http import default_app

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        is_plain = environ["wsgi.url_scheme"] == "http"
        if page and (is_plain or "text/html" in environ.get("HTTP_ACCEPT", "")):
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")])
            return page
        return default_app(environ, start_response)

    return app


def _left_out(gallery: Gallery) -> str:
    """A line for each extra that some cases take and that is not installed."""
    extras = dict.fromkeys(case.extra for case in gallery.left_out)
    return "".join(
        f"not among them, for want of the extra {extra} (pip install 'pytest-mtls[{extra}]'): "
        f"{', '.join(case.id for case in gallery.left_out if case.extra == extra)}\n"
        for extra in extras
    )


class _Told:
    """What is printed, a whole line at a time."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._lock = threading.Lock()
        self._width = 0

    def start(self, gallery: Gallery, files: ClientPaths) -> None:
        """Where everything is."""
        exhibits = gallery.exhibits
        self._width = max(len(one.id) for one in exhibits)
        if self._as_json:
            servers = [{"id": one.id, "url": one.url, "port": one.port} for one in exhibits]
            index = f"http://localhost:{gallery.port}/"
            self._print(
                json.dumps({"index": index, "ca": files.ca, "cert": files.cert, "key": files.key, "servers": servers})
            )
            return
        self._print(
            f"{len(exhibits)} servers: http://localhost:{gallery.port}/ lists them; https://good.localhost:{gallery.port}/ is the good one\n"
            f"{_left_out(gallery)}CA to trust: {files.ca}\n"
            f"client:      {files.cert} and {files.key}\n"
            "Ctrl-C ends it. What comes in:"
        )

    def verdict(self, name: str, handshake: Handshake) -> None:
        """One verdict; a later one of the same connection replaces it."""
        from pytest_mtls.certificates.names import describe_name
        from pytest_mtls.verdict.explain import headline

        said = headline(handshake)
        if handshake.is_unused:
            said += _UNUSED
        certificate = handshake.peer_certificate
        client = None if certificate is None else describe_name(certificate.subject)
        now = datetime.now().astimezone()
        if self._as_json:
            row = {
                "time": now.isoformat(timespec="milliseconds"),
                "server": name,
                "client": client,
                "peer_address": None if handshake.peer_address is None else list(handshake.peer_address),
                "tls_version": handshake.tls_version,
                "verdict": handshake.verdict.value,
                "is_unused": handshake.is_unused,
                "rejected_by": handshake.rejected_by,
                "reason": None if handshake.reason is None else handshake.reason.value,
                "alert": None if handshake.alert is None else handshake.alert.name.lower(),
                "headline": said,
            }
            self._print(json.dumps(row, ensure_ascii=False))
            return
        who = "no certificate" if client is None else client
        self._print(one_line(f"{now:%H:%M:%S}  {name:{self._width}}  {handshake.tls_version or '-':7}  {who}: {said}"))

    def _print(self, text: str) -> None:
        with self._lock:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()


SERVE = Command(
    "serve", "run the good server and every bad one, to point a client at", _add_arguments, _run, _DESCRIPTION
)
