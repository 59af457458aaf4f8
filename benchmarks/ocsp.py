"""10,000 OCSP answers, DER to DER, against the same answers built only with `cryptography`, both on one core.

Ours reads the request, finds its issuer, and looks up whether the certificate is revoked. The peer knows all that already,
and only builds and signs. No answer of ours is one that it kept: each question is new to its responder.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import count

from compare import compare
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pytest_mtls import CertificateAuthority, OCSPResponder

ANSWERS = 10_000
ROUNDS = 5
BOUND = 2.0
REVOKED_EVERY = 10

_nonces = count()


def new_nonce() -> x509.OCSPNonce:
    """One that was never used."""
    return x509.OCSPNonce(next(_nonces).to_bytes(16, "big"))


def ask(ca: CertificateAuthority, certificates: list[x509.Certificate], *, with_nonce: bool) -> list[bytes]:
    """A request about each certificate."""
    requests = []
    for certificate in certificates:
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, ca.certificate, hashes.SHA1())
        if with_nonce:
            builder = builder.add_extension(new_nonce(), critical=False)
        requests.append(builder.build().public_bytes(Encoding.DER))
    return requests


def build(ca: CertificateAuthority, certificates: list[x509.Certificate], *, with_nonce: bool) -> list[bytes]:
    """The answers as `cryptography` builds them."""
    assert ca.private_key is not None
    since = datetime.now(timezone.utc).replace(microsecond=0, tzinfo=None)
    answers = []
    for number, certificate in enumerate(certificates):
        is_revoked = number % REVOKED_EVERY == 0
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=certificate,
                issuer=ca.certificate,
                algorithm=hashes.SHA1(),
                cert_status=ocsp.OCSPCertStatus.REVOKED if is_revoked else ocsp.OCSPCertStatus.GOOD,
                this_update=since,
                next_update=since + timedelta(hours=12),
                revocation_time=since if is_revoked else None,
                revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, ca.certificate)
        )
        if with_nonce:
            builder = builder.add_extension(new_nonce(), critical=False)
        answers.append(builder.sign(ca.private_key, hashes.SHA256()).public_bytes(Encoding.DER))
    return answers


def check(ours: list[bytes], theirs: list[bytes]) -> None:
    """See that both say the same, in the same length."""
    for mine, peer in zip(ours, theirs, strict=True):
        known, expected = ocsp.load_der_ocsp_response(mine), ocsp.load_der_ocsp_response(peer)
        assert known.certificate_status == expected.certificate_status
        assert known.serial_number == expected.serial_number
        assert len(known.tbs_response_bytes) == len(expected.tbs_response_bytes)


def main() -> None:
    """Print the ratio for clients that send a nonce, and for those that send none."""
    ca = CertificateAuthority.create()
    identities = [ca.issue_client(f"client {number}") for number in range(ANSWERS)]
    for identity in identities[::REVOKED_EVERY]:
        ca.revoke(identity)
    certificates = [identity.certificate for identity in identities]
    for with_nonce in (True, False):
        questions = ask(ca, certificates, with_nonce=with_nonce)

        def ours(questions: list[bytes] = questions) -> list[bytes]:
            responder = OCSPResponder(ca)
            return [responder.answer(question) for question in questions]

        def theirs(with_nonce: bool = with_nonce) -> list[bytes]:
            return build(ca, certificates, with_nonce=with_nonce)

        check(ours(), theirs())
        asked = "with a nonce" if with_nonce else "without a nonce"
        compare(f"{ANSWERS} answers {asked}, ours : cryptography", ours, theirs, rounds=ROUNDS, bound=BOUND)


if __name__ == "__main__":
    main()
