"""Real servers whose certificate files are rotated under them, each told in its own way to read them again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from support.nginx import nginx_command, nginx_config
from support.programs_built import build_go
from support.real_servers import ASGI, SERVERS, WSGI, Command, module
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity, LaunchedServer, RotatingFiles, launch, probe
from pytest_mtls.certificates.rotating import Layout
from pytest_mtls.tls.wire import Deadline

__all__ = ["ROTATING", "RotatingServer", "Started"]

#: Tells a server to read its files again.
Tell = Callable[[LaunchedServer, RotatingFiles], object]

#: How long HAProxy's master is given to listen again.
_HAPROXY_SECONDS = 60.0
_IS_ROOT = os.name != "nt" and os.geteuid() == 0


@dataclass(frozen=True)
class Started:
    """A server that runs, and the files that it reads."""

    server: LaunchedServer
    files: RotatingFiles
    reload: Callable[[], object] | None


@dataclass(frozen=True)
class RotatingServer:
    """How one server is started and told.

    In command and files, ``CERT``, ``KEY`` and ``BUNDLE`` stand for the paths of what rotates.

    Attributes:
        name: what it is called.
        command: gives the program and its arguments; skips the test if the program is absent.
        reload: tells it to read its files again; None if there is no way.
        told: the same in words, for the documentation.
        files: its configuration, by file name.
        protocol: what it speaks.
        layout: how its files are replaced.
        known: other arguments of `launch`.
        owner: the account that its files belong to.
        reads_again: whether it ever reads its files again.
        by_luck: whether it may reject somebody in a rotation or not, as the moments fall.
    """

    name: str
    command: Command
    reload: Tell | None
    told: str
    files: Mapping[str, str] = field(default_factory=dict)
    protocol: str = "https"
    layout: Layout = "rename"
    known: Mapping[str, Any] = field(default_factory=dict)
    owner: str | None = None
    reads_again: bool = True
    by_luck: bool = False

    @contextmanager
    def start(self, ca: CertificateAuthority, old: Identity) -> Iterator[Started]:
        """Start it with files that hold an identity."""
        command = self.command()  # skips first
        with tempfile.TemporaryDirectory(prefix="pytest-mtls-rotation-") as name:
            if self.owner is not None:
                os.chmod(name, 0o711)
            files = RotatingFiles(old, Path(name) / "certs", self.layout, trust=ca, owner=self.owner)
            paths = {"CERT": files.cert_path, "KEY": files.key_path, "BUNDLE": files.ca_path}

            def filled(text: str) -> str:
                return re.sub(r"\b(CERT|KEY|BUNDLE)\b", lambda found: paths[found[1]], text)

            configuration = {file: filled(text) for file, text in self.files.items()}
            known = {"strict": False, **self.known}
            with launch(
                list(map(filled, command)), files=configuration, protocol=self.protocol, ca=ca, cert=old, **known
            ) as server:
                tell = None if self.reload is None else partial(self.reload, server, files)
                yield Started(server, files, tell)


def _signalled(number: str) -> Tell:
    def tell(server: LaunchedServer, files: RotatingFiles) -> None:
        server.process.send_signal(getattr(signal, number))

    return tell


def _run(*words: str) -> Tell:
    """A command; ``DIR`` is the server's directory."""

    def tell(server: LaunchedServer, files: RotatingFiles) -> None:
        command = [word.replace("DIR", str(server.directory)) for word in words]
        finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        if finished.stdout.startswith("ERR"):
            raise ChildProcessError(finished.stdout.strip())

    return tell


_NGINX = nginx_config(
    """
    server {
        listen 127.0.0.1:{port} ssl;
        ssl_certificate CERT; ssl_certificate_key KEY;
        ssl_client_certificate BUNDLE; ssl_verify_client on;
        location / { return 204; }
    }
""",
    workers=2,
)

_HAPROXY = """
global
    log stderr format raw local0
defaults
    mode http
    timeout client 60s
    timeout connect 5s
    timeout server 60s
frontend site
    bind 127.0.0.1:{port} ssl crt CERT ca-file BUNDLE verify required
    http-request return status 204
"""

_MOSQUITTO = (
    ("user root\n" if _IS_ROOT else "")
    + "listener {port} localhost\ncafile BUNDLE\ncertfile CERT\nkeyfile KEY\n"
    + "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
)

_CADDY = """
{
    admin unix//{dir}/admin.sock
    auto_https off
    storage file_system {dir}/storage
}
https://localhost:{port} {
    tls CERT KEY {
        client_auth {
            mode require_and_verify
            trusted_ca_cert_file BUNDLE
        }
    }
    respond 204
}
"""


def _with_names(text: str) -> str:
    """A text of `support.real_servers` with the files that rotate."""
    for old, new in (("{server_cert}", "CERT"), ("{server_key}", "KEY"), ("{ca}", "BUNDLE")):
        text = text.replace(old, new)
    return text


def _apache() -> str:
    text = _with_names(SERVERS["Apache httpd"].files["httpd.conf"])
    return "\n".join(line for line in text.splitlines() if not line.startswith("SSLCARevocation"))


def _renamed(command: Command) -> Command:
    """The command of a server in `support.real_servers`, with the files that rotate."""

    def renamed() -> list[str]:
        words = []
        for word in command():
            words.append(_with_names(word).replace("-c ssl_crl_file={crl}", ""))
        return words

    return renamed


def _is_ready(server: LaunchedServer) -> bool:
    return probe(server.endpoint).accepted is not None


def _set_config_of_redis(server: LaunchedServer, files: RotatingFiles) -> None:
    """Redis is given the same paths again, in one command, over its own socket."""
    client = str(require_program("redis-cli", apt="redis-tools"))
    words = ["tls-cert-file", files.cert_path, "tls-key-file", files.key_path, "tls-ca-cert-file", files.ca_path]
    _run(client, "-s", "DIR/redis.sock", "CONFIG", "SET", *words)(server, files)


def _haproxys_master(server: LaunchedServer) -> socket.socket:
    """Its master's socket, which is there when it is ready to listen: a signal that comes too early is lost."""
    master = socket.socket(socket.AF_UNIX)
    try:
        master.settimeout(_HAPROXY_SECONDS)
        master.connect(str(server.directory / "master.sock"))
    except OSError:
        master.close()
        raise
    return master


def _is_haproxy_ready(server: LaunchedServer) -> bool:
    _haproxys_master(server).close()
    return True


def _reload_haproxy(server: LaunchedServer, files: RotatingFiles) -> None:
    """Ask the master, which runs its own program again each time, and again after one that failed: nobody listens then."""
    deadline, pause = Deadline(_HAPROXY_SECONDS), threading.Event()
    while True:
        try:
            with _haproxys_master(server) as master:
                master.sendall(b"reload\n")
                while master.recv(4096):
                    pass  # it closes the connection when it has begun
            return
        except (ConnectionError, FileNotFoundError):  # a reset is a request that it has not read
            if not deadline.remaining:
                raise
            pause.wait(0.02)


def _program(name: str, *arguments: str, apt: str) -> Command:
    return lambda: [str(require_program(name, apt=apt)), *arguments]


def _built(name: str, *arguments: str) -> Command:
    return lambda: [str(build_go(name)), *arguments]


ROTATING: dict[str, RotatingServer] = {
    server.name: server
    for server in (
        RotatingServer(
            "nginx",
            nginx_command,
            _signalled("SIGHUP"),
            "`nginx -s reload` (SIGHUP)",
            {"nginx.conf": _NGINX},
        ),
        RotatingServer(
            "Apache httpd",
            _program("apache2", "-f", "{dir}/httpd.conf", "-DFOREGROUND", apt="apache2"),
            _signalled("SIGUSR1"),
            "`apachectl graceful` (SIGUSR1)",
            {"httpd.conf": _apache()},
            known={"ready": "resuming normal operations"},
        ),
        RotatingServer(
            "HAProxy",
            _program("haproxy", "-W", "-S", "{dir}/master.sock", "-f", "{dir}/haproxy.cfg", apt="haproxy"),
            _reload_haproxy,
            "`reload` to its master process (`-W -S`)",
            {"haproxy.cfg": _HAPROXY},
            layout="combined",
            known={"ready": _is_haproxy_ready},
        ),
        RotatingServer(
            "stunnel",
            _program("stunnel", "{dir}/stunnel.conf", apt="stunnel4"),
            _signalled("SIGHUP"),
            "SIGHUP",
            {
                "stunnel.conf": "foreground = yes\npid =\n[echo]\naccept = 127.0.0.1:{port}\ncert = CERT\nkey = KEY\n"
                "CAfile = BUNDLE\nverifyChain = yes\nexec = /bin/cat\nexecArgs = cat\n"
            },
            protocol="tls",
            by_luck=True,  # it closes its port and opens it again
        ),
        RotatingServer(
            "Caddy",
            _program("caddy", "run", "--config", "{dir}/Caddyfile", "--adapter", "caddyfile", apt="caddy"),
            _run(
                *("caddy", "reload", "--force", "--config", "DIR/Caddyfile", "--adapter", "caddyfile"),
                *("--address", "unix//DIR/admin.sock"),
            ),
            "`caddy reload --force`",
            {"Caddyfile": _CADDY},
            known={"env": {"HOME": "{dir}", "XDG_DATA_HOME": "{dir}", "XDG_CONFIG_HOME": "{dir}"}},
            by_luck=True,  # who waits in the queue of the socket that is closed is lost (SO_REUSEPORT)
        ),
        *(
            RotatingServer(
                f"Go, {hook}",
                _built("rotating", hook, "CERT", "KEY", "BUNDLE", "localhost:{port}"),
                _signalled("SIGHUP"),
                "SIGHUP, by a handler of its own",
            )
            for hook in ("GetCertificate", "GetConfigForClient")
        ),
        RotatingServer(
            "PostgreSQL",
            _renamed(SERVERS["PostgreSQL"].command),
            _signalled("SIGHUP"),
            "`pg_ctl reload` (SIGHUP)",
            SERVERS["PostgreSQL"].files,
            protocol="postgres",
            known=SERVERS["PostgreSQL"].known,
            owner="postgres" if _IS_ROOT else None,
        ),
        RotatingServer(
            "Redis",
            _program(
                *("redis-server", "--port", "0", "--tls-port", "{port}", "--bind", "127.0.0.1"),
                *("--tls-cert-file", "CERT", "--tls-key-file", "KEY", "--tls-ca-cert-file", "BUNDLE"),
                *("--tls-auth-clients", "yes", "--save", "", "--unixsocket", "{dir}/redis.sock"),
                apt="redis-server",
            ),
            _set_config_of_redis,
            "`CONFIG SET tls-cert-file ... tls-key-file ... tls-ca-cert-file ...`",
            protocol="redis",
        ),
        RotatingServer(
            "Mosquitto",
            _program("mosquitto", "-c", "{dir}/mosquitto.conf", apt="mosquitto"),
            _signalled("SIGHUP"),
            "SIGHUP",
            {"mosquitto.conf": _MOSQUITTO},
            protocol="mqtt",
        ),
        RotatingServer(
            "gunicorn",
            _renamed(
                module(
                    "gunicorn",
                    *("-m", "gunicorn", "--chdir", "{dir}", "--bind", "127.0.0.1:{port}", "--log-level", "warning"),
                    *("--threads", "4", "--certfile", "CERT", "--keyfile", "KEY", "--ca-certs", "BUNDLE"),
                    *("--cert-reqs=2", "server_app:app"),
                )
            ),
            None,
            "nothing: it reads its files at each connection",
            {"server_app.py": WSGI},
            by_luck=True,  # a connection may come between the two files
        ),
        RotatingServer(
            "hypercorn",
            _renamed(
                module(
                    "hypercorn",
                    *("-m", "hypercorn", "--bind", "127.0.0.1:{port}"),
                    *("--certfile", "CERT", "--keyfile", "KEY", "--ca-certs", "BUNDLE"),
                    *("--verify-mode", "CERT_REQUIRED", "server_app:app"),
                )
            ),
            _signalled("SIGHUP"),
            "SIGHUP",
            {"server_app.py": ASGI},
            by_luck=True,
        ),
        RotatingServer(
            "uvicorn",
            _renamed(SERVERS["uvicorn"].command),
            None,
            "nothing: it reads its files when it starts, and never again",
            SERVERS["uvicorn"].files,
            reads_again=False,
        ),
    )
}
