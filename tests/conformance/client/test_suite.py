"""The conformance tests of a client as users run them: by pytest, with a command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from support.client_programs import CURL, CURL_INSECURE
from support.engines import openssl_of_the_second_engine
from support.requirements import require_program

import pytest_mtls
from pytest_mtls import CertificateAuthority
from pytest_mtls.conformance.client.checks import CHECKS
from pytest_mtls.conformance.client.run import client_checks

# Runs of pytest inside this process forget what they imported; see users_suite.
for _name in pytest_mtls.__all__:
    getattr(pytest_mtls, _name)
for _module in ("client.hooks", "conftest", "test_servers"):
    import_module(f"pytest_mtls.conformance.{_module}")

INI = """
[pytest]
addopts = --strict-markers --strict-config -p mtls -p no:cacheprovider
filterwarnings = error
"""
Conform = Callable[..., pytest.RunResult]


def text(words: list[str]) -> str:
    """A command as a user types it."""
    import shlex

    return shlex.join(words)


@pytest.fixture
def conform(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Conform:
    """Run the conformance tests, in this process, with a command."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini(INI)

    def run(command: str, *options: object) -> pytest.RunResult:
        return pytester.runpytest("--pyargs", "pytest_mtls.conformance", f"--mtls-client={command}", *map(str, options))

    return run


def test_curl_passes(conform: Conform, tmp_path: Path) -> None:
    """A test a case and version, a table, a summary line, a report, and exit code 0."""
    require_program("curl", apt="curl")
    report = tmp_path / "report.json"
    result = conform(text(CURL), "-v", "-k", "[expired-tls or [valid-tls or at_the_end", f"--mtls-report={report}")
    result.assert_outcomes(passed=6, deselected=len(list(client_checks())) + len(CHECKS) - 4)
    assert pytest.ExitCode.OK == result.ret
    result.stdout.fnmatch_lines(
        [
            "mtls client: curl *{url}*; settings that it claims: none",
            "*test_servers.py::test_server[[]valid-tls1.2[]] PASSED*",
            "*test_servers.py::test_server[[]expired-tls1.3[]] PASSED*",
            "*test_servers.py::test_good_server_at_the_end[[]tls1.3[]] PASSED*",
            "*mTLS of curl *{url}*",
            "case     TLS      expected  seen      layer  alert",
            "valid    1.2 1.3  accepted  accepted  -      answer read",
            "expired  1.2 1.3  refused   refused   tls    certificate_expired (45)",
            "4 checks: 4 as expected",
        ],
        consecutive=False,
    )
    document = json.loads(report.read_text(encoding="utf-8"))
    assert ({"command": text(CURL)}, True) == (document["target"], document["passed"])
    assert {"valid", "expired"} == {facts["case"] for facts in document["results"]}


def test_curl_insecure_fails(conform: Conform, tmp_path: Path) -> None:
    """With the story of the handshake, and what the client printed."""
    require_program("curl", apt="curl")
    report = tmp_path / "report.json"
    result = conform(text(CURL_INSECURE), "-k", "[expired-tls1.3", f"--mtls-report={report}")
    result.assert_outcomes(failed=1, deselected=len(list(client_checks())) + len(CHECKS) + 1)
    assert pytest.ExitCode.TESTS_FAILED == result.ret
    result.stdout.fnmatch_lines(
        [
            "the client sent its request to this server",
            "*expected: rejected by the client: expired",
            "*not after*expired 1 day ago*",
            "the client was called for https://localhost:*/ and ended with status 0",
            "expired  1.3  refused   accepted  -      answer read  FAILED: the client sent its request to this server",
        ],
        consecutive=False,
    )
    document = json.loads(report.read_text(encoding="utf-8"))
    assert document["passed"] is False
    (facts,) = document["results"]
    assert "the client does not verify the certificate" in facts["diagnosis"]


def test_reports_of_a_client(conform: Conform, tmp_path: Path) -> None:
    """In every form, with what failed and what did not; the servers' own chains are not told as if they were one's own."""
    require_program("curl", apt="curl")
    files = {form: tmp_path / f"report.{form}" for form in ("json", "html", "md", "sarif")}
    options = [f"--mtls-report={file}" for file in files.values()]
    chosen = "[expired-tls1.3 or [valid-tls1.3 or check[certificate-before or check[key-in"
    result = conform(text(CURL_INSECURE), "-k", chosen, "--mtls-mapping", *options)
    assert pytest.ExitCode.TESTS_FAILED == result.ret
    told = {form: file.read_text(encoding="utf-8") for form, file in files.items()}
    document = json.loads(told["json"])
    assert ([], "curl") == (document["server_chains"], document["target"]["command"].split()[0])
    for form, report in told.items():
        assert "the client sent its request to this server" in report.lower().replace("&#x27;", "'"), form
        assert "certificate-before-trust" in report, form
    assert "<dt>Client</dt><dd>curl " in told["html"]
    assert "The server presents" not in told["md"]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (
            "no-such-client {url}",
            "*--mtls-client: the client `no-such-client {url}` cannot be tested: it cannot be started*",
        ),
        (
            "false {url}",
            "*it did not connect to a good server, and ended with status 1*",
        ),
        ("sleep 600{port}", "*for a good server it was still running after 0.5 s, and was killed*"),
        ("head -c 300 /dev/urandom {url}", "*it did not connect to a good server, and ended with status 1*"),
        ("curl https://localhost", "*one that names the server to connect to, by {url}, or by {host} and {port}*"),
    ],
)
def test_client_that_cannot_be_tested_is_one_error(conform: Conform, command: str, problem: str) -> None:
    """Instead of as many failures as there are cases."""
    result = conform(command, "--mtls-client-timeout=0.5")
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["ERROR: *"])
    assert 1 == sum(line.startswith("ERROR: ") for line in result.errlines)
    result.stderr.fnmatch_lines([problem])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            ["--mtls-target=https://localhost:1"],
            "--mtls-target is about a server under test: it does not go with --mtls-client",
        ),
        (["--mtls-server-ca=x"], "--mtls-server-ca is about a server under test: it does not go with --mtls-client"),
        (
            ["--mtls-setting=resumption"],
            "--mtls-setting is 'resumption', but it must be one of crl, level, must-staple, ocsp, ",
        ),
    ],
)
def test_options_of_a_server_are_refused(conform: Conform, options: list[str], problem: str) -> None:
    """With the name of the option."""
    result = conform("true {url}", *options)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([f"ERROR: {problem}*"])


def test_client_that_insists_on_a_stapled_answer(conform: Conform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the setting is claimed all servers staple; without it such a client reaches no good server."""
    openssl_of_the_second_engine()
    require_program("curl", apt="curl")
    command = text([*CURL, "--cert-status"])
    chosen = ["-k", "[staple- or [must-staple- or [valid- or [expired- or check["]
    result = conform(command, "--mtls-setting=staple", "--mtls-setting=must-staple", *chosen)
    assert pytest.ExitCode.OK == result.ret
    assert not {"failed", "errors"} & set(result.parseoutcomes())
    result = conform(command, *chosen)
    result.stderr.fnmatch_lines(["ERROR: --mtls-client: *does not accept a good server: rejected by the client*"])
    monkeypatch.setitem(sys.modules, "OpenSSL", None)
    monkeypatch.delitem(sys.modules, "pytest_mtls.tls.pyopenssl", raising=False)
    result = conform(command, "--mtls-setting=staple", *chosen)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["ERROR: pyOpenSSL*is not installed. *pip install 'pytest-mtls[[]pyopenssl]'*"])
    result = conform(text(CURL), "-rs", "-k", "[staple-good or [must-staple-absent or [valid-")
    outcomes = result.parseoutcomes()
    assert (14, 2, None) == (outcomes["passed"], outcomes["skipped"], outcomes.get("failed"))
    result.stdout.fnmatch_lines(["*pip install 'pytest-mtls[[]pyopenssl]'*"])


def test_a_ca_of_ones_own_is_the_one_that_the_client_trusts(
    conform: Conform, tmp_path: Path, mtls_ca: CertificateAuthority
) -> None:
    """For a client that cannot be told what to trust; without its key no server can be issued."""
    require_program("curl", apt="curl")
    mtls_ca.write_to(tmp_path, name="ca")
    command = text([word.replace("{ca}", mtls_ca.cert_path) for word in CURL])
    result = conform(command, f"--mtls-ca={tmp_path}", "-k", "[valid-tls or [untrusted-ca-tls")
    result.assert_outcomes(passed=4, deselected=len(list(client_checks())) + len(CHECKS) - 2)
    (tmp_path / "ca.key").unlink()
    result = conform(command, f"--mtls-ca={tmp_path}")
    result.stderr.fnmatch_lines(["ERROR: --mtls-ca: the CA's private key is needed to issue the servers*"])


def test_workers_share_the_run(conform: Conform, monkeypatch: pytest.MonkeyPatch) -> None:
    """With xdist each worker has a CA of its own, and the rate is shared out."""
    pytest.importorskip("xdist")
    require_program("curl", apt="curl")
    monkeypatch.setenv("PYTEST_PLUGINS", "xdist")
    result = conform(text(CURL), "-n2", "--mtls-rate=1000", "-k", "[expired-tls or [valid-tls", "-p", "xdist")
    result.assert_outcomes(passed=4)


def test_client_of_python_is_a_program_too(conform: Conform, tmp_path: Path) -> None:
    """A script in any language."""
    script = tmp_path / "client.py"
    script.write_text(
        "import ssl, sys, urllib.request\n"
        "url, ca, cert, key = sys.argv[1:]\n"
        "context = ssl.create_default_context(cafile=ca)\n"
        "context.load_cert_chain(cert, key)\n"
        "opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))\n"
        "print(opener.open(url, timeout=5).read())\n",
        encoding="utf-8",
    )
    result = conform(text([sys.executable, str(script), "{url}", "{ca}", "{cert}", "{key}"]), "-k", "[expired-tls")
    result.assert_outcomes(passed=2, deselected=len(list(client_checks())) + len(CHECKS))
