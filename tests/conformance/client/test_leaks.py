"""A private key is found in an output in whatever form it is written, and nothing else is taken for one."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity
from pytest_mtls.certificates.key import PrivateKey
from pytest_mtls.conformance.client.leaks import is_key_in

KINDS = ("p256", "p384", "rsa2048", "ed25519")


@pytest.fixture(scope="module")
def identities() -> Iterator[dict[str, Identity]]:
    """A client with a key of each kind."""
    ca = CertificateAuthority.create()
    yield {kind: ca.issue_client("client", key_kind=kind) for kind in KINDS}
    ca.remove_files()


def pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def der(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def number(key: PrivateKey) -> int:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.private_numbers().private_value
    if isinstance(key, rsa.RSAPrivateKey):
        return key.private_numbers().q
    return int.from_bytes(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()), "big")


def words(data: bytes) -> str:
    """As ``od -x`` writes them on a machine of little endian."""
    return " ".join(f"{data[at + 1]:02x}{data[at]:02x}" for at in range(0, len(data) - 1, 2))


def dump(data: bytes) -> str:
    """As ``hexdump -C`` writes it, the text beside."""
    lines = []
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{at:08x}  {part.hex(' ')}  |{text}|")
    return "\n".join(lines)


FORMS: dict[str, Callable[[PrivateKey], bytes]] = {
    "PEM": pem,
    "PEM with CRLF": lambda key: pem(key).replace(b"\n", b"\r\n"),
    "PEM in JSON": lambda key: json.dumps({"key": pem(key).decode()}).encode(),
    "PEM, a line of a log each": lambda key: b"".join(b"DEBUG key: " + line + b"\n" for line in pem(key).splitlines()),
    "PEM in a URL": lambda key: urllib.parse.quote(pem(key).decode(), safe="").encode(),
    "PEM in base64, as in a kubeconfig": lambda key: base64.b64encode(pem(key)),
    "PEM in gzip in base64": lambda key: base64.b64encode(gzip.compress(pem(key))),
    "PEM in hexadecimal": lambda key: pem(key).hex().encode(),
    "PEM of UTF-16": lambda key: pem(key).decode().encode("utf-16"),
    "Python's repr of PEM": lambda key: repr(pem(key)).encode(),
    "DER": der,
    "DER in base64, 76 characters a line": lambda key: base64.encodebytes(der(key)),
    "DER in base64 of URLs": lambda key: base64.urlsafe_b64encode(der(key)).rstrip(b"="),
    "DER in base64, after a word": lambda key: b"key is:" + base64.b64encode(b"ab" + der(key)),
    "Python's repr of DER": lambda key: repr(der(key)).encode(),
    "hexadecimal": lambda key: der(key).hex().upper().encode(),
    "hexadecimal with colons": lambda key: der(key).hex(":").encode(),
    "a dump": lambda key: dump(der(key)).encode(),
    "words of a little endian": lambda key: words(der(key)).encode(),
    "an array of C": lambda key: ("{ " + ", ".join(f"0x{byte:x}" for byte in der(key)) + " }").encode(),
    "bytes of Go": lambda key: str(list(der(key))).replace(",", "").encode(),
    "bytes of Java": lambda key: str([byte - 256 if byte > 127 else byte for byte in der(key)]).encode(),
    "JWK": lambda key: base64.urlsafe_b64encode(number(key).to_bytes((number(key).bit_length() + 7) // 8, "big")),
    "a number": lambda key: f"private_value={number(key)}, curve=".encode(),
    "a number in hexadecimal": lambda key: hex(number(key)).encode(),
    "little endian": lambda key: der(key)[::-1].hex().encode(),
    "among much else": lambda key: b"x" * 30_000 + pem(key) + b"\n" * 30_000,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_key_is_found(identities: dict[str, Identity], form: str, kind: str) -> None:
    """In each form, and in the form of another key it is not."""
    key, other = (identities[one].private_key for one in (kind, "p256" if kind != "p256" else "ed25519"))
    assert key is not None
    assert other is not None
    written = FORMS[form](key)
    assert (True, False) == (is_key_in(written, key), is_key_in(written, other))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_public_is_no_key(identities: dict[str, Identity], kind: str) -> None:
    """The certificate, its public key and their dumps are not secret."""
    identity = identities[kind]
    key = identity.private_key
    assert key is not None
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    texts = [identity.certificate.public_bytes(Encoding.PEM), public, public.hex(":").encode(), dump(public).encode()]
    openssl = require_program("openssl", apt="openssl")
    text = subprocess.run([openssl, "x509", "-text"], input=texts[0], capture_output=True, check=True).stdout
    assert [False] * 5 == [is_key_in(one, key) for one in (*texts, text)]


@pytest.mark.parametrize(
    "output", [b"", b"\0" * 50, bytes(range(256)) * 40, b"\xff\\x\\u00\\", b"%" * 99, b"\x1f\x8b\x08" * 9, b"0x" * 99]
)
def test_garbage_is_no_key(identities: dict[str, Identity], output: bytes) -> None:
    """Whatever a program prints can be searched."""
    for identity in identities.values():
        assert identity.private_key is not None
        assert not is_key_in(output, identity.private_key)


def test_random_bytes_are_no_key(identities: dict[str, Identity]) -> None:
    """However many they are."""
    data = secrets.token_bytes(1 << 13)
    assert identities["rsa2048"].private_key is not None
    assert not is_key_in(data + base64.b64encode(data), identities["rsa2048"].private_key)
