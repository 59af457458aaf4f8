"""TLS alert descriptions (RFC 8446 section 6, and those of RFC 5246 that TLS 1.3 no longer sends)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Alert"]


class Alert(IntEnum):
    """What one side tells the other before it closes a connection (RFC 8446 section 6); the value is as on the wire."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    DECRYPTION_FAILED = 21
    RECORD_OVERFLOW = 22
    DECOMPRESSION_FAILURE = 30
    HANDSHAKE_FAILURE = 40
    NO_CERTIFICATE = 41
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    CERTIFICATE_UNKNOWN = 46
    ILLEGAL_PARAMETER = 47
    UNKNOWN_CA = 48
    ACCESS_DENIED = 49
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    TOO_MANY_CIDS_REQUESTED = 52
    EXPORT_RESTRICTION = 60
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    INAPPROPRIATE_FALLBACK = 86
    USER_CANCELED = 90
    NO_RENEGOTIATION = 100
    MISSING_EXTENSION = 109
    UNSUPPORTED_EXTENSION = 110
    CERTIFICATE_UNOBTAINABLE = 111
    UNRECOGNIZED_NAME = 112
    BAD_CERTIFICATE_STATUS_RESPONSE = 113
    BAD_CERTIFICATE_HASH_VALUE = 114
    UNKNOWN_PSK_IDENTITY = 115
    CERTIFICATE_REQUIRED = 116
    GENERAL_ERROR = 117
    NO_APPLICATION_PROTOCOL = 120
    ECH_REQUIRED = 121

    @property
    def is_about_a_certificate(self) -> bool:
        """Whether it says what is wrong with a certificate or with the proof of its key (RFC 8446 section 6.2)."""
        return self in _ABOUT_A_CERTIFICATE

    @property
    def label(self) -> str:
        """The name as the RFC spells it, with the number: ``certificate_expired (45)``."""
        return f"{self.name.lower()} ({int(self)})"


_ABOUT_A_CERTIFICATE = frozenset(
    {
        Alert.BAD_CERTIFICATE,
        Alert.UNSUPPORTED_CERTIFICATE,
        Alert.CERTIFICATE_REVOKED,
        Alert.CERTIFICATE_EXPIRED,
        Alert.CERTIFICATE_UNKNOWN,
        Alert.UNKNOWN_CA,
        Alert.ACCESS_DENIED,
        Alert.DECRYPT_ERROR,
        Alert.CERTIFICATE_UNOBTAINABLE,
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
        Alert.BAD_CERTIFICATE_HASH_VALUE,
        Alert.CERTIFICATE_REQUIRED,
    }
)
