"""How OpenSSL rejects each case: one table, as the catalogue says it. The rest of the cases it accepts."""

from __future__ import annotations

from typing import NamedTuple

from pytest_mtls.cases import Case
from pytest_mtls.reasons.alert import Alert

__all__ = ["Refusal", "expected_refusal", "named"]


class Refusal(NamedTuple):
    """How a case is rejected.

    Attributes:
        alert: what the rejected side is sent.
        verify_code: OpenSSL's X509_V_ERR number; None where the rejection is no matter of verification.
    """

    alert: Alert
    verify_code: int | None


#: X509_V_ERR number, alert, and the cases of both sides that are rejected with them.
VERIFICATION = (
    (3, Alert.UNKNOWN_CA, "crl-missing crl-missing-above crl-that-is-a-delta crl-that-is-indirect"),
    (7, Alert.DECRYPT_ERROR, "content-forged intermediate-forged signature-bit-flipped signature-of-zeros"),
    (7, Alert.DECRYPT_ERROR, "untrusted-ca-same-key-identifier"),
    (8, Alert.DECRYPT_ERROR, "crl-forged"),
    (9, Alert.BAD_CERTIFICATE, "intermediate-not-yet-valid not-yet-valid validity-reversed"),
    (9, Alert.BAD_CERTIFICATE, "not-yet-valid-for-a-minute"),
    (10, Alert.CERTIFICATE_EXPIRED, "expired expired-seconds-ago intermediate-expired"),
    (11, Alert.BAD_CERTIFICATE, "crl-not-yet-valid"),
    (12, Alert.CERTIFICATE_EXPIRED, "crl-expired"),
    (14, Alert.BAD_CERTIFICATE, "fractional-end-of-validity"),
    (18, Alert.UNKNOWN_CA, "self-signed-certificate"),
    (19, Alert.UNKNOWN_CA, "unknown-ca-with-root"),
    (20, Alert.UNKNOWN_CA, "empty-issuer intermediate-missing intermediate-of-another unknown-ca untrusted-ca"),
    (20, Alert.UNKNOWN_CA, "wrong-authority-key-identifier extension-twice malformed-alternative-name"),
    (20, Alert.UNKNOWN_CA, "authority-key-identifier-of-another-serial-number issuer-key-of-another-kind"),
    (20, Alert.UNKNOWN_CA, "self-issued-intermediate-at-path-length self-issued-intermediate-outside-constraint"),
    (22, Alert.UNKNOWN_CA, "chain-of-120"),
    (23, Alert.CERTIFICATE_REVOKED, "revoked revoked-intermediate"),
    (25, Alert.UNKNOWN_CA, "path-length-exceeded"),
    (26, Alert.UNSUPPORTED_CERTIFICATE, "any-usage-only code-signing-only email-only intermediate-for-the-other-side"),
    (26, Alert.UNSUPPORTED_CERTIFICATE, "client-only empty-extended-key-usage server-only"),
    (34, Alert.CERTIFICATE_UNKNOWN, "unknown-critical-extension unknown-critical-extension-in-intermediate"),
    (34, Alert.CERTIFICATE_UNKNOWN, "critical-authority-information-access critical-authority-key-identifier"),
    (34, Alert.CERTIFICATE_UNKNOWN, "critical-subject-key-identifier"),
    (35, Alert.CERTIFICATE_UNKNOWN, "crl-issuer-without-crl-sign"),
    (36, Alert.CERTIFICATE_UNKNOWN, "crl-with-critical-number crl-with-unknown-critical-extension"),
    (44, Alert.CERTIFICATE_UNKNOWN, "crl-of-attribute-certificates"),
    (47, Alert.CERTIFICATE_UNKNOWN, "dns-name-not-permitted email-address-not-permitted ip-address-not-permitted"),
    (47, Alert.CERTIFICATE_UNKNOWN, "common-name-not-permitted directory-name-not-permitted uri-not-permitted"),
    (47, Alert.CERTIFICATE_UNKNOWN, "name-outside-narrower-constraint name-outside-wider-constraint"),
    (47, Alert.CERTIFICATE_UNKNOWN, "self-issued-leaf-not-permitted dns-constraint-with-wildcard"),
    (47, Alert.CERTIFICATE_UNKNOWN, "email-constraint-with-two-signs email-constraint-with-asterisk"),
    (48, Alert.CERTIFICATE_UNKNOWN, "ipv6-address-excluded name-permitted-and-excluded second-name-excluded"),
    (48, Alert.CERTIFICATE_UNKNOWN, "intermediate-name-excluded"),
    (48, Alert.CERTIFICATE_UNKNOWN, "directory-name-excluded dns-name-excluded ip-address-excluded uri-excluded"),
    (51, Alert.CERTIFICATE_UNKNOWN, "other-name-excluded"),
    (53, Alert.CERTIFICATE_UNKNOWN, "constrained-network-as-address ip-constraint-without-mask"),
    (62, Alert.BAD_CERTIFICATE, "common-name-beside-other-names homograph host-as-email-address host-as-prefix"),
    (62, Alert.BAD_CERTIFICATE, "host-as-subdomain host-as-uri nul-in-name wildcard-alone wildcard-inside-label"),
    (62, Alert.BAD_CERTIFICATE, "wildcard-inside-international-label wildcard-not-leftmost wildcard-of-host"),
    (62, Alert.BAD_CERTIFICATE, "wildcard-of-top-level-domain wildcard-over-two-labels wildcard-partial"),
    (62, Alert.BAD_CERTIFICATE, "wildcard-twice wrong-host"),
    (64, Alert.BAD_CERTIFICATE, "ip-address-as-dns-name wrong-ip-address"),
    (66, Alert.BAD_CERTIFICATE, "p192 rsa-1024"),
    (67, Alert.BAD_CERTIFICATE, "p192-intermediate rsa-1024-intermediate"),
    (68, Alert.BAD_CERTIFICATE, "md5-intermediate md5-signature sha1-intermediate sha1-signature"),
    (78, Alert.CERTIFICATE_UNKNOWN, "signature-algorithms-differ"),
    (79, Alert.UNKNOWN_CA, "issued-by-leaf issuer-without-basic-constraints issuer-without-cert-sign"),
    (79, Alert.UNKNOWN_CA, "version-1-intermediate"),
    (82, Alert.CERTIFICATE_UNKNOWN, "cert-sign-without-ca"),
    (85, Alert.CERTIFICATE_UNKNOWN, "intermediate-without-authority-key-identifier no-authority-key-identifier"),
    (85, Alert.CERTIFICATE_UNKNOWN, "authority-key-identifier-without-key"),
    (85, Alert.CERTIFICATE_UNKNOWN, "cross-signed-without-authority-key-identifier"),
    (86, Alert.CERTIFICATE_UNKNOWN, "intermediate-without-subject-key-identifier"),
    (87, Alert.CERTIFICATE_UNKNOWN, "empty-alternative-names"),
    (88, Alert.CERTIFICATE_UNKNOWN, "empty-subject"),
    (89, Alert.CERTIFICATE_UNKNOWN, "basic-constraints-not-critical"),
    (92, Alert.CERTIFICATE_UNKNOWN, "intermediate-without-key-usage"),
    (93, Alert.CERTIFICATE_UNKNOWN, "version-1-with-extensions"),
    (94, Alert.BAD_CERTIFICATE, "explicit-curve-intermediate"),
)
#: The same where the sides differ: a client that may not sign is rejected; a server is free to.
CLIENTS_ALONE = (
    (
        26,
        Alert.UNSUPPORTED_CERTIFICATE,
        "ca-bit-without-digital-signature ca-certificate-as-leaf key-encipherment-only",
    ),
)

#: Alerts of the protocol, over TLS 1.2 and 1.3; None where the case goes over the other version alone or is accepted.
PROTOCOL = {
    "no-certificate": (Alert.HANDSHAKE_FAILURE, Alert.CERTIFICATE_REQUIRED),
    "empty-list-in-place-of-certificate": (Alert.HANDSHAKE_FAILURE, None),
    "garbage-certificate": (Alert.DECODE_ERROR, None),
    "truncated-certificate": (Alert.DECODE_ERROR, None),
    "bytes-after-certificate": (Alert.DECODE_ERROR, None),
    "certificate-of-no-bytes": (Alert.DECODE_ERROR, None),
    "list-length-wrong": (Alert.DECODE_ERROR, None),
    "certificate-verify-missing": (Alert.UNEXPECTED_MESSAGE, Alert.UNEXPECTED_MESSAGE),
    "certificate-verify-fuzzed": (Alert.DECRYPT_ERROR, Alert.DECRYPT_ERROR),
    "certificate-verify-empty": (Alert.DECRYPT_ERROR, Alert.DECRYPT_ERROR),
    "certificate-verify-undefined-algorithm": (Alert.ILLEGAL_PARAMETER, Alert.ILLEGAL_PARAMETER),
    "certificate-verify-of-another-key-type": (Alert.ILLEGAL_PARAMETER, Alert.ILLEGAL_PARAMETER),
    "p224": (Alert.ILLEGAL_PARAMETER, None),
    "secp256k1": (Alert.ILLEGAL_PARAMETER, None),
    "brainpool-p256": (Alert.ILLEGAL_PARAMETER, None),
    "stolen-certificate": (Alert.DECRYPT_ERROR, Alert.DECRYPT_ERROR),
    "stolen-rsa-certificate": (Alert.DECRYPT_ERROR, Alert.DECRYPT_ERROR),
    "chain-of-200-kb": (Alert.ILLEGAL_PARAMETER, Alert.ILLEGAL_PARAMETER),
}
#: A server whose key may not sign has no cipher suite of TLS 1.2 in common with anybody, and rejects the client itself.
SERVERS_REFUSING = {"key-encipherment-only": Alert.HANDSHAKE_FAILURE, "key-agreement-only": Alert.HANDSHAKE_FAILURE}


def expected_refusal(case: Case, tls: str) -> Refusal | None:
    """How the case is rejected over this TLS version; None if it is accepted."""
    tables = VERIFICATION if case.side == "server" else (*VERIFICATION, *CLIENTS_ALONE)
    for code, alert, ids in tables:
        if case.id in ids.split():
            return Refusal(alert, code)
    if case.side == "server" and case.id in SERVERS_REFUSING and tls == "1.2":
        return Refusal(SERVERS_REFUSING[case.id], None)
    over_1_2, over_1_3 = PROTOCOL.get(case.id, (None, None))
    known = over_1_2 if tls == "1.2" else over_1_3
    return None if known is None else Refusal(known, None)


def named() -> set[str]:
    """The ids of all cases that have a row."""
    rows = {id for _, _, ids in (*VERIFICATION, *CLIENTS_ALONE) for id in ids.split()}
    return rows | set(PROTOCOL) | set(SERVERS_REFUSING)
