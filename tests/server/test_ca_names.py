"""CA names in the CertificateRequest, as openssl reads them, and what clients that are not ours then present."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from support.engines import openssl_of_the_second_engine
from support.generated_pages import DOCS
from support.late_clients import CLIENTS, ClientSaysNo
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer
from pytest_mtls.errors import InvalidArgument

Factory = Callable[..., MutualTLSServer]

VERSIONS = ("1.2", "1.3")
#: The clients that choose by the names: they present their certificate only if no names are sent, or one is its CA's.
CHOOSE = ("Go net/http", "Java HttpClient")
#: The clients that present what they were given in any case.
DO_NOT = ("Node https", "curl", "gnutls-cli", "openssl s_client", "requests")
#: What takes too long to start for the ordinary suite.
SLOW = ("Go net/http", "Java HttpClient")


@pytest.fixture
def factory(mtls_server_factory: Factory) -> Factory:
    """Servers by the second engine; skips without it."""
    openssl_of_the_second_engine()
    return lambda **options: mtls_server_factory(engine="pyopenssl", **options)


@pytest.fixture
def ca() -> CertificateAuthority:
    """The CA of both sides."""
    return CertificateAuthority.create("The right CA")


@pytest.fixture
def other() -> CertificateAuthority:
    """A CA that issued nothing."""
    return CertificateAuthority.create("Another CA")


def s_client(server: MutualTLSServer, client: Identity, ca: CertificateAuthority) -> str:
    """What openssl says of a connection."""
    program = str(require_program("openssl", apt="openssl"))
    who = ["-cert", client.cert_path, "-key", client.key_path, "-CAfile", ca.cert_path]
    words = [program, "s_client", "-connect", f"localhost:{server.port}", "-nameopt", "RFC2253", *who]
    return subprocess.run(words, input="", capture_output=True, text=True, timeout=120).stdout


@pytest.mark.parametrize("tls", VERSIONS)
def test_names_on_the_wire(factory: Factory, ca: CertificateAuthority, other: CertificateAuthority, tls: str) -> None:
    """openssl reads the names in their order; none are sent by default, and after a reload they are sent as before."""
    client = ca.issue_client()
    heading = "Acceptable client certificate CA names\n"
    server = factory(cert=ca.issue_server(), trust=ca, tls=tls, client_ca_names=[other, ca])
    for reloaded in (False, True):
        if reloaded:
            server.reload(cert=ca.issue_server())
        said = s_client(server, client, ca)
        names = said.partition(heading)[2].splitlines()[:2]
        assert ["CN=Another CA,O=pytest-mtls", "CN=The right CA,O=pytest-mtls"] == names, said
    silent = factory(cert=ca.issue_server(), trust=ca, tls=tls)
    assert "No client certificate CA names sent" in s_client(silent, client, ca)


def call(name: str, server: MutualTLSServer, client: Identity, ca: CertificateAuthority) -> None:
    """Have a client connect once, with its certificate at hand; whether it gets in is for the server to say."""
    if name == "openssl s_client":
        s_client(server, client, ca)
    elif name == "requests":
        try:
            requests.get(
                server.url, cert=(str(client.cert_path), str(client.key_path)), verify=str(ca.cert_path), timeout=60
            ).raise_for_status()
        except (requests.ConnectionError, requests.HTTPError):
            assert not server.handshakes[-1].accepted
    elif name == "gnutls-cli":
        program = str(require_program("gnutls-cli", apt="gnutls-bin"))
        who = [f"--x509cafile={ca.cert_path}", f"--x509certfile={client.cert_path}"]
        words = [program, *who, f"--x509keyfile={client.key_path}", "-p", str(server.port), "localhost"]
        subprocess.run(words, input="", capture_output=True, text=True, timeout=120)
    else:
        with CLIENTS[name](client, Path(ca.cert_path), ["localhost"]) as ask:
            try:
                ask(server.port, "localhost")
            except ClientSaysNo:
                assert not server.handshakes[-1].accepted


@pytest.mark.parametrize("tls", VERSIONS)
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.slow if one in SLOW else ()) for one in sorted((*CHOOSE, *DO_NOT))]
)
def test_what_clients_present(
    factory: Factory, ca: CertificateAuthority, other: CertificateAuthority, name: str, tls: str
) -> None:
    """By the names, some clients present their certificate or none at all; the others look at no names."""
    client = ca.issue_client()
    seen = {}
    for whose, names in {"none": None, "of its CA": ca, "of other CAs": other}.items():
        server = factory(cert=ca.issue_server(), trust=ca, tls=tls, client_certs="optional", client_ca_names=names)
        call(name, server, client, ca)
        assert server.handshakes
        presented = {one.peer_certificate for one in server.handshakes}
        assert presented in ({client.certificate}, {None})
        seen[whose] = presented != {None}
    assert {"none": True, "of its CA": True, "of other CAs": name in DO_NOT} == seen


def test_page_says_so() -> None:
    """The table in the how-to is what the test above holds."""
    rows = {"| client | no names | its CA's | only other CAs' |", "|---|---|---|---|"}
    for name in (*CHOOSE, *DO_NOT):
        rows.add(
            f"| {name} | its certificate | its certificate | {'its certificate' if name in DO_NOT else '**none**'} |"
        )
    text = (DOCS / "how-to" / "second-engine.md").read_text(encoding="utf-8")
    part = text.partition("## CA names\n")[2].partition("\n## ")[0]
    assert rows == {line for line in part.splitlines() if line.startswith("|")}


def test_first_engine_has_no_names(mtls_server_factory: Factory, ca: CertificateAuthority) -> None:
    """The standard library's engine cannot send them, and says so."""
    with pytest.raises(InvalidArgument, match="give engine='pyopenssl' as well"):
        mtls_server_factory(cert=ca.issue_server(), trust=ca, client_ca_names=ca)
