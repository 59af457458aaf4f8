"""A report of 1,000 checks in each form: how long it takes to write, and how large it is."""

from __future__ import annotations

import statistics
import time
from datetime import datetime, timezone
from itertools import cycle, islice

from pytest_mtls import CertificateAuthority, Endpoint, MutualTLSServer, probe
from pytest_mtls.conformance.mapping import mapped
from pytest_mtls.conformance.policy import Policy
from pytest_mtls.conformance.reports import FORMS
from pytest_mtls.conformance.reports.document import make_document
from pytest_mtls.conformance.reports.evidence import record
from pytest_mtls.conformance.run import Outcome, Result, checks

CHECKS = 1000
ROUNDS = 5
SECONDS, BYTES = 1.0, 2_000_000


def main() -> None:
    """Print seconds and bytes of each form, where 10 checks failed and where all did."""
    ca = CertificateAuthority.create()
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        seen = probe(server, ca.issue_client("alice"))
    cases = list(islice(cycle(checks()), CHECKS))
    for failing in (10, CHECKS):
        results = [
            Result(case, tls, "refused", Outcome.DEVIATES if place < failing else Outcome.CONFORMS, seen, "let in")
            for place, (case, tls) in enumerate(cases)
        ]
        started = time.perf_counter()
        facts = [record(result) for result in results]
        target = Endpoint("localhost", 8443, "https")
        document = mapped(make_document(target, Policy(), facts, date=datetime.now(timezone.utc)))
        print(f"{CHECKS} checks of which {failing} failed: facts in {time.perf_counter() - started:.3f} s")
        for ending, form in FORMS.items():
            times: list[float] = []
            text = ""
            for _ in range(ROUNDS):
                started = time.perf_counter()
                text = form(document)
                times.append(time.perf_counter() - started)
            seconds, size = statistics.median(times), len(text.encode())
            bounds = ""
            if ending == ".html":
                verdict = "within" if seconds <= SECONDS and size <= BYTES else "ABOVE"
                bounds = f" ({verdict} the bounds of {SECONDS:.0f} s and {BYTES / 1e6:.0f} MB)"
            print(f"  {ending}: {seconds:.3f} s, {size / 1e6:.2f} MB{bounds}")


if __name__ == "__main__":
    main()
