"""Why a peer was rejected: one vocabulary over every TLS stack, and the tables that lead to it.

Two kinds of evidence exist. The side that rejects knows exactly: OpenSSL gives it a verification code
(`REASON_BY_VERIFY_CODE`) or an error name (`REASON_BY_SSL_ERROR`). The side that is rejected sees an alert at most,
and an alert stands for several reasons (`alert_meaning.ALERT_MEANINGS`); which of them a stack sends it for is its own
choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

__all__ = ["Reason"]


class Reason(str, Enum):
    """Why one side rejected the other. A `str`, so ``"expired"`` works wherever ``Reason.EXPIRED`` does."""

    # The certificate or its chain (RFC 5280 section 6).
    EXPIRED = "expired"  #: its notAfter is past.
    NOT_YET_VALID = "not_yet_valid"  #: its notBefore is still to come.
    UNKNOWN_CA = "unknown_ca"  #: no trusted CA has the name and key of its issuer.
    SELF_SIGNED = "self_signed"  #: it was issued by itself, and is not trusted.
    INVALID_CA = "invalid_ca"  #: it was issued by a certificate that is not a CA's.
    PATH_LENGTH_EXCEEDED = "path_length_exceeded"  #: more intermediates follow a CA than its pathLenConstraint allows.
    CHAIN_TOO_LONG = "chain_too_long"  #: the chain has more certificates than the other side takes.
    NAME_CONSTRAINT_VIOLATED = "name_constraint_violated"  #: a CA of the chain may not issue for one of its names.
    #: it has a critical extension that the other side does not know.
    UNKNOWN_CRITICAL_EXTENSION = "unknown_critical_extension"
    BAD_SIGNATURE = "bad_signature"  #: a signature of the chain was not made by the key of the issuer.
    POLICY_VIOLATED = "policy_violated"  #: a CA of the chain demands a certificate policy that the chain does not have.
    PROFILE_VIOLATED = "profile_violated"  #: it breaks a rule of RFC 5280 that only strict verification checks.
    MALFORMED_CERTIFICATE = "malformed_certificate"  #: it cannot be parsed.
    WEAK_KEY = "weak_key"  #: a key of the chain is too short.
    WEAK_SIGNATURE = "weak_signature"  #: a signature of the chain was made with a weak hash.
    WRONG_PURPOSE = "wrong_purpose"  #: its key usage or extended key usage is not for this side.
    HOSTNAME_MISMATCH = "hostname_mismatch"  #: none of its names is the one that was asked for.
    BAD_CERTIFICATE = "bad_certificate"  #: something is wrong with it, and the alert does not say what.
    # Revocation (RFC 5280 section 5).
    REVOKED = "revoked"  #: it, or a CA above it, is on a CRL.
    CRL_MISSING = "crl_missing"  #: revocation is checked, and a CA of the chain has no CRL.
    CRL_EXPIRED = "crl_expired"  #: the nextUpdate of a CRL is past.
    CRL_NOT_YET_VALID = "crl_not_yet_valid"  #: the thisUpdate of a CRL is still to come.
    CRL_BAD_SIGNATURE = "crl_bad_signature"  #: a CRL was not signed by the key of its issuer.
    CRL_ISSUER_INVALID = "crl_issuer_invalid"  #: the issuer of a CRL may not sign CRLs.
    CRL_NOT_APPLICABLE = "crl_not_applicable"  #: a CRL is about other certificates, or of a kind that cannot be read.
    # The proof of possession, and the lack of anything to prove (RFC 8446 sections 4.4.2 and 4.4.3).
    POSSESSION_NOT_PROVED = "possession_not_proved"  #: the peer did not prove that it has the private key.
    NO_CERTIFICATE = "no_certificate"  #: the client presented no certificate, and the server requires one.
    # The protocol.
    PROTOCOL_VERSION = "protocol_version"  #: the two sides have no TLS version in common.
    NO_COMMON_PARAMETERS = "no_common_parameters"  #: they have no cipher suite, group or signature algorithm in common.
    NO_APPLICATION_PROTOCOL = "no_application_protocol"  #: they have no ALPN protocol in common (RFC 7301).
    UNRECOGNIZED_NAME = "unrecognized_name"  #: the server does not know the name that was asked for (RFC 6066).
    MALFORMED_MESSAGE = "malformed_message"  #: a handshake message cannot be parsed.
    UNEXPECTED_MESSAGE = "unexpected_message"  #: a handshake message came out of turn.
    NOT_TLS = "not_tls"  #: what came is not TLS.
    #: the application denied access, after TLS; never a certificate's defect by itself.
    ACCESS_DENIED = "access_denied"
    INTERNAL_ERROR = "internal_error"  #: the other side failed for a reason of its own.
    UNSPECIFIED = "unspecified"  #: the other side did not say why.

    def __str__(self) -> str:
        return self.value

    @property
    def words(self) -> str:
        """The reason as words in a sentence, e.g. ``expired``, ``unknown CA``."""
        return (
            self.value.replace("_", " ")
            .replace("self signed", "self-signed")
            .replace(" ca", " CA")
            .replace("crl", "CRL")
            .replace("tls", "TLS")
        )


#: OpenSSL's X509_V_ERR numbers (openssl/x509_vfy.h), as in `ssl.SSLCertVerificationError.verify_code`.
REASON_BY_VERIFY_CODE: Mapping[int, Reason] = {
    2: Reason.UNKNOWN_CA,  # UNABLE_TO_GET_ISSUER_CERT
    3: Reason.CRL_MISSING,  # UNABLE_TO_GET_CRL
    4: Reason.BAD_SIGNATURE,  # UNABLE_TO_DECRYPT_CERT_SIGNATURE
    5: Reason.CRL_BAD_SIGNATURE,  # UNABLE_TO_DECRYPT_CRL_SIGNATURE
    6: Reason.BAD_SIGNATURE,  # UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY
    7: Reason.BAD_SIGNATURE,  # CERT_SIGNATURE_FAILURE
    8: Reason.CRL_BAD_SIGNATURE,  # CRL_SIGNATURE_FAILURE
    9: Reason.NOT_YET_VALID,  # CERT_NOT_YET_VALID
    10: Reason.EXPIRED,  # CERT_HAS_EXPIRED
    11: Reason.CRL_NOT_YET_VALID,  # CRL_NOT_YET_VALID
    12: Reason.CRL_EXPIRED,  # CRL_HAS_EXPIRED
    13: Reason.MALFORMED_CERTIFICATE,  # ERROR_IN_CERT_NOT_BEFORE_FIELD
    14: Reason.MALFORMED_CERTIFICATE,  # ERROR_IN_CERT_NOT_AFTER_FIELD
    18: Reason.SELF_SIGNED,  # DEPTH_ZERO_SELF_SIGNED_CERT
    19: Reason.UNKNOWN_CA,  # SELF_SIGNED_CERT_IN_CHAIN
    20: Reason.UNKNOWN_CA,  # UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    21: Reason.UNKNOWN_CA,  # UNABLE_TO_VERIFY_LEAF_SIGNATURE
    22: Reason.CHAIN_TOO_LONG,  # CERT_CHAIN_TOO_LONG
    23: Reason.REVOKED,  # CERT_REVOKED
    24: Reason.INVALID_CA,  # NO_ISSUER_PUBLIC_KEY (INVALID_CA before OpenSSL 3.0)
    25: Reason.PATH_LENGTH_EXCEEDED,  # PATH_LENGTH_EXCEEDED
    26: Reason.WRONG_PURPOSE,  # INVALID_PURPOSE
    27: Reason.UNKNOWN_CA,  # CERT_UNTRUSTED
    28: Reason.WRONG_PURPOSE,  # CERT_REJECTED
    29: Reason.UNKNOWN_CA,  # SUBJECT_ISSUER_MISMATCH
    30: Reason.UNKNOWN_CA,  # AKID_SKID_MISMATCH
    31: Reason.UNKNOWN_CA,  # AKID_ISSUER_SERIAL_MISMATCH
    32: Reason.INVALID_CA,  # KEYUSAGE_NO_CERTSIGN
    33: Reason.CRL_ISSUER_INVALID,  # UNABLE_TO_GET_CRL_ISSUER
    34: Reason.UNKNOWN_CRITICAL_EXTENSION,  # UNHANDLED_CRITICAL_EXTENSION
    35: Reason.CRL_ISSUER_INVALID,  # KEYUSAGE_NO_CRL_SIGN
    36: Reason.CRL_NOT_APPLICABLE,  # UNHANDLED_CRITICAL_CRL_EXTENSION
    37: Reason.INVALID_CA,  # INVALID_NON_CA
    39: Reason.WRONG_PURPOSE,  # KEYUSAGE_NO_DIGITAL_SIGNATURE
    41: Reason.MALFORMED_CERTIFICATE,  # INVALID_EXTENSION
    42: Reason.POLICY_VIOLATED,  # INVALID_POLICY_EXTENSION
    43: Reason.POLICY_VIOLATED,  # NO_EXPLICIT_POLICY
    44: Reason.CRL_NOT_APPLICABLE,  # DIFFERENT_CRL_SCOPE
    47: Reason.NAME_CONSTRAINT_VIOLATED,  # PERMITTED_VIOLATION
    48: Reason.NAME_CONSTRAINT_VIOLATED,  # EXCLUDED_VIOLATION
    49: Reason.NAME_CONSTRAINT_VIOLATED,  # SUBTREE_MINMAX
    51: Reason.NAME_CONSTRAINT_VIOLATED,  # UNSUPPORTED_CONSTRAINT_TYPE
    52: Reason.NAME_CONSTRAINT_VIOLATED,  # UNSUPPORTED_CONSTRAINT_SYNTAX
    53: Reason.NAME_CONSTRAINT_VIOLATED,  # UNSUPPORTED_NAME_SYNTAX
    62: Reason.HOSTNAME_MISMATCH,  # HOSTNAME_MISMATCH
    63: Reason.HOSTNAME_MISMATCH,  # EMAIL_MISMATCH
    64: Reason.HOSTNAME_MISMATCH,  # IP_ADDRESS_MISMATCH
    66: Reason.WEAK_KEY,  # EE_KEY_TOO_SMALL
    67: Reason.WEAK_KEY,  # CA_KEY_TOO_SMALL
    68: Reason.WEAK_SIGNATURE,  # CA_MD_TOO_WEAK
    76: Reason.WEAK_SIGNATURE,  # UNSUPPORTED_SIGNATURE_ALGORITHM
    77: Reason.BAD_SIGNATURE,  # SIGNATURE_ALGORITHM_MISMATCH
    78: Reason.BAD_SIGNATURE,  # SIGNATURE_ALGORITHM_INCONSISTENCY
    79: Reason.INVALID_CA,  # INVALID_CA
    80: Reason.PROFILE_VIOLATED,  # PATHLEN_INVALID_FOR_NON_CA
    81: Reason.PROFILE_VIOLATED,  # PATHLEN_WITHOUT_KU_KEY_CERT_SIGN
    82: Reason.PROFILE_VIOLATED,  # KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA
    83: Reason.PROFILE_VIOLATED,  # ISSUER_NAME_EMPTY
    84: Reason.PROFILE_VIOLATED,  # SUBJECT_NAME_EMPTY
    85: Reason.PROFILE_VIOLATED,  # MISSING_AUTHORITY_KEY_IDENTIFIER
    86: Reason.PROFILE_VIOLATED,  # MISSING_SUBJECT_KEY_IDENTIFIER
    87: Reason.PROFILE_VIOLATED,  # EMPTY_SUBJECT_ALT_NAME
    88: Reason.PROFILE_VIOLATED,  # EMPTY_SUBJECT_SAN_NOT_CRITICAL
    89: Reason.PROFILE_VIOLATED,  # CA_BCONS_NOT_CRITICAL
    90: Reason.PROFILE_VIOLATED,  # AUTHORITY_KEY_IDENTIFIER_CRITICAL
    91: Reason.PROFILE_VIOLATED,  # SUBJECT_KEY_IDENTIFIER_CRITICAL
    92: Reason.PROFILE_VIOLATED,  # CA_CERT_MISSING_KEY_USAGE
    93: Reason.PROFILE_VIOLATED,  # EXTENSIONS_REQUIRE_VERSION_3
    94: Reason.WEAK_KEY,  # EC_KEY_EXPLICIT_PARAMS
}

#: `ssl.SSLError.reason` of the side that rejects, where no verification code tells more.
REASON_BY_SSL_ERROR: Mapping[str, Reason] = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Reason.NO_CERTIFICATE,
    "CERT_LENGTH_MISMATCH": Reason.MALFORMED_CERTIFICATE,
    "EXCESSIVE_MESSAGE_SIZE": Reason.CHAIN_TOO_LONG,
    "ASN1_LIB": Reason.MALFORMED_CERTIFICATE,
    "HTTP_REQUEST": Reason.NOT_TLS,
    "HTTPS_PROXY_REQUEST": Reason.NOT_TLS,
    "WRONG_VERSION_NUMBER": Reason.NOT_TLS,
    "RECORD_LAYER_FAILURE": Reason.NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": Reason.NOT_TLS,
    "UNKNOWN_PROTOCOL": Reason.NOT_TLS,
    "UNSUPPORTED_PROTOCOL": Reason.PROTOCOL_VERSION,
    "VERSION_TOO_LOW": Reason.PROTOCOL_VERSION,
    "INAPPROPRIATE_FALLBACK": Reason.PROTOCOL_VERSION,
    "NO_PROTOCOLS_AVAILABLE": Reason.PROTOCOL_VERSION,
    "NO_SHARED_CIPHER": Reason.NO_COMMON_PARAMETERS,
    "NO_SUITABLE_KEY_SHARE": Reason.NO_COMMON_PARAMETERS,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": Reason.NO_COMMON_PARAMETERS,
    "NO_SHARED_SIGNATURE_ALGORITHMS": Reason.NO_COMMON_PARAMETERS,
    "NO_APPLICATION_PROTOCOL": Reason.NO_APPLICATION_PROTOCOL,
    "UNEXPECTED_MESSAGE": Reason.UNEXPECTED_MESSAGE,
    "LENGTH_MISMATCH": Reason.MALFORMED_MESSAGE,
    "BAD_EXTENSION": Reason.MALFORMED_MESSAGE,
    "LENGTH_TOO_SHORT": Reason.MALFORMED_MESSAGE,
}


def reason_of_verify_code(code: int) -> Reason:
    """The reason behind one of OpenSSL's verification codes; `Reason.BAD_CERTIFICATE` for one not in the table."""
    return REASON_BY_VERIFY_CODE.get(code, Reason.BAD_CERTIFICATE)
