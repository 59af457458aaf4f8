"""The conformance run tells servers that enforce mutual TLS from those that do not, and says so as pytest does."""

from __future__ import annotations

import json
import re
import socket
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from requirements import require_program

import pytest_mtls
from pytest_mtls import CertificateAuthority, Endpoint, Identity, MutualTLSServer, launch, register_protocol
from pytest_mtls.bypasses import BYPASSES
from pytest_mtls.cases import CATALOGUE, Case
from pytest_mtls.catalogue import SETTINGS
from pytest_mtls.conformance.policy import ExpectedException, Policy, read_policy
from pytest_mtls.conformance.report import summary, table
from pytest_mtls.conformance.run import VERSIONS, Outcome, Result, Run, checks, theme_of
from pytest_mtls.errors import InvalidPolicy
from pytest_mtls.mint import mint
from pytest_mtls.tls.protocols import PROTOCOLS
from pytest_mtls.tls.trust import Trust

# Runs of pytest inside this process forget what they imported; see users_suite.
for _name in pytest_mtls.__all__:
    getattr(pytest_mtls, _name)
for _name in ("options", "conformance.hooks", "conformance.test_bypasses", "conformance.test_clients"):
    import_module(f"pytest_mtls.{_name}")

Factory = Callable[..., MutualTLSServer]
#: How many tests there are.
ALL = len(list(checks())) + len(BYPASSES)
EVERYTHING = Policy(frozenset(SETTINGS))


def case_of(id: str) -> Case:
    """A client case by its id."""
    (case,) = CATALOGUE["client"].select([id])
    return case


def https(server: MutualTLSServer, **known: Any) -> Endpoint:
    """The endpoint of a server of ours, as somebody else's."""
    return replace(server.endpoint, protocol="https", **known)


def outcomes(run: Run, *ids: str, tls: Sequence[str] = VERSIONS) -> dict[str, set[Outcome]]:
    """What some cases come to, over both versions."""
    return {id: {run.check(case_of(id), version).outcome for version in tls} for id in ids}


# --- the engine ------------------------------------------------------------------------------------------------------


def test_our_own_server_conforms(mtls_server: MutualTLSServer) -> None:
    """The whole catalogue finds nothing to say against a server that is strict and checks revocation."""
    run = Run(https(mtls_server), EVERYTHING)
    results = [run.check(case, tls) for case, tls in checks() if "1.3" in (tls, case.tls) or case.tls == "1.2"]
    assert [] == [result.story() for result in results if result.outcome.is_failure]
    assert len(results) == len(CATALOGUE["client"].select("*"))
    binding = [result for result in results if result.expected != "either"]
    assert {Outcome.CONFORMS} <= {result.outcome for result in binding} <= {Outcome.CONFORMS, Outcome.LEFT_OUT}
    left_out = [result.note for result in binding if result.outcome is Outcome.LEFT_OUT]
    assert [] == [
        note for note in left_out if not re.search("its key fits none|it takes a TLS stack that can break", note)
    ]


def test_optional_verification_is_found_out(mtls_server_factory: Factory) -> None:
    """A server that takes whoever presents nothing deviates in that, and in nothing else."""
    run = Run(https(mtls_server_factory(client_certs="optional")), EVERYTHING)
    assert {
        "no-certificate": {Outcome.DEVIATES},
        "expired": {Outcome.CONFORMS},
        "untrusted-ca": {Outcome.CONFORMS},
        "valid": {Outcome.CONFORMS},
    } == outcomes(run, "no-certificate", "expired", "untrusted-ca", "valid")


def test_standard_tls_is_found_out(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """A server that asks for no certificate lets every bad client in."""
    server = mtls_server_factory(client_certs="none")
    run = Run(https(server, ca=mtls_ca, trust=mtls_ca))
    bad = ("no-certificate", "expired", "unknown-ca", "stolen-certificate", "server-only")
    assert {id: {Outcome.DEVIATES} for id in bad} == outcomes(run, *bad)
    assert "the server let this client in" == run.check(case_of("expired"), "1.3").note


def test_wrong_ca_is_found_out(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """Where a good client does not get in, no refusal proves anything."""
    server = mtls_server_factory(trust=CertificateAuthority.create())
    run = Run(https(server, ca=mtls_ca, trust=mtls_ca))
    first, second = run.check(case_of("expired"), "1.3"), run.check(case_of("valid"), "1.3")
    assert [Outcome.DEVIATES] * 2 == [first.outcome, second.outcome]
    assert first.note.startswith("a good client cannot be judged, so that nothing is proved: refused by the server")
    assert "CN=control" in first.story()  # the whole story once, and then in short
    assert first.note == second.note == second.story()
    assert {"any-usage-only": {Outcome.LEFT_OUT}} == outcomes(run, "any-usage-only")


def test_settings_that_are_not_claimed_are_reported(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority
) -> None:
    """Without revocation or strictness the cases that need them are told and not failed, until they are claimed."""
    server = mtls_server_factory(revocation=False, strict=False)
    cases = ("revoked", "crl-expired", "no-authority-key-identifier")
    assert {id: {Outcome.REPORTED} for id in cases} == outcomes(Run(https(server)), *cases)
    assert {id: {Outcome.DEVIATES} for id in cases} == outcomes(Run(https(server), EVERYTHING), *cases)
    assert "either, without crl" == Run(https(server)).check(case_of("revoked"), "1.3").expected


def test_informative_cases_are_reported(mtls_server: MutualTLSServer) -> None:
    """Both answers are right for an informative case."""
    assert {"any-usage-only": {Outcome.REPORTED}} == outcomes(Run(https(mtls_server), EVERYTHING), "any-usage-only")


def test_another_reason_is_no_proof(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """A refusal that is for something else deviates, unless the policy takes any."""
    assert mtls_ca.private_key is not None
    stale = CertificateAuthority(mtls_ca.certificate, mtls_ca.private_key)  # has no CRL of the cases' intermediates
    server = mtls_server_factory(trust=stale, strict=False)
    target = https(server, ca=mtls_ca, trust=mtls_ca)
    assert {"intermediate-expired": {Outcome.DEVIATES}} == outcomes(Run(target), "intermediate-expired")
    note = Run(target).check(case_of("intermediate-expired"), "1.3").note
    assert "the server refused, but not for expired: refused by the server for unknown CA, as its alert says" == note
    assert {"through-one-intermediate": {Outcome.DEVIATES}} == outcomes(Run(target), "through-one-intermediate")
    anything = Run(target, Policy(reasons="any"))
    assert {"intermediate-expired": {Outcome.CONFORMS}} == outcomes(anything, "intermediate-expired")


def test_version_that_the_server_does_not_speak_is_left_out(mtls_server_factory: Factory) -> None:
    """The other version is judged all the same."""
    run = Run(https(mtls_server_factory(tls="1.2")))
    result = run.check(case_of("expired"), "1.3")
    assert (Outcome.LEFT_OUT, "the server does not speak TLS 1.3") == (result.outcome, result.note)
    assert {"expired": {Outcome.CONFORMS}} == outcomes(run, "expired", tls=["1.2"])


def test_server_that_is_not_there_deviates(mtls_ca: CertificateAuthority, mtls_server_cert: Identity) -> None:
    """Nobody there is no refusal."""
    with MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca) as server:
        target = https(server)
    result = Run(target).check(case_of("expired"), "1.3")
    assert (Outcome.DEVIATES, "undecided") == (result.outcome, result.seen)
    assert "a good client cannot be judged, so that nothing is proved: undecided: cannot connect to" in result.note


def test_without_the_cas_key_it_does_what_it_can(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """Whoever needs nothing issued is tried; the rest is left out, and says why."""
    keyless = CertificateAuthority(mtls_ca.certificate)
    possible = ("no-certificate", "self-signed-certificate", "unknown-ca", "untrusted-ca", "unknown-ca-with-root")
    run = Run(https(mtls_server, ca=keyless, trust=mtls_ca.pem))
    assert not run.has_control
    assert {id: {Outcome.CONFORMS} for id in possible} == outcomes(run, *possible)
    result = run.check(case_of("expired"), "1.3")
    assert (Outcome.LEFT_OUT, "it needs the CA's private key, which is not here") == (result.outcome, result.note)
    controlled = Run(https(mtls_server, ca=keyless, trust=mtls_ca.pem, client=mtls_ca.issue_client()))
    assert controlled.has_control
    assert {id: {Outcome.CONFORMS} for id in possible} == outcomes(controlled, *possible)


def test_clients_minted_beforehand_are_presented(tmp_path: Path, mtls_server: MutualTLSServer) -> None:
    """A case whose files are there is not made anew, unless it is a good one that has expired."""
    ca = CertificateAuthority.create()
    ca.issue_client("stand-in").write_to(tmp_path, name="expired")
    ca.issue_client("old", not_before=-3, not_after=-2).write_to(tmp_path, name="valid")
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        run = Run(https(server, client_cases=tmp_path))
        result = run.check(case_of("expired"), "1.3")
        assert (Outcome.DEVIATES, "accepted") == (result.outcome, result.seen)
        assert {"valid": {Outcome.CONFORMS}, "not-yet-valid": {Outcome.CONFORMS}} == outcomes(
            run, "valid", "not-yet-valid"
        )


def test_refusal_is_followed_by_a_control(mtls_ca: CertificateAuthority) -> None:
    """A server that stops taking anybody has refused nobody in particular; a time-out is no refusal either."""
    taken: list[Identity | None] = []

    def refuses_all_after_the_first(*, client: Identity | None, **_: Any) -> bool | None:
        taken.append(client)
        return None if client is None else len(taken) == 1

    register_protocol("moody", port=1, probe=refuses_all_after_the_first)
    try:
        run = Run(Endpoint.parse("moody://localhost", ca=mtls_ca))
        result = run.check(case_of("expired"), "1.3")
        assert ["CN=control", "CN=expired", "CN=control"] == [who.subject for who in taken if who is not None]
        note = "after this refusal a good client does not get in any more"
        assert (Outcome.DEVIATES, "refused", note) == (result.outcome, result.seen, result.note)
        del taken[:]
        result = Run(Endpoint.parse("moody://localhost", ca=mtls_ca)).check(case_of("no-certificate"), "1.3")
        assert (Outcome.DEVIATES, "undecided") == (result.outcome, result.seen)
        assert result.note.startswith("there is no verdict: ")
    finally:
        del PROTOCOLS["moody"]


@pytest.mark.parametrize("with_crl", [True, False])
def test_nginx_with_and_without_crl(with_crl: bool, mtls_ca: CertificateAuthority) -> None:
    """nginx conforms, revocation included, and its twin without a CRL is found out; all at the HTTP layer."""
    nginx = require_program("nginx", apt="nginx")
    config = """
        daemon off; pid {dir}/pid; error_log stderr; worker_processes 1;
        events {}
        http {
            access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
            fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
            server {
                listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3;
                ssl_certificate {server_cert}; ssl_certificate_key {server_key};
                ssl_client_certificate {ca}; ssl_verify_client on; ssl_verify_depth 200;
                #ssl_crl {crl};
                location / { return 204; }
            }
        }
    """
    if with_crl:
        config = config.replace("#ssl_crl", "ssl_crl")
    ca = CertificateAuthority.create()
    with launch([nginx, "-c", "{dir}/nginx.conf", "-e", "stderr"], files={"nginx.conf": config}, ca=ca) as server:
        run = Run(server.endpoint, Policy(frozenset({"crl"})))
        wanted = [(case, tls) for case, tls in checks() if with_crl or theme_of(case) in ("revocation", "possession")]
        results = [run.check(case, tls) for case, tls in wanted]
    deviating = {result.case.id for result in results if result.outcome.is_failure}
    needing_crl = {case.id for case in CATALOGUE["client"].select("*") if case.requires == {"crl"}}
    assert deviating == (set() if with_crl else needing_crl)
    refused = {
        result.handshake.layer for result in results if result.handshake is not None and result.seen == "refused"
    }
    assert ({"http", "tls"} if with_crl else {"tls"}) == refused


# --- the policy ------------------------------------------------------------------------------------------------------


def agreed(case: str, seen: str, tls: str | None = None) -> Policy:
    """A policy with one exception."""
    return Policy(exceptions=(ExpectedException(case, seen, "ticket 7", tls),))


def test_expected_exceptions_are_strict(mtls_server_factory: Factory) -> None:
    """An exception that happens is excepted, one that does not fails, and another deviation than the agreed one too."""
    target = https(mtls_server_factory(client_certs="optional"))
    assert {"no-certificate": {Outcome.EXCEPTED}} == outcomes(Run(target, agreed("no-*", "accepted")), "no-certificate")
    gone = Run(target, agreed("expired", "accepted")).check(case_of("expired"), "1.3")
    assert (Outcome.EXCEPTION_GONE, True) == (gone.outcome, gone.outcome.is_failure)
    assert "the policy says that it is accepted (ticket 7), which no longer happens: remove that" == gone.note
    assert {"no-certificate": {Outcome.DEVIATES}} == outcomes(Run(target, agreed("*", "undecided")), "no-certificate")
    one = Run(target, agreed("no-certificate", "accepted", "1.2"))
    assert {"no-certificate": {Outcome.EXCEPTED}} == outcomes(one, "no-certificate", tls=["1.2"])
    assert {"no-certificate": {Outcome.DEVIATES}} == outcomes(one, "no-certificate", tls=["1.3"])


def test_policy_is_read_from_a_file_or_pyproject(tmp_path: Path) -> None:
    """The same keys stand in a file of their own, or in a table of pyproject.toml; options add to them."""
    text = """
        settings = ["crl"]
        reasons = "any"

        [[{}exceptions]]
        case = "version-1*"
        tls = "1.2"
        seen = "accepted"
        reason = "old clients, until June"
    """
    own, pyproject = tmp_path / "policy.toml", tmp_path / "pyproject.toml"
    own.write_text(dedent(text).format(""), encoding="utf-8")
    table = "[tool.pytest-mtls]\n" + dedent(text).format("tool.pytest-mtls.")
    pyproject.write_text(table, encoding="utf-8")
    exception = ExpectedException("version-1*", "accepted", "old clients, until June", "1.2")
    expected = Policy(frozenset({"crl", "strict"}), "any", (exception,))
    assert expected == read_policy(own, None, ["strict"]) == read_policy(None, pyproject, ["strict"])
    assert Policy() == read_policy(None, tmp_path / "absent.toml")
    pyproject.write_text("[project]\nname = 'x'\n", encoding="utf-8")
    assert Policy() == read_policy(None, pyproject)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("settings = [", "it is no TOML"),
        ("setings = []", "it has an unknown 'setings'; known are settings, reasons, exceptions, site"),
        ("settings = 'crl'", "settings is 'crl', and must be a list"),
        ("settings = ['ocsp']", "a setting is 'ocsp', and must be one of crl, level, strict, usage, resumption"),
        ("reasons = 'all'", "reasons is 'all', and must be one of alert, any"),
        ("exceptions = [1]", "an entry of exceptions is no table"),
        (
            "[[exceptions]]\ncase = 'expired'\nseen = 'accepted'",
            "the reason of an exception is None, and must be a text",
        ),
        ("[[exceptions]]\ncase = 'expird'\nseen = 'accepted'\nreason = 'x'", "no client case matches 'expird'"),
        ("[[exceptions]]\ncase = 'expired'\nseen = 'ok'\nreason = 'x'", "seen is 'ok', and must be one of accepted,"),
        (
            "[[exceptions]]\ncase = 'expired'\nseen = 'accepted'\nreason = 'x'\ntls = 1.2",
            "tls is 1.2, and must be one of",
        ),
        ("[[exceptions]]\ncase = 'expired'\nwhy = 'x'", "an exception has an unknown 'why'"),
        (None, "no such file or directory"),
    ],
)
def test_policy_that_cannot_be_is_a_typed_error(tmp_path: Path, text: str | None, problem: str) -> None:
    """The error names the file and what is wrong in it."""
    path = tmp_path / "policy.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidPolicy, match=re.escape(problem)) as failed:
        read_policy(path, None)
    assert str(path) in str(failed.value)


# --- the report ------------------------------------------------------------------------------------------------------


def test_table_shares_a_line_between_versions_that_agree() -> None:
    """Versions with the same facts stand on one line; failures alone may be shown."""
    results = [
        Result(case_of("expired"), "1.2", "refused", Outcome.DEVIATES, note="why"),
        Result(case_of("expired"), "1.3", "refused", Outcome.DEVIATES, note="why"),
        Result(case_of("valid"), "1.2", "accepted", Outcome.CONFORMS),
    ]
    facts = [result.facts() for result in results]
    assert [
        "case     TLS      expected  seen  layer  alert",
        "expired  1.2 1.3  refused   -     -      -      FAILED: why",
        "valid    1.2      accepted  -     -      -",
    ] == list(table(facts))
    assert 2 == len(list(table(facts, only_failures=True)))
    assert [] == list(table(facts[2:], only_failures=True))
    assert "3 checks: 1 as expected, 2 FAILED" == summary(facts)
    untried = [Result(case, tls, "refused", Outcome.LEFT_OUT, note="no key").facts() for case, tls in checks()][:9]
    assert ["9 left out: no key"] == list(table(untried))
    assert all(line.endswith(("alert", "left out: no key")) for line in table(untried[:3]))


def test_themes_are_the_modules_of_the_catalogue(pytestconfig: pytest.Config) -> None:
    """Every theme has a marker, and every marker a theme."""
    registered = {
        found[1]
        for line in pytestconfig.getini("markers")
        if (found := re.match(r"mtls_(\w+): the conformance tests of", line))
    }
    assert registered - {"own", "bypasses"} == {theme_of(case) for case, _ in checks()}


# --- as pytest runs it -----------------------------------------------------------------------------------------------

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
            "  expected: refused by the server for no certificate",
            "  seen:     accepted by both sides",
            "  likely cause: the server does not require a certificate:*",
            "no-certificate  1.2 1.3  refused   accepted  -      HTTP 200  FAILED: the server let this client in",
            "3 checks: 1 as expected, 2 FAILED",
        ]
    )


def test_report_for_machines(conform: Conform, mtls_server_factory: Factory, tmp_path: Path) -> None:
    """The JSON has every result with all of its facts."""
    server = mtls_server_factory(client_certs="optional")
    path = tmp_path / "report.json"
    conform(server.port, f"--mtls-report={path}", "-k", "no-certificate-tls1.2 or client[not-yet-valid-tls1.3")
    report = json.loads(path.read_text(encoding="utf-8"))
    target = {"host": "localhost", "port": server.port, "protocol": "https", "server_name": "localhost"}
    assert (1, target, [], False) == tuple(report[key] for key in ("format", "target", "settings", "passed"))
    assert {"conforms": 1, "deviates": 1} == {name: count for name, count in report["summary"].items() if count}
    let_in, refused = report["results"]
    common = {"theme": "path", "tier": "must", "expected": "refused"}
    assert {
        **common,
        "case": "no-certificate",
        "tls": "1.2",
        "seen": "accepted",
        "outcome": "deviates",
        "answer": "HTTP 200",
        "note": "the server let this client in",
    } == let_in
    assert {
        **common,
        "case": "not-yet-valid",
        "tls": "1.3",
        "seen": "refused",
        "outcome": "conforms",
        "layer": "tls",
        "alert": "bad_certificate",
        "alert_number": 42,
        "reason": "bad_certificate",
        "error": refused["error"],
    } == refused


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
            "No good client was there as a control (--mtls-client-cert): a server that refuses everybody passes.",
            "2 checks: 1 as expected, 1 left out",
        ]
    )
    options = (f"--mtls-ca-key={certs / 'ca.key'}", f"--mtls-client-cert={certs / 'client.pem'}")
    result = conform(mtls_server.port, "-k", "client[expired-tls1.3", *options, ca=certs / "ca.crt")
    result.assert_outcomes(passed=1, deselected=ALL - 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mtls-ca=certs"], "--mtls-ca is about a server under test: it needs --mtls-target"),
        (["--mtls-target=localhost:8443"], "--mtls-target: 'localhost:8443' is no endpoint: it is no URL with a host"),
        (["--mtls-target=gopher://localhost"], "protocol 'gopher' is unknown"),
        (
            ["--mtls-target=https://192.0.2.1"],
            "must be on this machine, unless --mtls-allow-remote says that 192.0.2.1",
        ),
        (["--mtls-target=https://localhost", "--mtls-ca=."], "a directory that `python -m pytest_mtls mint` wrote"),
        (
            ["--mtls-target=https://localhost", "--mtls-ca=absent.crt"],
            "--mtls-ca: cannot read a certificate from absent.crt",
        ),
        (["--mtls-target=https://localhost", "--mtls-ca=tox.ini"], "tox.ini: it is neither PEM nor DER"),
        (["--mtls-target=https://localhost", "--mtls-rate=0"], "--mtls-rate is 0.0, but it must be a number"),
        (["--mtls-target=https://localhost", "--mtls-rate=nan"], "--mtls-rate is nan, but it must be a number"),
        (["--mtls-target=https://localhost", "--mtls-setting=ocsp"], "--mtls-setting is 'ocsp', but it must be one of"),
        (["--mtls-target=https://localhost", "--mtls-policy=absent.toml"], "the policy in absent.toml cannot be used"),
        (
            ["--mtls-target=https://localhost", "--mtls-report=absent/x.json"],
            "--mtls-report: there is no directory absent",
        ),
        (["--mtls-target=https://localhost", "--mtls-report=."], "--mtls-report: . is a directory"),
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
            "--mtls-ca-key: the private key from *client.key does not belong to the certificate",
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
            "--pyargs", "pytest_mtls.conformance", f"--mtls-target=https://127.0.0.1:{port}", *options
        )
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([f"ERROR: --mtls-target: cannot connect to 127.0.0.1:{port}: connection refused. *"])
    assert "FAILED" not in result.stdout.str()


def test_untrusted_target_names_the_option(pytester: pytest.Pytester, mtls_server: MutualTLSServer) -> None:
    """Where the server's own certificate is not trusted, the failure names the option that is missing."""
    pytester.makeini(INI)
    target = f"--mtls-target=https://localhost:{mtls_server.port}"
    result = pytester.runpytest("--pyargs", "pytest_mtls.conformance", target, "-k", "client[valid-tls1.3")
    result.assert_outcomes(failed=1, deselected=ALL - 1)
    result.stdout.fnmatch_lines(["*refused by the client for unknown CA. Give the CA of the server's own *-server-ca*"])


def test_conformance_without_a_target_says_how(pytester: pytest.Pytester) -> None:
    """The tests cannot be collected without a server, and say what to type."""
    pytester.makeini(INI)
    result = pytester.runpytest("--pyargs", "pytest_mtls.conformance")
    result.assert_outcomes(errors=2)
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
    assert before + 5 == len(mtls_server.handshakes)


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
