"""An example of each symptom that the diagnosis knows, made without a socket: for its tests, and for the page of troubleshooting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls import Alert, CertificateAuthority, Endpoint, Handshake, Identity, Reason
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.client.plan import ProbePlan
from pytest_mtls.reasons.side import Side
from pytest_mtls.tls.transcript import Message
from pytest_mtls.verdict.diagnosis.facts import Facts
from pytest_mtls.verdict.expected import Expected

__all__ = ["ROWS", "Row"]

_ENDPOINT = Endpoint("localhost", 8443)
_TO_BE_REJECTED = Expected(accepted=False, reasons=(Reason.EXPIRED,))
_TO_BE_ACCEPTED = Expected(accepted=True)


def _der(*identities: Identity) -> tuple[bytes, ...]:
    return tuple(one.certificate.public_bytes(Encoding.DER) for one in identities)


def _said(*messages: tuple[Side, str]) -> tuple[Message, ...]:
    return tuple(Message(sender, name, b"") for sender, name in messages)


def _rejected(by: Side = "server", reason: Reason = Reason.UNSPECIFIED, **facts: object) -> Handshake:
    return replace(Handshake("client", False, rejected_by=by, reason=reason), **facts)  # type: ignore[arg-type]


def _undecided(error: str, answer: str | None = None) -> Handshake:
    return Handshake("client", None, error=error, answer=answer)


Row = Callable[[CertificateAuthority], Facts]


def _with_plan(handshake: Handshake, client: Identity | None = None, **how: object) -> Facts:
    plan = ProbePlan.of(_ENDPOINT, client, **how)  # type: ignore[arg-type]
    return Facts(handshake, _TO_BE_ACCEPTED, plan)


def _unsent_intermediate(ca: CertificateAuthority) -> Facts:
    middle = ca.intermediate("middle")
    alice = middle.issue_client("alice")
    seen = _rejected(reason=Reason.UNKNOWN_CA, alert=Alert.UNKNOWN_CA, sent_chain_der=_der(alice))
    return _with_plan(seen, alice, ca=middle, trust=ca)


def _server(ca: CertificateAuthority, name: object, **facts: object) -> Handshake:
    return _rejected("client", Reason.HOSTNAME_MISMATCH, peer_chain_der=_der(ca.issue_server(name)), **facts)  # type: ignore[arg-type]


def _of_a_stranger(ca: CertificateAuthority, reason: Reason) -> Facts:
    stranger = CertificateAuthority.create("Stranger").issue_client("alice")
    return _with_plan(_rejected(reason=reason, sent_chain_der=_der(stranger)), stranger, ca=ca, trust=ca)


def _dns_address(ca: CertificateAuthority) -> Facts:
    from cryptography.x509 import DNSName

    return Facts(_server(ca, DNSName("127.0.0.1"), server_name="127.0.0.1"), _TO_BE_ACCEPTED)


def _accepted_case(id: str, ca: CertificateAuthority) -> Facts:
    (case,) = CATALOGUE["client"].select([id])
    return Facts(
        Handshake("client", True, sent_chain_der=_der(ca.issue_client())),
        Expected(accepted=False, reasons=case.reasons),
        ProbePlan.of(_ENDPOINT, case, trust=ca),
    )


ROWS: Sequence[tuple[str, Row, str]] = [
    (
        "good-client-not-any-more",
        lambda ca: Facts(_rejected(layer="http"), _TO_BE_ACCEPTED, control="afterwards"),
        "bans, or limits, whoever comes often",
    ),
    (
        "application-goes-by-the-issuer",
        lambda ca: Facts(_rejected(reason=Reason.ACCESS_DENIED, layer="http"), _TO_BE_ACCEPTED, control="namesake"),
        "compares the issuer's name",
    ),
    (
        "nobody-listens",
        lambda ca: _with_plan(_undecided("Connection refused")),
        "nothing listens on localhost:8443",
    ),
    ("name-not-resolved", lambda ca: _with_plan(_undecided("Name or service not known")), "has no address"),
    ("no-port-free", lambda ca: Facts(_undecided("Cannot assign requested address")), "no port left"),
    ("nothing-left-to-connect-with", lambda ca: Facts(_undecided("Too many open files")), "no descriptor or memory"),
    ("event-loop-blocked", lambda ca: Facts(_undecided("this call blocks the event loop")), "served by that loop"),
    ("silent", lambda ca: Facts(_undecided("the other side was silent")), "hangs"),
    ("state-of-the-server", lambda ca: Facts(_undecided("x", "HTTP 503")), "HTTP 503"),
    ("undecided", lambda ca: Facts(_undecided("x")), "no verdict is possible"),
    ("case-is-good", lambda ca: _accepted_case("valid", ca), "the case `valid` is a good client"),
    (
        "case-may-be-accepted",
        lambda ca: _accepted_case("no-alternative-name", ca),
        "correct servers differ about the case `no-alternative-name`",
    ),
    ("resumed", lambda ca: Facts(Handshake("client", True, resumed=True), _TO_BE_REJECTED), "earlier session"),
    (
        "application-not-asked",
        lambda ca: Facts(
            Handshake("client", True, sent_chain_der=_der(ca.issue_client())),
            Expected(accepted=False, reasons=(Reason.ACCESS_DENIED,)),
            ProbePlan.of(_ENDPOINT, ca.issue_client()),
        ),
        "the protocol of the endpoint is `tls`",
    ),
    (
        "no-certificate-asked-for",
        lambda ca: Facts(Handshake("client", True, transcript=_said(("server", "Finished"))), _TO_BE_REJECTED),
        "did not even ask",
    ),
    ("certificate-is-optional", lambda ca: Facts(Handshake("client", True), _TO_BE_REJECTED), "off or optional"),
    (
        "revocation-not-checked",
        lambda ca: Facts(
            Handshake("client", True, sent_chain_der=_der(ca.issue_client())),
            Expected(accepted=False, reasons=(Reason.REVOKED,)),
        ),
        "no CRL",
    ),
    (
        "name-not-checked",
        lambda ca: Facts(
            Handshake("server", True), Expected(accepted=False, by="client", reasons=(Reason.HOSTNAME_MISMATCH,))
        ),
        "does not compare the name",
    ),
    (
        "trusts-another-ca",
        lambda ca: Facts(
            Handshake(
                "client", True, sent_chain_der=_der(CertificateAuthority.create("Stranger").issue_client("alice"))
            ),
            Expected(accepted=False, reasons=(Reason.UNKNOWN_CA,)),
        ),
        "or it trusts CN=Stranger,O=pytest-mtls too",
    ),
    (
        "case-takes-a-setting",
        lambda ca: _accepted_case("no-authority-key-identifier", ca),
        "only with a setting: `strict` (the profile of RFC 5280 is enforced",
    ),
    (
        "not-verified",
        lambda ca: Facts(Handshake("client", True, sent_chain_der=_der(ca.issue_client())), _TO_BE_REJECTED),
        "does not verify",
    ),
    ("as-expected", lambda ca: Facts(_rejected(reason=Reason.EXPIRED), _TO_BE_REJECTED), "as expected"),
    (
        "application-knows-names",
        lambda ca: Facts(_rejected(reason=Reason.ACCESS_DENIED, layer="http"), _TO_BE_ACCEPTED),
        "goes by name does not know this one",
    ),
    (
        "another-reason",
        lambda ca: Facts(_rejected(reason=Reason.REVOKED, alert=Alert.CERTIFICATE_REVOKED), _TO_BE_REJECTED),
        "found first: the certificate, or the CA above it, is on the CRL.",
    ),
    (
        "rejected-by-the-other-side",
        lambda ca: Facts(_rejected("client", Reason.NOT_TLS), _TO_BE_REJECTED),
        "the client gave up before the server could judge: one side does not speak TLS",
    ),
    (
        "trust-not-given",
        lambda ca: _with_plan(
            _rejected("client", Reason.UNKNOWN_CA, peer_chain_der=_der(ca.issue_server())), ca.issue_client()
        ),
        "no trust= was given",
    ),
    ("intermediate-not-sent", _unsent_intermediate, "the intermediate CN=middle"),
    (
        "client-of-another-ca",
        lambda ca: _of_a_stranger(ca, Reason.UNKNOWN_CA),
        "CN=Stranger,O=pytest-mtls issued CN=alice, and the CA of this server's clients is",
    ),
    (
        "unknown-ca-or-no-crl",
        lambda ca: _with_plan(
            _rejected(reason=Reason.UNKNOWN_CA, alert=Alert.UNKNOWN_CA, sent_chain_der=_der(ca.issue_client("alice"))),
            trust=ca,
        ),
        "has no CRL of that CA",
    ),
    (
        "plain-answer",
        lambda ca: _with_plan(_rejected("client", Reason.NOT_TLS)),
        "localhost:8443 answered with bytes that are not TLS",
    ),
    (
        "version-not-offered",
        lambda ca: _with_plan(_rejected(reason=Reason.PROTOCOL_VERSION), tls="1.2"),
        "offered TLS 1.2 only",
    ),
    (
        "server-of-another-ca",
        lambda ca: _with_plan(
            _rejected("client", Reason.UNKNOWN_CA, peer_chain_der=_der(ca.issue_server())),
            ca.issue_client(),
            trust=CertificateAuthority.create("Another"),
        ),
        "the trust that was given is CN=Another",
    ),
    (
        "certificate-not-sent",
        lambda ca: _with_plan(
            _rejected(reason=Reason.NO_CERTIFICATE, transcript=_said(("server", "CertificateRequest"))),
            ca.issue_client(),
            trust=ca,
        ),
        "did not send it",
    ),
    (
        "visibly-expired",
        lambda ca: Facts(_rejected(sent_chain_der=_der(ca.issue_client("alice", not_before=-9, not_after=-2)))),
        "CN=alice expired 2 days ago",
    ),
    (
        "visibly-early",
        lambda ca: Facts(_rejected(sent_chain_der=_der(ca.issue_client("alice", not_before=2, not_after=3)))),
        "CN=alice is not valid yet",
    ),
    (
        "visibly-of-another-purpose",
        lambda ca: Facts(_rejected(alert=Alert.BAD_CERTIFICATE, sent_chain_der=_der(ca.issue_server()))),
        "extended key usage of CN=localhost is not for this side",
    ),
    (
        "visibly-of-another-issuer",
        lambda ca: _of_a_stranger(ca, Reason.UNSPECIFIED),
        "CN=Stranger,O=pytest-mtls issued CN=alice",
    ),
    ("address-as-dns-name", _dns_address, "DNS:127.0.0.1"),
    (
        "hostname-mismatch",
        lambda ca: Facts(_server(ca, "here.example", server_name="there.example"), _TO_BE_ACCEPTED),
        "there.example, is not among the names in the server's certificate: DNS:here.example",
    ),
    ("rejected-inside", lambda ca: Facts(_rejected(layer="http", answer="HTTP 400")), "left it to the application"),
]
