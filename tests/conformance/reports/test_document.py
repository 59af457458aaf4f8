"""The document that every report is made of, its JSON, and the schema that the documentation publishes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import ValidationError
from support.reports import DATE, document_of, result_of, seen_of, validate

from pytest_mtls import CertificateAuthority, Endpoint, MutualTLSServer
from pytest_mtls.conformance.chains import chain_facts
from pytest_mtls.conformance.policy import Policy
from pytest_mtls.conformance.reports import FORMS, check_report_path, write_report
from pytest_mtls.conformance.reports.document import cleaned, make_document
from pytest_mtls.conformance.reports.evidence import handshake_facts
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.errors import InvalidArgument
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.verdict.expected import Expected


def test_document_tells_when_with_what_and_whom(mtls_ca: CertificateAuthority) -> None:
    """Date, versions, target with its path, the server's chain, settings and policy stand at the head."""
    document = document_of([result_of(0, None, Outcome.LEFT_OUT, "no key")], ca=mtls_ca)
    validate(document)
    assert ("2026-03-14T15:09:26Z", 12.3, 2) == tuple(document[key] for key in ("date", "seconds", "format"))
    assert {
        "protocol": "https",
        "host": "bank.example",
        "port": 8443,
        "server_name": "bank.example",
        "path": "/login",
    } == document["target"]
    assert {"pytest-mtls", "python", "openssl", "cryptography", "pytest"} == set(document["versions"])
    assert "CN=localhost" == document["server_chains"][0][0]["subject"]
    assert ["crl"] == document["settings"]
    assert [{"case": "sha1*", "seen": "accepted", "reason": "ticket 7", "tls": "1.2"}] == document["policy"][
        "exceptions"
    ]


def test_deviation_has_its_handshake(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """A result that fails tells what it is, its RFC, the diagnosis, the messages and both chains."""
    seen = seen_of(mtls_server, mtls_ca.issue_client("alice"))
    document = document_of([result_of(2, seen, Outcome.DEVIATES, "the server let this client in")])
    validate(document)
    (facts,) = document["results"]
    assert facts["title"].endswith(".")
    assert facts["rfc"].startswith("RFC ")
    assert facts["diagnosis"].startswith("the server does not")
    (handshake,) = facts["handshakes"]
    assert ("accepted", "CN=alice") == (handshake["verdict"], handshake["client_chain"][0]["subject"])
    assert {"from": "client", "text": "ClientHello"} == handshake["messages"][0]
    assert {"client", "server"} == {message["from"] for message in handshake["messages"]}
    assert not document["passed"]


def test_conforming_result_has_no_handshake(mtls_server: MutualTLSServer) -> None:
    """What is as it should be is told in short, so that a report of a thousand checks stays small."""
    document = document_of([result_of(2, seen_of(mtls_server), Outcome.CONFORMS)])
    validate(document)
    assert not {"handshakes", "diagnosis"} & set(document["results"][0])
    assert document["passed"]


@pytest.mark.parametrize(
    ("life", "reason", "field"),
    [((-10, -1), Reason.EXPIRED, "not_after"), ((1, 2), Reason.NOT_YET_VALID, "not_before")],
)
def test_faulty_field_is_marked(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, life: tuple[int, int], reason: Reason, field: str
) -> None:
    """The certificate that was rejected says which of its fields is wrong, and the alert ends the messages."""
    client = mtls_ca.issue_client("alice", not_before=life[0], not_after=life[1])
    facts = handshake_facts(seen_of(mtls_server, client), Expected(accepted=True))
    assert field == facts["client_chain"][0]["mark"]["field"]
    assert all("mark" not in one for one in facts["server_chain"])
    (end,) = [message for message in facts["messages"] if message.get("ends")]
    assert end["text"].startswith("Alert")


def test_unreadable_certificates_are_said_to_be_so(mtls_ca: CertificateAuthority) -> None:
    """Bytes that are no certificate, and more certificates than are told, do not stop a report."""
    der = mtls_ca.issue_client().der
    chain = chain_facts([b"junk", *[der] * 20], [Reason.EXPIRED, Reason.UNSPECIFIED])
    assert "4 bytes that are no certificate" in chain[0]["unreadable"]
    assert {"unreadable": "9 more certificates"} == chain[-1]


def test_texts_of_peers_are_bounded_and_printable() -> None:
    """Controls, lone surrogates and marks that turn the direction of writing are written out; long texts are cut."""
    assert {"a": ["x\\x1b[2Jy", "\\u202e", "\\udc80", "é", "two\nlines"]} == cleaned(
        {"a": ("x\x1b[2Jy", "\u202e", "\udc80", "é", "two\nlines")}
    )
    assert "x" * 2000 + " ... (5000 characters)" == cleaned("x" * 5000)


def test_nothing_checked_has_not_passed() -> None:
    """Where nothing was tried, as where nobody listens, nothing was proved; nor where a test failed without a result."""
    assert document_of([])["passed"] is False
    done = [result_of(0, None, Outcome.LEFT_OUT)]
    assert document_of(done)["passed"] is True
    assert document_of(done, errors=["test_it.py::test_broken"])["passed"] is False


def test_schema_refuses_what_it_does_not_describe() -> None:
    """The schema has no room for a field that nobody documented."""
    document = document_of([result_of(0, None, Outcome.LEFT_OUT)])
    for broken in (
        {**document, "more": 1},
        {**document, "format": 1},
        {k: v for k, v in document.items() if k != "date"},
    ):
        with pytest.raises(ValidationError):
            validate(broken)


def test_json_is_the_document(tmp_path: Path) -> None:
    """The file holds the document, in ASCII, and ends with the end of a line."""
    document = document_of([result_of(0, None, Outcome.LEFT_OUT, "Ünïcode")])
    write_report(tmp_path / "r.JSON", document)
    text = (tmp_path / "r.JSON").read_text(encoding="ascii")
    assert document == json.loads(text)
    assert text.endswith("}\n")


def test_passwords_are_not_in_a_report() -> None:
    """A URL's user and password stay out."""
    target = Endpoint.parse("postgres://alice:secret@localhost/bank")
    assert "secret" not in json.dumps(make_document(target, Policy(), [], date=DATE))


@pytest.mark.parametrize("name", ["report.xml", "report", "json"])
def test_unknown_ending_is_an_error(tmp_path: Path, name: str) -> None:
    """The message names the endings that there are."""
    with pytest.raises(InvalidArgument) as caught:
        check_report_path(tmp_path / name)
    for ending in FORMS:
        assert ending in str(caught.value)
