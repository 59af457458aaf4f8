"""What a peer would reject a chain for: the catalogue of cases, each told for its reason and no good one for any."""

from __future__ import annotations

import warnings

import pytest

from pytest_mtls import Case, CertificateAuthority, Identity, Reason, Tier
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.inspection.belonging import Collection
from pytest_mtls.inspection.found import Found
from pytest_mtls.inspection.rejections import Assessment, assess

#: Cases of one side whose defect is in no certificate, but in a message, a key, a CRL that is elsewhere, or the server's manners.
_NOT_IN_THE_CERTIFICATE = {
    Reason.POSSESSION_NOT_PROVED,
    Reason.MALFORMED_MESSAGE,
    Reason.MALFORMED_CERTIFICATE,
    Reason.NO_CERTIFICATE,
    Reason.UNEXPECTED_MESSAGE,
}
#: Clients whose certificate is replaced on its way.
_REWRITTEN = {case.id for case in CATALOGUE["client"].select(["*"]) if case.rewrite is not None}

CASES = [
    pytest.param(case, id=f"{side}-{case.id}")
    for side in ("client", "server")
    for case in CATALOGUE[side].select(["*"])
    if not {"crl", "must-staple", "ocsp", "policy", "staple"} & case.requires
    and not (side == "client" and case.id in _REWRITTEN)
]


def assessed(case: Case, identity: Identity, ca: CertificateAuthority) -> Assessment:
    """What comes of the identity of a case where the CA is trusted."""
    found = [
        Found("case.pem", "PEM", certificate, number=number) for number, certificate in enumerate(identity.chain, 1)
    ]
    collection = Collection(found, [ca.certificate])
    return assess(collection, identity.certificate, case.side, case.host)


@pytest.mark.parametrize("case", CASES)
def test_case(case: Case, mtls_ca: CertificateAuthority) -> None:
    """A bad case is rejected for its reason, and a good one is accepted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd serial numbers
        identity = case.identity(mtls_ca)
        if identity is None:
            return
        told = assessed(case, identity, mtls_ca)
    reasons = {one.reason for one in told.rejections}
    if case.tier is Tier.GOOD:
        assert set() == reasons
    elif case.tier is not Tier.INFORMATIVE and case.reasons and not _NOT_IN_THE_CERTIFICATE & set(case.reasons):
        assert reasons & set(case.reasons), told.rejections


def test_all_that_is_wrong_is_told(mtls_ca: CertificateAuthority) -> None:
    """OpenSSL stops at the first thing; the rules tell of each, with the certificate, who rejects it, and the remedy."""
    intermediate = mtls_ca.intermediate("middle", not_before=-9, not_after=-2)
    identity = intermediate.issue_client("late", not_before=-8, not_after=-4)
    found = [Found("c.pem", "PEM", one, number=number) for number, one in enumerate(identity.chain, 1)]
    told = assess(Collection(found, [mtls_ca.certificate]), identity.certificate, "server", None)
    assert [
        (Reason.EXPIRED, "CN=late"),
        (Reason.EXPIRED, "CN=middle"),
        (Reason.WRONG_PURPOSE, "CN=late"),
        (Reason.HOSTNAME_MISMATCH, "CN=late"),
    ] == [(one.reason, one.subject.split(",")[0]) for one in told.rejections]
    assert told.rejections[0].words.endswith("expired 4 days ago")
    assert "its extended key usage is clientAuth, and not serverAuth" == told.rejections[2].words
    assert all(one.by and one.remedy.endswith(".") for one in told.rejections)


def test_issuer_that_is_not_here(mtls_ca: CertificateAuthority) -> None:
    """A certificate alone is judged as by a peer that trusts its issuer."""
    leaf = mtls_ca.issue_server("localhost").certificate
    told = assess(Collection([Found("c.pem", "PEM", leaf)]), leaf, "server", "localhost")
    assert ((), None) == (told.rejections, told.openssl.reason)
    assert told.trusted.startswith("its issuer, ")


def test_name(mtls_ca: CertificateAuthority) -> None:
    """With the name that clients ask for, a server's certificate of another name is rejected; a client's has no host."""
    leaf = mtls_ca.issue_server("localhost").certificate
    collection = Collection([Found("c.pem", "PEM", leaf)], [mtls_ca.certificate])
    assert [Reason.HOSTNAME_MISMATCH] == [one.reason for one in assess(collection, leaf, "server", "other").rejections]
    assert Reason.HOSTNAME_MISMATCH not in [
        one.reason for one in assess(collection, leaf, "client", "other").rejections
    ]
