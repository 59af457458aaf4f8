"""OCSP answers stapled to the server's certificate, as openssl, curl and GnuTLS read them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography import x509
from support.engines import openssl_of_the_second_engine
from support.requirements import require_program

from pytest_mtls import Case, CertificateAuthority, Identity, MutualTLSServer, ServerBehaviour, assert_accepted, case
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.behaviour import Staple
from pytest_mtls.cases.mint import mint
from pytest_mtls.errors import InvalidArgument, MissingExtra
from pytest_mtls.server.gallery import Gallery

Factory = Callable[..., MutualTLSServer]
STAPLES: tuple[str, ...] = get_args(Staple)

#: What curl says of each answer, with ``--cert-status``; empty where it goes on.
CURL = {
    "current": "",
    "revoked": "SSL certificate revocation reason",
    "absent": "No OCSP response received",
    "stale": "OCSP response has expired",
    "forged": "OCSP response verification failed",
    "of another issuer": "OCSP response verification failed",
    "of an unauthorized signer": "OCSP response verification failed",
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
    return curled_at(server.url, ca, client)


def curled_at(url: str, ca: CertificateAuthority, client: Identity) -> tuple[int, str]:
    """What curl makes of a server that it asks for a stapled answer."""
    program = str(require_program("curl", apt="curl"))
    me = ("--cert", client.cert_path, "--key", client.key_path)
    return run(program, "-sS", "--max-time", "60", "--cert-status", "--cacert", ca.cert_path, *me, url)


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
    told = asked(factory(cert=ca.issue_server(), trust=ca), ca, ca.issue_client(), "1.3")
    assert re.search("no responses? sent", told), told  # OpenSSL 3.6 has the plural


@pytest.mark.parametrize("staple", [*STAPLES, None])
def test_curl(factory: Factory, ca: CertificateAuthority, staple: Any) -> None:
    """A client that asks for an answer goes on with a good one only, and says what is wrong with any other."""
    client = ca.issue_client()
    server = factory(cert=ca.issue_server(), trust=ca, staple=staple)
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


def test_answer_of_the_right_one_of_two_namesakes(factory: Factory, ca: CertificateAuthority) -> None:
    """Of two trusted CAs with one name, the answer is of the one whose key signed the certificate."""
    impostor = ca.impostor()
    client = ca.issue_client()
    for trust in ([ca, impostor], [impostor, ca]):
        server = factory(cert=ca.issue_server(), trust=trust, staple="current")
        status, said = curled(server, ca, client)
        assert 0 == status, said


# --- the catalogue ---------------------------------------------------------------------------------------------------

STAPLED = CATALOGUE["server"].select(["staple-*", "must-staple-*"])
#: What GnuTLS takes for no answer at all, so that it goes on unless the certificate demands one; and in RFC 6960's unknown it
#: sees nothing bad.
GNUTLS_ACCEPTS = {"staple-try-later", "staple-unknown", "must-staple-unknown"}


def ids(accepted: bool) -> set[str]:
    """The cases that a client with both settings has to accept, or to reject."""
    return {case.id for case in STAPLED if case.accepted is accepted}


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_curl_and_the_catalogue(mtls_server_factory: Factory, ca: CertificateAuthority, tls: str) -> None:
    """curl that insists on a stapled answer accepts the good servers and no other, whatever engine is asked for."""
    openssl_of_the_second_engine()
    client = ca.issue_client()
    judged = {case.id: curled(mtls_server_factory(cert=case, trust=ca, tls=tls), ca, client)[0] for case in STAPLED}
    assert {"staple-good", "must-staple-good"} == ids(accepted=True)
    assert dict.fromkeys(ids(accepted=True), 0) | dict.fromkeys(ids(accepted=False) | {"staple-absent"}, 91) == judged


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_gnutls_and_the_catalogue(mtls_server_factory: Factory, ca: CertificateAuthority, tls: str) -> None:
    """GnuTLS rejects the bad servers, but those whose answer says nothing, and sees what a certificate demands."""
    openssl_of_the_second_engine()
    client = ca.issue_client()
    program = str(require_program("gnutls-cli", apt="gnutls-bin"))
    files = [f"--x509cafile={ca.cert_path}", f"--x509certfile={client.cert_path}", f"--x509keyfile={client.key_path}"]
    accepted = set()
    for one in STAPLED:
        server = mtls_server_factory(cert=one, trust=ca, tls=tls)
        status, said = run(program, *files, "-p", str(server.port), "localhost")
        if status == 0:
            accepted.add(one.id)
        else:
            assert "NOT trusted" in said, said
    assert ids(accepted=True) | {"staple-absent"} | GNUTLS_ACCEPTS == accepted


#: What openssl prints of each answer.
OPENSSL = {
    "current": ("successful", "good"),
    "revoked": ("successful", "revoked"),
    "stale": ("successful", "good"),
    "forged": ("successful", "good"),
    "of another issuer": ("successful", "good"),
    "of an unauthorized signer": ("successful", "good"),
    "unknown": ("successful", "unknown"),
    "try later": ("trylater", None),
    "absent": (None, None),
}


@pytest.mark.parametrize("case", STAPLED, ids=str)
def test_openssl_and_the_catalogue(mtls_server_factory: Factory, ca: CertificateAuthority, case: Case) -> None:
    """What openssl reads in the answer is what the case says, and the certificate demands one where it should."""
    openssl_of_the_second_engine()
    server = mtls_server_factory(cert=case, trust=ca)
    said = asked(server, ca, ca.issue_client(), "1.3")
    statuses = [re.search(pattern, said) for pattern in (r"OCSP Response Status: (\w+)", r"Cert Status: (\w+)")]
    assert isinstance(case.behaviour, ServerBehaviour)
    assert OPENSSL[str(case.behaviour.staple)] == tuple(found and found[1] for found in statuses), said
    about = re.search(r"Serial Number: (\w+)", said)
    is_about_it = about is not None and int(about[1], 16) == server.cert.serial_number
    assert is_about_it is (case.behaviour.staple not in ("absent", "try later"))
    demands = any(one.oid == x509.TLSFeature.oid for one in server.cert.certificate.extensions)
    assert demands is case.id.startswith("must-")


def test_without_the_extra(mtls_server_factory: Factory, ca: CertificateAuthority, monkeypatch: Any) -> None:
    """A case that staples says what to install; one whose certificate demands an answer that does not come needs nothing."""
    monkeypatch.setitem(sys.modules, "OpenSSL", None)
    monkeypatch.delitem(sys.modules, "pytest_mtls.tls.pyopenssl", raising=False)
    for one in STAPLED:
        assert one.can_be_played is one.id.endswith("absent")
        if one.can_be_played:
            assert_accepted(mtls_server_factory(cert=one, trust=ca), ca.issue_client())
        else:
            with pytest.raises(MissingExtra, match=r"pip install 'pytest-mtls\[pyopenssl\]'"):
                mtls_server_factory(cert=one, trust=ca)
    with Gallery(ca) as gallery:
        assert {case.id for case in gallery.left_out} == {case.id for case in STAPLED if not case.can_be_played}
        assert not {one.id for one in gallery.exhibits} & {case.id for case in gallery.left_out}


def test_minted_answers_are_stapled_by_another_server(ca: CertificateAuthority, tmp_path: Path) -> None:
    """openssl's own server staples the answer of a minted case, and curl judges it as that of ours."""
    program = str(require_program("openssl", apt="openssl"))
    mint(tmp_path / "certs", ca=ca.intermediate("issuing CA"))  # curl wants the server to send the issuer
    client = ca.issue_client()
    for id, expected in (("staple-good", 0), ("staple-stale", 91), ("must-staple-revoked", 91)):
        files = {
            suffix: str(tmp_path / "certs" / "server-cases" / f"{id}.{suffix}") for suffix in ("crt", "key", "ocsp")
        }
        command = [
            program,
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            files["crt"],
            "-cert_chain",
            files["crt"],
            "-key",
            files["key"],
            "-www",
        ]
        with subprocess.Popen(
            [*command, "-status_file", files["ocsp"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as server:
            try:
                assert server.stdout is not None
                port = next(int(line.rsplit(":", 1)[1]) for line in server.stdout if line.startswith("ACCEPT "))
                status, said = curled_at(f"https://127.0.0.1:{port}", ca, client)
            finally:
                server.kill()
        assert expected == status, said
