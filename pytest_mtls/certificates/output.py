"""What `Identity.write_to` writes, in the forms that other systems read: PEM, PKCS#12, Java, Kubernetes, NSS."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import cryptography
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12

from pytest_mtls.certificates.files import FileContent, PrivateDirectory, file_stem
from pytest_mtls.certificates.key import password_bytes
from pytest_mtls.errors import InvalidArgument, MissingProgram, UnsupportedFormat

__all__ = ["FORMATS", "IdentityFiles", "contents", "identity_files"]

#: What `Identity.write_to` knows; PEM is always written.
FORMATS = ("pem", "pkcs12", "java", "kubernetes", "nss")

#: What Java's own trust store has, and its tools assume.
_JAVA_PASSWORD = "changeit"
#: The files of an NSS database. A third one, pkcs11.txt, is made by whoever opens them.
_NSS_FILES = ("cert9.db", "key4.db")


class _Written(Protocol):
    """The part of an `Identity` that is written."""

    @property
    def cert_pem(self) -> bytes: ...

    @property
    def root(self) -> x509.Certificate | None: ...

    @property
    def has_pkcs12(self) -> bool: ...

    def pkcs12(self, password: str | bytes | None = None, name: str | None = None) -> bytes: ...


class IdentityFiles(NamedTuple):
    """The paths that `Identity.write_to` wrote.

    Attributes:
        cert: the certificate and its intermediates, PEM.
        key: the private key, PKCS#8 PEM.
        combined: key and certificates in one file, PEM.
        pkcs12: key and certificates, PKCS#12; None for a key that PKCS#12 cannot hold here.
        root: the root certificate, PEM; None if it is not known.
        keystore: key and certificates as a Java key store; None unless asked for.
        truststore: the root certificate as a Java trust store; None unless asked for, and if it is not known.
        kubernetes: a manifest of a Secret of type ``kubernetes.io/tls``; None unless asked for.
        nss: the directory, which is an NSS database; None unless asked for.
    """

    cert: str
    key: str
    combined: str
    pkcs12: str | None
    root: str | None
    keystore: str | None = None
    truststore: str | None = None
    kubernetes: str | None = None
    nss: str | None = None


def contents(
    identity: _Written, stem: str, key: bytes, password: str | bytes | None, formats: Collection[str]
) -> dict[str, FileContent]:
    """The files to write, by field of `IdentityFiles`; those of an NSS database by their names.

    Args:
        identity: what is written.
        stem: how the files begin.
        key: its private key as PEM.
        password: encrypts the key.
        formats: some of `FORMATS`.

    Raises:
        InvalidArgument: an unknown format, or one that holds no encrypted key although a password is given.
        MissingPrivateKey, UnsupportedKeyKind, UnsupportedFormat, MissingProgram: a format that cannot be made.
    """
    if isinstance(formats, str):
        raise InvalidArgument("formats", formats, f"a list of some of {', '.join(FORMATS)}")
    for one in formats:
        if one not in FORMATS:
            raise InvalidArgument("formats", one, f"some of {', '.join(FORMATS)}")
    if password and "kubernetes" in formats:
        raise InvalidArgument("password", "...", "None with the format kubernetes: a Secret holds a key as it is")
    files = {
        "cert": FileContent(f"{stem}.crt", identity.cert_pem, secret=False),
        "key": FileContent(f"{stem}.key", key),
        "combined": FileContent(f"{stem}.pem", key + identity.cert_pem),
    }
    if "pkcs12" in formats and identity.has_pkcs12:
        files["pkcs12"] = FileContent(f"{stem}.p12", identity.pkcs12(password))
    if identity.root is not None:
        files["root"] = FileContent(f"{stem}-root.crt", _pem(identity.root), secret=False)
    if "java" in formats:
        secret = password or _JAVA_PASSWORD
        files["keystore"] = FileContent(f"{stem}-keystore.p12", identity.pkcs12(secret, file_stem(stem)))
        if identity.root is not None:
            files["truststore"] = FileContent(f"{stem}-truststore.p12", _truststore(identity.root, secret))
    if "kubernetes" in formats:
        files["kubernetes"] = FileContent(f"{stem}-secret.yaml", _kubernetes_secret(identity, file_stem(stem), key))
    if "nss" in formats:
        files.update(_nss_database(identity, stem, password))
    return files


def identity_files(directory: str | os.PathLike[str], written: Mapping[str, str]) -> IdentityFiles:
    """The paths, of those of `contents` by the same keys."""
    paths = {name: path for name, path in written.items() if name not in _NSS_FILES}
    if len(paths) < len(written):
        paths["nss"] = os.fspath(directory)
    return IdentityFiles(**{"pkcs12": None, "root": None, **paths})  # type: ignore[arg-type]


# --- Java ------------------------------------------------------------------------------------------------------------


def _truststore(root: x509.Certificate, password: str | bytes) -> bytes:
    """PKCS#12 in which a certificate is marked as trusted, as only Java does it."""
    serialize = getattr(pkcs12, "serialize_java_truststore", None)
    if serialize is None:
        raise UnsupportedFormat("java", f"a trust store needs cryptography 45, and this is {cryptography.__version__}")
    secret = password_bytes(password)
    assert secret is not None
    result: bytes = serialize([pkcs12.PKCS12Certificate(root, b"root")], BestAvailableEncryption(secret))
    return result


# --- Kubernetes ------------------------------------------------------------------------------------------------------


def _kubernetes_secret(identity: _Written, name: str, key: bytes) -> bytes:
    """A manifest for ``kubectl apply``; the keys of its data are those of the Kubernetes reference, "TLS Secrets"."""
    data = {"tls.crt": identity.cert_pem, "tls.key": key}
    if identity.root is not None:
        data["ca.crt"] = _pem(identity.root)
    lines = [
        "apiVersion: v1",
        "kind: Secret",
        "type: kubernetes.io/tls",
        "metadata:",
        f'  name: "{name}"',
        "data:",
        *(f"  {field}: {base64.b64encode(value).decode()}" for field, value in data.items()),
    ]
    return "\n".join([*lines, ""]).encode()


# --- NSS -------------------------------------------------------------------------------------------------------------


def _nss_database(identity: _Written, stem: str, password: str | bytes | None) -> dict[str, FileContent]:
    """A database of the identity under the nickname ``stem`` and of its root, trusted to issue TLS servers and clients."""
    secret = password_bytes(password) or b""
    files = PrivateDirectory()
    try:
        directory = Path(files.path)
        database = ("-d", f"sql:{directory}")
        (directory / "password").write_bytes(secret + b"\n")
        (directory / "identity.p12").write_bytes(identity.pkcs12(secret or _JAVA_PASSWORD, stem))
        (directory / "p12-password").write_bytes((secret or _JAVA_PASSWORD.encode()) + b"\n")
        _run("certutil", "-N", *database, "-f", directory / "password")
        _run(
            *("pk12util", "-i", directory / "identity.p12", *database),
            *("-k", directory / "password", "-w", directory / "p12-password"),
        )
        if identity.root is not None:
            (directory / "root.crt").write_bytes(_pem(identity.root))
            trusted = ("-A", "-n", f"{stem} root", "-t", "CT,,", "-i", directory / "root.crt")
            _run("certutil", *trusted, *database, "-f", directory / "password")
        return {file: FileContent(file, (directory / file).read_bytes()) for file in _NSS_FILES}
    finally:
        files.remove()


def _run(program: str, *arguments: str | Path) -> None:
    path = shutil.which(program)
    if path is None:
        raise MissingProgram(program, "the tools of NSS; on Debian: apt-get install libnss3-tools")
    finished = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=False)
    if finished.returncode:
        raise UnsupportedFormat("nss", f"{program} says: {(finished.stderr or finished.stdout).strip()}")


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
