"""The alerts by which a server rejected the cases in a run, beside those that the table of alerts says its stack was seen to send."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_mtls import Alert, Reason
from pytest_mtls.conformance.run import Outcome, Result, Run, checks
from pytest_mtls.reasons.alert_meaning import ALERT_MEANINGS

__all__ = ["REASON_OF_VERSION", "alerts_seen", "all_alerts_seen", "meanings_seen_of"]

#: Stack -> reasons whose alert depends on the version: Java 17 answers the lack of a certificate by bad_certificate before
#: the update 17.0.21, and by handshake_failure (TLS 1.2) and certificate_required (TLS 1.3) since.
REASON_OF_VERSION = {"Java": {Reason.NO_CERTIFICATE}}

_MORE_TIMES = 5
_MEANINGS = {meaning.alert: meaning for meaning in ALERT_MEANINGS}


def meanings_seen_of(stack: str) -> set[tuple[Reason, Alert]]:
    """For which reason a stack was seen to send which alert, as the table has it."""
    return {
        (reason, meaning.alert)
        for meaning in ALERT_MEANINGS
        for reason, stacks in meaning.seen.items()
        if stack in stacks
    }


def alerts_seen(results: Iterable[Result]) -> set[tuple[Reason, Alert]]:
    """For which reason a server sent which alert, where it did what it has to do.

    A case of several reasons counts for the first of them that the alert may stand for.
    """
    pairs = set()
    for result in results:
        seen = result.handshake
        if result.outcome is not Outcome.CONFORMS or seen is None or seen.alert is None or seen.rejected_by != "server":
            continue
        meaning = _MEANINGS[seen.alert]
        reason = next(
            reason for reason in result.case.reasons if reason in {meaning.says, *meaning.seen, *meaning.allowed}
        )
        pairs.add((reason, seen.alert))
    return pairs


def all_alerts_seen(run: Run, results: Iterable[Result], stack: str) -> set[tuple[Reason, Alert]]:
    """The same, where a client whose alert was lost with its connection is presented again, a few times at most."""
    pairs = alerts_seen(results)
    for _ in range(_MORE_TIMES):
        missing = {reason for reason, _ in meanings_seen_of(stack) - pairs} - REASON_OF_VERSION.get(stack, set())
        again = [(case, tls) for case, tls in checks() if missing & set(case.reasons)]
        pairs |= alerts_seen(run.check(case, tls) for case, tls in again)
    return pairs
