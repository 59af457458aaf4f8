"""Sessions: what a resumed one skips (RFC 8446 section 2.2), and whom it must not let in."""

from __future__ import annotations

import time
from datetime import timedelta

from pytest_mtls.bypasses.attempt import Attempt, ConnectionResult
from pytest_mtls.bypasses.bypass import bypass
from pytest_mtls.bypasses.ends import NotApplicable
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.validity import now
from pytest_mtls.reasons.settings import RESUMPTION

_NO_SESSION = "the server gave no session to resume"


@bypass(cves=["CVE-2025-23419", "CVE-2025-23048", "GHSA-gv8r-9rw9-9697"], needs=["other_name", "other_client"])
def resume_across_names(attempt: Attempt) -> str | None:
    """A session of one virtual host is not resumed on another whose clients come from another CA.

    A client of the other name gets a session there and resumes it under the endpoint's own name, where its certificate
    would be rejected. The certificate is not sent again, so that nobody looks at it under the rules of this host.
    """
    site = attempt.site
    assert site.other_name is not None
    given = False
    for tls in attempt.versions:
        first = attempt.visit(site.other_client, endpoint=attempt.at(site.other_name), tls=tls)
        attempt.must_accept(first, f"the client of {site.other_name}")
        if attempt.visit(site.other_client, tls=tls).accepted:
            raise NotApplicable(f"{attempt.target.name} takes the client of {site.other_name} in any case")
        if first.session is not None:
            given = True
            attempt.must_reject(attempt.visit(resume=first), f"a client of {site.other_name} over TLS {tls}")
    return None if given else _NO_SESSION


@bypass(cves=["CVE-2025-23419"], needs=["public_name"])
def resume_from_public_name(attempt: Attempt) -> str | None:
    """A session from a name that asks for no certificate is not resumed where one is required.

    A client without a certificate gets a session from the public name and resumes it under the endpoint's own name. A
    server that shares its session keys between the two hosts has to ask for the certificate that it never saw.
    """
    assert attempt.site.public_name is not None
    given = False
    for tls in attempt.versions:
        first = attempt.visit(endpoint=attempt.at(attempt.site.public_name), tls=tls)
        attempt.must_accept(first, "a client of the public name")
        if first.session is not None:
            given = True
            who = f"a client without a certificate that comes from {attempt.site.public_name} over TLS {tls}"
            attempt.must_reject(attempt.visit(resume=first), who)
    return None if given else _NO_SESSION


@bypass(cves=["HAProxy issue 248"])
def resume_after_refusal(attempt: Attempt) -> str | None:
    """A client that was rejected inside TLS does not get in with the session that it was given before.

    A server that finishes the handshake with every client and judges it afterwards gives the rejected ones a session too.
    In the resumed session the fault in the certificate, or that there was none, has to be known still.
    """
    strangers = {"a client without a certificate": None, "a client of an unknown CA": attempt.stranger}
    given = False
    for tls in attempt.versions:
        for who, client in strangers.items():
            first = attempt.visit(client, tls=tls)
            attempt.must_reject(first, f"{who} over TLS {tls}")
            if first.session is not None:
                given = True
                attempt.must_reject(attempt.visit(resume=first), f"{who}, rejected before over TLS {tls}")
    return None if given else _NO_SESSION


@bypass(cves=["CVE-2025-68121"], needs=["ca_key", "revoke"], requires=[RESUMPTION])
def resume_after_revocation(attempt: Attempt) -> str | None:
    """A client that was revoked does not get in with a session from before.

    The certificate was good when the session began. Whoever resumes it is not looked at again, unless the server ends
    sessions whenever its CAs or CRLs change.
    """
    assert attempt.site.revoke is not None
    client = attempt.ca.issue_client("to be revoked")
    sessions = _sessions(attempt, client)
    attempt.site.revoke(client)
    for tls, first in sessions.items():
        attempt.must_reject(attempt.visit(client, tls=tls), f"a revoked client over TLS {tls}")
        attempt.must_reject(attempt.visit(resume=first), f"a revoked client over TLS {tls}")
    return None if sessions else _NO_SESSION


@bypass(cves=["RFC 5246 appendix F.1.4"], needs=["ca_key"], requires=[RESUMPTION])
def resume_after_expiry(attempt: Attempt) -> str | None:
    """A client whose certificate has expired does not get in with a session from before.

    A certificate of two seconds gets a session, which is resumed when they are over.
    """
    client = attempt.ca.issue_client("short-lived", not_after=timedelta(seconds=2))
    sessions = _sessions(attempt, client)
    over = client.certificate.not_valid_after_utc + timedelta(seconds=1)
    while (rest := (over - now()).total_seconds()) > 0:
        time.sleep(rest)
    for tls, first in sessions.items():
        attempt.must_reject(attempt.visit(client, tls=tls), f"an expired client over TLS {tls}")
        attempt.must_reject(attempt.visit(resume=first), f"an expired client over TLS {tls}")
    return None if sessions else _NO_SESSION


def _sessions(attempt: Attempt, client: Identity) -> dict[str, ConnectionResult]:
    """A session of this client over each version, where the server gives one."""
    visits = {tls: attempt.visit(client, tls=tls) for tls in attempt.versions}
    for visit in visits.values():
        attempt.must_accept(visit, "a client that is good so far")
    return {tls: visit for tls, visit in visits.items() if visit.session is not None}
