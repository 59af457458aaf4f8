"""The judge's rules, each without a socket: what was seen, and what it means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.generated_pages import DOCS, generated_part
from support.verdicts_page import SHOWN_BY, as_markdown

from pytest_mtls import Alert, Reason
from pytest_mtls.reasons.alert_meaning import ALERT_MEANINGS, AlertMeaning
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.transcript import Message
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.judge import DIFFERENT_ANSWERS, NO_HANDSHAKE, RULES, Evidence, Judgement, judge

OWN = b"the client's certificate"
REQUEST = Message("server", "CertificateRequest", b"")

ACCEPTED = Handshake("client", True, sent_chain_der=(OWN,), transcript=(REQUEST,))
UNDECIDED = Handshake("client", None, error="timed out")
EXPIRED = Handshake(
    "client",
    False,
    "server",
    Reason.EXPIRED,
    Alert.CERTIFICATE_EXPIRED,
    sent_chain_der=(OWN,),
    transcript=(REQUEST,),
)
DENIED = replace(EXPIRED, reason=Reason.ACCESS_DENIED, alert=None, layer="http", answer="HTTP 403")
DENIED_BY_ALERT = replace(EXPIRED, reason=Reason.ACCESS_DENIED, alert=Alert.ACCESS_DENIED)
ENDED_INSIDE = replace(DENIED, reason=Reason.UNSPECIFIED, answer=None, tls_version="TLSv1.3")
BY_A_PROBE_OF_ONES_OWN = replace(ENDED_INSIDE, tls_version=None, observable=False)
BAD_BY_NGINX = replace(DENIED, reason=Reason.UNSPECIFIED, answer="HTTP 400, 'The SSL certificate error'")
RESET_AT_ONCE = Handshake("client", False, "server", Reason.UNSPECIFIED)
BY_THE_CLIENT = replace(EXPIRED, rejected_by="client", reason=Reason.UNKNOWN_CA, alert=Alert.UNKNOWN_CA)

ACCEPT = Expected(accepted=True)
REJECT = Expected(accepted=False)
FOR_EXPIRED = Expected(accepted=False, reasons=(Reason.EXPIRED,))
FOR_NO_CERTIFICATE = Expected(accepted=False, reasons=(Reason.NO_CERTIFICATE,))
FOR_DENIAL = Expected(accepted=False, reasons=(Reason.ACCESS_DENIED,))

SENT = Evidence(OWN, ACCEPTED)
TWIN = Evidence(OWN, ACCEPTED, control_is_twin=True)

#: What was expected, what was seen, what else is known, whether it is met, and by which rule.
TABLE: list[tuple[Expected, Handshake, Evidence, bool, str]] = [
    (FOR_EXPIRED, EXPIRED, Evidence(OWN, DENIED, control_is_twin=True), False, "good-client-not-accepted"),
    (FOR_EXPIRED, EXPIRED, replace(TWIN, control_afterwards=ACCEPTED), True, "rejected-as-expected"),
    (FOR_EXPIRED, EXPIRED, replace(TWIN, control_afterwards=DENIED), False, "good-client-not-accepted-afterwards"),
    (FOR_EXPIRED, DENIED, replace(TWIN, control_afterwards=UNDECIDED), False, "good-client-not-accepted-afterwards"),
    (REJECT, UNDECIDED, SENT, False, "undecided"),
    (ACCEPT, UNDECIDED, Evidence(), False, "undecided"),
    (ACCEPT, ACCEPTED, Evidence(), True, "accepted-as-expected"),
    (ACCEPT, EXPIRED, Evidence(), False, "rejected-instead-of-accepted"),
    (REJECT, ACCEPTED, SENT, False, "accepted-instead-of-rejected"),
    (REJECT, BY_THE_CLIENT, SENT, False, "rejected-by-the-other-side"),
    (FOR_EXPIRED, DENIED, TWIN, True, "denied-but-not-its-twin"),
    (FOR_EXPIRED, DENIED, replace(TWIN, namesake=ACCEPTED), True, "denied-but-not-its-twin"),
    (FOR_EXPIRED, DENIED, replace(TWIN, namesake=EXPIRED), True, "denied-but-not-its-twin"),
    (FOR_EXPIRED, DENIED, replace(TWIN, namesake=DENIED), False, "namesake-denied-as-well"),
    (FOR_EXPIRED, DENIED, replace(TWIN, namesake=ENDED_INSIDE), False, "namesake-denied-as-well"),
    (FOR_EXPIRED, ENDED_INSIDE, replace(TWIN, namesake=DENIED), False, "namesake-denied-as-well"),
    (FOR_EXPIRED, EXPIRED, replace(TWIN, namesake=DENIED), True, "rejected-as-expected"),
    (FOR_EXPIRED, ENDED_INSIDE, TWIN, True, "denied-but-not-its-twin"),
    (FOR_EXPIRED, ENDED_INSIDE, SENT, False, "rejected-for-another-reason"),
    (FOR_EXPIRED, BY_A_PROBE_OF_ONES_OWN, Evidence(OWN), True, "rejected-as-expected"),
    (REJECT, ENDED_INSIDE, SENT, True, "rejected-as-expected"),
    (FOR_EXPIRED, BAD_BY_NGINX, SENT, True, "rejected-as-expected"),
    (FOR_EXPIRED, DENIED_BY_ALERT, TWIN, True, "denied-but-not-its-twin"),
    (FOR_EXPIRED, DENIED_BY_ALERT, SENT, False, "rejected-for-another-reason"),
    (FOR_EXPIRED, DENIED, SENT, False, "rejected-for-another-reason"),
    (FOR_EXPIRED, DENIED, Evidence(OWN), False, "rejected-for-another-reason"),
    (Expected(accepted=False, reasons=(Reason.REVOKED,)), EXPIRED, TWIN, False, "rejected-for-another-reason"),
    (FOR_EXPIRED, RESET_AT_ONCE, TWIN, False, "certificate-not-presented"),
    (FOR_NO_CERTIFICATE, RESET_AT_ONCE, Evidence(None, ACCEPTED, True), False, "certificate-not-presented"),
    (FOR_EXPIRED, EXPIRED, SENT, True, "rejected-as-expected"),
    (FOR_DENIAL, DENIED, SENT, True, "rejected-as-expected"),
    (FOR_NO_CERTIFICATE, replace(RESET_AT_ONCE, transcript=(REQUEST,)), Evidence(), True, "rejected-as-expected"),
]


@pytest.mark.parametrize(("expected", "seen", "evidence", "is_met", "rule"), TABLE)
def test_each_row_is_judged(expected: Expected, seen: Handshake, evidence: Evidence, is_met: bool, rule: str) -> None:
    """The judgement is by the rule that the row names."""
    judgement = judge(expected, [seen], evidence)
    assert (is_met, rule, seen) == (judgement.is_met, judgement.rule, judgement.handshake)


def test_every_rule_has_a_row() -> None:
    """No rule is without a test."""
    assert {rule.id for rule in RULES} == {row[-1] for row in TABLE}


@pytest.mark.parametrize("left_out", [rule.id for rule in RULES[:-1]])
def test_no_rule_can_be_switched_off(left_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one rule, some row of the table is judged otherwise."""
    rules = tuple(rule for rule in RULES if rule.id != left_out)
    monkeypatch.setattr("pytest_mtls.verdict.judge.RULES", rules)
    judged = [judge(expected, [seen], evidence) for expected, seen, evidence, _, _ in TABLE]
    assert [(row[-2], row[-1]) for row in TABLE] != [(one.is_met, one.rule) for one in judged]


@pytest.mark.parametrize("seen", [[EXPIRED, ACCEPTED, EXPIRED], [EXPIRED, EXPIRED, ACCEPTED]])
def test_two_different_verdicts_on_one_client_are_neither(seen: list[Handshake]) -> None:
    """A server that takes the same client once and rejects it once is found out."""
    assert Judgement(False, DIFFERENT_ANSWERS, ACCEPTED) == judge(FOR_EXPIRED, seen, TWIN)


def test_the_absence_of_a_handshake_is_no_verdict() -> None:
    """Where nothing happened, nothing is as expected."""
    assert Judgement(False, NO_HANDSHAKE) == judge(REJECT, [])


def test_every_rule_is_shown_by_a_test_that_there_is() -> None:
    """The page names for each rule a test before a real server."""
    assert {rule.id for rule in RULES} == set(SHOWN_BY)
    for path, test in SHOWN_BY.values():
        assert f"def {test}(" in (DOCS.parent / "tests" / path).read_text(encoding="utf-8")


def test_the_reference_page_has_every_rule() -> None:
    """docs/reference/verdicts.md is what the judge's rules and the table of answers give."""
    assert as_markdown() == generated_part(DOCS / "reference" / "verdicts.md")


@pytest.mark.parametrize("meaning", ALERT_MEANINGS, ids=lambda meaning: meaning.alert.name.lower())
def test_an_alert_counts_for_the_reasons_of_its_row_and_no_others(meaning: AlertMeaning) -> None:
    """The judge goes by the table of alerts: for each reason a rejection by this alert counts, or does not."""
    seen = replace(EXPIRED, reason=meaning.says, alert=meaning.alert)
    for reason in Reason:
        expected = Expected(accepted=False, reasons=(reason,))
        assert (reason in meaning.reasons) == judge(expected, [seen], SENT).is_met


def test_every_alert_is_once_in_the_table() -> None:
    """No alert has two rows, and those about certificates have one, but for what no stack sends since RFC 8446."""
    alerts = [meaning.alert for meaning in ALERT_MEANINGS]
    assert len(alerts) == len(set(alerts))
    gone = {Alert.CERTIFICATE_UNOBTAINABLE, Alert.BAD_CERTIFICATE_STATUS_RESPONSE, Alert.BAD_CERTIFICATE_HASH_VALUE}
    assert {alert for alert in Alert if alert.is_about_a_certificate} - gone <= set(alerts)
