"""A file made into a list of `Found`, whatever form it has."""

from __future__ import annotations

import base64
import binascii
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs12

from pytest_mtls.errors import UnreadableFile, WrongPassword
from pytest_mtls.inspection import der, java
from pytest_mtls.inspection.found import Content, Found, HeldKey, Unreadable
from pytest_mtls.inspection.kubernetes import Field, is_kubernetes, read_kubernetes
from pytest_mtls.inspection.pem import read_pem

__all__ = ["read_file", "read_paths"]

_PEM = b"-----BEGIN "
_LARGEST = 16 << 20
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_BYTE_ORDER_MARK = Unreadable(
    "byte order mark",
    "OpenSSL, and so most servers, does not find the first PEM block behind it: save the file as ASCII or as UTF-8 "
    "without a byte order mark",
)
_UTF_16 = Unreadable("UTF-16 text", "OpenSSL, and so most servers, reads PEM in ASCII only: save the file as ASCII")
#: How files begin that people take for certificates, and what to do about them.
_STRANGERS = (
    (b"SQLite format 3", "it is a database, perhaps of NSS: list it with certutil -L -d DIR, export with pk12util -o"),
    (b"ssh-", "it is an SSH public key, and TLS has no use for one"),
    (b"ecdsa-sha2-", "it is an SSH public key, and TLS has no use for one"),
    (b"PuTTY-User-Key-File", "it is PuTTY's key for SSH, and TLS has no use for one"),
    (b"PK\x03\x04", "it is a zip archive: unpack it, and give what is in it"),
    (b"\x1f\x8b", "it is compressed with gzip: unpack it first"),
)
_WEB_PAGE = re.compile(rb"\s*<(!doctype html|html|head)\b", re.IGNORECASE)


def read_paths(paths: list[str], password: str | None) -> list[Found]:
    """What is in these files, and in the files of these directories.

    Args:
        paths: files and directories. What a directory holds besides certificates and keys is passed over.
        password: for all that is encrypted.

    Raises:
        UnreadableFile: a file is not there, or holds nothing that is known here.
        WrongPassword: a file does not open with the password, or cannot be read at all without one.
    """
    found: list[Found] = []
    for path in paths:
        if Path(path).is_dir():
            inside = list(_read_directory(path, password))
            if not inside:
                raise UnreadableFile(path, "no file in this directory holds a certificate, key, request or CRL")
            found += inside
        else:
            found += read_file(path, password)
    return found


def _read_directory(path: str, password: str | None) -> Iterator[Found]:
    for file in sorted(Path(path).rglob("*")):
        if file.is_file():
            try:
                yield from read_file(str(file), password)
            except UnreadableFile:
                pass  # a README, say
            except WrongPassword as error:
                yield Found(str(file), "file", Unreadable("encrypted file", str(error), is_wrong=False))


def read_file(path: str, password: str | None) -> list[Found]:
    """What is in one file; raises as `read_paths`."""
    try:
        if os.path.getsize(path) > _LARGEST:
            raise UnreadableFile(path, f"it is larger than {_LARGEST >> 20} MB, which no certificate file is")
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, (getattr(error, "strerror", None) or str(error)).lower()) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cryptography remarks on odd serial numbers and old algorithms
        found = list(_read(data, path, password))
    if not found:
        raise UnreadableFile(path, _what_it_is(data))
    return [one.at(number) for number, one in enumerate(found, 1)] if len(found) > 1 else found


def _read(data: bytes, path: str, password: str | None) -> Iterator[Found]:
    open_key = _opener(path, password)
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            data = data.decode(encoding, "replace").encode()
            if _PEM in data:
                yield Found(path, "text", _UTF_16 if encoding == "utf-16" else _BYTE_ORDER_MARK)
            break
    kind = java.is_java(data)
    if kind is not None:
        yield from _read_java(data, path, password, kind)
    elif der.is_pkcs12(data):
        yield from _read_pkcs12(data, path, password)
    elif data[:1] == b"\x30":
        yield from (Found(path, "DER", content) for content in der.read_any(data, open_key))
    else:
        yield from _read_text(data.decode("utf-8", "replace"), path, password, open_key)


def _read_text(
    text: str, path: str, password: str | None, open_key: Callable[[Callable[[bytes | None], Content]], Content]
) -> Iterator[Found]:
    form = is_kubernetes(text)
    if form is not None:
        yield from _read_kubernetes(text, path, password, form)
    elif _PEM.decode() in text:
        yield from (Found(path, "PEM", content) for content in read_pem(text, open_key))
    else:
        try:
            data = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            return
        form = "base64 of DER, without the BEGIN and END lines of PEM"
        if _PEM in data:
            form = "base64 of PEM"
            yield from (Found(path, form, one) for one in read_pem(data.decode("utf-8", "replace"), open_key))
        else:
            yield from (Found(path, form, content) for content in der.read_any(data, open_key))


def _opener(path: str, password: str | None) -> Callable[[Callable[[bytes | None], Content]], Content]:
    """What reads a private key with the password, and without one says that it is encrypted."""

    def open_key(read: Callable[[bytes | None], Content]) -> Content:
        try:
            return read(None if password is None else password.encode())
        except TypeError:
            return HeldKey(None, is_encrypted=True)
        except (ValueError, UnsupportedAlgorithm):
            if password is None:
                return HeldKey(None, is_encrypted=True)
            raise WrongPassword(path, given=True) from None

    return open_key


def _read_pkcs12(data: bytes, path: str, password: str | None) -> Iterator[Found]:
    given = None if password is None else password.encode()
    content = None
    for one in (given,) if given is not None else (None, b""):
        try:
            content = pkcs12.load_pkcs12(data, one)
            break
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    if content is None:
        raise WrongPassword(path, given=password is not None)
    own = content.cert
    label = _text(own.friendly_name) if own is not None else ""
    if content.key is not None:
        held = HeldKey(content.key.public_key(), is_encrypted=given is not None)  # type: ignore[arg-type]
        yield Found(path, "PKCS#12", held, label, group="key")
    if own is not None:
        yield Found(path, "PKCS#12", own.certificate, label, group="key")
    for more in content.additional_certs:
        yield Found(path, "PKCS#12", more.certificate, _text(more.friendly_name), group="key" if own else "")


def _text(name: bytes | None) -> str:
    return "" if name is None else name.decode("utf-8", "replace")


def _read_java(data: bytes, path: str, password: str | None, kind: str) -> Iterator[Found]:
    try:
        for entry in java.read_java(data, password):
            yield Found(path, kind, entry.content, entry.alias, group=entry.alias)
    except java.WrongStorePassword:
        raise WrongPassword(path, given=True) from None
    except ValueError as error:
        remedy = f"convert it: keytool -importkeystore -srckeystore {path} -destkeystore FILE.p12 -deststoretype pkcs12"
        yield Found(path, kind, Unreadable(f"{kind} key store", f"{error}; {remedy}"))


def _read_kubernetes(text: str, path: str, password: str | None, form: str) -> Iterator[Found]:
    try:
        fields = list(read_kubernetes(text))
    except ValueError as error:
        problem = f"{error}: write it out with kubectl config view --raw -o json, or kubectl get secret -o json"
        yield Found(path, form, Unreadable(form, problem))
        return
    for field in fields:
        yield from _of_field(field, path, password, form)


def _of_field(field: Field, path: str, password: str | None, form: str) -> Iterator[Found]:
    label = f"{field.label}, {field.name}".strip(", ")
    if field.data is not None:
        inside = list(_read(field.data, path, password))
        for one in inside:
            yield Found(path, form, one.content, label, group=field.label)
        if not inside:
            yield Found(path, form, Unreadable(field.name, "it holds neither a certificate nor a key"), label)
    elif field.path:
        named = Path(path).parent / field.path
        try:
            for one in read_file(str(named), password):
                yield Found(str(named), one.form, one.content, label, one.number, field.label)
        except UnreadableFile as error:
            yield Found(path, form, Unreadable(field.name, str(error).rstrip(".")), label)
    else:
        yield Found(path, form, Unreadable(field.name, field.problem), label)


def _what_it_is(data: bytes) -> str:
    """What a file is that holds nothing for TLS."""
    if not data.strip():
        return "it is empty"
    for beginning, problem in _STRANGERS:
        if data.startswith(beginning):
            return problem
    if _WEB_PAGE.match(data):
        return "it is a web page: what was asked for was not downloaded, perhaps for want of a login"
    if data[:1] == b"\x30":
        return "it is DER, and neither a certificate, key, request, CRL, PKCS#7 nor PKCS#12, or it is cut off"
    return "it holds no certificate, key, request or CRL in any form that is known here"
