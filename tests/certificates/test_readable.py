"""Certificates that load although a part of them cannot be read: one typed error, whoever asks for the part."""

from __future__ import annotations

import base64
import random
import subprocess
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from support.requirements import require_program

from pytest_mtls import (
    CertificateAuthority,
    CertificateSigningRequest,
    Identity,
    MutualTLSServer,
    asgi_scope,
    forwarded_headers,
    parse_forwarded_headers,
    wsgi_environ,
)
from pytest_mtls.cases.resigned import resign
from pytest_mtls.certificates.der import element, sequence
from pytest_mtls.certificates.loading import load_private_key
from pytest_mtls.certificates.readable import UNREADABLE
from pytest_mtls.errors import (
    MtlsError,
    NotACertificateAuthority,
    SigningRequestRefused,
    UnreadableCertificate,
    UnreadablePrivateKey,
    UnreadableSigningRequest,
    WrongPassword,
)
from pytest_mtls.proxies import STYLES

SUBJECT = 5
#: Values of a common name: bytes that are no UTF-8, a tag of two bytes, a tag that no string type has.
NAMES = {
    "invalid UTF-8": element(0x0C, b"\xff\xfealice"),
    "tag of several bytes": b"\x3f\x1f\x05alice",
    "unknown tag": element(0x19, b"alice"),
}


def named(value: bytes) -> bytes:
    """A distinguished name whose only common name is this value."""
    return sequence(element(0x31, sequence(bytes.fromhex("0603550403"), value)))


def with_subject(identity: Identity, issuer: CertificateAuthority, value: bytes) -> Identity:
    """The identity under another subject, signed again."""

    def edit(fields: list[bytes]) -> None:
        fields[SUBJECT] = named(value)

    assert issuer.private_key is not None
    certificate = resign(identity.certificate, issuer.private_key, edit)
    return Identity((certificate, *identity.chain[1:]), identity.private_key, identity.root, identity.files)


@pytest.mark.parametrize("value", NAMES.values(), ids=NAMES)
def test_name_that_cannot_be_parsed_is_one_error(value: bytes, mtls_ca: CertificateAuthority) -> None:
    """Loading it, as an identity, as a CA or as trust, and forwarding it say what is wrong."""
    certificate = with_subject(mtls_ca.issue_client(), mtls_ca, value).certificate
    with suppress(*UNREADABLE):  # versions of cryptography differ in what they read
        certificate.subject.rfc4514_string()
        pytest.skip("this version of cryptography reads it")
    pem = certificate.public_bytes(Encoding.PEM)
    problem = "its subject cannot be parsed"
    for given in (certificate, pem, certificate.public_bytes(Encoding.DER)):
        with pytest.raises(UnreadableCertificate, match=problem):
            CertificateAuthority.load(given)
        with pytest.raises(UnreadableCertificate, match=problem):
            Identity.load(given)
    with pytest.raises(UnreadableCertificate, match=problem):
        MutualTLSServer(cert=mtls_ca.issue_server(), trust=pem)
    for style in STYLES:
        with pytest.raises(UnreadableCertificate, match=problem):
            forwarded_headers(certificate, style)


@pytest.mark.parametrize("value", NAMES.values(), ids=NAMES)
def test_environ_leaves_out_a_name_that_cannot_be_parsed(value: bytes, mtls_ca: CertificateAuthority) -> None:
    """An app is told of the certificate all the same, and so is a reader of an identity."""
    odd = with_subject(mtls_ca.issue_client(), mtls_ca, value)
    told = wsgi_environ(odd)
    assert ("SUCCESS", False) == (told["SSL_CLIENT_VERIFY"], "SSL_CLIENT_S_DN" in told)
    assert odd.certificate.public_bytes(Encoding.PEM).decode() == told["SSL_CLIENT_CERT"]
    assert None is asgi_scope(odd)["extensions"]["tls"]["client_cert_name"]
    assert "its subject cannot be parsed" in repr(odd)
    assert Path(odd.cert_path).name.startswith("identity-")


def test_version_that_there_is_not(mtls_ca: CertificateAuthority) -> None:
    """Version 7 is one error at the load, and no certificate in a header."""
    der = mtls_ca.issue_client().certificate.public_bytes(Encoding.DER)
    version = bytes.fromhex("a003020102")
    assert version in der
    odd = der.replace(version, bytes.fromhex("a003020106"), 1)
    with pytest.raises(UnreadableCertificate, match=r"(?i)version|\b7\b"):
        CertificateAuthority.load(odd)
    with pytest.raises(MtlsError, match="it holds no certificate"):
        parse_forwarded_headers({"Client-Cert": f":{base64.b64encode(odd).decode()}:"}, "rfc9440")


def test_extension_that_comes_twice(mtls_ca: CertificateAuthority) -> None:
    """A CA with two basicConstraints is none, and the error says why."""

    def twice(fields: list[bytes]) -> None:
        constraints = bytes.fromhex("300f0603551d130101ff040530030101ff")
        fields[-1] = element(0xA3, sequence(constraints, constraints))

    assert mtls_ca.private_key is not None
    certificate = resign(mtls_ca.intermediate().certificate, mtls_ca.private_key, twice)
    with pytest.raises(NotACertificateAuthority, match=r"its extensions cannot be read \(.*2\.5\.29\.19"):
        CertificateAuthority.load(certificate, partial=True)


def test_request_that_cannot_be_read(mtls_ca: CertificateAuthority) -> None:
    """A request of a version that there is not, or for a name that cannot be parsed, is one error."""
    request = CertificateSigningRequest.create("alice")
    der = request.request.public_bytes(Encoding.DER)
    for odd in (der.replace(b"\x02\x01\x00", b"\x02\x01\x05", 1), der.replace(b"alice", b"\xff\xfe\xff\xfe\xff", 1)):
        assert odd != der
        with pytest.raises((UnreadableSigningRequest, SigningRequestRefused)):
            mtls_ca.sign(CertificateSigningRequest.load(odd))


def test_altered_byte_of_a_certificate_is_never_a_raw_error(mtls_ca: CertificateAuthority) -> None:
    """Whatever byte of a certificate is altered: it is loaded, forwarded and read back, or rejected by an error of ours."""
    client = mtls_ca.issue_client("alice", sans=["a.example", "spiffe://x/y", "192.0.2.1", "a@b.example"])
    der, draw, refused = client.der, random.Random(9440), 0
    for place in range(len(der)):
        value = draw.choice([0, 1, 0x0C, 0x1E, 0xFF, der[place] ^ 0x20, draw.randrange(256)])
        odd = der[:place] + bytes([value]) + der[place + 1 :]
        with suppress(MtlsError):
            parse_forwarded_headers({"Client-Cert": f":{base64.b64encode(odd).decode()}:"}, "rfc9440")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on serial numbers
            try:
                loaded: Any = Identity.load(odd)
            except MtlsError:
                refused += 1
                continue
            with suppress(MtlsError):
                CertificateAuthority.load(odd, partial=True)
            style = draw.choice(list(STYLES))
            with suppress(MtlsError):
                parse_forwarded_headers(forwarded_headers(loaded, style), style)
    assert 0 < refused < len(der)


@pytest.mark.parametrize("cipher", ["camellia-256-cbc", "aria-256-cbc"])
def test_key_in_a_cipher_that_is_not_known(cipher: str, tmp_path: Path) -> None:
    """It is not the password's fault, and the error says so; where the library knows the cipher, the key is read."""
    openssl = require_program("openssl", apt="openssl")
    path = tmp_path / "key.pem"
    made = subprocess.run([openssl, "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True).stdout
    encrypt = [str(openssl), "pkcs8", "-topk8", "-v2", cipher, "-passout", "pass:secret", "-out", str(path)]
    subprocess.run(encrypt, input=made, capture_output=True, check=True)
    try:
        load_private_key(path, password="secret")
    except UnreadablePrivateKey as error:
        assert "encrypted in a way that cryptography" in str(error)  # noqa: PT017
        assert "secret" not in str(error)  # noqa: PT017
        with pytest.raises(UnreadablePrivateKey):
            load_private_key(path, password="wrong")
    with pytest.raises(WrongPassword):
        load_private_key(path)
