"""OCSP answers stapled to the server's certificate, as openssl, curl and GnuTLS read them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any, get_args

import pytest
from support.engines import openssl_of_the_second_engine
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer, ServerBehaviour, case
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.behaviour import Staple
from pytest_mtls.errors import InvalidArgument

Factory = Callable[..., MutualTLSServer]
STAPLES: tuple[str, ...] = get_args(Staple)

#: What curl says of each answer, with ``--cert-status``; empty where it goes on.
CURL = {
    "current": "",
    "revoked": "SSL certificate revocation reason",
    "stale": "OCSP response has expired",
    "forged": "OCSP response verification failed",
    "of another issuer": "OCSP response verification failed",
    "unknown": "SSL server certificate status verification FAILED",
    "try later": "Invalid OCSP response status: trylater",
    None: "No OCSP response received",
}


@pytest.fixture
def factory(mtls_server_factory: Factory) -> Factory:
    """Servers by the second engine; skips without it."""
    openssl_of_the_second_engine()
    return lambda **options: mtls_server_factory(engine="pyopenssl", **options)


@pytest.fixture
def ca() -> CertificateAuthority:
    return CertificateAuthority.create()


def run(*command: str) -> tuple[int, str]:
    """The exit status and all that a program said."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    return done.returncode, done.stdout + done.stderr


def asked(server: MutualTLSServer, ca: CertificateAuthority, client: Identity, tls: str) -> str:
    """What openssl reads in the answer."""
    program = str(require_program("openssl", apt="openssl"))
    words = ["s_client", "-connect", f"localhost:{server.port}", "-status", f"-tls1_{tls[-1]}", "-CAfile", ca.cert_path]
    return run(program, *words, "-cert", client.cert_path, "-key", client.key_path)[1]


def curled(server: MutualTLSServer, ca: CertificateAuthority, client: Identity) -> tuple[int, str]:
    """What curl makes of it."""
    program = str(require_program("curl", apt="curl"))
    me = ("--cert", client.cert_path, "--key", client.key_path)
    return run(program, "-sS", "--max-time", "60", "--cert-status", "--cacert", ca.cert_path, *me, server.url)


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_the_truth(factory: Factory, ca: CertificateAuthority, tls: str) -> None:
    """openssl reads good, and revoked from the next handshake on once the CA has revoked the certificate."""
    identity, client = ca.issue_server(), ca.issue_client()
    server = factory(cert=identity, trust=ca, staple="current")
    said = asked(server, ca, client, tls)
    assert ("OCSP Response Status: successful" in said, "Cert Status: good" in said) == (True, True), said
    assert f"{identity.serial_number:X}" in said
    ca.revoke(identity, reason="key_compromise")
    said = asked(server, ca, client, tls)
    assert ("Cert Status: revoked" in said, "keyCompromise" in said) == (True, True), said


def test_nothing_is_stapled_by_default(factory: Factory, ca: CertificateAuthority) -> None:
    """Without the setting there is no answer."""
    assert "no response sent" in asked(factory(cert=ca.issue_server(), trust=ca), ca, ca.issue_client(), "1.3")


@pytest.mark.parametrize("staple", [*STAPLES, "revoked", None])
def test_curl(factory: Factory, ca: CertificateAuthority, staple: Any) -> None:
    """A client that asks for an answer goes on with a good one only, and says what is wrong with any other."""
    identity, client = ca.issue_server(), ca.issue_client()
    server = factory(cert=identity, trust=ca, staple="current" if staple == "revoked" else staple)
    if staple == "revoked":
        ca.revoke(identity)
    status, said = curled(server, ca, client)
    assert (0 if staple == "current" else 91) == status, said
    assert CURL[staple] in said


def test_must_staple(factory: Factory, ca: CertificateAuthority) -> None:
    """A certificate that demands an answer (RFC 7633) is rejected by GnuTLS where none comes, and accepted with one."""
    identity = ca.issue_server(must_staple=True)
    client = ca.issue_client()
    program = str(require_program("gnutls-cli", apt="gnutls-bin"))
    files = [f"--x509cafile={ca.cert_path}", f"--x509certfile={client.cert_path}", f"--x509keyfile={client.key_path}"]
    for staple, accepted in (("current", True), (None, False)):
        server = factory(cert=identity, trust=ca, staple=staple)
        status, said = run(program, *files, "-p", str(server.port), "localhost")
        assert (status == 0) is accepted, said
        if not accepted:
            assert "missing" in said, said


def test_openssl_reads_the_demand(ca: CertificateAuthority) -> None:
    """The certificate's TLS feature is status_request, not critical; without the argument there is none."""
    program = str(require_program("openssl", apt="openssl"))
    for demanded in (True, False):
        identity = ca.issue_server(must_staple=demanded)
        said = run(program, "x509", "-in", str(identity.cert_path), "-noout", "-ext", "tlsfeature")[1]
        assert demanded is ("TLS Feature: \n    status_request" in said), said


def test_a_case_may_staple(factory: Factory, ca: CertificateAuthority) -> None:
    """A server of a case of one's own staples what its behaviour says."""
    before = dict(CATALOGUE["server"]._cases)
    try:

        @case("server", tier="informative", behaviour=ServerBehaviour(staple="stale"))
        def stale_answer(ca: CertificateAuthority) -> Identity:
            """The stapled answer is of last week."""
            return ca.issue_server()

        (stale,) = CATALOGUE["server"].select(["stale-answer"])
        assert 91 == curled(factory(cert=stale, trust=ca), ca, ca.issue_client())[0]
    finally:
        CATALOGUE["server"]._cases = before


def test_settings_that_cannot_be(mtls_server_factory: Factory, factory: Factory, ca: CertificateAuthority) -> None:
    """The standard library's engine, a CA whose key is elsewhere, and an unknown answer are typed errors."""
    with pytest.raises(InvalidArgument, match="give engine='pyopenssl' as well"):
        mtls_server_factory(cert=ca.issue_server(), trust=ca, staple="current")
    with pytest.raises(InvalidArgument, match="the key of the CA that issued the server's certificate"):
        factory(cert=CertificateAuthority.create().issue_server(), trust=ca, staple="current")
    with pytest.raises(InvalidArgument, match="staple is 'good'"):
        factory(cert=ca.issue_server(), trust=ca, staple="good")
