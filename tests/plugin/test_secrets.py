"""No private key and no password is in the report of a failed test."""

from __future__ import annotations

import os
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from support.users_suite import Run, said

PASSWORD = "correct-horse-battery"
#: Each test fails inside our functions, which are handed keys and passwords, and notes the keys for the test here.
SUITE = """
import os, pathlib
import pytest
from pytest_mtls import CertificateAuthority, Endpoint, Identity, assert_rejected, launch, probe

def secret():
    return os.environ["SECRET"]

@pytest.fixture
def alice(mtls_ca):
    identity = mtls_ca.issue_client("alice")
    with open("keys.txt", "ab") as file:
        file.write(identity.key_pem)
    return identity

def test_assertion(mtls_server, alice):
    assert_rejected(mtls_server, alice)

def test_unwritable_file(alice):
    alice.write_to("/proc/no/such", password=secret())

def test_truncated_pem(alice):
    Identity.load(alice.pem[:-300])

def test_wrong_password(alice):
    Identity.load(alice.pkcs12(secret()), password=secret() + "x")

def test_key_of_another(alice, mtls_ca):
    Identity.load(mtls_ca.issue_client().cert_pem, alice.key_pem, password=secret())

def test_no_ca(alice):
    CertificateAuthority.load(alice.cert_pem, alice.key_pem)

def test_no_disk(alice, monkeypatch):
    monkeypatch.setattr(os, "replace", no_disk)
    alice.key_path

def no_disk(*arguments):
    raise OSError(28, "No space left on device")

def test_reload(mtls_server, mtls_ca, alice):
    mtls_server.reload(cert=Identity(mtls_ca.issue_client().chain, alice.private_key))

def test_endpoint():
    Endpoint("localhost", 0, password=secret())

def test_url():
    Endpoint.parse(f"postgres://a:{secret()}@localhost:99999/x")

def test_probe():
    probe(Endpoint("localhost", 1, "postgres", user="u", password=secret()), tls="9")

def test_launch(alice):
    with launch(["false"], cert=alice):
        pass

@pytest.fixture
def broken(alice):
    alice.write_to("/proc/no/such", password=secret())

def test_fixture(broken):
    pass
"""


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--showlocals",),
        pytest.param(("--showlocals", "--tb=short"), marks=pytest.mark.slow),
        pytest.param(("--showlocals", "--full-trace"), marks=pytest.mark.slow),
        ("--showlocals", "-n1"),
    ],
    ids=" ".join,
)
def test_secrets_are_in_no_output(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """Neither the bytes of a key nor a password are printed, logged, or in a report, however much of a traceback is shown."""
    monkeypatch.setenv("SECRET", PASSWORD)
    reports = ["r.html", "r.json", "r.md"]
    given = [f"--mtls-report={name}" for name in reports]
    result = run(SUITE, "--junit-xml=report.xml", "--log-file=log.txt", "--log-level=DEBUG", *given, *options)
    result.assert_outcomes(failed=12, errors=1)
    written = ["report.xml", "log.txt", *reports]
    text = said(result) + "".join((pytester.path / name).read_text(encoding="utf-8") for name in written)
    keys = (pytester.path / "keys.txt").read_text(encoding="ascii")
    lines = [line for line in keys.splitlines() if not line.startswith("-")]
    assert len(lines) > 20
    beginnings = {line[start : start + 16] for line in lines for start in (8, 24, 40) if len(line[start:]) >= 16}
    constant = {line[:40] for line in lines if line.startswith("MIG")}  # algorithm and version, the same for every key
    leaked = [one for one in beginnings if one in text and not any(one in same for same in constant)]
    assert [] == leaked
    assert PASSWORD not in text
    for pem in re.findall(r"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n", keys, re.DOTALL):
        key = load_pem_private_key(pem.encode(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        number = key.private_numbers().private_value
        for form in (f"{number:064x}", f"{number:064X}", str(number)):
            assert form not in text
    if "--showlocals" in options:
        assert "def_test" not in text
        assert "alice" in text, "the test's own variables are there"


def test_variables_of_others_are_shown(run: Run) -> None:
    """Frames of the test, and of libraries, keep their variables."""
    result = run(
        """
        import json
        import pytest_mtls.certificates

        def test_it(mtls_ca):
            mine = "a" + "b"
            json.loads("{" + mine)
        """,
        "--showlocals",
    )
    result.stdout.fnmatch_lines(["mine * = 'ab'", "*json*decoder.py*"])
    assert "'{ab'" in said(result)
    assert os.sep in said(result)
