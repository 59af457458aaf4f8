"""SARIF: what code scanning takes."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator
from support.reports import document_of, result_of, seen_of
from support.sarif_schema import SARIF_SCHEMA

from pytest_mtls import Endpoint, Identity, MutualTLSServer
from pytest_mtls.conformance.reports.sarif import as_sarif
from pytest_mtls.conformance.run import Outcome


def sarif_of(document: dict[str, Any]) -> Any:
    """The report, validated."""
    report = json.loads(as_sarif(document))
    Draft202012Validator.check_schema(SARIF_SCHEMA)
    Draft202012Validator(SARIF_SCHEMA).validate(report)
    return report["runs"][0]


def test_failures_are_results(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """Each failure is a result of its rule; what is agreed, reported or left out raises no alert."""
    seen = seen_of(mtls_server, mtls_client_cert)
    results = [
        result_of(0, seen, Outcome.CONFORMS),
        result_of(2, seen, Outcome.DEVIATES, "the server let this client in"),
        result_of(3, seen, Outcome.EXCEPTED, "ticket 7"),
        result_of(4, None, Outcome.LEFT_OUT, "no key"),
        result_of(5, seen, Outcome.EXCEPTION_GONE, "remove that"),
    ]
    run = sarif_of(document_of(results, policy_file="ci/my policy.toml"))
    assert [results[1].case.id, results[4].case.id] == [one["ruleId"] for one in run["results"]]
    for one in run["results"]:
        assert one["ruleId"] == run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"]
        location = one["locations"][0]
        assert "ci/my%20policy.toml" == location["physicalLocation"]["artifactLocation"]["uri"]
        assert "https://bank.example:8443/login" == location["logicalLocations"][0]["fullyQualifiedName"]
    text = run["results"][0]["message"]["text"]
    assert text.startswith(f"https://bank.example:8443/login: {results[1].case.id} over TLS {results[1].tls}: expected")
    assert "the server let this client in. the server does not " in text


def test_fingerprints_tell_checks_and_servers_apart() -> None:
    """The same check has the same fingerprint in each run, and another one over another version or at another server."""

    def fingerprints(**known: Any) -> list[str]:
        results = [result_of(number, None, Outcome.DEVIATES) for number in range(4)]
        return [one["partialFingerprints"]["check/v1"] for one in sarif_of(document_of(results, **known))["results"]]

    assert fingerprints() == fingerprints(seconds=1.0)
    assert 4 == len(set(fingerprints()))
    assert set() == set(fingerprints()) & set(fingerprints(target=Endpoint("other.example", 8443, "https")))


def test_run_that_passed_has_no_results() -> None:
    """Its rules say what was checked; a test without a result makes the invocation a failure."""
    run = sarif_of(document_of([result_of(0, None, Outcome.CONFORMS)]))
    assert ([], 1, True) == (
        run["results"],
        len(run["tool"]["driver"]["rules"]),
        run["invocations"][0]["executionSuccessful"],
    )
    assert not sarif_of(document_of([], errors=["test_it.py::test"]))["invocations"][0]["executionSuccessful"]
