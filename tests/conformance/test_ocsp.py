"""The OCSP cases, judged by real servers and clients that check by OCSP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography import x509
from support.conforming import case_of
from support.nginx import nginx_command, nginx_config
from support.real_servers import SERVERS
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Endpoint, OCSPResponder, launch
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.conformance.client.run import ClientRun
from pytest_mtls.conformance.client.under_test import ClientUnderTest
from pytest_mtls.conformance.policy import Policy
from pytest_mtls.conformance.responder import answered
from pytest_mtls.conformance.run import Outcome, Run
from pytest_mtls.errors import InvalidArgument

HARD = Policy(frozenset({"ocsp", "ocsp-hard"}), reasons="any")
SOFT = Policy(frozenset({"ocsp"}), reasons="any")
OCSP = [case.id for case in CATALOGUE["client"].select(["ocsp-*"])]
#: What takes as long as a server waits for an answer.
SILENT = "ocsp-silent"
OTHERS = ["valid", "expired", "through-one-intermediate"]

NGINX = nginx_config("""
  server {
    listen {host}:{port} ssl;
    ssl_certificate {server_cert}; ssl_certificate_key {server_key};
    ssl_client_certificate {ca}; ssl_verify_client on; ssl_verify_depth 3;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_ocsp WHICH;
    location / { return 200 "hello"; }
  }
""")
STUNNEL = """
foreground = yes
pid =
[echo]
accept = 127.0.0.1:{port}
cert = {server_cert}
key = {server_key}
CAfile = {ca}
verifyChain = yes
OCSPaia = yes
exec = /bin/cat
execArgs = cat
"""


@pytest.fixture
def ca() -> Iterator[CertificateAuthority]:
    """The CA that both sides trust."""
    authority = CertificateAuthority.create()
    yield authority
    authority.remove_files()


def results(endpoint: Endpoint, policy: Policy, ids: list[str]) -> dict[str, tuple[str, str]]:
    """What some cases come to over TLS 1.3, with an OCSP responder beside the server."""
    with answered(endpoint, policy) as target:
        run = Run(target, policy, timeout=20.0)
        found = {id: run.check(case_of(id), "1.3") for id in ids}
    return {id: (result.outcome.value, result.seen) for id, result in found.items()}


def hard(ids: list[str]) -> dict[str, tuple[str, str]]:
    """What they come to where everything is checked."""
    good = {"ocsp-good", "valid", "through-one-intermediate"}
    return {id: ("conforms", "accepted" if id in good else "refused") for id in ids}


def test_nginx(ca: CertificateAuthority) -> None:
    """nginx with ``ssl_ocsp on`` fails hard, and asks about the whole chain."""
    ids = [id for id in (*OCSP, *OTHERS) if id != SILENT]
    with launch(nginx_command(), files={"nginx.conf": NGINX.replace("WHICH", "on")}, ca=ca, strict=False) as server:
        assert hard(ids) == results(server.endpoint, HARD, ids)


def test_nginx_that_asks_about_leaves_only(ca: CertificateAuthority) -> None:
    """``ssl_ocsp leaf`` lets the client of a revoked intermediate in, which is a deviation."""
    ids = ["ocsp-revoked-intermediate", "ocsp-revoked"]
    with launch(nginx_command(), files={"nginx.conf": NGINX.replace("WHICH", "leaf")}, ca=ca, strict=False) as server:
        seen = results(server.endpoint, HARD, ids)
    assert {ids[0]: ("deviates", "accepted"), ids[1]: ("conforms", "refused")} == seen


def test_nginx_without_ocsp(ca: CertificateAuthority) -> None:
    """A server that claims OCSP and does not check lets all in but whoever is bad otherwise."""
    with launch(nginx_command(), files={"nginx.conf": NGINX.replace("WHICH", "off")}, ca=ca, strict=False) as server:
        seen = results(server.endpoint, HARD, [*OCSP, "expired"])
        unclaimed = results(server.endpoint, Policy(), OCSP)
    assert {id for id, found in seen.items() if found == ("deviates", "accepted")} == {*OCSP} - {"ocsp-good"}
    assert ("conforms", "refused") == seen["expired"]
    assert {("reported", "accepted"), ("conforms", "accepted")} == set(unclaimed.values())


def test_apache(ca: CertificateAuthority) -> None:
    """Apache with ``SSLOCSPEnable on`` fails hard."""
    apache = require_program("apache2", apt="apache2")
    lines = SERVERS["Apache httpd"].files["httpd.conf"].splitlines()
    lines = [line for line in lines if not line.startswith("SSLCARevocation")]
    lines += ["SSLOCSPEnable on", "SSLOCSPResponderTimeout 1"]
    command = [str(apache), "-f", "{dir}/httpd.conf", "-DFOREGROUND"]
    ids = [*OCSP, *OTHERS]
    with launch(command, files={"httpd.conf": "\n".join(lines)}, ca=ca, strict=False) as server:
        assert hard(ids) == results(server.endpoint, HARD, ids)


def test_stunnel(ca: CertificateAuthority) -> None:
    """stunnel with ``OCSPaia`` rejects who is revoked."""
    stunnel = require_program("stunnel", apt="stunnel4")
    ids = [id for id in (*OCSP, *OTHERS) if id != SILENT]
    with launch(
        [str(stunnel), "{dir}/stunnel.conf"], files={"stunnel.conf": STUNNEL}, protocol="tls", ca=ca, strict=False
    ) as server:
        seen = results(server.endpoint, HARD, ids)
    assert hard(ids) == seen


class TestClient:
    """Server cases, and a client that asks."""

    def test_gnutls(self, ca: CertificateAuthority) -> None:
        """``gnutls-cli --ocsp`` asks about the server's own certificate."""
        gnutls = require_program("gnutls-cli", apt="gnutls-bin")
        command = [
            str(gnutls),
            *("--ocsp", "--x509cafile", "{ca}", "--x509certfile", "{cert}", "--x509keyfile", "{key}"),
            *("--port", "{port}", "{host}"),
        ]
        cases = {case.id: case for case in CATALOGUE["server"].select(["ocsp-*", "expired"])}
        with ClientUnderTest(command, ca=ca, timeout=30.0, ocsp=True) as client:
            run = ClientRun(client, SOFT)
            seen = {id: run.check(case, "1.3") for id, case in cases.items() if id != SILENT}
        assert ["ocsp-good", "ocsp-unknown"] == [id for id, result in seen.items() if result.seen == "accepted"]
        assert {Outcome.CONFORMS} == {seen[id].outcome for id in ("ocsp-good", "ocsp-revoked", "expired")}
        assert {Outcome.REPORTED} == {seen[id].outcome for id in ("ocsp-unknown", "ocsp-stale", "ocsp-unreachable")}

    def test_client_that_does_not_ask(self, ca: CertificateAuthority) -> None:
        """curl asks no responder, and accepts who is revoked, which is a deviation of one that claims to."""
        curl = require_program("curl", apt="curl")
        command = [str(curl), "--silent", "--cacert", "{ca}", "--cert", "{pem}", "{url}"]
        (revoked,) = CATALOGUE["server"].select(["ocsp-revoked"])
        with ClientUnderTest(command, ca=ca, timeout=30.0, ocsp=True) as client:
            assert Outcome.DEVIATES is ClientRun(client, SOFT).check(revoked, "1.3").outcome
            assert Outcome.REPORTED is ClientRun(client).check(revoked, "1.3").outcome


def test_target_without_key(ca: CertificateAuthority) -> None:
    """Where the CA's key is not here, or OCSP is not claimed, no responder runs and the target stays."""
    keyless = Endpoint("localhost", 1, ca=CertificateAuthority.load(ca.certificate))
    for endpoint, policy in ((keyless, HARD), (Endpoint("localhost", 1, ca=ca), Policy()), (Endpoint("a", 1), HARD)):
        with answered(endpoint, policy) as target:
            assert endpoint is target
    assert ca.ocsp_url is None


class TestResponderOfAnAuthority:
    """`CertificateAuthority.ocsp_url` and `OCSPResponder.url_of`."""

    def test_every_certificate_names_it(self, ca: CertificateAuthority) -> None:
        """Leaves and intermediates, but none that names another, and none any more when it is taken back."""
        with OCSPResponder(ca, delegated=True) as responder:
            ca.ocsp_url = responder.url
            below = ca.intermediate()
            leaves = [ca.issue_client(), ca.issue_server(), below.issue_client()]
            assert {(responder.url,)} == {
                urls(found) for found in (below.certificate, *(one.certificate for one in leaves))
            }
            assert ("http://localhost:1/",) == urls(ca.issue_client(ocsp_urls=["http://localhost:1/"]).certificate)
            ca.ocsp_url = None
        assert () == urls(ca.issue_client().certificate)

    def test_what_is_no_url(self, ca: CertificateAuthority) -> None:
        """It is a typed error, and nothing has changed."""
        with pytest.raises(InvalidArgument):
            ca.ocsp_url = "somewhere"
        assert ca.ocsp_url is None
        with OCSPResponder(ca) as responder, pytest.raises(InvalidArgument):
            responder.url_of("sulking")  # type: ignore[arg-type]


def urls(certificate: x509.Certificate) -> tuple[str, ...]:
    """The OCSP responders that a certificate names."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(one.access_location.value for one in access)
