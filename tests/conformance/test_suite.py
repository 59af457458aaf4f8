"""The conformance tests as users run them: by pytest, against a server."""

from __future__ import annotations

import json
import socket
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from support.conforming import ALL
from support.reports import validate

from pytest_mtls import CertificateAuthority, MutualTLSServer
from pytest_mtls.cases.mint import mint
from pytest_mtls.certificates.loading import load_private_key
from pytest_mtls.certificates.trust import Trust
from pytest_mtls.conformance.run import checks, theme_of

Factory = Callable[..., MutualTLSServer]


INI = """
[pytest]
addopts = --strict-markers --strict-config -p mtls -p no:cacheprovider
filterwarnings = error
"""


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs inside tests load no plugin that they do not name: they are quicker so."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def certs(tmp_path_factory: pytest.TempPathFactory, mtls_ca: CertificateAuthority) -> Path:
    """A directory such as ``mint`` writes, without the bad clients."""
    directory = tmp_path_factory.mktemp("certs")
    mtls_ca.write_to(directory, name="ca")
    mtls_ca.issue_client().write_to(directory, name="client")
    return directory


Conform = Callable[..., pytest.RunResult]


@pytest.fixture
def conform(pytester: pytest.Pytester, certs: Path) -> Conform:
    """Run the conformance tests, in this process, against a port."""
    pytester.makeini(INI)

    def run(port: int, *options: object, ca: object = certs) -> pytest.RunResult:
        target = [f"--mtls-target=https://localhost:{port}", f"--mtls-ca={ca}"]
        return pytester.runpytest("--pyargs", "pytest_mtls.conformance", *target, *map(str, options))

    return run


def test_conforming_server_passes(conform: Conform, mtls_server: MutualTLSServer) -> None:
    """A test a case and version, a table, a summary line, and exit code 0."""
    result = conform(mtls_server.port, "-v", "-k", "client[expired-tls or client[valid-tls")
    result.assert_outcomes(passed=4, deselected=ALL - 4)
    assert pytest.ExitCode.OK == result.ret
    result.stdout.fnmatch_lines(
        [
            "mtls target: https at localhost:*; settings that it claims: none",
            "*test_clients.py::test_client[[]valid-tls1.2[]] PASSED*",
            "*test_clients.py::test_client[[]expired-tls1.3[]] PASSED*",
            f"*mTLS of https at localhost:{mtls_server.port}*",
            "case     TLS      expected  seen      layer  alert",
            "valid    1.2 1.3  accepted  accepted  -      HTTP 200",
            "expired  1.2 1.3  refused   refused   tls    certificate_expired (45)",
            "4 checks: 4 as expected",
        ],
        consecutive=False,
    )


def test_deviating_server_fails(conform: Conform, mtls_server_factory: Factory) -> None:
    """A failure tells the whole story, and the exit code is pytest's."""
    server = mtls_server_factory(client_certs="optional")
    result = conform(server.port, "-q", "-k", "no-certificate or stolen-certificate-tls1.3")
    result.assert_outcomes(failed=2, passed=1, deselected=ALL - 3)
    assert pytest.ExitCode.TESTS_FAILED == result.ret
    result.stdout.fnmatch_lines(
        [
            "the server let this client in",
            "  expected: rejected by the server: no certificate",
            "  seen:     accepted by both sides",
            "  likely cause: the server does not require a certificate:*",
            "no-certificate  1.2 1.3  refused   accepted  -      HTTP 200  FAILED: the server let this client in",
            "3 checks: 1 as expected, 2 FAILED",
        ]
    )


def test_report_of_several_jobs_is_that_of_one(conform: Conform, mtls_server_factory: Factory, tmp_path: Path) -> None:
    """Checks that are done at once stand in the report as those done one after the other do, failures among them."""
    server = mtls_server_factory(revocation=False)
    chosen = ("--mtls-setting=crl", "-k", "client[valid-tls or client[expired or untrusted-ca or client[revoked-tls")
    results = []
    for jobs in (1, 3):
        path = tmp_path / f"{jobs}.json"
        conform(server.port, *chosen, f"--mtls-report={path}", f"--mtls-jobs={jobs}")
        found = json.loads(path.read_text(encoding="utf-8"))["results"]
        results.append([(one["case"], one["outcome"], one.get("note")) for one in found])
    assert results[0] == results[1]
    assert "deviates" in {outcome for _, outcome, _ in results[0]}


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_report_for_machines(
    conform: Conform, mtls_server_factory: Factory, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """The JSON has every result with all of its facts, in every file that was asked for, under xdist too."""
    server = mtls_server_factory(client_certs="optional")
    paths = [tmp_path / name for name in ("report.json", "again.json")]
    files = [f"--mtls-report={path}" for path in paths]
    conform(server.port, *files, "-k", "no-certificate-tls1.2 or client[not-yet-valid-tls1.3", *options)
    text, again = (path.read_text(encoding="utf-8") for path in paths)
    assert text == again
    report = json.loads(text)
    validate(report)
    target = {"host": "localhost", "port": server.port, "protocol": "https", "server_name": "localhost", "path": "/"}
    assert (2, target, [], False) == tuple(report[key] for key in ("format", "target", "settings", "passed"))
    assert {"conforms": 1, "deviates": 1} == {name: count for name, count in report["summary"].items() if count}
    assert ["CN=localhost"] == [chain[0]["subject"] for chain in report["server_chains"]]
    let_in, refused = report["results"]
    common = {"theme": "path", "tier": "must", "expected": "refused"}
    (handshake,) = let_in.pop("handshakes")
    assert ("accepted", []) == (handshake["verdict"], handshake["client_chain"])
    assert {
        **common,
        "case": "no-certificate",
        "title": "The client sends an empty certificate list.",
        "rfc": "RFC 8446 section 4.4.2.4",
        "tls": "1.2",
        "seen": "accepted",
        "outcome": "deviates",
        "answer": "HTTP 200",
        "note": "the server let this client in",
        "diagnosis": let_in["diagnosis"],
    } == let_in
    assert "the server does not require a certificate" in let_in["diagnosis"]
    assert {
        **common,
        "case": "not-yet-valid",
        "title": refused["title"],
        "rfc": "RFC 5280 section 6.1.3 (a)(2)",
        "tls": "1.3",
        "seen": "refused",
        "outcome": "conforms",
        "layer": "tls",
        "alert": "bad_certificate",
        "alert_number": 42,
        "reason": "bad_certificate",
        "error": refused["error"],
    } == refused


def test_junit_properties_are_bounded(conform: Conform, mtls_server_factory: Factory, tmp_path: Path) -> None:
    """However much a report tells of a failure, JUnit XML has short properties of it."""
    server = mtls_server_factory(client_certs="none")
    path = tmp_path / "junit.xml"
    conform(server.port, f"--junitxml={path}", "-k", "no-certificate or client[expired")
    properties = [(element.get("name"), element.get("value", "")) for element in ET.parse(path).iter("property")]
    assert ("mtls_outcome", "deviates") in properties
    assert all(len(value) <= 503 for _, value in properties)
    assert not {"mtls_handshakes", "mtls_diagnosis"} & {name for name, _ in properties}


def test_junit_has_the_facts(conform: Conform, mtls_server: MutualTLSServer, tmp_path: Path) -> None:
    """JUnit XML carries layer, alert and reason as properties of each test."""
    path = tmp_path / "junit.xml"
    conform(mtls_server.port, f"--junitxml={path}", "-k", "client[expired-tls1.3]")
    properties = {element.get("name"): element.get("value") for element in ET.parse(path).iter("property")}
    wanted = {
        "mtls_layer": "tls",
        "mtls_alert": "certificate_expired",
        "mtls_alert_number": "45",
        "mtls_reason": "expired",
    }
    assert wanted == {name: properties.get(name) for name in wanted}


def test_policy_makes_expected_failures(conform: Conform, mtls_server_factory: Factory, tmp_path: Path) -> None:
    """An agreed exception is an xfail with its reason; one that no longer happens is a failure."""
    policy = tmp_path / "policy.toml"
    entry = '[[exceptions]]\ncase = "{}"\nseen = "accepted"\nreason = "ticket 7"\n'
    policy.write_text(entry.format("no-certificate") + entry.format("expired"), encoding="utf-8")
    server = mtls_server_factory(client_certs="optional")
    chosen = "client[expired-tls1.3] or no-certificate-tls1.3"
    result = conform(server.port, f"--mtls-policy={policy}", "-rx", "-k", chosen)
    result.assert_outcomes(failed=1, xfailed=1, deselected=ALL - 2)
    result.stdout.fnmatch_lines(["*as agreed: ticket 7", "XFAIL *no-certificate-tls1.3* *ticket 7"])
    result.stdout.fnmatch_lines(["*which no longer happens: remove that*"])


def test_theme_is_a_marker(conform: Conform, mtls_server: MutualTLSServer) -> None:
    """``-m`` chooses by what the cases are about."""
    possession = [tls for case, tls in checks() if theme_of(case) == "possession"]
    result = conform(mtls_server.port, "-m", "mtls_possession", "--strict-markers")
    result.assert_outcomes(passed=len(possession), deselected=ALL - len(possession))


def test_company_ca_without_its_key(conform: Conform, mtls_server: MutualTLSServer, certs: Path) -> None:
    """The certificate alone runs what is possible, and says what was left out."""
    result = conform(mtls_server.port, "-k", "client[expired-tls1.3 or client[unknown-ca-tls1.3", ca=certs / "ca.crt")
    result.assert_outcomes(passed=1, skipped=1, deselected=ALL - 2)
    result.stdout.fnmatch_lines(
        [
            "expired*left out: it needs the CA's private key, which is not here",
            "The CA's private key is not here: only clients that need nothing issued by it were tried.",
            "No good client was there as a control (--mtls-client-cert): a server that rejects everybody passes.",
            "2 checks: 1 as expected, 1 left out",
        ]
    )
    options = (f"--mtls-ca-key={certs / 'ca.key'}", f"--mtls-client-cert={certs / 'client.pem'}")
    result = conform(mtls_server.port, "-k", "client[expired-tls1.3", *options, ca=certs / "ca.crt")
    result.assert_outcomes(passed=1, deselected=ALL - 1)


def test_encrypted_key(conform: Conform, tmp_path: Path, certs: Path) -> None:
    """A run cannot be given a password: it says how to make a copy of the key that has none, which then does."""
    key = tmp_path / "encrypted.key"
    plain = load_private_key(certs / "ca.key")
    form = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(plain.private_bytes(serialization.Encoding.PEM, *form))
    result = conform(1, f"--mtls-ca-key={key}", ca=certs / "ca.crt")
    assert (
        f"ERROR: --mtls-ca-key: {key} is encrypted, and a run asks for no password. "
        f"Give a copy without one, which `openssl pkey -in {key} -out FILE` writes." in result.stderr.lines
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--mtls-ca=certs"],
            "--mtls-ca is about a server or client under test: it needs --mtls-target or --mtls-client",
        ),
        (["--mtls-server-name=a"], "--mtls-server-name is about a server under test: it needs --mtls-target"),
        (["--mtls-client-timeout=2"], "--mtls-client-timeout is about a client under test: it needs --mtls-client"),
        (
            ["--mtls-target=localhost:8443"],
            "--mtls-target: 'localhost:8443' is not an endpoint: it is not a URL with a host",
        ),
        (["--mtls-target=gopher://localhost"], "protocol 'gopher' is unknown"),
        (
            ["--mtls-target=https://192.0.2.1"],
            "must be on this machine, unless --mtls-allow-remote says that 192.0.2.1",
        ),
        (["--mtls-target=https://localhost", "--mtls-ca=."], "a directory that `pytest-mtls mint` wrote"),
        (
            ["--mtls-target=https://localhost", "--mtls-ca=absent.crt"],
            "--mtls-ca: cannot read a certificate from absent.crt",
        ),
        (["--mtls-target=https://localhost", "--mtls-ca=tox.ini"], "tox.ini: it is neither PEM nor DER"),
        (["--mtls-target=https://localhost", "--mtls-rate=0"], "--mtls-rate is 0.0, but it must be a number"),
        (["--mtls-target=https://localhost", "--mtls-rate=nan"], "--mtls-rate is nan, but it must be a number"),
        (["--mtls-target=https://localhost", "--mtls-jobs=0"], "--mtls-jobs is 0, but it must be how many checks"),
        (["--mtls-target=https://localhost", "--mtls-setting=dane"], "--mtls-setting is 'dane', but it must be one of"),
        (["--mtls-target=https://localhost", "--mtls-policy=absent.toml"], "the policy in absent.toml cannot be used"),
        (
            ["--mtls-target=https://localhost", "--mtls-report=absent/x.json"],
            "--mtls-report is 'absent/x.json', but it must be a file in a directory that is there; absent is not",
        ),
        (["--mtls-target=https://localhost", "--mtls-report=."], "but it must be a file, and this is a directory"),
        (
            ["--mtls-target=https://localhost", "--mtls-report=x.xml"],
            "--mtls-report is 'x.xml', but it must be a file whose",
        ),
        (
            ["--mtls-target=https://localhost", "--mtls-server-ca=absent.crt"],
            "--mtls-server-ca: cannot read a certificate from absent.crt: no such file",
        ),
    ],
)
def test_options_that_cannot_be_are_usage_errors(pytester: pytest.Pytester, options: list[str], said: str) -> None:
    """One line, pytest's exit code for it, and no test is run."""
    pytester.makeini(INI)
    result = pytester.runpytest(*options)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    assert said in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


def test_files_that_do_not_fit_are_usage_errors(pytester: pytest.Pytester, certs: Path) -> None:
    """A key of somebody else and a certificate without key are told with the option that named them."""
    pytester.makeini(INI)
    target = "--mtls-target=https://localhost"
    for options, said in (
        (
            (f"--mtls-ca={certs / 'ca.crt'}", f"--mtls-ca-key={certs / 'client.key'}"),
            "--mtls-ca-key: the private key is not that of the certificate of *",
        ),
        (
            (f"--mtls-ca={certs / 'ca.crt'}", f"--mtls-ca-key={certs / 'ca.crt'}"),
            "--mtls-ca-key: cannot read a private key from *ca.crt: it holds no PRIVATE KEY, but CERTIFICATE",
        ),
        ((f"--mtls-ca={certs / 'client.crt'}",), "--mtls-ca: the certificate of CN=client is not a CA's"),
        (
            (f"--mtls-client-cert={certs / 'client.crt'}",),
            "--mtls-client-cert is '*client.crt', but it must be a file that holds the private key",
        ),
    ):
        result = pytester.runpytest(target, *options)
        assert pytest.ExitCode.USAGE_ERROR == result.ret
        result.stderr.fnmatch_lines([f"ERROR: {said}*"])


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_dead_target_is_one_error(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    """Where nobody listens, the conformance tests end before they begin, and say so once."""
    pytester.makeini(INI)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        result = pytester.runpytest_subprocess(
            "--pyargs",
            "pytest_mtls.conformance",
            f"--mtls-target=https://127.0.0.1:{port}",
            *options,
            "--mtls-report=r.json",
        )
    report = pytester.path / "r.json"
    assert not report.exists() or not json.loads(report.read_text(encoding="utf-8"))["passed"]
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([f"ERROR: --mtls-target: cannot connect to 127.0.0.1:{port}: connection refused. *"])
    assert "FAILED" not in result.stdout.str()


def test_untrusted_target_names_the_option(pytester: pytest.Pytester, mtls_server: MutualTLSServer) -> None:
    """Where the server's own certificate is not trusted, the failure names the option that is missing."""
    pytester.makeini(INI)
    target = f"--mtls-target=https://localhost:{mtls_server.port}"
    result = pytester.runpytest("--pyargs", "pytest_mtls.conformance", target, "-k", "client[valid-tls1.3")
    result.assert_outcomes(failed=1, deselected=ALL - 1)
    result.stdout.fnmatch_lines(["*rejected by the client: unknown CA. Give the CA of the server's own *-server-ca*"])


def test_conformance_without_a_target_says_how(pytester: pytest.Pytester) -> None:
    """The tests cannot be collected without a server, and say what to type."""
    pytester.makeini(INI)
    result = pytester.runpytest("--pyargs", "pytest_mtls.conformance")
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*the conformance tests need a server: pytest --pyargs pytest_mtls.conformance *"])


def test_remote_target_is_possible_when_it_is_meant(pytester: pytest.Pytester) -> None:
    """With --mtls-allow-remote a server elsewhere is an endpoint as any other."""
    pytester.makeini(INI)
    pytester.makepyfile("def test_it(mtls_target):\n    assert str(mtls_target) == '192.0.2.1:443'\n")
    options = ("--mtls-target=https://192.0.2.1", "--mtls-allow-remote", "--mtls-server-name=web.example")
    pytester.runpytest(*options).assert_outcomes(passed=1)


def test_target_is_the_endpoint_of_a_suites_own_tests(
    pytester: pytest.Pytester, mtls_server: MutualTLSServer, certs: Path
) -> None:
    """``mtls_target`` is what the option names, with the CA that the cases come from."""
    pytester.makeini(INI)
    pytester.makepyfile(
        """
        import pytest
        from pytest_mtls import Endpoint, assert_accepted, assert_rejected

        @pytest.mark.mtls_cases("expired", "no-certificate")
        def test_bad(mtls_target, mtls_client_case):
            assert_rejected(mtls_target, mtls_client_case)

        def test_good(mtls_target):
            assert isinstance(mtls_target, Endpoint) and mtls_target.protocol == "https"
            assert assert_accepted(mtls_target, mtls_target.ca.issue_client()).answer == "HTTP 200"
        """
    )
    before = len(mtls_server.handshakes)
    options = (f"--mtls-target=https://localhost:{mtls_server.port}", f"--mtls-ca={certs}", "--mtls-rate=1000")
    pytester.runpytest(*options).assert_outcomes(passed=3)
    # Each bad client three times, since a balancer may stand before an endpoint, its control before and after it, and the
    # good client.
    assert before + 2 * (3 + 2) + 1 == len(mtls_server.handshakes)


def test_own_cases_and_protocols_of_a_conftest_take_part(
    pytester: pytest.Pytester, mtls_server: MutualTLSServer, certs: Path
) -> None:
    """What a conftest.py registers is in the run, in a process of its own, and under xdist as well."""
    pytester.makeini(INI)
    pytester.makeconftest(
        """
        import pytest_mtls

        @pytest_mtls.case("client", "expired")
        def left_long_ago(ca):
            '''The validity ended a year ago.'''
            return ca.issue_client("left", not_before=-400, not_after=-365)

        pytest_mtls.register_protocol("bank", port=1)
        """
    )
    options = [f"--mtls-target=bank://localhost:{mtls_server.port}", f"--mtls-ca={certs}", "--mtls-report=report.json"]
    result = pytester.run(
        *(sys.executable, "-m", "pytest", "--pyargs", "pytest_mtls.conformance", *options),
        *("-p", "xdist", "-n", "2", "-m", "mtls_own or mtls_possession"),
    )
    possession = len([tls for case, tls in checks() if theme_of(case) == "possession"])
    result.assert_outcomes(passed=possession + 2)
    result.stdout.fnmatch_lines(
        ["left-long-ago * refused * tls * certificate_expired (45)", f"{possession + 2} checks: *"]
    )
    report = json.loads((pytester.path / "report.json").read_text(encoding="utf-8"))
    assert possession + 2 == len(report["results"])


@pytest.fixture
def minted(tmp_path: Path) -> Iterator[tuple[CertificateAuthority, Path]]:
    """A CA whose revoked clients were minted before a server loads its CRL."""
    ca = CertificateAuthority.create()
    mint(tmp_path / "certs", ca=ca)
    yield ca, tmp_path / "certs"
    ca.remove_files()


def test_minted_directory_knows_who_is_revoked(minted: tuple[CertificateAuthority, Path], conform: Conform) -> None:
    """Against a server with the CRL of the directory, the revoked clients are those of the directory."""
    ca, directory = minted
    with MutualTLSServer(cert=ca.issue_server(), trust=Trust.of(ca)) as server:
        crls = ca.crl_pems()
        result = conform(server.port, "--mtls-setting=crl", "-k", "client[revoked-tls", ca=directory)
        result.assert_outcomes(passed=2, deselected=ALL - 2)
        assert crls == ca.crl_pems()


def test_run_that_can_prove_nothing_is_told_once(conform: Conform, mtls_server_factory: Factory) -> None:
    """The wrong CA fails one client and one bypass, with the whole story; the rest is skipped, and says why in short."""
    result = conform(mtls_server_factory(trust=CertificateAuthority.create("Another")).port, "-rs")
    outcomes = result.parseoutcomes()
    assert 2 == outcomes["failed"]
    assert outcomes["skipped"] > 100
    assert len(result.outlines) < 200
    result.stdout.fnmatch_lines(["*nothing can be proved, as the first failure tells: *rejected by the *"])
