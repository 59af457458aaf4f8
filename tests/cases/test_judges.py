"""The catalogue before other judges: openssl verify, cryptography's verifier, and pkilint for the good ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.certificate_judges import OPENSSL_SETTINGS, Subject, by_openssl, subjects
from support.generated_pages import DOCS, generated_part
from support.judge_disagreements import EXPLANATIONS, Row, as_markdown, rows
from support.pkilint_profile import findings
from support.requirements import require_program, require_version

from pytest_mtls import CertificateAuthority, Reason, Tier
from pytest_mtls.reasons.reason import reason_of_verify_code

PAGE = DOCS / "explanation" / "judges.md"

#: What pkilint finds in cases that are good all the same, and why they are.
NO_FAULT = {
    "no-subject-key-identifier": "WARNING pkix.certificate_skid_end_entity_missing None",  # a SHOULD of section 4.2.1.2
}


@pytest.fixture(scope="module")
def ca() -> CertificateAuthority:
    """The CA that all trust."""
    return CertificateAuthority.create()


@pytest.fixture(scope="module")
def judged(ca: CertificateAuthority) -> list[Subject]:
    """The cases whose certificates alone can be judged."""
    return subjects(ca)


@pytest.fixture(scope="module")
def openssl() -> Path:
    """The openssl program."""
    return require_program("openssl", apt="openssl")


def test_openssl_agrees(judged: list[Subject], ca: CertificateAuthority, openssl: Path) -> None:
    """`openssl verify` with every setting on rejects each bad case for the case's own reason, and accepts each good one."""
    said = by_openssl(judged, ca, openssl)
    expected, actual = {}, {}
    for subject in judged:
        if subject.case.accepted is not None:
            judgement = said[subject.key]
            expected[subject.key] = subject.case.reason
            actual[subject.key] = None if judgement.code is None else reason_of_verify_code(judgement.code)
            assert judgement.accepted == (judgement.code is None)
    assert expected == actual


@pytest.mark.parametrize("setting", [setting for setting in OPENSSL_SETTINGS if setting != "usage"])
def test_a_setting_is_what_it_takes(
    judged: list[Subject], ca: CertificateAuthority, openssl: Path, setting: str
) -> None:
    """Without the setting that it names, a case is accepted: there is nothing else wrong with it."""
    affected = [s for s in judged if s.case.tier is Tier.SETTING and setting in s.case.requires]
    others = [other for other in OPENSSL_SETTINGS if other != setting]
    assert affected
    assert {} == {key: said for key, said in by_openssl(affected, ca, openssl, others).items() if not said.accepted}


#: Reason -> what openssl has to overlook for a case to be accepted, if that is all that is wrong with it.
OVERLOOKED = {
    Reason.EXPIRED: ["-no_check_time"],
    Reason.NOT_YET_VALID: ["-no_check_time"],
    Reason.WRONG_PURPOSE: ["purpose"],
    Reason.HOSTNAME_MISMATCH: ["host"],
    Reason.UNKNOWN_CRITICAL_EXTENSION: ["-ignore_critical"],
}


@pytest.mark.parametrize("reason", list(OVERLOOKED), ids=str)
def test_nothing_else_is_wrong(judged: list[Subject], ca: CertificateAuthority, openssl: Path, reason: Reason) -> None:
    """Where openssl overlooks the one thing that is wrong with a case, it accepts it with all else switched on."""
    affected = [subject for subject in judged if subject.case.reason is reason]
    assert affected
    said = by_openssl(affected, ca, openssl, overlook=OVERLOOKED[reason])
    assert {} == {key: judgement for key, judgement in said.items() if not judgement.accepted}


@pytest.fixture(scope="module")
def table(judged: list[Subject], ca: CertificateAuthority, openssl: Path) -> list[Row]:
    """What every judge made of every case."""
    require_version("cryptography", "50")
    return rows(judged, ca, openssl)


def test_every_disagreement_is_explained(table: list[Row]) -> None:
    """Where a judge differs from another or from the catalogue there is a reason, and there is none where they agree."""
    assert {row.case.id for row in table if row.is_disagreement} == set(EXPLANATIONS)


def test_page_is_current(table: list[Row]) -> None:
    """docs/explanation/judges.md has the table of now."""
    assert as_markdown(table) == generated_part(PAGE), "run: python docs/generate/catalogue.py judges"


def test_pkilint_has_nothing_to_say_of_good_ones(judged: list[Subject]) -> None:
    """No certificate of a case that must be accepted has a finding, other than the one that the case is about."""
    found = {}
    for subject in judged:
        if subject.case.tier is Tier.GOOD:
            said = [finding for certificate in subject.identity.chain for finding in findings(certificate)]
            found[subject.key] = [finding for finding in said if finding != NO_FAULT.get(subject.case.id)]
    assert {} == {key: said for key, said in found.items() if said}
    assert found
