"""Certificate signing requests, and the policies that judge them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.key import KeyKind, same_key
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.certificates.signing_request import CertificateSigningRequest, SigningPolicy
from pytest_mtls.errors import InvalidArgument, InvalidName, SigningRequestRefused, UnreadableSigningRequest

CA = CertificateAuthority.create()
KEY = ec.generate_private_key(ec.SECP256R1())
LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


def _request(
    *extensions: x509.ExtensionType, subject: str | None = "bob", key: Any = KEY
) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(distinguished_name(subject))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256())


class TestRequest:
    """What a requester makes."""

    def test_forms(self, tmp_path: Path) -> None:
        """PEM, DER, text and files read back as the same request, without the key."""
        made = CertificateSigningRequest.create("alice", ["alice.example"], organization="Example")
        der = made.request.public_bytes(Encoding.DER)
        (tmp_path / "request").write_bytes(made.pem)
        for source in (made.pem, der, made.pem.decode(), tmp_path / "request"):
            loaded = CertificateSigningRequest.load(source)
            assert (made.request, None, "CN=alice,O=Example") == (loaded.request, loaded.private_key, loaded.subject)

    def test_key(self) -> None:
        """The key is new or the given one, and never shown."""
        made = CertificateSigningRequest.create("alice", key_kind="ed25519")
        assert made.private_key is not None
        assert KeyKind.ED25519 is KeyKind.of(made.private_key)
        assert KEY is CertificateSigningRequest.create("alice", private_key=KEY).private_key
        assert "private_key" not in repr(made)

    @pytest.mark.parametrize(
        "source", [b"", b"garbage", CA.pem, "missing.csr"], ids=["empty", "garbage", "certificate", "missing"]
    )
    def test_unreadable(self, source: bytes | str) -> None:
        """What is not a request is rejected."""
        with pytest.raises(UnreadableSigningRequest):
            CertificateSigningRequest.load(source)
        with pytest.raises(UnreadableSigningRequest):
            CA.sign(source)

    def test_bad_arguments(self) -> None:
        """Unknown usages and bad names are rejected."""
        with pytest.raises(InvalidArgument, match="usage is 'mail'"):
            CertificateSigningRequest.create("alice", usage="mail")  # type: ignore[arg-type]
        with pytest.raises(InvalidName):
            CertificateSigningRequest.create("x" * 65)
        with pytest.raises(InvalidName):
            CertificateSigningRequest.create("x", ["a b"])


class TestSign:
    """What the CA makes of it."""

    @settings(max_examples=25, deadline=None)
    @given(LABELS, st.lists(LABELS.map("{}.example".format), max_size=5), st.sampled_from(["client", "server"]))
    def test_keeps_what_is_asked(self, name: str, sans: list[str], usage: Any) -> None:
        """Subject, names, usage and key are the request's."""
        request = CertificateSigningRequest.create(name, sans, usage=usage, private_key=KEY)
        identity = CA.sign(request)
        profile = CA.client_profile(name, sans=sans, extended_key_usage=[f"{usage}Auth"])
        extensions = identity.certificate.extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value if sans else ()
        assert (profile.subject, profile.sans) == (identity.certificate.subject, tuple(names))
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert profile.extended_key_usage == tuple(usages)
        assert same_key(KEY.public_key(), identity.certificate.public_key())
        assert KEY is identity.private_key

    def test_any_form(self, tmp_path: Path) -> None:
        """A request may be an object of ours or of cryptography's, bytes, or a file; then the key stays unknown."""
        request = CertificateSigningRequest.create("alice")
        (tmp_path / "request.pem").write_bytes(request.pem)
        for form in (request.request, request.pem, tmp_path / "request.pem"):
            identity = CA.sign(form)
            assert ("CN=alice", None) == (identity.subject, identity.private_key)
        assert request.private_key is not None
        assert CA.sign(request.pem).with_private_key(request.private_key).key_pem == CA.sign(request).key_pem

    def test_client_by_default(self) -> None:
        """Who asks for no usage gets a client's certificate."""
        usages = CA.sign(_request()).certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert [ExtendedKeyUsageOID.CLIENT_AUTH] == list(usages)

    def test_validity(self) -> None:
        """The CA decides how long it holds."""
        certificate = CA.sign(_request(), not_before=-2, not_after=-1).certificate
        assert 1 == (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days


def _forged() -> bytes:
    der = bytearray(_request().public_bytes(Encoding.DER))
    der[der.index(b"bob")] = ord("r")
    return bytes(der)


def _key_usage(**usages: bool) -> x509.KeyUsage:
    bits = "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only"
    return x509.KeyUsage(
        **{**dict.fromkeys([*bits.split(), "digital_signature", "key_cert_sign", "crl_sign"], False), **usages}
    )


def _sans(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(names)


REFUSED: dict[str, tuple[Any, str, str]] = {
    "forged": (_forged(), "signature", "invalid"),
    "CA": (_request(x509.BasicConstraints(True, None)), "basicConstraints", "CA:TRUE"),
    "keyCertSign": (_request(_key_usage(key_cert_sign=True)), "keyUsage", "keyCertSign"),
    "cRLSign": (_request(_key_usage(crl_sign=True)), "keyUsage", "cRLSign"),
    "code signing": (
        _request(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])),
        "extendedKeyUsage",
        "codeSigning",
    ),
    "unknown usage": (
        _request(x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3")])),
        "extendedKeyUsage",
        "1.2.3",
    ),
    "weak curve": (_request(key=ec.generate_private_key(ec.SECP224R1())), "public key", "secp224r1 of 224 bits"),
    "weak RSA": (
        _request(key=rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        "public key",
        "RSA of 1024 bits",
    ),
    "DSA": (_request(key=dsa.generate_private_key(1024)), "public key", "DSA"),
    "unreadable": (
        _request(x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x05\x00")),
        "extensions",
        "malformed",
    ),
    "nobody": (_request(subject=None), "subject", "empty"),
    "bad DNS name": (_request(_sans(x509.DNSName("a b"))), "subjectAltName", "'a b'"),
    "e-mail as DNS name": (_request(_sans(x509.DNSName("a@b.c"))), "subjectAltName", "'a@b.c'"),
    "NUL": (
        _request(_sans(x509.DNSName("good.example\x00.evil.example"))),
        "subjectAltName",
        "'good.example\\x00.evil.example'",
    ),
}


@pytest.mark.parametrize(("request_", "field", "value"), REFUSED.values(), ids=list(REFUSED))
def test_always_refused(request_: Any, field: str, value: str) -> None:
    """Some things are rejected whatever the policy, and the field is named."""
    with pytest.raises(SigningRequestRefused) as refused:
        CA.sign(request_)
    assert (field, value) == (refused.value.field, refused.value.value)
    assert f"{field} is {value}, but " in str(refused.value)


def test_harmless_extensions() -> None:
    """Who asks not to be a CA, and to sign handshakes, is not rejected."""
    CA.sign(_request(x509.BasicConstraints(False, None), _key_usage(digital_signature=True)))


POLICY = SigningPolicy(
    organization="Example",
    allowed_names=("*.example.com", "10.*", "*@example.com", "spiffe://example.com/*", "alice"),
    allowed_usages=("clientAuth",),
)


@pytest.mark.parametrize(
    "sans",
    [
        (),
        ("a.example.com", "B.EXAMPLE.COM", "*.example.com"),
        ("10.1.2.3",),
        ("a@example.com",),
        ("spiffe://example.com/a",),
    ],
)
def test_allowed(sans: tuple[str, ...]) -> None:
    """What a policy allows is signed."""
    request = CertificateSigningRequest.create("alice", sans, organization="Example")
    assert "CN=alice,O=Example" == CA.sign(request, policy=POLICY).subject


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ({"organization": None}, "organization", "missing"),
        ({"organization": "Other"}, "organization", "'Other'"),
        ({"common_name": "mallory"}, "common name", "'mallory'"),
        ({"sans": ["a.example.com", "evil.test"]}, "subjectAltName", "'evil.test'"),
        ({"sans": ["example.com"]}, "subjectAltName", "'example.com'"),
        ({"sans": ["11.1.2.3"]}, "subjectAltName", "'11.1.2.3'"),
        ({"sans": ["a@other.com"]}, "subjectAltName", "'a@other.com'"),
        ({"sans": ["evil@a.example.com"]}, "subjectAltName", "'evil@a.example.com'"),
        ({"sans": ["https://evil.test/.example.com"]}, "subjectAltName", "'https://evil.test/.example.com'"),
        ({"sans": [x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]}, "subjectAltName", "'1.2.3'"),
        ({"usage": "server"}, "extendedKeyUsage", "serverAuth"),
    ],
)
def test_not_allowed(arguments: dict[str, Any], field: str, value: str) -> None:
    """What a policy does not allow is rejected by its field; no name of one type passes for another's."""
    request = CertificateSigningRequest.create(**{"common_name": "alice", "organization": "Example", **arguments})
    with pytest.raises(SigningRequestRefused) as refused:
        CA.sign(request, policy=POLICY)
    assert (field, value) == (refused.value.field, refused.value.value)


def test_star_allows_every_type() -> None:
    """The glob ``*`` is for names of all types."""
    request = CertificateSigningRequest.create("alice", ["a.test", "1.2.3.4", "a@b.c", "spiffe://x/y"])
    assert 4 == len(CertificateSigningRequest.of(request).sans)
    CA.sign(request, policy=SigningPolicy(allowed_names=("*",)))


def test_weak_keys_on_request() -> None:
    """A policy can let weak keys through."""
    CA.sign(REFUSED["weak curve"][0], policy=SigningPolicy(weak_keys=True))
