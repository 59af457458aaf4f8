"""The table of symptoms: each row by its evidence, without a socket."""

from __future__ import annotations

import pytest
from support.generated_pages import generated_part
from support.symptom_rows import ROWS, Row
from support.troubleshooting_page import PAGE, as_markdown

from pytest_mtls import CertificateAuthority
from pytest_mtls.verdict.diagnosis.causes import CAUSES
from pytest_mtls.verdict.diagnosis.symptoms import SYMPTOMS, Diagnosis, diagnose


@pytest.mark.parametrize(("symptom", "row", "words"), ROWS, ids=[row[0] for row in ROWS])
def test_symptom(symptom: str, row: Row, words: str, mtls_ca: CertificateAuthority) -> None:
    """The evidence leads to the row, whose cause says what was seen."""
    diagnosis = diagnose(row(mtls_ca))
    assert symptom == diagnosis.symptom
    assert words in diagnosis.cause


def test_every_symptom_has_a_row_here() -> None:
    """No symptom is without a test, and no two have the same id."""
    assert [symptom.id for symptom in SYMPTOMS] == [row[0] for row in ROWS]


def _texts() -> list[Diagnosis]:
    texts = [Diagnosis(reason.value, cause, remedy) for reason, (cause, remedy) in CAUSES.items()]
    return texts + [
        Diagnosis(one.id, one.cause, one.remedy)
        for one in SYMPTOMS
        if isinstance(one.cause, str) and not callable(one.remedy)
    ]


@pytest.mark.parametrize("diagnosis", _texts(), ids=lambda diagnosis: diagnosis.symptom)
def test_texts_are_sentences(diagnosis: Diagnosis) -> None:
    """A cause goes on after a colon and ends in a full stop; a remedy is a sentence of its own."""
    assert diagnosis.cause[0].islower() or diagnosis.cause.startswith(("TLS", "RFC"))
    assert diagnosis.cause.endswith(".")
    assert diagnosis.remedy is None or (diagnosis.remedy[0].isupper() and diagnosis.remedy.endswith("."))
    assert "unspecified" not in diagnosis.cause
    assert "see above" not in diagnosis.cause


def test_page_is_current() -> None:
    """The page of troubleshooting has every symptom with its cause and remedy, as a failure tells them."""
    assert as_markdown() == generated_part(PAGE), "run: python docs/generate/catalogue.py troubleshooting"
