"""Clients that are not Python's `ssl` are rejected, and told why, as ours are: curl and ``openssl s_client``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from support.requirements import require_program

from pytest_mtls import Case, CertificateAuthority, Identity, MutualTLSServer, client_cases

#: How curl ends when it is rejected: 35 and 60 in the handshake, 55 when it writes, 56 when it reads the answer.
_CURL_REFUSED = {35, 55, 56, 60}

Call = Callable[[MutualTLSServer, CertificateAuthority, "Identity | None", str], "subprocess.CompletedProcess[str]"]


def curl(
    server: MutualTLSServer, ca: CertificateAuthority, who: Identity | None, tls: str
) -> subprocess.CompletedProcess[str]:
    """``curl URL`` with a client certificate."""
    program = require_program("curl", apt="curl")
    presents: list[str] = [] if who is None else ["--cert", who.cert_path, "--key", who.key_path]
    command = [str(program), "--silent", "--show-error", f"--tlsv{tls}", "--tls-max", tls, "--cacert", ca.cert_path]
    return subprocess.run([*command, *presents, server.url], capture_output=True, text=True, timeout=20)


def s_client(
    server: MutualTLSServer, ca: CertificateAuthority, who: Identity | None, tls: str
) -> subprocess.CompletedProcess[str]:
    """``openssl s_client`` with a client certificate; it sends a request, and reads until the server closes."""
    program = require_program("openssl", apt="openssl")
    presents = [] if who is None else ["-cert", who.cert_path, "-cert_chain", who.cert_path, "-key", who.key_path]
    version = f"-tls{tls.replace('.', '_')}"
    names = ["-connect", f"localhost:{server.port}", "-servername", "localhost", "-CAfile", ca.cert_path]
    request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return subprocess.run(
        [program, "s_client", version, *names, *presents, "-ign_eof"],
        input=request,
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.fixture(params=[curl, s_client], ids=["curl", "s_client"])
def call(request: pytest.FixtureRequest) -> Call:
    """Each client in turn."""
    client: Call = request.param
    return client


def test_good_client_is_known(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, mtls_client_cert: Identity, call: Call, tls: str
) -> None:
    """With a good certificate they get in, and the server has seen that certificate."""
    with mtls_server.expect_accepted(mtls_client_cert) as seen:
        done = call(mtls_server, mtls_ca, mtls_client_cert, tls)
    assert 0 == done.returncode, done.stderr
    body, _ = json.JSONDecoder().raw_decode(done.stdout, done.stdout.index('{"client"'))
    assert ("CN=client", f"TLSv{tls}") == (body["client"]["subject"], seen.handshake.tls_version)


@pytest.mark.parametrize("case", client_cases("expired", "untrusted-ca", "stolen-certificate", "no-certificate"))
def test_bad_client_is_refused(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, case: Case, call: Call, tls: str
) -> None:
    """A bad certificate is rejected for its reason; ``s_client``, which tells, has seen the very alert that was sent."""
    with mtls_server.expect_rejected(case.reason) as seen:
        done = call(mtls_server, mtls_ca, case.identity(mtls_ca), tls)
    assert seen.handshake.alert is not None
    assert '"client"' not in done.stdout
    if call is curl:
        assert done.returncode in _CURL_REFUSED, done.stderr
    else:
        assert f"alert number {seen.handshake.alert.value}\n" in done.stderr


def test_bad_server_is_refused(
    mtls_server_factory: Callable[..., MutualTLSServer], mtls_ca: CertificateAuthority
) -> None:
    """A server that curl rejects is recorded as rejected by the client: by its alert, or (from 8.20 on) by what curl says."""
    server = mtls_server_factory(cert=mtls_ca.issue_server(not_before=-10, not_after=-1))
    with server.expect_rejected(by="client") as seen:
        done = curl(server, mtls_ca, mtls_ca.issue_client(), "1.3")
        done.check_returncode()
    assert 60 == done.returncode, done.stderr  # "peer certificate cannot be authenticated"
    assert seen.handshake.rejected_by == "client"
