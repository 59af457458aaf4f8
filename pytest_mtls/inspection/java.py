"""Java's own key stores: JKS, and its relative JCEKS. The form is that of OpenJDK's sun.security.provider.JavaKeyStore.

A store is: magic, version, count; each entry a tag, an alias, a date, and for a private key its encryption and its chain,
for a trusted certificate the certificate; at the end a digest over all with the password.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from hashlib import sha1
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import load_der_private_key

from pytest_mtls.certificates.der import read_der, take_apart
from pytest_mtls.certificates.readable import UNREADABLE, complaint
from pytest_mtls.inspection import der
from pytest_mtls.inspection.found import Content, HeldKey, Unreadable

__all__ = ["Entry", "WrongStorePassword", "is_java", "read_java"]

_MAGIC = {0xFEEDFEED: "JKS", 0xCECECECE: "JCEKS"}
_PRIVATE_KEY, _TRUSTED_CERTIFICATE = 1, 2
_LARGEST = 1 << 24
_CONVERT = "keytool -importkeystore -srckeystore STORE -destkeystore copy.p12 -deststoretype PKCS12"
#: What Sun hashes with the password, so that the digest is not only of the password.
_SALT = b"Mighty Aphrodite"
_DIGEST_SIZE = 20
#: 1.3.6.1.4.1.42.2.17.1.1, Sun's own way to encrypt a key.
_SUN_PROTECTION = bytes.fromhex("060a2b060104012a02110101")


class Entry(NamedTuple):
    """One thing in a store, and the alias it belongs to."""

    alias: str
    content: Content


class WrongStorePassword(ValueError):
    """The password is not that of the store."""


def is_java(data: bytes) -> str | None:
    """What kind of store it is; None if it is none."""
    return _MAGIC.get(int.from_bytes(data[:4], "big")) if len(data) >= 12 else None


def read_java(data: bytes, password: str | None) -> Iterator[Entry]:
    """What is in a store. Without a password its certificates can be read, and its keys cannot.

    Raises:
        WrongStorePassword: the password is another.
        ValueError: the store is damaged.
    """
    if password is not None and not hmac.compare_digest(_digest(data, password), data[-_DIGEST_SIZE:]):
        raise WrongStorePassword
    reader = _Reader(data[: len(data) - _DIGEST_SIZE], 4)
    version, count = reader.number(4), reader.number(4)
    if version not in (1, 2):
        raise ValueError(f"its version is {version}, and 1 and 2 are known")
    for _ in range(count):
        tag, alias, _date = reader.number(4), reader.text(), reader.number(8)
        if tag == _PRIVATE_KEY:
            protected = reader.take(reader.number(4))
            yield Entry(alias, _key(protected, password))
            for _ in range(reader.number(4)):
                yield Entry(alias, _certificate(reader, version))
        elif tag == _TRUSTED_CERTIFICATE:
            yield Entry(alias, _certificate(reader, version))
        else:
            problem = "a secret key, and what follows it, is not read here. List it: keytool -list -keystore FILE"
            yield Entry(alias, Unreadable("secret key", problem, is_wrong=False))
            return


def _certificate(reader: _Reader, version: int) -> Content:
    kind = reader.text() if version > 1 else "X.509"
    data = reader.take(reader.number(4))
    if kind not in ("X.509", "X509"):
        return Unreadable(f"{kind} certificate", "it is not X.509", is_wrong=False)
    return der.read_certificate(data)


def _key(protected: bytes, password: str | None) -> Content:
    if password is None:
        return HeldKey(None, is_encrypted=True)
    algorithm, encrypted = take_apart(protected)
    if _SUN_PROTECTION not in algorithm:
        return HeldKey(None, is_encrypted=True, remedy=f"Its cipher is Java's own: convert a copy: {_CONVERT}")
    _, content, _ = read_der(encrypted)
    salt, body, check = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
    secret = password.encode("utf-16-be")
    block, stream = salt, b""
    while len(stream) < len(body):
        block = sha1(secret + block).digest()
        stream += block
    plain = bytes(one ^ other for one, other in zip(body, stream, strict=False))
    if not hmac.compare_digest(sha1(secret + plain).digest(), check):
        return HeldKey(None, is_encrypted=True, remedy=f"It has a password of its own: convert a copy: {_CONVERT}")
    try:
        key = load_der_private_key(plain, None)
    except UNREADABLE as error:
        return Unreadable("private key", f"it cannot be parsed ({complaint(error)})")
    return HeldKey(key.public_key(), is_encrypted=True)  # type: ignore[arg-type]


def _digest(data: bytes, password: str) -> bytes:
    return sha1(password.encode("utf-16-be") + _SALT + data[:-_DIGEST_SIZE]).digest()


class _Reader:
    """Takes a store apart from the front."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def take(self, count: int) -> bytes:
        if count > _LARGEST or self._at + count > len(self._data):
            raise ValueError("it is cut off")
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self) -> str:
        return self.take(self.number(2)).decode("utf-8", "replace")
