"""The conformance run tells servers that enforce mutual TLS from those that do not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from support.balancer import balancer
from support.conforming import EVERYTHING, case_of, https, outcomes
from support.nginx import nginx_command, nginx_config

from pytest_mtls import CertificateAuthority, Endpoint, Identity, MutualTLSServer, launch, register_protocol
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.client.protocols import PROTOCOLS
from pytest_mtls.conformance.client.run import client_checks
from pytest_mtls.conformance.policy import ExpectedException, Policy, read_policy
from pytest_mtls.conformance.report import summary, table
from pytest_mtls.conformance.run import Outcome, Result, Run, checks, theme_of
from pytest_mtls.errors import InvalidPolicy

Factory = Callable[..., MutualTLSServer]


# --- the engine ------------------------------------------------------------------------------------------------------


def test_our_own_server_conforms(mtls_server: MutualTLSServer) -> None:
    """The whole catalogue finds nothing to say against a server that is strict and checks revocation."""
    run = Run(https(mtls_server), EVERYTHING)
    results = [run.check(case, tls) for case, tls in checks() if "1.3" in (tls, case.tls) or case.tls == "1.2"]
    assert [] == [result.story() for result in results if result.outcome.is_failure]
    assert len(results) == len(CATALOGUE["client"].select("*"))
    unclaimed = {"ocsp", "policy"}
    binding = [result for result in results if result.expected != "either" and not unclaimed & result.case.requires]
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
    """Where a good client does not get in, no rejection proves anything: one failure tells it, and the rest is left out."""
    server = mtls_server_factory(trust=CertificateAuthority.create())
    run = Run(https(server, ca=mtls_ca, trust=mtls_ca))
    first, second = run.check(case_of("expired"), "1.3"), run.check(case_of("valid"), "1.3")
    assert [Outcome.DEVIATES, Outcome.LEFT_OUT] == [first.outcome, second.outcome]
    assert first.note.startswith("a good client does not get in, so nothing can be proved: rejected by the server")
    assert "CN=control" in first.story()  # the whole story once
    assert second.note.startswith("nothing can be proved, as the first failure tells: rejected by the server")
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
    """A rejection that is for something else deviates, unless the policy takes any."""
    assert mtls_ca.private_key is not None
    stale = CertificateAuthority(mtls_ca.certificate, mtls_ca.private_key)  # has no CRL of the cases' intermediates
    server = mtls_server_factory(trust=stale, strict=False)
    target = https(server, ca=mtls_ca, trust=mtls_ca)
    assert {"intermediate-expired": {Outcome.DEVIATES}} == outcomes(Run(target), "intermediate-expired")
    note = Run(target).check(case_of("intermediate-expired"), "1.3").note
    assert "the server rejected it, but not for expired: rejected by the server: unknown CA, as its alert says" == note
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
    """Nobody there is no rejection."""
    with MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca) as server:
        target = https(server)
    result = Run(target).check(case_of("expired"), "1.3")
    assert (Outcome.DEVIATES, "undecided") == (result.outcome, result.seen)
    assert "a good client does not get in, so nothing can be proved: undecided: cannot connect to" in result.note


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
    """A server that stops taking anybody has rejected nobody in particular; a time-out is not a rejection either."""
    taken: list[Identity | None] = []

    def refuses_all_after_the_first(*, client: Identity | None, **_: Any) -> bool | None:
        taken.append(client)
        return None if client is None else len(taken) == 1

    register_protocol("moody", port=1, probe=refuses_all_after_the_first)
    try:
        run = Run(Endpoint.parse("moody://localhost", ca=mtls_ca))
        result = run.check(case_of("expired"), "1.3")
        expected = [
            "CN=control",
            "CN=expired",
            "CN=expired",
            "CN=control",
        ]  # the bad one twice, an odd number in a round
        assert expected == [who.subject for who in taken if who is not None]
        note = "after this rejection a good client does not get in any more"
        assert (Outcome.DEVIATES, "refused", note) == (result.outcome, result.seen, result.note)
        del taken[:]
        result = Run(Endpoint.parse("moody://localhost", ca=mtls_ca)).check(case_of("no-certificate"), "1.3")
        assert (Outcome.DEVIATES, "undecided") == (result.outcome, result.seen)
        assert result.note.startswith("there is no verdict: ")
    finally:
        del PROTOCOLS["moody"]


@pytest.mark.parametrize("with_crl", [pytest.param(True, marks=pytest.mark.slow), False])
def test_nginx_with_and_without_crl(with_crl: bool, mtls_ca: CertificateAuthority) -> None:
    """nginx conforms, revocation included, and its twin without a CRL is found out; all at the HTTP layer."""
    config = nginx_config("""
            server {
                listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3;
                ssl_certificate {server_cert}; ssl_certificate_key {server_key};
                ssl_client_certificate {ca}; ssl_verify_client on; ssl_verify_depth 200;
                #ssl_crl {crl};
                location / { return 204; }
            }
        """)
    if with_crl:
        config = config.replace("#ssl_crl", "ssl_crl")
    ca = CertificateAuthority.create()
    with launch(nginx_command(), files={"nginx.conf": config}, ca=ca) as server:
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
        ("settings = [", "it is not TOML"),
        ("setings = []", "it has an unknown 'setings'; known are settings, reasons, exceptions, site"),
        ("settings = 'crl'", "settings is 'crl', and must be a list"),
        (
            "settings = ['dane']",
            "a setting is 'dane', and must be one of crl, level, ocsp, ocsp-hard, policy, resumption, strict, usage",
        ),
        ("reasons = 'all'", "reasons is 'all', and must be one of alert, any"),
        ("exceptions = [1]", "an entry of exceptions is not a table"),
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
    assert registered - {"own", "bypasses", "offers"} == {theme_of(case) for case, _ in (*checks(), *client_checks())}


@pytest.mark.parametrize("backends", [2, 3])
def test_balancer_with_one_backend_that_does_not_verify_is_found(
    backends: int, mtls_server_factory: Callable[..., MutualTLSServer], mtls_ca: CertificateAuthority
) -> None:
    """Case and control do not keep step with backends that are taken in turn."""
    lax = mtls_server_factory(client_certs="none")
    strict = [mtls_server_factory() for _ in range(backends - 1)]
    with balancer(lax, *strict) as port:
        target = Endpoint("127.0.0.1", port, "https", server_name="localhost", trust=mtls_ca, ca=mtls_ca)
        run = Run(target)
        results = [run.check(case_of(id), "1.3") for id in ("expired", "untrusted-ca", "revoked")]
    assert Outcome.DEVIATES in {result.outcome for result in results}
    assert any("different answers to the same client" in result.note for result in results)
