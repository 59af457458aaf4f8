"""Real servers that require a client certificate, each a process of its own on a free port of loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.requirements import require_postgres, require_program

from pytest_mtls import CertificateAuthority, Identity

__all__ = ["mosquitto", "postgresql", "redis_server"]

#: How many ports are tried.
_ATTEMPTS = 5
#: How long a server may take to end, in seconds.
_LAST_WORDS = 10


@contextmanager
def redis_server(server: Identity, ca: CertificateAuthority) -> Iterator[int]:
    """A redis-server; gives its port."""
    program = require_program("redis-server", apt="redis-server")
    files = ["--tls-cert-file", server.cert_path, "--tls-key-file", server.key_path, "--tls-ca-cert-file", ca.cert_path]
    options = ["--port", "0", "--tls-auth-clients", "yes", "--save", "", "--bind", "127.0.0.1", "-::1", *files]
    with started(lambda port: [program, *options, "--tls-port", str(port)], b"Ready to accept connections") as port:
        yield port


@contextmanager
def mosquitto(server: Identity, ca: CertificateAuthority) -> Iterator[int]:
    """A mosquitto; gives its port."""
    program = require_program("mosquitto", apt="mosquitto")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "mosquitto.conf"

        def command(port: int) -> Sequence[str | Path]:
            files = f"cafile {ca.cert_path}\ncertfile {server.cert_path}\nkeyfile {server.key_path}\n"
            rules = "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
            user = "user root\n" if os.geteuid() == 0 else ""
            path.write_text(f"{user}listener {port} localhost\n{files}{rules}", encoding="utf-8")
            return [program, "-c", path]

        with started(command, b" running") as port:
            yield port


@contextmanager
def postgresql(server: Identity, ca: CertificateAuthority) -> Iterator[int]:
    """A PostgreSQL whose superuser ``postgres`` may log in with any certificate of the CA; gives its port.

    It rejects to run as root: where the tests do, it runs as the user ``postgres`` that its package has made.
    """
    programs = require_postgres()
    runs_as: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    home = tempfile.mkdtemp(prefix="pytest-mtls-postgresql-")  # where another user can get at it
    try:
        if runs_as:
            shutil.chown(home, "postgres", "postgres")
        data = Path(home) / "data"
        initdb: list[str | Path] = [
            programs / "initdb",
            "-D",
            data,
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--no-locale",
            "-N",
        ]
        subprocess.run(initdb, check=True, capture_output=True, cwd=home, **runs_as)
        for name, content in {"server.crt": server.cert_pem, "server.key": server.key_pem, "root.crt": ca.pem}.items():
            (data / name).write_bytes(content)
            (data / name).chmod(0o600)
            if runs_as:
                shutil.chown(data / name, "postgres", "postgres")
        (data / "pg_hba.conf").write_text("hostssl all all localhost trust clientcert=verify-ca\n", encoding="utf-8")
        settings = {"ssl": "on", "ssl_ca_file": "root.crt", "listen_addresses": "localhost", "fsync": "off"}
        settings |= {"unix_socket_directories": "", "max_wal_senders": "0", "lc_messages": "C"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command: list[str | Path] = [programs / "postgres", "-D", data, *options]
        ready = b"ready to accept connections"
        with started(lambda port: [*command, "-p", str(port)], ready, cwd=home, **runs_as) as port:
            yield port
    finally:
        shutil.rmtree(home)


@contextmanager
def started(command: Callable[[int], Sequence[str | Path]], ready: bytes, **options: Any) -> Iterator[int]:
    """Run a server until the end of the block; gives its port.

    Args:
        command: the command line for a port. If another process takes the port before, the next one is tried.
        ready: what it prints when it accepts connections.
        **options: of `subprocess.Popen`.
    """
    printed = b""
    for _ in range(_ATTEMPTS):
        port = free_port()
        with subprocess.Popen(command(port), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    printed += line
                    if ready in line:
                        yield port
                        return
            finally:
                stop(process)
    raise RuntimeError(f"{command(0)[0]} did not start; it printed:\n{printed.decode(errors='replace')}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that was started here, and wait until it has."""
    process.send_signal(signal.SIGINT)  # to which PostgreSQL does not wait for its clients
    try:
        process.communicate(timeout=_LAST_WORDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def free_port() -> int:
    """A port that was free on loopback a moment ago."""
    with socket.create_server(("localhost", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
