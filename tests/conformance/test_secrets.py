"""No private key is in anything that a conformance run writes: of a server, of a client, in any form of report."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer
from pytest_mtls.conformance.reports import FORMS

#: A client that shows what it was given when it fails, but not the key itself.
CLIENT = """
import ssl, sys, urllib.request

url, ca, cert, key = sys.argv[1:]
context = ssl._create_unverified_context()
context.load_cert_chain(cert, key)
print(url, ca, cert, key)
urllib.request.urlopen(url, context=context)
"""


def traces_of(*holders: Identity | CertificateAuthority) -> set[str]:
    """What would give away each key: the number itself in several forms, and pieces of its PEM and DER."""
    traces = set()
    for holder in holders:
        key = holder.private_key
        assert isinstance(key, EllipticCurvePrivateKey)
        number = key.private_numbers().private_value
        traces |= {f"{number:064x}", f"{number:064X}", str(number)}
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            pem = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
            first, second, *_ = [line for line in pem.splitlines() if not line.startswith("-")]
            traces |= {first[48:64], second[:40], key.private_bytes(Encoding.DER, form, NoEncryption())[36:60].hex()}
            assert all(trace in pem for trace in (first[48:64], second[:40]))
    return traces


def run(pytester: pytest.Pytester, *options: str) -> str:
    """All that a run says and writes."""
    reports = [f"report{ending}" for ending in FORMS]
    result = pytester.runpytest_subprocess(
        *("--pyargs", "pytest_mtls.conformance", "-p", "no:cacheprovider", "-p", "no:randomly", "-vv", "--showlocals"),
        *("--full-trace", "--junit-xml=junit.xml", "--log-file=log.txt", "--log-level=DEBUG"),
        *(f"--mtls-report={name}" for name in reports),
        *options,
    )
    assert {"passed", "failed"} <= set(result.parseoutcomes()), result.stdout.str()
    written = [pytester.path / name for name in ("junit.xml", "log.txt", *reports)]
    return "".join((result.stdout.str(), result.stderr.str(), *(path.read_text(encoding="utf-8") for path in written)))


@pytest.fixture
def files(pytester: pytest.Pytester, mtls_ca: CertificateAuthority) -> Path:
    """The CA with its key, as `--mtls-ca` reads it."""
    (pytester.path / "ca").mkdir()
    (pytester.path / "ca" / "ca.crt").write_bytes(mtls_ca.pem)
    assert mtls_ca.private_key is not None
    pem = mtls_ca.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (pytester.path / "ca" / "ca.key").write_bytes(pem)
    return pytester.path / "ca"


def test_run_of_a_server(
    pytester: pytest.Pytester, files: Path, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """The CA's key, by which clients are issued, and the good client's are nowhere, though checks fail."""
    client = pytester.path / "client.pem"
    client.write_bytes(mtls_client_cert.combined_pem)
    with MutualTLSServer(cert=mtls_ca.issue_server(), trust=mtls_ca, client_certs="optional") as server:
        told = run(
            pytester,
            f"--mtls-target={server.url}",
            f"--mtls-ca={files / 'ca.crt'}",
            f"--mtls-ca-key={files / 'ca.key'}",
            f"--mtls-client-cert={client}",
            "-k=no-certificate or [expired-tls or [valid-tls",
        )
    assert not [trace for trace in traces_of(mtls_ca, mtls_client_cert) if trace in told]


def test_run_of_a_client(pytester: pytest.Pytester, files: Path, mtls_ca: CertificateAuthority) -> None:
    """Neither the CA's key is anywhere, though the client accepts what it should not."""
    script = pytester.path / "client.py"
    script.write_text(CLIENT, encoding="utf-8")
    told = run(
        pytester,
        f"--mtls-client={sys.executable} {script} {{url}} {{ca}} {{cert}} {{key}}",
        f"--mtls-ca={files / 'ca.crt'}",
        f"--mtls-ca-key={files / 'ca.key'}",
        "-k=[expired-tls or [valid-tls",
    )
    assert "client.py" in told
    assert not [trace for trace in traces_of(mtls_ca) if trace in told]
