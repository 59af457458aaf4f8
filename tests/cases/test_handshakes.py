"""The whole catalogue over both TLS versions: our server judges every client, and our probe every server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from support.openssl_verdicts import expected_refusal, named
from support.requirements import require_library

from pytest_mtls import Case, CertificateAuthority, Handshake, Identity, MutualTLSServer, Reason, probe
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.presentation import Presentation, presented

CLIENTS = CATALOGUE["client"].select(["*"])
SERVERS = [case for case in CATALOGUE["server"].select(["*"]) if not case.misbehaves]
VERSIONS = ("1.2", "1.3")


def over_both_versions(cases: list[Case]) -> list[Any]:
    """Each case over each TLS version over which it can present itself."""
    return [
        pytest.param(case, tls, id=f"{case.id}-{tls}") for case in cases for tls in VERSIONS if tls in case.versions
    ]


@pytest.fixture(scope="module")
def ca() -> Iterator[CertificateAuthority]:
    """The CA that both sides trust."""
    authority = CertificateAuthority.create()
    yield authority
    authority.remove_files()


@pytest.fixture(scope="module")
def judge(ca: CertificateAuthority) -> Iterator[MutualTLSServer]:
    """The server that judges every client."""
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        yield server


@pytest.fixture(scope="module")
def judged(ca: CertificateAuthority) -> Iterator[MutualTLSServer]:
    """The server that plays every server in turn."""
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        yield server


@pytest.fixture(scope="module")
def client(ca: CertificateAuthority) -> Identity:
    """A good client."""
    return ca.issue_client()


@pytest.mark.parametrize(("case", "tls"), over_both_versions(CLIENTS))
def test_client(judge: MutualTLSServer, ca: CertificateAuthority, case: Case, tls: str) -> None:
    """Our server accepts the client, or rejects it with the alert, code and reason of its row."""
    presents = presented(case, "client", ca)
    seen = probe(judge, presents, tls=tls)
    check(case, tls, seen, by="server")
    if case.rewrite is None:
        assert sent(presents) == seen.sent_chain_der[: len(sent(presents))]


@pytest.mark.parametrize(("case", "tls"), over_both_versions(SERVERS))
def test_server(judged: MutualTLSServer, ca: CertificateAuthority, client: Identity, case: Case, tls: str) -> None:
    """Our probe accepts the server, or rejects it with the alert, code and reason of its row."""
    if case.extra == "pyopenssl":
        require_library("OpenSSL", pip="pyopenssl")
    if case.behaviour is not None:
        with MutualTLSServer(cert=case, trust=ca) as odd:
            seen = probe(odd, client, tls=tls)
    else:
        judged.reload(cert=case)
        seen = probe(judged, client, tls=tls)
        assert seen.counterpart is not None
        went_out = (judged.cert.certificate.public_bytes(Encoding.DER),) == seen.counterpart.sent_chain_der[:1]
        assert went_out or seen.rejected_by == "server"
    check(case, tls, seen, by="client")


def check(case: Case, tls: str, seen: Handshake, *, by: str) -> None:
    """Hold a handshake against the case's row."""
    expected = expected_refusal(case, tls)
    if expected is None:
        assert (True, None) == (seen.accepted, seen.error)
        # Neither of our own sides asks a responder or for a stapled answer, or processes policies.
        assert case.accepted is not False or {"must-staple", "ocsp", "policy", "staple"} & case.requires
        return
    assert (False, expected.alert, expected.verify_code) == (seen.accepted, seen.alert, seen.verify_code)
    assert case.accepted is not True
    assert seen.reason in (case.reasons or (Reason.NO_COMMON_PARAMETERS,))
    assert seen.rejected_by == (by if case.reasons else "server")


def sent(presents: Presentation) -> tuple[bytes, ...]:
    """What a client has to send for its rejection to prove anything."""
    if presents.identity is None:
        return ()
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in presents.identity.chain)


#: What a client may take each misbehaving server for; rejected where none is named.
MISBEHAVIOURS: dict[str, set[bool | None]] = {"hangs": {None}, "resets-after-handshake": {True, False}}


@pytest.mark.parametrize("case", [case for case in CATALOGUE["server"].select(["*"]) if case not in SERVERS], ids=str)
def test_misbehaving_server(ca: CertificateAuthority, client: Identity, case: Case) -> None:
    """A server that breaks off is taken for one that rejects, and one that hangs is taken for neither."""
    with MutualTLSServer(cert=case, trust=ca) as server:
        seen = probe(server, client, timeout=0.2 if case.id == "hangs" else 5.0)
    assert seen.accepted in MISBEHAVIOURS.get(case.id, {False})


def test_the_catalogue_is_whole() -> None:
    """There are at least 60 clients and 50 servers, and no row of the expectations is of a case that is gone."""
    assert len(CLIENTS) >= 60
    assert len(SERVERS) >= 50
    assert named() <= {case.id for case in (*CLIENTS, *SERVERS)}
