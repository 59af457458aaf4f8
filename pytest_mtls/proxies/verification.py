"""How a proxy's verification of a client ended, in the words of OpenSSL and as its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

from pytest_mtls.errors import InvalidArgument
from pytest_mtls.reasons.reason import REASON_BY_VERIFY_CODE, Reason

__all__ = ["VERIFY_WORDS", "Verified", "failure_words", "reason_of_words", "verify_code"]

#: True, False for any failure, a `Reason`, or the words of a failure.
Verified = Union[bool, str, Reason]

#: ``X509_verify_cert_error_string`` of OpenSSL 3, by X509_V_ERR number.
VERIFY_WORDS: Mapping[int, str] = {
    2: "unable to get issuer certificate",
    3: "unable to get certificate CRL",
    4: "unable to decrypt certificate's signature",
    5: "unable to decrypt CRL's signature",
    6: "unable to decode issuer public key",
    7: "certificate signature failure",
    8: "CRL signature failure",
    9: "certificate is not yet valid",
    10: "certificate has expired",
    11: "CRL is not yet valid",
    12: "CRL has expired",
    13: "format error in certificate's notBefore field",
    14: "format error in certificate's notAfter field",
    15: "format error in CRL's lastUpdate field",
    16: "format error in CRL's nextUpdate field",
    17: "out of memory",
    18: "self-signed certificate",
    19: "self-signed certificate in certificate chain",
    20: "unable to get local issuer certificate",
    21: "unable to verify the first certificate",
    22: "certificate chain too long",
    23: "certificate revoked",
    24: "issuer certificate doesn't have a public key",
    25: "path length constraint exceeded",
    26: "unsuitable certificate purpose",
    27: "certificate not trusted",
    28: "certificate rejected",
    29: "subject issuer mismatch",
    30: "authority and subject key identifier mismatch",
    31: "authority and issuer serial number mismatch",
    32: "key usage does not include certificate signing",
    33: "unable to get CRL issuer certificate",
    34: "unhandled critical extension",
    35: "key usage does not include CRL signing",
    36: "unhandled critical CRL extension",
    37: "invalid non-CA certificate (has CA markings)",
    39: "key usage does not include digital signature",
    41: "invalid or inconsistent certificate extension",
    42: "invalid or inconsistent certificate policy extension",
    43: "no explicit policy",
    44: "different CRL scope",
    45: "unsupported extension feature",
    47: "permitted subtree violation",
    48: "excluded subtree violation",
    49: "name constraints minimum and maximum not supported",
    50: "application verification failure",
    51: "unsupported name constraint type",
    52: "unsupported or invalid name constraint syntax",
    53: "unsupported or invalid name syntax",
    54: "CRL path validation error",
    62: "hostname mismatch",
    63: "email address mismatch",
    64: "IP address mismatch",
    66: "EE certificate key too weak",
    67: "CA certificate key too weak",
    68: "CA signature digest algorithm too weak",
    76: "Cannot find certificate signature algorithm",
    77: "subject signature algorithm and issuer public key algorithm mismatch",
    78: "cert info signature and signature algorithm mismatch",
    79: "invalid CA certificate",
    80: "Path length invalid for non-CA cert",
    81: "Path length given without key usage keyCertSign",
    82: "Key usage keyCertSign invalid for non-CA cert",
    83: "Issuer name empty",
    84: "Subject name empty",
    85: "Missing Authority Key Identifier",
    86: "Missing Subject Key Identifier",
    87: "Empty Subject Alternative Name extension",
    88: "Subject empty and Subject Alt Name extension not critical",
    89: "Basic Constraints of CA cert not marked critical",
    90: "Authority Key Identifier marked critical",
    91: "Subject Key Identifier marked critical",
    92: "CA cert does not include key usage extension",
    93: "Using cert extension requires at least X509v3",
    94: "Certificate public key has explicit ECC parameters",
}
_CODES = {words: code for code, words in VERIFY_WORDS.items()}

#: What OpenSSL says of a lone certificate of an unknown issuer, the most frequent failure.
_USUAL = 21
#: The number that stands for a reason: the lowest of it, except for these.
_CODE_BY_REASON = {
    **{reason: code for code, reason in sorted(REASON_BY_VERIFY_CODE.items(), reverse=True)},
    Reason.UNKNOWN_CA: _USUAL,
    Reason.INVALID_CA: 79,
}


def failure_words(verified: Verified) -> str | None:
    """Why a client was not verified, in OpenSSL's words; None if it was.

    Args:
        verified: True; False for `unable to verify the first certificate`; a `Reason` that comes from verification; or
            the words themselves.

    Raises:
        InvalidArgument: it is none of these.
    """
    if verified is True:
        return None
    if verified is False:
        return VERIFY_WORDS[_USUAL]
    if not isinstance(verified, str) or not verified:
        raise InvalidArgument("verified", verified, "True, False, a Reason, or the words of the failure")
    if verified in Reason.__members__.values():
        reason = Reason(verified)
        if reason not in _CODE_BY_REASON:
            raise InvalidArgument("verified", verified, "a Reason for which a proxy's verification of a chain can fail")
        return VERIFY_WORDS[_CODE_BY_REASON[reason]]
    return str(verified)


def verify_code(words: str) -> int:
    """The number of a failure.

    Raises:
        InvalidArgument: the words are not OpenSSL's.
    """
    if words not in _CODES:
        raise InvalidArgument("verified", words, "a Reason or OpenSSL's own words, for this proxy tells their number")
    return _CODES[words]


def reason_of_words(words: str) -> Reason | None:
    """The reason that OpenSSL's words (also those before 3.0) stand for; None for other words."""
    code = _CODES.get(words.replace("self signed", "self-signed"))
    return None if code is None else REASON_BY_VERIFY_CODE.get(code)
