"""The kinds of certificates that x509-limbo tests, each with the case that is of its kind, or the reason why there is none."""

from __future__ import annotations

import pytest

from pytest_mtls.cases import CATALOGUE

#: Kinds by subject, as x509-limbo names one test case of each.
KINDS: dict[str, tuple[str, ...]] = {
    "name constraints": (
        "rfc5280::nc::excluded-ipv6-match",
        "rfc5280::nc::excluded-match-permitted-and-excluded",
        "rfc5280::nc::excluded-dns-match-second",
        "rfc5280::nc::permitted-different-constraint-type",
        "rfc5280::nc::restrictive-permits-in-intermediates-narrows",
        "rfc5280::nc::restrictive-permits-in-intermediates-widens",
        "rfc5280::nc::permitted-self-issued",
        "rfc5280::nc::excluded-self-issued-leaf",
        "rfc5280::nc::intermediate-with-san-rejected-by-intermediate-nc",
        "rfc5280::nc::nc-forbids-othername",
        "rfc5280::nc::nc-permits-email-exact",
        "rfc5280::nc::nc-permits-email-domain",
        "rfc5280::nc::nc-permits-email-literal-asterisk-rejects-user",
        "rfc5280::nc::nc-permits-invalid-dns-san",
        "rfc5280::nc::nc-permits-invalid-email-san",
        "rfc5280::nc::nc-permits-invalid-ip-san",
        "rfc5280::nc::invalid-dnsname-leading-period",
        "rfc5280::nc::invalid-dnsname-wildcard",
        "rfc5280::nc::invalid-ipv4-address",
        "rfc5280::nc::invalid-email-address",
        "rfc5280::nc::permitted-dns-match-noncritical",
        "webpki::nc::intermediate-permitted-excluded-subtrees-both-null",
        "webpki::nc::intermediate-permitted-excluded-subtrees-both-empty-sequences",
    ),
    "key identifiers": (
        "rfc5280::aki::critical-aki",
        "rfc5280::ski::critical-ski",
        "rfc5280::aki::cross-signed-root-missing-aki",
        "webpki::aki::root-with-aki-missing-keyidentifier",
        "webpki::aki::root-with-aki-authoritycertserialnumber",
        "webpki::aki::root-with-aki-all-fields",
        "webpki::aki::root-with-aki-ski-mismatch",
    ),
    "extended key usage": ("rfc5280::eku::ee-eku-empty", "webpki::eku::ee-critical-eku", "webpki::eku::root-has-eku"),
    "path": (
        "pathlen::self-issued-certs-pathlen",
        "pathlen::validation-ignores-pathlen-in-leaf",
        "rfc5280::root-and-intermediate-swapped",
        "invalid::invalid-issuer-key",
        "rfc5280::unknown-critical-extension-unrelated-intermediate",
    ),
    "validity": (
        "rfc5280::validity::notbefore-exact",
        "rfc5280::validity::notafter-exact",
        "rfc5280::validity::notafter-fractional",
        "rfc5280::validity::not-yet-valid-5-seconds",
        "rfc5280::validity::expired-root",
    ),
    "names": (
        "rfc5280::san::underscore-dns",
        "rfc5280::san::ip-in-dns",
        "webpki::san::unicode-emoji-san",
        "webpki::san::san-critical-with-nonempty-subject",
        "webpki::san::san-wildcard-only",
        "webpki::san::public-suffix-wildcard-san",
        "webpki::san::public-suffix-multi-label-wildcard-san",
        "webpki::cn::not-in-san",
        "webpki::cn::case-mismatch",
        "webpki::cn::punycode-not-in-san",
        "webpki::cn::utf8-vs-punycode-mismatch",
        "webpki::cn::ipv6-uncompressed-mismatch",
        "webpki::cn::ipv4-leading-zeros-mismatch",
    ),
    "policies": ("rfc5280::pc::ica-noncritical-pc",),
    "keys": (
        "webpki::explicit-curve",
        "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf",
        "webpki::forbidden-p192-root",
        "webpki::forbidden-dsa-leaf",
    ),
    "CRL": (
        "crl::crlnumber-missing",
        "crl::crlnumber-critical",
        "crl::issuer-no-keyusage-extension",
    ),
    "authority information access": ("rfc5280::ee-critical-aia-invalid", "webpki::malformed-aia"),
}

_ROOT = "it is about the root that the other side was given, which no peer can choose"
#: Kinds without a case, and why.
WITHOUT_CASE = {
    "webpki::eku::root-has-eku": _ROOT,
    "crl::issuer-no-keyusage-extension": "`intermediate-without-key-usage` is such a CA, and its CRL is taken wherever it is",
    "rfc5280::root-and-intermediate-swapped": f"{_ROOT}; an intermediate as trust is tested in tests/certificates/test_loading.py",
    "rfc5280::validity::expired-root": _ROOT,
    "rfc5280::validity::notafter-exact": "no handshake can be made sure to come in the last second",
}


@pytest.mark.parametrize("subject", KINDS)
def test_every_kind_has_a_case(subject: str) -> None:
    """Each kind is that of a case, or there is a reason why no peer can present it."""
    cited = {case.limbo for catalogue in CATALOGUE.values() for case in catalogue.select(["*"])}
    assert [] == [kind for kind in KINDS[subject] if kind not in cited and kind not in WITHOUT_CASE]


def test_what_has_no_case_is_a_kind() -> None:
    """No reason stands for a kind that has a case after all."""
    cited = {case.limbo for catalogue in CATALOGUE.values() for case in catalogue.select(["*"])}
    assert set(WITHOUT_CASE) <= {kind for kinds in KINDS.values() for kind in kinds} - cited
