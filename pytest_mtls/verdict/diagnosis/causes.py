"""The likely cause that goes with a reason, where no symptom tells more."""

from __future__ import annotations

from pytest_mtls.reasons.reason import Reason

__all__ = ["CAUSES", "UNSPECIFIED_CAUSE"]

#: Why a certificate that should be accepted is rejected for a reason, and what to do.
CAUSES: dict[Reason, tuple[str, str | None]] = {
    Reason.EXPIRED: ("the certificate was not renewed in time, or a clock is wrong.", "Renew it."),
    Reason.NOT_YET_VALID: (
        "the certificate was issued for later, or the clock of one side is behind.",
        "Compare the clocks of both sides.",
    ),
    Reason.UNKNOWN_CA: (
        (
            "the certificate comes from a CA that the other side does not trust, or an intermediate certificate was not "
            "sent along."
        ),
        "Compare the issuer in the chain with the CA file of the other side.",
    ),
    Reason.SELF_SIGNED: (
        "the certificate was issued by itself and not by the CA that the other side trusts.",
        "Have the CA issue one.",
    ),
    Reason.WRONG_PURPOSE: (
        (
            "the certificate's extended key usage is for the other role. Public CAs issue for serverAuth only since 2026: "
            "their certificates are not client certificates any more."
        ),
        "Issue one with clientAuth for a client, with serverAuth for a server.",
    ),
    Reason.REVOKED: ("the certificate, or the CA above it, is on the CRL.", "Issue a new one."),
    Reason.NO_CERTIFICATE: (
        "the client was not given a certificate, or its key can make no signature of a kind that the server takes.",
        "Give the client its certificate and key.",
    ),
    Reason.HOSTNAME_MISMATCH: (
        "the name asked for is not among the names in the server's certificate.",
        "Connect to one of its names, or issue a certificate for the name.",
    ),
    Reason.POSSESSION_NOT_PROVED: (
        "the private key is not the one that belongs to the certificate.",
        "Install the key that the certificate was issued for.",
    ),
    Reason.BAD_SIGNATURE: (
        "a signature in the chain was not made by the key of the issuer above it.",
        "Compare the intermediate with the CA that issued the certificate: they may be of the same name.",
    ),
    Reason.INVALID_CA: ("a certificate was issued by one that is not a CA's.", "Have a CA issue it."),
    Reason.PATH_LENGTH_EXCEEDED: (
        "there are more intermediates than the path length of a CA above them allows.",
        "Issue from a CA further up.",
    ),
    Reason.NAME_CONSTRAINT_VIOLATED: (
        "a CA in the chain may not issue for a name in the certificate.",
        "Issue for a name that the CA's constraints permit.",
    ),
    Reason.POLICY_VIOLATED: (
        "a CA in the chain demands a certificate policy, and the chain has none that holds down to its end.",
        "Issue it with a policy of that CA.",
    ),
    Reason.WEAK_KEY: (
        "a key in the chain is too short for the security level of the other side.",
        "Use P-256, or RSA of 2048 bits at least.",
    ),
    Reason.WEAK_SIGNATURE: (
        "the hash in a signature of the chain is too weak for the security level of the other side.",
        "Have it signed with SHA-256.",
    ),
    Reason.PROFILE_VIOLATED: (
        (
            "a certificate in the chain breaks a rule of RFC 5280 that only strict verification checks (VERIFY_X509_STRICT, "
            "the default since Python 3.13)."
        ),
        (
            "Issue it anew by the profile; if the CA is not yours, turn strict off: MutualTLSServer(strict=False), "
            "Endpoint(strict=False), ssl_context(strict=False), clients.ssl_context(..., strict=False)."
        ),
    ),
    Reason.CRL_MISSING: (
        "the other side checks revocation and has no CRL of one of the CAs in the chain.",
        "Give it a CRL of each CA in the chain.",
    ),
    Reason.CRL_NOT_APPLICABLE: (
        "the CRL that the other side has is about other certificates, or has a critical extension that it does not know.",
        "Give it a complete CRL of each CA in the chain.",
    ),
    Reason.CRL_EXPIRED: ("the CRL that the other side has is too old.", "Give it a new one."),
    Reason.NOT_TLS: (
        "one side does not speak TLS on this port.",
        "Check the port, and whether the URL says https.",
    ),
    Reason.PROTOCOL_VERSION: ("the two sides have no TLS version in common.", "Allow TLS 1.2 and 1.3 on both."),
    Reason.NO_COMMON_PARAMETERS: (
        "the two sides have no cipher suite, group or signature algorithm in common.",
        "Compare what both sides allow; a key on an unusual curve needs its own signature algorithm.",
    ),
    Reason.ACCESS_DENIED: (
        "the other side denied access.",
        "Say which client it knows: `like=`, `Endpoint(client=...)`, or the fixture mtls_client_cert.",
    ),
}


UNSPECIFIED_CAUSE = ("the other side ended the connection without a word.", "Read its log.")
