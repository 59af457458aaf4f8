"""Real servers, each set up to require a client certificate, and each set up wrongly in the ways that happen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import pytest
from support.nginx import nginx_command, nginx_config
from support.programs_built import PROGRAMS, build_go
from support.requirements import require_postgres, require_program

from pytest_mtls import CertificateAuthority, LaunchedServer, launch, probe
from pytest_mtls.conformance.policy import ExpectedException, Policy

Command = Callable[[], list[str]]


@dataclass(frozen=True)
class Server:
    """How one server is started.

    Attributes:
        name: what it is called.
        command: gives the program and its arguments; skips the test if the program is absent.
        files: its configuration, by file name.
        protocol: what it speaks.
        settings: those of the catalogue that it claims.
        twins: by the name of a mistake, what is to be replaced in command and files, and with what.
        strict_since: the CPython from whose version on it rejects what only strict verification does, if it runs on that.
        notes: why it differs from others, for the documentation.
        deviations: by case id, what is known of it that a policy has to agree to, and why.
        known: other arguments of `launch`.
        bypassed: the bypasses that are found in it, and why that is so.
        stack: the TLS stack whose alerts it shows, by its name in the table of alerts; empty for one that shows no more of
            a stack than another server here.
    """

    name: str
    command: Command
    files: Mapping[str, str] = field(default_factory=dict)
    protocol: str = "https"
    settings: frozenset[str] = frozenset()
    twins: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    strict_since: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    deviations: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)
    bypassed: Mapping[str, str] = field(default_factory=dict)
    stack: str = ""

    def start(
        self, ca: CertificateAuthority, wrong_ca: CertificateAuthority, twin: str | None = None
    ) -> AbstractContextManager[LaunchedServer]:
        """Start it, or its twin with a mistake."""
        old, new = self.twins[twin] if twin is not None else ("", "")
        change: Callable[[str], str] = (lambda text: text.replace(old, new)) if old else str
        command = [change(word) for word in self.command()]
        files = {name: change(text) for name, text in self.files.items()}
        assert twin is None or (command, files) != (self.command(), dict(self.files))
        files["wrong.pem"] = wrong_ca.pem.decode()
        known = {"strict": False, **self.known}
        return launch([word for word in command if word], files=files, protocol=self.protocol, ca=ca, **known)


def module(name: str, *arguments: str) -> Command:
    """A Python library's, by this Python."""

    def command() -> list[str]:
        if find_spec(name) is None:
            pytest.skip(f"needs {name}: pip install {name}")
        return [sys.executable, *arguments]

    return command


def java(name: str, *arguments: str) -> Command:
    """One of the programs beside this file, by the JDK."""

    def command() -> list[str]:
        program = require_program("java", apt="openjdk-17-jdk-headless")
        require_program("javac", apt="openjdk-17-jdk-headless")
        quick = ["-XX:+UseSerialGC", "-Xshare:auto"]
        return [str(program), *quick, str(PROGRAMS / f"{name}.java"), *arguments]

    return command


def compiled_go(name: str, *arguments: str) -> Command:
    """One of the programs beside this file, by the Go compiler."""
    return lambda: [str(build_go(name)), *arguments]


_CA = "{ca}"
_WRONG, _ABSENT = "{dir}/wrong.pem", "{dir}/absent.pem"

NGINX = nginx_config("""
    server {
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {server_cert}; ssl_certificate_key {server_key};
        ssl_client_certificate {ca}; ssl_crl {crl};
        ssl_verify_client on; ssl_verify_depth 20;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / { return 204; }
    }
""")

APACHE = """
ServerName localhost
ServerRoot {dir}
PidFile {dir}/pid
DefaultRuntimeDir {dir}
ErrorLog /dev/stderr
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
StartServers 1
User www-data
Group www-data
SSLEngine on
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLSessionCache shmcb:{dir}/sessions
SSLCertificateFile {server_cert}
SSLCertificateKeyFile {server_key}
SSLCACertificateFile {ca}
SSLCARevocationFile {crl}
SSLCARevocationCheck chain
SSLVerifyClient require
SSLVerifyDepth 20
Redirect 204 /
"""

STUNNEL = """
foreground = yes
pid =
[echo]
accept = 127.0.0.1:{port}
cert = {server_cert}
key = {server_key}
CAfile = {ca}
CRLfile = {crl}
verifyChain = yes
exec = /bin/cat
execArgs = cat
"""

ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
"""

WSGI = """
def app(environ, start_response):
    start_response("204 No Content", [])
    return []
"""

GRPC = """
import sys
from concurrent import futures
import grpc

key, cert, ca, port, must = sys.argv[1:]
read = lambda path: open(path, "rb").read()
server = grpc.server(futures.ThreadPoolExecutor(2))
credentials = grpc.ssl_server_credentials(
    [(read(key), read(cert))], root_certificates=read(ca), require_client_auth=must.startswith("r")
)
assert server.add_secure_port("127.0.0.1:" + port, credentials)
server.start()
print("ready", flush=True)
server.wait_for_termination()
"""

_POSTGRES = (
    "BIN/initdb -D {dir}/data -U postgres -A trust --no-sync --no-instructions > {dir}/initdb.log && "
    "exec BIN/postgres -D {dir}/data -p {port} -c listen_addresses=localhost -c unix_socket_directories={dir} "
    "-c hba_file={dir}/hba.conf -c ssl=on -c ssl_cert_file={server_cert} -c ssl_key_file={server_key} "
    "-c ssl_ca_file={ca} -c ssl_crl_file={crl} -c fsync=off"
)


POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /dev/stdout
myhostname = localhost
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {server_cert}
smtpd_tls_key_file = {server_key}
smtpd_tls_CAfile = {ca}
smtpd_tls_ccert_verifydepth = 20
smtpd_tls_req_ccert = yes
"""

POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
cleanup unix n - n - 0 cleanup
"""

#: Its parts run as the account postfix, and come to their directories by this one.
_POSTFIX = (
    "chmod 711 {dir} && mkdir -p {dir}/queue/pid {dir}/queue/private {dir}/queue/public {dir}/data && "
    "chown -R postfix {dir}/data {dir}/queue/private {dir}/queue/public && "
    "exec /usr/lib/postfix/sbin/master -c {dir} -d"
)


def postfix() -> list[str]:
    """An instance of its own in a temporary directory, in the foreground."""
    require_program("postfix", apt="postfix")
    if os.geteuid() != 0:
        pytest.skip("needs root: Postfix's master runs its parts as other accounts")
    return ["sh", "-c", _POSTFIX]


def _is_ready(server: LaunchedServer) -> bool:
    """Whether it answers at all, good client or none."""
    return probe(server.endpoint).accepted is not None


def _mistake(name: str, required: str, lax: str) -> dict[str, tuple[str, str]]:
    """One alone, for a server whose CA file is read as by another one here."""
    return {name: (required, lax)}


def _mistakes(
    required: str, optional: str, crl: str | None = None, name: str = "optional verification"
) -> dict[str, tuple[str, str]]:
    """The usual ones: verification optional, another CA's file, a file that is not there, no CRL."""
    twins = {
        name: (required, optional),
        "wrong CA file": (_CA, _WRONG),
        "missing CA file": (_CA, _ABSENT),
    }
    return twins if crl is None else {**twins, "no CRL": (crl, "")}


_WITH_CRL = frozenset({"crl"})
#: The first CPython whose `ssl.create_default_context` is strict.
_STRICT_CPYTHON = (3, 13)
_STRICT_NOTE = "On CPython 3.13 and later it rejects what strict verification does; here it runs on an older one."
_NO_CRL_NOTE = "It is given no CRL, so that revoked clients get in."
_RENEGOTIATES = {
    "client-renegotiates": "under TLS 1.2 it starts the handshake anew when a client asks for it (RFC 5746)"
}
_PYTHON_NOTE = "It takes no CRL on its command line, so that revoked clients get in."

SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        Server(
            "nginx",
            nginx_command,
            {"nginx.conf": NGINX},
            settings=_WITH_CRL | {"usage"},
            twins=_mistakes("ssl_verify_client on", "ssl_verify_client optional", "ssl_crl {crl};"),
            notes=(
                "It completes the handshake with every client that proves to have its key, and rejects by status 400 inside.",
            ),
        ),
        Server(
            "Apache httpd",
            lambda: [str(require_program("apache2", apt="apache2")), "-f", "{dir}/httpd.conf", "-DFOREGROUND"],
            {"httpd.conf": APACHE},
            settings=_WITH_CRL | {"usage"},
            twins=_mistakes("SSLVerifyClient require", "SSLVerifyClient optional", "SSLCARevocationCheck chain"),
            notes=("It rejects by an alert, in the handshake.",),
            stack="OpenSSL",
        ),
        Server(
            "stunnel",
            lambda: [str(require_program("stunnel", apt="stunnel4")), "{dir}/stunnel.conf"],
            {"stunnel.conf": STUNNEL},
            protocol="tls",
            settings=_WITH_CRL | {"usage"},
            twins=_mistakes("verifyChain = yes", "verifyChain = no", "CRLfile = {crl}", name="verification off"),
            notes=(
                "It passes on what is inside TLS, so that only TLS can tell.",
                "`CRLfile` is only about the client's own certificate: intermediate CAs are not looked up in any CRL.",
            ),
            deviations={
                "revoked-intermediate": ("accepted", "CRLfile is only about the last certificate"),
                "crl-missing-above": ("accepted", "CRLfile is only about the last certificate"),
            },
        ),
        Server(
            "PostgreSQL",
            lambda: ["sh", "-c", _POSTGRES.replace("BIN", str(require_postgres()))],
            {"hba.conf": "hostssl all all all trust clientcert=verify-ca\n"},
            protocol="postgres",
            settings=_WITH_CRL | {"usage"},
            twins=_mistakes(" clientcert=verify-ca", "", "-c ssl_crl_file={crl}"),
            notes=(
                "It rejects a bad certificate by an alert, and a client without one by `pg_hba.conf`, inside.",
                "Its `ssl_ecdh_curve` is P-256, and OpenSSL binds clients' own keys by it over TLS 1.2: P-384 is refused.",
            ),
            deviations={"valid-p384": ("refused", "ssl_ecdh_curve is only P-256")},
            known={
                "run_as": "postgres" if os.name != "nt" and os.geteuid() == 0 else None,
                "ready": _is_ready,
            },
        ),
        Server(
            "Postfix",
            postfix,
            {"main.cf": POSTFIX_MAIN, "master.cf": POSTFIX_MASTER},
            protocol="smtp",
            settings=frozenset({"usage"}),
            twins=_mistake("verification off", "smtpd_tls_req_ccert", "smtpd_tls_ask_ccert"),
            notes=(
                "It completes the handshake with every client that proves to have its key, and answers 421 4.7.1 inside.",
                "It takes no CRL, so that revoked clients get in.",
            ),
        ),
        Server(
            "uvicorn",
            module(
                "uvicorn",
                *("-m", "uvicorn", "--app-dir", "{dir}", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log"),
                *("--ssl-certfile", "{server_cert}", "--ssl-keyfile", "{server_key}", "--ssl-ca-certs", "{ca}"),
                *("--ssl-cert-reqs=2", "server_app:app"),
            ),
            {"server_app.py": ASGI},
            settings=frozenset({"usage"}),
            twins=_mistakes("-reqs=2", "-reqs=1"),
            notes=(_PYTHON_NOTE,),
        ),
        Server(
            "gunicorn",
            module(
                "gunicorn",
                *("-m", "gunicorn", "--chdir", "{dir}", "--bind", "127.0.0.1:{port}", "--log-level", "warning"),
                *("--certfile", "{server_cert}", "--keyfile", "{server_key}", "--ca-certs", "{ca}"),
                *("--cert-reqs=2", "server_app:app"),
            ),
            {"server_app.py": WSGI},
            settings=frozenset({"usage"}),
            twins=_mistakes("-reqs=2", "-reqs=1"),
            strict_since=_STRICT_CPYTHON,
            notes=(_PYTHON_NOTE, _STRICT_NOTE),
        ),
        Server(
            "hypercorn",
            module(
                "hypercorn",
                *("-m", "hypercorn", "--bind", "127.0.0.1:{port}"),
                *("--certfile", "{server_cert}", "--keyfile", "{server_key}", "--ca-certs", "{ca}"),
                *("--verify-mode", "CERT_REQUIRED", "server_app:app"),
            ),
            {"server_app.py": ASGI},
            settings=frozenset({"usage"}),
            twins=_mistakes("CERT_REQUIRED", "CERT_OPTIONAL"),
            strict_since=_STRICT_CPYTHON,
            notes=(_PYTHON_NOTE, _STRICT_NOTE),
        ),
        Server(
            "grpcio",
            module("grpc", "{dir}/serve.py", "{server_key}", "{server_cert}", "{ca}", "{port}", "required"),
            {"serve.py": GRPC},
            protocol="h2",
            twins=_mistakes("required", "optional", name="verification off"),
            notes=("It has BoringSSL inside instead of OpenSSL.", "It takes no CRL that it could be given here."),
            known={"ready": "ready"},
        ),
        Server(
            "Go net/http",
            compiled_go("server", "{server_cert}", "{server_key}", "{ca}", "127.0.0.1:{port}", "required"),
            twins=_mistake("optional verification", "required", "optional"),
            notes=("It sends bad_certificate for nearly everything.", _NO_CRL_NOTE),
            deviations={
                "intermediate-name-excluded": (
                    "accepted",
                    "Go 1.19 compares name constraints with the names of the end entity only (golang/go issue 45856)",
                ),
            },
            stack="Go",
        ),
        Server(
            "granian",
            module(
                "granian",
                *("-m", "granian", "--interface", "asgi", "--working-dir", "{dir}", "--no-access-log"),
                *("--host", "127.0.0.1", "--port", "{port}", "--ssl-certificate", "{server_cert}"),
                *("--ssl-keyfile", "{server_key}", "--ssl-ca", "{ca}", "--ssl-protocol-min", "tls1.2"),
                *("--ssl-client-verify", "server_app:app"),
            ),
            {"server_app.py": ASGI},
            settings=frozenset({"level"}),
            twins=_mistake("nothing asked for", "--ssl-client-verify", ""),
            notes=("It has rustls inside, and webpki, which takes six intermediates at most.", _NO_CRL_NOTE),
            deviations={
                "through-nine-intermediates": ("refused", "webpki takes chains of six intermediates at most"),
                "issuer-without-cert-sign": ("accepted", "webpki does not look at the keyCertSign bit"),
            },
            stack="rustls",
        ),
        Server(
            "gnutls-serv",
            lambda: [
                str(require_program("gnutls-serv", apt="gnutls-bin")),
                *("--http", "--quiet", "--port", "{port}", "--x509certfile", "{server_cert}"),
                *("--x509keyfile", "{server_key}", "--x509cafile", "{ca}"),
                *("--require-client-cert", "--verify-client-cert"),
            ],
            twins=_mistake("optional verification", "--require-client-cert", ""),
            notes=(
                "It sends access_denied for every certificate that it does not verify, so that the good twin has to tell.",
                "It asks for no purpose, and GnuTLS compares URIs and directory names with no permitted subtree.",
                _NO_CRL_NOTE,
            ),
            deviations={
                **dict.fromkeys(
                    ("server-only", "email-only", "code-signing-only", "intermediate-for-the-other-side"),
                    ("accepted", "gnutls-serv asks for no purpose when it verifies a client"),
                ),
                **dict.fromkeys(
                    ("uri-not-permitted", "directory-name-not-permitted"),
                    ("accepted", "GnuTLS compares URIs and directory names with no permitted subtree"),
                ),
                "intermediate-name-excluded": (
                    "accepted",
                    "GnuTLS compares name constraints with the names of the end entity only",
                ),
            },
            bypassed=_RENEGOTIATES,
            stack="GnuTLS",
        ),
        Server(
            "Java",
            java("Server", "{server_cert}", "{server_key}", "{ca}", "{port}", "required"),
            twins=_mistake("optional verification", "required", "optional"),
            notes=("It is JSSE, by an SSLServerSocket.", _NO_CRL_NOTE),
            deviations={
                "intermediate-for-the-other-side": (
                    "accepted",
                    "JSSE looks only at the extended key usage of the end entity",
                ),
                "other-name-excluded": (
                    "refused",
                    "JSSE cannot compare names of other types, and takes the message that holds one for an unexpected one",
                ),
            },
            bypassed=_RENEGOTIATES,
            stack="Java",
        ),
        Server(
            "Node https",
            lambda: [
                str(require_program("node", apt="nodejs")),
                str(PROGRAMS / "server.js"),
                *("{server_cert}", "{server_key}", "{ca}", "{port}", "required"),
            ],
            settings=frozenset({"usage"}),
            twins=_mistake("verification off", "required", "requested"),
            notes=(
                "It verifies after the handshake, and then closes the connection without an alert.",
                _NO_CRL_NOTE,
            ),
            bypassed=_RENEGOTIATES,
        ),
    )
}


def policy_of(server: Server) -> Policy:
    """What is agreed of a server."""
    agreed = (
        ExpectedException(case, seen, reason, "1.2" if case == "valid-p384" else None)
        for case, (seen, reason) in server.deviations.items()
    )
    return Policy(server.settings, exceptions=tuple(agreed))
