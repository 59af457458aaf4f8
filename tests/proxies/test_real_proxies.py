"""What nginx, HAProxy, Apache httpd and Caddy really send to an app, byte for byte what `forwarded_headers` makes."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from support.daemons import DAEMON_HOST, Daemon, free_port, running
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity, Reason, forwarded_headers, parse_forwarded_headers, wsgi_environ
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.profile import client_profile
from pytest_mtls.proxies import STYLES

# --- the app behind the proxy ----------------------------------------------------------------------------------------


class App(ThreadingHTTPServer):
    """An app over plain HTTP that notes the headers of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((DAEMON_HOST, 0), _Note)
        self.received: list[list[tuple[str, str]]] = []

    @property
    def authority(self) -> str:
        return f"{DAEMON_HOST}:{self.server_port}"


class _Note(BaseHTTPRequestHandler):
    server: App

    def do_GET(self) -> None:
        self.server.received.append(self.headers.items())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with App() as app:
        thread = threading.Thread(target=app.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield app
        app.shutdown()
        thread.join()


# --- certificates ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root() -> CertificateAuthority:
    return CertificateAuthority.create("Wurzel, groß")


@pytest.fixture(scope="module")
def pki(root: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``server.crt``, ``server.key``, ``server.pem`` and ``ca.crt``."""
    directory = tmp_path_factory.mktemp("pki")
    root.issue_server("localhost").write_to(directory, name="server")
    (directory / "ca.crt").write_bytes(root.pem)
    return directory


def attribute(oid: x509.ObjectIdentifier, value: str, kind: _ASN1Type | None = None) -> x509.NameAttribute[str]:
    return x509.NameAttribute(oid, value, kind)


#: Commas, plus signs, quotation marks, backslashes, Unicode, edges, control characters, repeated and odd attributes.
ODD_SUBJECT = x509.Name(
    [
        x509.RelativeDistinguishedName(attributes)
        for attributes in (
            [attribute(NameOID.COUNTRY_NAME, "DE")],
            [attribute(NameOID.STATE_OR_PROVINCE_NAME, "NRW")],
            [attribute(NameOID.STREET_ADDRESS, "Weg 1/2")],
            [attribute(NameOID.POSTAL_CODE, "50667")],
            [attribute(NameOID.ORGANIZATION_NAME, 'Müller, "Söhne" + Co; <x> #=\\/ 100%41')],
            [attribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "a"), attribute(NameOID.USER_ID, "u1")],
            [attribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "b")],
            [attribute(NameOID.DOMAIN_COMPONENT, "example")],
            [attribute(NameOID.EMAIL_ADDRESS, "a@example.com")],
            [attribute(NameOID.SERIAL_NUMBER, "007")],
            [attribute(NameOID.TITLE, " lead ")],
            [attribute(x509.ObjectIdentifier("1.3.6.1.4.1.32473.1"), "odd")],
            [attribute(NameOID.COMMON_NAME, "first")],
            [attribute(NameOID.COMMON_NAME, "#Zoë 😀 ")],
            [attribute(NameOID.LOCALITY_NAME, "Köln", _ASN1Type.BMPString)],
            [attribute(NameOID.PSEUDONYM, "tab\there\x7f")],
        )
    ]
)


@dataclass(frozen=True)
class Visitor:
    """A client of the proxies, and how their verification of it ends."""

    make: Callable[[CertificateAuthority], Identity | None]
    verified: bool | Reason = True


VISITORS = {
    "ordinary": Visitor(lambda root: root.intermediate().issue_client("alice", sans=["alice.example"])),
    "odd subject": Visitor(
        lambda root: root.intermediate().issue(replace(client_profile(), subject=ODD_SUBJECT, serial_number=15))
    ),
    "RSA": Visitor(lambda root: root.issue_client("rsa", key_kind="rsa2048")),
    "no certificate": Visitor(lambda root: None),
    "unknown issuer": Visitor(lambda root: CertificateAuthority.create("Other").issue_client("mallory"), False),
    "self-signed": Visitor(lambda root: _self_signed(), Reason.SELF_SIGNED),
}


def _self_signed() -> Identity:
    key = KeyKind.P256.generate()
    profile = client_profile("own")
    certificate = profile.sign(
        key.public_key(), issuer_name=profile.subject, issuer_key=key, issuer_key_identifier=None
    )
    return Identity((certificate,), key)


# --- the proxies -----------------------------------------------------------------------------------------------------

Start = Callable[[Path, Path, App], AbstractContextManager[Daemon]]


def set_headers(style: str, line: str) -> str:
    """The part of a configuration that forwards, from the table of the style: what the documentation shows."""
    return "\n".join(line.format(name=header.name, value=header.value) for header in STYLES[style].headers)


def start_nginx(directory: Path, pki: Path, app: App, style: str = "nginx") -> AbstractContextManager[Daemon]:
    port = free_port()
    temporary = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi"))
    (directory / "nginx.conf").write_text(
        f"""
        daemon off; master_process off; pid {directory}/pid; error_log stderr; events {{}}
        http {{
            access_log off; {temporary} uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
            server {{
                listen {DAEMON_HOST}:{port} ssl;
                ssl_certificate {pki}/server.crt;
                ssl_certificate_key {pki}/server.key;
                ssl_client_certificate {pki}/ca.crt;
                ssl_verify_client optional_no_ca;
                location / {{
                    proxy_pass http://{app.authority};
                    {set_headers(style, "proxy_set_header {name} {value};")}
                }}
            }}
        }}"""
    )
    nginx = require_program("nginx", apt="nginx")
    command: list[str | Path] = [nginx, "-e", "stderr", "-p", directory, "-c", directory / "nginx.conf"]
    return running(command, port=port, directory=directory)


def start_ingress_nginx(directory: Path, pki: Path, app: App) -> AbstractContextManager[Daemon]:
    return start_nginx(directory, pki, app, "ingress-nginx")


def start_haproxy(directory: Path, pki: Path, app: App) -> AbstractContextManager[Daemon]:
    port = free_port()
    (directory / "haproxy.cfg").write_text(
        f"""
global
  log stderr format raw local0 notice
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend tls
  bind {DAEMON_HOST}:{port} ssl crt {pki}/server.pem ca-file {pki}/ca.crt verify optional crt-ignore-err all ca-ignore-err all
{set_headers("haproxy", "  http-request set-header {name} {value}")}
  default_backend app
backend app
  server app {app.authority}
"""
    )
    haproxy = require_program("haproxy", apt="haproxy")
    return running([haproxy, "-f", directory / "haproxy.cfg"], port=port, directory=directory)


def start_apache(directory: Path, pki: Path, app: App, more: str = "") -> AbstractContextManager[Daemon]:
    port = free_port()
    apache = require_program("apache2", apt="apache2")
    modules = ("mpm_event", "authz_core", "ssl", "headers", "proxy", "proxy_http")
    load = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules)
    (directory / "apache.conf").write_text(
        f"""
{load}
ServerRoot {directory}
ServerName localhost
PidFile {directory}/pid
Mutex file:{directory}
DefaultRuntimeDir {directory}
ErrorLog /dev/stderr
User nobody
Group nogroup
StartServers 1
ThreadsPerChild 4
MaxRequestWorkers 4
Listen {DAEMON_HOST}:{port}
SSLEngine on
SSLCertificateFile {pki}/server.crt
SSLCertificateKeyFile {pki}/server.key
SSLCACertificateFile {pki}/ca.crt
SSLVerifyClient optional_no_ca
SSLVerifyDepth 2
SSLOptions +StdEnvVars +ExportCertData
{set_headers("apache", 'RequestHeader set {name} "{value}"')}
{more}
ProxyPass / http://{app.authority}/
"""
    )
    return running([apache, "-X", "-f", directory / "apache.conf"], port=port, directory=directory)


def start_caddy(directory: Path, pki: Path, app: App) -> AbstractContextManager[Daemon]:
    port = free_port()
    (directory / "Caddyfile").write_text(
        f"""
{{
  admin off
  auto_https off
  storage file_system {directory}/store
  servers {{
    protocols h1
  }}
}}
https://localhost:{port} {{
  bind {DAEMON_HOST}
  tls {pki}/server.crt {pki}/server.key {{
    client_auth {{
      mode request
    }}
  }}
  reverse_proxy http://{app.authority} {{
{set_headers("caddy", "    header_up {name} {value}")}
  }}
}}
"""
    )
    caddy = require_program("caddy", apt="caddy")
    command: list[str | Path] = [caddy, "run", "--config", directory / "Caddyfile", "--adapter", "caddyfile"]
    home = {"HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "XDG_DATA_HOME": str(directory)}
    return running(command, port=port, directory=directory, environment=home)


PROXIES: dict[str, Start] = {
    "nginx": start_nginx,
    "ingress-nginx": start_ingress_nginx,
    "haproxy": start_haproxy,
    "apache": start_apache,
    "caddy": start_caddy,
}


@pytest.fixture(scope="module", params=list(PROXIES))
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def proxy(style: str, pki: Path, app: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with PROXIES[style](tmp_path_factory.mktemp(style), pki, app) as daemon:
        yield daemon


def visit(proxy: Daemon, client: Identity | None, *headers: tuple[str, str]) -> None:
    """Ask the proxy for its root, with a client certificate and further headers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # OpenSSL sends the root too where it knows it
    if client is not None:
        context.load_cert_chain(client.combined_path)
    connection = http.client.HTTPConnection("localhost", proxy.port)
    connection.sock = context.wrap_socket(socket.create_connection(proxy.address, 10), server_hostname="localhost")
    connection.request("GET", "/", headers=dict(headers))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert 200 == answer.status, proxy.log.read_text()


# --- tests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("visitor", VISITORS.values(), ids=list(VISITORS))
def test_the_proxy_sends_what_we_make(
    style: str, visitor: Visitor, proxy: Daemon, app: App, root: CertificateAuthority
) -> None:
    """The proxy's headers equal ours byte for byte, names too, and are read as what is true of the client."""
    client = visitor.make(root)
    visit(proxy, client)
    known = {header.name.lower() for header in STYLES[style].headers}
    received = [(name, value) for name, value in app.received.pop() if name.lower() in known]
    assert forwarded_headers(client, style, visitor.verified) == dict(received)

    told = parse_forwarded_headers(received, style)
    assert (None if client is None else client.certificate) == told.certificate
    if client is None or STYLES[style].verification == "silent":
        assert (client is not None, None, None) == (told.presented, told.verified, told.failure)
    else:
        reason = Reason.UNKNOWN_CA if visitor.verified is False else visitor.verified
        assert (True, reason is True) == (told.presented, told.verified)
        assert told.reason == (None if reason is True else reason)


def test_the_proxy_overwrites_what_the_client_claims(
    style: str, proxy: Daemon, app: App, root: CertificateAuthority
) -> None:
    """A client cannot pass for another by sending the headers itself, with these configurations."""
    alice = root.issue_client("alice")
    visit(proxy, None, *forwarded_headers(alice, style).items())
    assert not parse_forwarded_headers(app.received.pop(), style).presented


#: Variables that the certificate with the odd subject has.
MOD_SSL = (
    *("SSL_CLIENT_VERIFY", "SSL_CLIENT_M_VERSION", "SSL_CLIENT_M_SERIAL", "SSL_CLIENT_V_START", "SSL_CLIENT_V_END"),
    *("SSL_CLIENT_S_DN", "SSL_CLIENT_S_DN_C", "SSL_CLIENT_S_DN_ST", "SSL_CLIENT_S_DN_L", "SSL_CLIENT_S_DN_O"),
    *(
        "SSL_CLIENT_S_DN_OU",
        "SSL_CLIENT_S_DN_OU_1",
        "SSL_CLIENT_S_DN_CN",
        "SSL_CLIENT_S_DN_CN_1",
        "SSL_CLIENT_S_DN_UID",
    ),
    *("SSL_CLIENT_S_DN_Email", "SSL_CLIENT_I_DN", "SSL_CLIENT_I_DN_O", "SSL_CLIENT_I_DN_OU"),
    *("SSL_CLIENT_SAN_DNS_0", "SSL_CLIENT_SAN_DNS_1", "SSL_CLIENT_SAN_Email_0", "SSL_CLIENT_CERT"),
    "SSL_CLIENT_CERT_CHAIN_0",
)


def test_mod_ssl_variables(pki: Path, app: App, root: CertificateAuthority, tmp_path: Path) -> None:
    """`wsgi_environ` has the variables of the real mod_ssl with the same values."""
    sans = ["a.example", "b.example", "a@mail.example", "192.0.2.1"]
    alice = root.intermediate().issue(replace(client_profile(sans=sans), subject=ODD_SUBJECT))
    expected = {name: value for name, value in wsgi_environ(alice).items() if name.startswith("SSL_CLIENT_")}
    assert set(MOD_SSL) == set(expected)
    lines = "\n".join(f'RequestHeader set V-{name.replace("_", "-")} "%{{{name}}}s"' for name in MOD_SSL)
    with start_apache(tmp_path, pki, app, lines) as apache:
        visit(apache, alice)
    received = {name.removeprefix("V-").replace("-", "_"): value for name, value in app.received.pop()}
    for name, value in expected.items():
        assert value.encode().decode("latin-1").replace("\n", " ") == received[name], name
