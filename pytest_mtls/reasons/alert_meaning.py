"""What an alert may stand for: one table of alert, reason, the TLS stacks that were seen to send it, and the RFC.

An alert is chosen by whoever sends it, and RFC 8446 section 6.2 leaves room: one stack answers an expired certificate by
certificate_expired, another by bad_certificate, and both are right. A rejection counts for a reason only where this table
lets its alert stand for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pytest_mtls.reasons.alert import Alert
from pytest_mtls.reasons.reason import Reason

__all__ = ["ALERT_MEANINGS", "AlertMeaning", "reasons_of_alert"]


@dataclass(frozen=True)
class AlertMeaning:
    """One alert.

    Attributes:
        alert: the alert.
        says: the reason that it says by its name.
        allowed_by: what it is for by RFC 8446 section 6.2, or by the RFC that is named.
        seen: by each reason that it may stand for, the TLS stacks that were seen to send it then.
        allowed: the other reasons that it may stand for, for which nobody was seen to send it.
        needs_twin: whether it stands for any of them only where a good client of the same names gets in.
    """

    alert: Alert
    says: Reason
    allowed_by: str
    seen: Mapping[Reason, tuple[str, ...]] = field(default_factory=dict)
    allowed: frozenset[Reason] = frozenset()
    needs_twin: bool = False

    @property
    def reasons(self) -> frozenset[Reason]:
        """All that it may stand for, without more evidence than the alert."""
        return frozenset({self.says}) if self.needs_twin else frozenset({self.says, *self.seen, *self.allowed})


#: Those that are about a certificate or a CRL of its chain.
_CERTIFICATE_REASONS = frozenset(
    {
        Reason.EXPIRED,
        Reason.NOT_YET_VALID,
        Reason.UNKNOWN_CA,
        Reason.SELF_SIGNED,
        Reason.INVALID_CA,
        Reason.PATH_LENGTH_EXCEEDED,
        Reason.CHAIN_TOO_LONG,
        Reason.NAME_CONSTRAINT_VIOLATED,
        Reason.UNKNOWN_CRITICAL_EXTENSION,
        Reason.BAD_SIGNATURE,
        Reason.POLICY_VIOLATED,
        Reason.PROFILE_VIOLATED,
        Reason.MALFORMED_CERTIFICATE,
        Reason.WEAK_KEY,
        Reason.WEAK_SIGNATURE,
        Reason.WRONG_PURPOSE,
        Reason.HOSTNAME_MISMATCH,
        Reason.BAD_CERTIFICATE,
        Reason.REVOKED,
        Reason.CRL_MISSING,
        Reason.CRL_EXPIRED,
        Reason.CRL_NOT_YET_VALID,
        Reason.CRL_BAD_SIGNATURE,
        Reason.CRL_ISSUER_INVALID,
        Reason.CRL_NOT_APPLICABLE,
    }
)
_TRUST_REASONS = frozenset(
    {
        Reason.UNKNOWN_CA,
        Reason.SELF_SIGNED,
        Reason.INVALID_CA,
        Reason.PATH_LENGTH_EXCEEDED,
        Reason.CHAIN_TOO_LONG,
        Reason.CRL_MISSING,
        Reason.BAD_SIGNATURE,
    }
)


def _meaning(
    alert: Alert,
    says: Reason,
    allowed_by: str,
    seen: Mapping[Reason, tuple[str, ...]] | None = None,
    allowed: Iterable[Reason] = (),
    *,
    needs_twin: bool = False,
) -> AlertMeaning:
    known = {} if seen is None else seen
    return AlertMeaning(alert, says, allowed_by, known, frozenset(allowed) - {says, *known}, needs_twin)


#: The table. Go is its crypto/tls, Java its JSSE; rustls was seen in granian, GnuTLS in gnutls-serv, OpenSSL in Apache httpd.
ALERT_MEANINGS: tuple[AlertMeaning, ...] = (
    _meaning(
        Alert.UNEXPECTED_MESSAGE,
        Reason.UNEXPECTED_MESSAGE,
        "A message came that has no place here: the wrong handshake message, or application data too early.",
        {
            Reason.MALFORMED_MESSAGE: ("Go",),
            Reason.UNEXPECTED_MESSAGE: ("OpenSSL", "GnuTLS", "Go", "Java", "rustls"),
        },
        {Reason.POSSESSION_NOT_PROVED, Reason.NO_CERTIFICATE, Reason.NOT_TLS, Reason.MALFORMED_MESSAGE},
    ),
    _meaning(
        Alert.RECORD_OVERFLOW,
        Reason.NOT_TLS,
        "A record is longer than the protocol allows, 2^14 + 256 bytes of ciphertext.",
    ),
    _meaning(
        Alert.HANDSHAKE_FAILURE,
        Reason.NO_COMMON_PARAMETERS,
        "No set of security parameters suits both sides. It is the general way to give up a handshake.",
        {
            Reason.UNKNOWN_CA: ("Java",),
            Reason.MALFORMED_CERTIFICATE: ("Java",),
            Reason.POSSESSION_NOT_PROVED: ("GnuTLS", "Java"),
            Reason.NO_CERTIFICATE: ("OpenSSL", "Java"),
        },
        _CERTIFICATE_REASONS | {Reason.NO_CERTIFICATE, Reason.POSSESSION_NOT_PROVED},
    ),
    _meaning(
        Alert.NO_CERTIFICATE,
        Reason.NO_CERTIFICATE,
        "RFC 6101 section 5.4.2: the client has no suitable certificate for the server that asked for one.",
    ),
    _meaning(
        Alert.BAD_CERTIFICATE,
        Reason.BAD_CERTIFICATE,
        "A certificate is corrupt: a signature on it does not verify, or something similar.",
        {
            Reason.EXPIRED: ("Go",),
            Reason.NOT_YET_VALID: ("OpenSSL", "Go"),
            Reason.UNKNOWN_CA: ("GnuTLS", "Go", "Java", "rustls"),
            Reason.SELF_SIGNED: ("Go",),
            Reason.INVALID_CA: ("Go",),
            Reason.PATH_LENGTH_EXCEEDED: ("Go",),
            Reason.NAME_CONSTRAINT_VIOLATED: ("Go",),
            Reason.UNKNOWN_CRITICAL_EXTENSION: ("Go",),
            Reason.BAD_SIGNATURE: ("GnuTLS", "Go", "Java"),
            Reason.MALFORMED_CERTIFICATE: ("OpenSSL", "GnuTLS", "Go", "Java", "rustls"),
            Reason.WEAK_KEY: ("OpenSSL", "GnuTLS", "Go", "Java"),
            Reason.WRONG_PURPOSE: ("Go",),
            Reason.CRL_NOT_YET_VALID: ("OpenSSL",),
            Reason.NO_CERTIFICATE: ("Go", "Java"),
        },
        _CERTIFICATE_REASONS | {Reason.NO_CERTIFICATE, Reason.POSSESSION_NOT_PROVED},
    ),
    _meaning(
        Alert.UNSUPPORTED_CERTIFICATE,
        Reason.WRONG_PURPOSE,
        "The certificate is of a type that does not serve here.",
        {Reason.WRONG_PURPOSE: ("OpenSSL", "rustls")},
        {Reason.UNKNOWN_CRITICAL_EXTENSION, Reason.MALFORMED_CERTIFICATE, Reason.WEAK_KEY},
    ),
    _meaning(
        Alert.CERTIFICATE_REVOKED,
        Reason.REVOKED,
        "The issuer has revoked the certificate.",
        {Reason.REVOKED: ("OpenSSL",)},
    ),
    _meaning(
        Alert.CERTIFICATE_EXPIRED,
        Reason.EXPIRED,
        "The certificate has expired, or is not valid at this time.",
        {
            Reason.EXPIRED: ("OpenSSL", "rustls"),
            Reason.NOT_YET_VALID: ("rustls",),
        },
        {Reason.NOT_YET_VALID, Reason.CRL_EXPIRED},
    ),
    _meaning(
        Alert.CERTIFICATE_UNKNOWN,
        Reason.BAD_CERTIFICATE,
        "Something else about the certificate makes it unacceptable; what, is not said.",
        {
            Reason.EXPIRED: ("Java",),
            Reason.NOT_YET_VALID: ("Java",),
            Reason.UNKNOWN_CA: ("Java", "rustls"),
            Reason.SELF_SIGNED: ("Java",),
            Reason.INVALID_CA: ("Java", "rustls"),
            Reason.PATH_LENGTH_EXCEEDED: ("Java", "rustls"),
            Reason.NAME_CONSTRAINT_VIOLATED: ("OpenSSL", "Java", "rustls"),
            Reason.UNKNOWN_CRITICAL_EXTENSION: ("OpenSSL", "Java", "rustls"),
            Reason.BAD_SIGNATURE: ("Java", "rustls"),
            Reason.WRONG_PURPOSE: ("Java",),
            Reason.CRL_EXPIRED: ("OpenSSL",),
            Reason.CRL_ISSUER_INVALID: ("OpenSSL",),
            Reason.CRL_NOT_APPLICABLE: ("OpenSSL",),
        },
        _CERTIFICATE_REASONS | {Reason.NO_CERTIFICATE},
    ),
    _meaning(
        Alert.ILLEGAL_PARAMETER,
        Reason.MALFORMED_MESSAGE,
        "A field of a handshake message is wrong, or contradicts other fields.",
        {
            Reason.POSSESSION_NOT_PROVED: ("OpenSSL", "GnuTLS", "Go", "rustls"),
            Reason.MALFORMED_MESSAGE: ("Java",),
        },
        {Reason.POSSESSION_NOT_PROVED, Reason.WEAK_KEY, Reason.CHAIN_TOO_LONG},
    ),
    _meaning(
        Alert.UNKNOWN_CA,
        Reason.UNKNOWN_CA,
        "The chain can be read, but its CA is not found, or does not match a trust anchor.",
        {
            Reason.UNKNOWN_CA: ("OpenSSL", "rustls"),
            Reason.SELF_SIGNED: ("OpenSSL", "rustls"),
            Reason.INVALID_CA: ("OpenSSL",),
            Reason.PATH_LENGTH_EXCEEDED: ("OpenSSL",),
            Reason.CRL_MISSING: ("OpenSSL",),
        },
        _TRUST_REASONS,
    ),
    _meaning(
        Alert.ACCESS_DENIED,
        Reason.ACCESS_DENIED,
        "The certificate is valid, and the access control of the sender turned its holder away.",
        {
            Reason.EXPIRED: ("GnuTLS",),
            Reason.NOT_YET_VALID: ("GnuTLS",),
            Reason.UNKNOWN_CA: ("GnuTLS",),
            Reason.SELF_SIGNED: ("GnuTLS",),
            Reason.INVALID_CA: ("GnuTLS",),
            Reason.PATH_LENGTH_EXCEEDED: ("GnuTLS",),
            Reason.NAME_CONSTRAINT_VIOLATED: ("GnuTLS",),
            Reason.UNKNOWN_CRITICAL_EXTENSION: ("GnuTLS",),
            Reason.BAD_SIGNATURE: ("GnuTLS",),
            Reason.WEAK_KEY: ("GnuTLS",),
        },
        _CERTIFICATE_REASONS,
        needs_twin=True,
    ),
    _meaning(
        Alert.DECODE_ERROR,
        Reason.MALFORMED_MESSAGE,
        "A message cannot be decoded: a field is out of range, or a length is wrong.",
        {
            Reason.MALFORMED_CERTIFICATE: ("OpenSSL",),
            Reason.NO_CERTIFICATE: ("GnuTLS",),
            Reason.MALFORMED_MESSAGE: ("OpenSSL", "GnuTLS", "rustls"),
        },
        {Reason.MALFORMED_CERTIFICATE, Reason.NO_CERTIFICATE},
    ),
    _meaning(
        Alert.DECRYPT_ERROR,
        Reason.POSSESSION_NOT_PROVED,
        "A cryptographic check of the handshake failed: a signature, a Finished message or a PSK binder.",
        {
            Reason.UNKNOWN_CA: ("rustls",),
            Reason.BAD_SIGNATURE: ("OpenSSL", "rustls"),
            Reason.WEAK_KEY: ("rustls",),
            Reason.WEAK_SIGNATURE: ("rustls",),
            Reason.CRL_BAD_SIGNATURE: ("OpenSSL",),
            Reason.POSSESSION_NOT_PROVED: ("OpenSSL", "GnuTLS", "Go", "rustls"),
        },
        {
            Reason.BAD_SIGNATURE,
            Reason.CRL_BAD_SIGNATURE,
            Reason.UNKNOWN_CA,
            Reason.WEAK_KEY,
            Reason.WEAK_SIGNATURE,
        },
    ),
    _meaning(
        Alert.PROTOCOL_VERSION,
        Reason.PROTOCOL_VERSION,
        "The version that the peer offers is known, and not accepted.",
        {},
        {Reason.NOT_TLS},
    ),
    _meaning(
        Alert.INSUFFICIENT_SECURITY,
        Reason.NO_COMMON_PARAMETERS,
        "The client offers only parameters that are weaker than the server demands.",
        {},
        {Reason.WEAK_KEY, Reason.WEAK_SIGNATURE},
    ),
    _meaning(
        Alert.INTERNAL_ERROR,
        Reason.INTERNAL_ERROR,
        "An error that has nothing to do with the peer, such as a lack of memory, ended the handshake.",
    ),
    _meaning(
        Alert.UNRECOGNIZED_NAME,
        Reason.UNRECOGNIZED_NAME,
        "The server has no host of the name that the client asked for by the extension server_name.",
    ),
    _meaning(
        Alert.CERTIFICATE_REQUIRED,
        Reason.NO_CERTIFICATE,
        "The server requires a client certificate, and the client sent none.",
        {Reason.NO_CERTIFICATE: ("OpenSSL", "GnuTLS", "Java", "rustls")},
    ),
    _meaning(
        Alert.NO_APPLICATION_PROTOCOL,
        Reason.NO_APPLICATION_PROTOCOL,
        "The client offers, by the extension ALPN, only protocols that the server does not speak.",
    ),
)

_BY_ALERT: Mapping[Alert, AlertMeaning] = {meaning.alert: meaning for meaning in ALERT_MEANINGS}


def reasons_of_alert(alert: Alert | None) -> tuple[Reason, frozenset[Reason]]:
    """What a rejection by this alert says by its name, and all that it may stand for.

    No alert at all (the connection just ended) says `Reason.UNSPECIFIED` and may stand for anything.
    """
    meaning = None if alert is None else _BY_ALERT.get(alert)
    if meaning is None:
        return Reason.UNSPECIFIED, frozenset(Reason)
    return meaning.says, meaning.reasons
