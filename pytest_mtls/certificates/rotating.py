"""`RotatingFiles`: certificate files that are replaced as cert-manager, certbot, Vault agent and Kubernetes do it."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, Union, get_args

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.files import FileContent, make_directory, write_files
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.loading import load_certificates
from pytest_mtls.certificates.trust import Trust, TrustArgument
from pytest_mtls.errors import InvalidArgument, UnusableDirectory

__all__ = ["HALF_WAY_STATES", "CRLArgument", "HalfWayState", "Layout", "RotatingFiles"]

Layout = Literal["rename", "in-place", "kubernetes", "combined"]

#: What may stand for revocation lists: a CA, for the current ones of it and of those related to it; a CRL; or PEM.
CRLArgument = Union[CertificateAuthority, x509.CertificateRevocationList, bytes, "Iterable[CRLArgument]"]

HalfWayState = Literal[
    "new-key",
    "new-certificate",
    "truncated-certificate",
    "truncated-key",
    "empty",
    "malformed",
    "missing",
    "old-bundle",
    "truncated-bundle",
    "missing-bundle",
    "truncated-crl",
]

#: What files can be like in the middle of a rotation, or after one that went wrong, in words.
HALF_WAY_STATES: Mapping[str, str] = {
    "new-key": "the new key beside the old certificate",
    "new-certificate": "the new certificate beside the old key",
    "truncated-certificate": "the new key beside half of the new certificate",
    "truncated-key": "the new certificate beside half of the new key",
    "empty": "a certificate file without content",
    "malformed": "a certificate file that holds something else",
    "missing": "no certificate file",
    "old-bundle": "the new key and certificate beside the old CA bundle",
    "truncated-bundle": "the new key and certificate beside half of a CA bundle",
    "missing-bundle": "the new key and certificate, and no CA bundle",
    "truncated-crl": "the new key and certificate beside half of a CRL",
}

#: The names that Kubernetes and cert-manager give to these.
_CERT, _KEY, _CA, _CRL = "tls.crt", "tls.key", "ca.crt", "ca.crl"
_COMBINED, _PKCS12 = "tls-combined.pem", "keystore.p12"
#: Whoever can read these has the key.
_SECRETS = frozenset({_KEY, _COMBINED, _PKCS12})
#: What kubelet's AtomicWriter calls its link to the files of now, and the link that is about to become it.
_DATA, _NEXT_DATA = "..data", "..data_tmp"
_MALFORMED = b"upstream connect error or disconnect/reset before headers\n"

#: What a set of files holds, by file name.
_Contents = dict[str, bytes]


@dataclass(frozen=True)
class _Material:
    """What the files of one moment are made of."""

    identity: Identity
    bundle: bytes | None
    crl: bytes | None


class RotatingFiles:
    """Certificate files as a server reads them, and their replacement.

    Args:
        identity: what the first files hold.
        directory: where they are; made with mode 0700 if there is none. Files of the same names are replaced.
        layout: how files are replaced. "rename": each is written beside the old one and renamed over it, the key first
            (certbot, Vault agent). "in-place": each is emptied and written again, so that it stays the same file.
            "kubernetes": all are links through ``..data``, which is swapped for another directory at once (cert-manager
            with a mounted Secret). "combined": key and certificates are one file, which is replaced by a rename (HAProxy).
        trust: the CA bundle; the identity's root by default, if it is known. PEM bytes are written as they are.
        crl: what the CRL file holds; no such file by default. A `CertificateAuthority` stands for its current CRLs,
            which are looked up anew at each rotation.
        pkcs12_password: also write key and certificates as PKCS#12, encrypted with this; an empty one does not encrypt.
        owner: the account that the files are given to, for a server that runs as another. POSIX only.

    Attributes:
        directory: where the files are.
        layout: as above.

    Raises:
        InvalidArgument: an unknown layout, or something that is not an identity, trust, CRL or account.
        MissingPrivateKey: the identity's key is not here.
        UnsupportedKeyKind: PKCS#12 cannot hold such a key.
        UnusableDirectory: the directory cannot be made or written to.
    """

    def __init__(
        self,
        identity: Identity,
        directory: str | os.PathLike[str],
        layout: Layout = "rename",
        *,
        trust: TrustArgument | None = None,
        crl: CRLArgument | None = None,
        pkcs12_password: str | bytes | None = None,
        owner: str | None = None,
    ) -> None:
        if layout not in get_args(Layout):
            raise InvalidArgument("layout", layout, f"one of {', '.join(map(repr, get_args(Layout)))}")
        self.layout = layout
        self.directory = Path(directory)
        self._pkcs12_password = pkcs12_password
        self._owner = owner
        self._crl_source: CRLArgument | None = None
        self._is_half_way = False
        material = self._material(identity, trust, crl)
        if material.bundle is None and identity.root is not None:
            material = _Material(identity, identity.root.public_bytes(Encoding.PEM), material.crl)
        self._names = tuple(self._contents(material))
        self._write_first(self._contents(material))
        self._now, self._crl_source = material, crl

    @property
    def identity(self) -> Identity:
        """What the files hold, or held before they were left half way."""
        return self._now.identity

    # --- where they are ----------------------------------------------------------------------------------------------

    @property
    def cert_path(self) -> str:
        """The certificate and its intermediates, PEM; in the layout "combined" with the key before them."""
        return self._path(_COMBINED if self.layout == "combined" else _CERT)

    @property
    def key_path(self) -> str:
        """The private key, PKCS#8 PEM; in the layout "combined" the same file as `cert_path`."""
        return self._path(_COMBINED if self.layout == "combined" else _KEY)

    @property
    def ca_path(self) -> str:
        """The CA bundle, PEM.

        Raises:
            InvalidArgument: there is none.
        """
        return self._optional_path(_CA, "trust")

    @property
    def crl_path(self) -> str:
        """The CRLs, PEM.

        Raises:
            InvalidArgument: there are none.
        """
        return self._optional_path(_CRL, "crl")

    @property
    def pkcs12_path(self) -> str:
        """Key and certificates, PKCS#12.

        Raises:
            InvalidArgument: there is no such file.
        """
        return self._optional_path(_PKCS12, "pkcs12_password")

    # --- replacing them ----------------------------------------------------------------------------------------------

    def rotate(
        self,
        identity: Identity | None = None,
        *,
        trust: TrustArgument | None = None,
        crl: CRLArgument | None = None,
    ) -> None:
        """Replace the files, as the layout has it. If what is given cannot be used, they stay as they are.

        Args:
            identity: what key and certificate are from now on; as before by default.
            trust: the CA bundle from now on; as before by default.
            crl: the CRLs from now on; by default what the last ones came from, looked up anew.

        Raises:
            InvalidArgument: something that is not an identity, trust or CRL; or trust or CRL where there was no such file.
            MissingPrivateKey, UnsupportedKeyKind, UnusableDirectory: as for the class.
        """
        material = self._next(identity, trust, crl)
        self._replace(self._contents(material))
        self._now, self._is_half_way = material, False
        if crl is not None:
            self._crl_source = crl

    def half_way(
        self,
        identity: Identity | None = None,
        state: HalfWayState = "new-key",
        *,
        trust: TrustArgument | None = None,
        crl: CRLArgument | None = None,
    ) -> None:
        """Leave the files as they are in the middle of a rotation, or after one that went wrong.

        Every state starts from whole files: where they were left half way before, the last whole ones are put back first,
        so that no reader ever finds a pair that `rotate` has not written. `rotate` makes them whole again.

        Args:
            identity: what the files were about to hold.
            state: one of `HALF_WAY_STATES`, such as "new-key", the new key beside the old certificate.
            trust, crl: as for `rotate`; with the state "old-bundle" the bundle is not replaced.

        Raises:
            InvalidArgument: an unknown state, or one that these files cannot be in.
            MissingPrivateKey, UnsupportedKeyKind, UnusableDirectory: as for the class.
        """
        if state not in self.half_way_states:
            raise InvalidArgument("state", state, f"one of {', '.join(self.half_way_states)}, for these files")
        old, new = self._contents(self._now), self._contents(self._next(identity, trust, crl))
        if self._is_half_way:
            self._replace(old)
        self._is_half_way = True
        self._replace(self._half_way(state, old, new))

    @property
    def half_way_states(self) -> tuple[HalfWayState, ...]:
        """The states that these files can be in: some are about a CA bundle or a CRL."""
        has = {"bundle": _CA in self._names, "crl": _CRL in self._names}
        states: tuple[HalfWayState, ...] = get_args(HalfWayState)
        return tuple(state for state in states if has.get(state.rpartition("-")[2], True))

    def __repr__(self) -> str:
        return f"<RotatingFiles {self.layout} in {self.directory}, {self.identity.subject}>"

    # --- what they hold ----------------------------------------------------------------------------------------------

    def _next(self, identity: Identity | None, trust: TrustArgument | None, crl: CRLArgument | None) -> _Material:
        for name, value, file in (("trust", trust, _CA), ("crl", crl, _CRL)):
            if value is not None and file not in self._names:
                raise InvalidArgument(name, value, f"None: these files were made without {file}")
        given = self._material(
            self.identity if identity is None else identity, trust, self._crl_source if crl is None else crl
        )
        return _Material(
            given.identity,
            self._now.bundle if given.bundle is None else given.bundle,
            self._now.crl if given.crl is None else given.crl,
        )

    def _material(self, identity: Identity, trust: TrustArgument | None, crl: CRLArgument | None) -> _Material:
        if not isinstance(identity, Identity):
            raise InvalidArgument("identity", identity, "an Identity, as ca.issue_server() gives it")
        return _Material(
            identity,
            None if trust is None else _bundle(trust),
            None if crl is None else b"".join(dict.fromkeys(_crl_pems(crl))),
        )

    def _contents(self, material: _Material) -> _Contents:
        """The files, in the order in which they are replaced: the key before the certificate."""
        identity = material.identity
        files = {_KEY: identity.key_pem, _CERT: identity.cert_pem}
        if self.layout == "combined":
            files = {_COMBINED: identity.combined_pem}
        if self._pkcs12_password is not None:
            files[_PKCS12] = identity.pkcs12(self._pkcs12_password)
        if material.bundle is not None:
            files[_CA] = material.bundle
        if material.crl is not None:
            files[_CRL] = material.crl
        return files

    def _half_way(self, state: HalfWayState, old: _Contents, new: _Contents) -> _Contents:
        """What the files hold in a state."""
        files = dict(new)
        if state.endswith(("-bundle", "-crl")):
            name = _CRL if state.endswith("-crl") else _CA
            if state.startswith("missing"):
                del files[name]
            else:
                files[name] = old[name] if state.startswith("old") else _half(new[name])
            return files
        if _PKCS12 in files:  # one file: the old one still, or as broken as the certificate
            files[_PKCS12] = old[_PKCS12] if state.startswith("new") else _half(new[_PKCS12])
        if self.layout == "combined":
            key_of, certificate_of = _split(new[_COMBINED])
            old_key, old_certificate = _split(old[_COMBINED])
        else:
            (key_of, certificate_of), (old_key, old_certificate) = (new[_KEY], new[_CERT]), (old[_KEY], old[_CERT])
        key, certificate = {
            "new-key": (key_of, old_certificate),
            "new-certificate": (old_key, certificate_of),
            "truncated-certificate": (key_of, _half(certificate_of)),
            "truncated-key": (_half(key_of), certificate_of),
            "empty": (key_of, b""),
            "malformed": (key_of, _MALFORMED),
            "missing": (key_of, None),
        }[state]
        if self.layout != "combined":
            files[_KEY] = key
            files[_CERT] = certificate or b""
            if certificate is None:
                del files[_CERT]
                files.pop(_PKCS12, None)
        elif certificate is None:
            del files[_COMBINED]
            files.pop(_PKCS12, None)
        elif state in ("empty", "malformed"):
            files[_COMBINED] = certificate
        else:
            files[_COMBINED] = key + certificate
        return files

    # --- writing -----------------------------------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return str(self.directory / name)

    def _optional_path(self, name: str, argument: str) -> str:
        if name not in self._names:
            raise InvalidArgument(argument, None, f"given to RotatingFiles for there to be a file {name}")
        return self._path(name)

    def _write_first(self, files: _Contents) -> None:
        made = make_directory(self.directory)
        before = set(self.directory.iterdir())
        try:
            for name in files:
                path = self.directory / name
                if path.is_dir() and not path.is_symlink():
                    raise UnusableDirectory(str(path), "it is a directory, where a file is to be written")
            for parent in made:
                self._give_away(parent)
            if self.layout == "kubernetes":
                self._swap(files)
            else:
                self._rename(files)
        except BaseException:
            for path in set(self.directory.iterdir()) - before:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
            for parent in made:
                parent.rmdir()
            raise

    def _replace(self, files: _Contents) -> None:
        how: Callable[[_Contents], None] = {"kubernetes": self._swap, "in-place": self._write_over}.get(
            self.layout, self._rename
        )
        how(files)

    def _rename(self, files: _Contents) -> None:
        """Write each file beside the old one and rename it over that."""
        contents = [FileContent(name, data, secret=name in _SECRETS) for name, data in files.items()]
        write_files(self.directory, contents, before_rename=self._give_away)
        self._remove_all_but(files)

    def _write_over(self, files: _Contents) -> None:
        """Write each file where it is. A reader may see it half written; if writing fails, the old content is put back."""
        before = {name: _read(self.directory / name) for name in self._names}
        try:
            for name, data in files.items():
                self._overwrite(name, data)
        except OSError as error:
            for name, old in before.items():
                with suppress(OSError):
                    self._overwrite(name, old) if old is not None else (self.directory / name).unlink()
            raise UnusableDirectory(str(self.directory), (error.strerror or str(error)).lower()) from error
        self._remove_all_but(files)

    def _overwrite(self, name: str, data: bytes) -> None:
        path = self.directory / name
        binary: int = getattr(os, "O_BINARY", 0)  # Windows
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | binary, 0o600 if name in _SECRETS else 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        self._give_away(path)

    def _swap(self, files: _Contents) -> None:
        """Write a directory of all files, and let ``..data`` point there in one step, as kubelet's AtomicWriter does."""
        stamp = datetime.now(timezone.utc).strftime("..%Y_%m_%d_%H_%M_%S")
        fresh = self.directory / f"{stamp}.{secrets.randbelow(10**10):010}"
        link, data = self.directory / _NEXT_DATA, self.directory / _DATA
        contents = [FileContent(name, content, secret=name in _SECRETS) for name, content in files.items()]
        try:
            before = os.readlink(data) if data.is_symlink() else None
            write_files(fresh, contents, before_rename=self._give_away)
            self._give_away(fresh)
            with suppress(FileNotFoundError):
                link.unlink()
            link.symlink_to(fresh.name, target_is_directory=True)
            link.replace(data)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise UnusableDirectory(str(self.directory), (error.strerror or str(error)).lower()) from error
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        for name in files:
            self._link(name)
        self._remove_all_but(files)
        if before is not None:
            shutil.rmtree(self.directory / before, ignore_errors=True)

    def _link(self, name: str) -> None:
        path = self.directory / name
        target = os.path.join(_DATA, name)
        if path.is_symlink() and os.readlink(path) == target:
            return
        try:
            path.unlink(missing_ok=True)
            path.symlink_to(target)
        except OSError as error:
            raise UnusableDirectory(str(path), (error.strerror or str(error)).lower()) from error

    def _remove_all_but(self, files: _Contents) -> None:
        for name in self._names:
            if name not in files:
                with suppress(FileNotFoundError):
                    (self.directory / name).unlink()

    def _give_away(self, path: str | os.PathLike[str]) -> None:
        if self._owner is None:
            return
        if sys.platform == "win32":
            raise InvalidArgument("owner", self._owner, "None on Windows")
        try:
            shutil.chown(path, self._owner)
        except (OSError, LookupError) as error:
            raise InvalidArgument("owner", self._owner, f"an account that files can be given to ({error})") from None


def _bundle(trust: TrustArgument) -> bytes:
    """The CA certificates, PEM; bytes that hold some stay as they are."""
    if isinstance(trust, bytes):
        load_certificates(trust)
        return trust
    return Trust.of(trust).pem


def _crl_pems(crl: CRLArgument) -> Iterable[bytes]:
    if isinstance(crl, CertificateAuthority):
        yield from crl.crl_pems()
    elif isinstance(crl, x509.CertificateRevocationList):
        yield crl.public_bytes(Encoding.PEM)
    elif isinstance(crl, bytes):
        yield crl
    elif isinstance(crl, Iterable) and not isinstance(crl, str):
        for one in crl:
            yield from _crl_pems(one)
    else:
        raise InvalidArgument("crl", crl, "a CertificateAuthority, a CRL, PEM bytes, or several of them")


def _half(data: bytes) -> bytes:
    """The beginning of a file that somebody is still writing: half of its first block, or of all of it where it is DER."""
    end = data.find(b"-----END ")
    return data[: (end if end >= 0 else len(data)) // 2]


def _split(combined: bytes) -> tuple[bytes, bytes]:
    """The key of a combined file, and its certificates."""
    end = combined.index(b"-----BEGIN CERTIFICATE-----")
    return combined[:end], combined[end:]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
