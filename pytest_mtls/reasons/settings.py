"""What a peer may have turned on or off, and under which a case must be rejected: one name for each."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CLIENT_SETTINGS", "NO_HOSTNAME", "RESUMPTION", "RUN_SETTINGS", "SETTINGS", "STAPLE"]

#: That of a client: stapled OCSP answers are asked for and checked. A run of such a client has its servers staple one.
STAPLE = "staple"

#: What only a client can have: a server gets no stapled answer.
_OF_CLIENTS: Mapping[str, str] = {
    STAPLE: "a client asks for a stapled OCSP answer, and rejects a server whose answer is not good",
    "must-staple": "a client rejects a server whose certificate demands a stapled OCSP answer, if no good one comes",
}

#: What each setting of `Case.requires` is, in words.
SETTINGS: Mapping[str, str] = {
    "crl": "the whole chain is checked by CRL",
    "level": "weak keys and hashes are rejected, as OpenSSL's security level 2 does",
    "policy": "certificate policies are processed (RFC 5280 section 6.1), as OpenSSL's `X509_V_FLAG_POLICY_CHECK` does",
    "ocsp": "each certificate of the chain is asked about by OCSP, at the responder that it names, and rejected if revoked",
    "ocsp-hard": "besides, a certificate about which OCSP gives no valid answer is rejected: hard failure",
    "strict": "the profile of RFC 5280 is enforced, as OpenSSL's `X509_V_FLAG_X509_STRICT` does",
    "usage": "the key usage of an end entity is looked at, as OpenSSL always does",
    **_OF_CLIENTS,
}

#: The setting of bypasses of which stacks differ: a resumed session is judged by the rules of now.
RESUMPTION = "resumption"

#: That of a client: it has to compare the host's name with the certificate, unless it says that it does not.
NO_HOSTNAME = "no-hostname"

#: What a client under test can claim.
CLIENT_SETTINGS = (*sorted(SETTINGS), NO_HOSTNAME)

#: What a server under test can claim.
RUN_SETTINGS = tuple(sorted({*SETTINGS, RESUMPTION} - {*_OF_CLIENTS}))
