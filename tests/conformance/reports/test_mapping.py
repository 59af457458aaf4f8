"""Which published requirements a check is evidence for, in every form of report."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from support.generated_pages import DOCS, generated_part
from support.mapping_page import as_markdown, checks_of
from support.reports import document_of, number_of, result_of, validate
from support.sarif_schema import SARIF_SCHEMA

from pytest_mtls.bypasses import BYPASSES
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.conformance.mapping import REQUIREMENTS, RULES, mapped, requirements_of
from pytest_mtls.conformance.reports import FORMS
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.reasons.side import Side


def test_page_is_up_to_date() -> None:
    """The page has what the data say."""
    assert as_markdown().rstrip("\n") == generated_part(DOCS / "reference" / "mapping.md"), (
        "run: python docs/generate/catalogue.py mapping"
    )


def test_every_requirement_has_evidence() -> None:
    """No rule is dead: each requirement is tied to a check, and each requirement stands once."""
    for id in REQUIREMENTS:
        assert checks_of(id, "client") or checks_of(id, "server"), id
    assert len(RULES) == len(REQUIREMENTS)


@pytest.mark.parametrize(
    ("check", "side", "expected"),
    [
        ("expired", "client", {"OWASP ASVS 5.0, 12.1.3", "PCI DSS 4.0.1, 4.2.1, second bullet"}),
        (
            "expired",
            "server",
            {"OWASP ASVS 5.0, 12.3.2", "PCI DSS 4.0.1, 4.2.1, second bullet", "RFC 9325, section 7.1"},
        ),
        ("wrong-host", "server", {"OWASP ASVS 5.0, 12.3.2", "RFC 9325, section 7.1"}),
        ("no-certificate", "client", {"OWASP ASVS 5.0, 12.3.5"}),
        ("check[weak-cipher-suites]", "server", set()),
        ("bypass[resume-after-expiry]", "client", {"OWASP ASVS 5.0, 12.3.5", "RFC 9325, section 3.4"}),
        (
            "check[tls-1.1]",
            "client",
            {
                "NIST SP 800-52r2, section 3.1",
                "OWASP ASVS 5.0, 12.1.1",
                "PCI DSS 4.0.1, 4.2.1, third bullet",
                "RFC 9325, section 3.1.1",
            },
        ),
        ("valid", "client", set()),
        ("own-case-that-is-not-there", "client", set()),
    ],
)
def test_requirements_of_a_check(check: str, side: Side, expected: set[str]) -> None:
    """A check is evidence for what the text of a source names, and for no more."""
    assert expected == {one.id for one in requirements_of(check, side)}


def test_cases_that_may_go_either_way_are_no_evidence() -> None:
    """What is accepted rightly, or may be, shows nothing of a requirement."""
    for side in ("client", "server"):
        for case in CATALOGUE[side].select("*"):
            if case.tier.value in ("good", "informative"):
                assert () == requirements_of(case.id, side), case.id


def test_ids_of_rules_name_checks() -> None:
    """Each id in a rule is that of a check that there is."""
    for rule in RULES:
        for pattern in rule.ids:
            if pattern.startswith("bypass"):
                stem = pattern.removeprefix("bypass[[]").rstrip("]").rstrip("*")
                assert any(name.startswith(stem) for name in BYPASSES), pattern


def test_mapped_report() -> None:
    """Results name their requirements, and each requirement counts them by what they came to; the schema has it all."""
    revoked, expired = number_of("revoked"), number_of("expired")
    results = [
        result_of(revoked, None, Outcome.DEVIATES, "let in"),
        result_of(expired, None, Outcome.CONFORMS),
        result_of(expired + 1, None, Outcome.LEFT_OUT, "no key"),
    ]
    plain = document_of(results)
    document = mapped(plain)
    validate(document)
    assert "requirements" not in plain
    assert "requirements" not in plain["results"][0]
    kinds = ("as_expected", "failed", "agreed", "not_evidence")
    counts = {one["id"]: tuple(one[kind] for kind in kinds) for one in document["requirements"]}
    assert (1, 1, 0, 1) == counts["PCI DSS 4.0.1, 4.2.1, second bullet"]
    assert (0, 1, 0, 0) == counts["RFC 9325, section 7.5"]
    assert "NIST SP 800-52r2, section 3.1" not in counts
    for ending, form in FORMS.items():
        text = form(document)
        assert "RFC 9325, section 7.5" in text, ending
        assert "RFC 9325, section 7.5" not in form(plain), ending


def test_taxonomies_of_sarif() -> None:
    """Each source is a taxonomy, and each relationship of a rule leads to a taxon that is there."""
    results = [result_of(number, None, Outcome.CONFORMS) for number in range(60)]
    report = json.loads(FORMS[".sarif"](mapped(document_of(results))))
    Draft202012Validator(SARIF_SCHEMA).validate(report)
    (run,) = report["runs"]
    taxa = {(one["name"], taxon["id"]) for one in run["taxonomies"] for taxon in one["taxa"]}
    related = [one["target"] for rule in run["tool"]["driver"]["rules"] for one in rule.get("relationships", ())]
    assert related
    assert {(one["toolComponent"]["name"], one["id"]) for one in related} == taxa


def test_client_under_test() -> None:
    """In the run of a client, the cases are servers, and are mapped as such."""
    document = {**document_of([result_of(number_of("expired"), None, Outcome.CONFORMS)]), "target": {"command": "curl"}}
    assert "OWASP ASVS 5.0, 12.3.2" in mapped(document)["results"][0]["requirements"]
