"""`RotatingFiles`: what is on disk in each layout, before, in the middle of, and after a rotation."""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography import x509

from pytest_mtls import CertificateAuthority, Identity, RotatingFiles
from pytest_mtls.certificates.loading import load_bundle
from pytest_mtls.certificates.rotating import HALF_WAY_STATES, HalfWayState, Layout
from pytest_mtls.errors import (
    InvalidArgument,
    KeyMismatch,
    MissingPrivateKey,
    MtlsError,
    UnreadableCertificate,
    UnreadablePrivateKey,
    UnusableDirectory,
)

LAYOUTS: tuple[Layout, ...] = get_args(Layout)
SEPARATE: tuple[Layout, ...] = ("rename", "in-place", "kubernetes")
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no POSIX modes")
as_root = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs to be root to give files away")

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def old(mtls_ca: CertificateAuthority) -> Identity:
    return mtls_ca.issue_server(common_name="old")


@pytest.fixture
def new(mtls_ca: CertificateAuthority) -> Identity:
    return mtls_ca.issue_server(common_name="new")


def load(files: RotatingFiles) -> bytes:
    """The key and certificates that a server gets which reads the files."""
    return Identity.load(files.cert_path, files.key_path).pem


def tree(directory: Path) -> dict[str, bytes]:
    """All files below a directory that are not links, by path."""
    found = [path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rotation(tmp_path: Path, layout: Layout, mtls_ca: CertificateAuthority, old: Identity, new: Identity) -> None:
    """The files hold the first identity and its root, then the second one; OpenSSL takes both pairs."""
    files = RotatingFiles(old, tmp_path / "certs", layout)
    for identity in (old, new, old):
        files.rotate(identity)
        assert (identity.pem, identity) == (load(files), files.identity)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.cert_path, files.key_path)
        assert mtls_ca.pem == Path(files.ca_path).read_bytes()


@posix_only
@pytest.mark.parametrize("layout", LAYOUTS)
def test_modes(tmp_path: Path, layout: Layout, mtls_ca: CertificateAuthority, old: Identity, new: Identity) -> None:
    """Whatever has the key in it is 0600, always; the directory that was made is 0700; certificates may be read."""
    files = RotatingFiles(old, tmp_path / "certs", layout, crl=mtls_ca, pkcs12_password="secret")
    assert 0o700 == stat.S_IMODE((tmp_path / "certs").stat().st_mode)
    states: list[HalfWayState | None] = [None, *files.half_way_states, None]
    for state in states:
        if state is None:
            files.rotate(new)
        else:
            files.half_way(new, state)
        for name, data in tree(tmp_path / "certs").items():
            secret = b"PRIVATE KEY" in data or name.endswith((".key", ".p12", "combined.pem"))
            mode = stat.S_IMODE((tmp_path / "certs" / name).stat().st_mode)
            assert (name, oct(mode)) == (name, "0o600" if secret else "0o644")


@posix_only
def test_rename_makes_new_files_and_in_place_does_not(tmp_path: Path, old: Identity, new: Identity) -> None:
    """A renamed file is another one than before; one written in place is the same."""
    inodes: dict[str, list[int]] = {}
    for layout in ("rename", "in-place", "combined"):
        files = RotatingFiles(old, tmp_path / layout, layout)
        inodes[layout] = [os.stat(files.key_path).st_ino]
        with open(files.cert_path, "rb") as reader:
            files.rotate(new)
            inodes[layout].append(os.stat(files.key_path).st_ino)
            # Who has the file open goes on with the old content only where it was renamed over.
            assert (layout == "in-place") == (reader.read() == new.cert_pem)
    assert {"rename": 2, "in-place": 1, "combined": 2} == {layout: len(set(seen)) for layout, seen in inodes.items()}


@posix_only
def test_kubernetes_swaps_one_link(tmp_path: Path, old: Identity, new: Identity) -> None:
    """As kubelet has it: names are links through ``..data``, and the directory of before is gone afterwards."""
    files = RotatingFiles(old, tmp_path, "kubernetes")
    assert "..data/tls.crt" == os.readlink(files.cert_path)
    first = os.readlink(tmp_path / "..data")
    links = {path: os.lstat(path).st_ino for path in (files.cert_path, files.key_path, files.ca_path)}
    files.rotate(new)
    second = os.readlink(tmp_path / "..data")
    assert first != second
    assert not (tmp_path / first).exists()
    assert links == {path: os.lstat(path).st_ino for path in links}
    assert {"..data", second, "tls.crt", "tls.key", "ca.crt"} == {path.name for path in tmp_path.iterdir()}


def test_combined_is_one_file(tmp_path: Path, old: Identity, new: Identity) -> None:
    """Key and certificates are in one file, which both paths name."""
    files = RotatingFiles(old, tmp_path, "combined")
    files.rotate(new)
    assert files.cert_path == files.key_path
    assert new.pem == Path(files.cert_path).read_bytes()
    assert {"tls-combined.pem", "ca.crt"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bundle_and_crl_rotate_too(
    tmp_path: Path,
    layout: Layout,
    mtls_ca: CertificateAuthority,
    mtls_untrusted_ca: CertificateAuthority,
    old: Identity,
) -> None:
    """The CA bundle is replaced with the pair or without it, and a CA's CRL is looked up at each rotation."""
    ca = CertificateAuthority.create("of the clients")
    files = RotatingFiles(old, tmp_path, layout, trust=[mtls_ca, ca], crl=ca)
    assert mtls_ca.pem + ca.pem == Path(files.ca_path).read_bytes()
    alice = ca.issue_client("alice")
    ca.revoke(alice)
    files.rotate(trust=mtls_untrusted_ca)
    assert mtls_untrusted_ca.pem == Path(files.ca_path).read_bytes()
    crl = x509.load_pem_x509_crl(Path(files.crl_path).read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(alice.serial_number) is not None
    assert old.pem == load(files)
    files.rotate(crl=[mtls_untrusted_ca.crl(), mtls_ca.crl_pems()[0]])
    assert 2 == Path(files.crl_path).read_bytes().count(b"BEGIN X509 CRL")
    files.rotate(old)
    assert 2 == Path(files.crl_path).read_bytes().count(b"BEGIN X509 CRL")


@pytest.mark.parametrize("password", ["secret", b"secret", ""])
def test_pkcs12_rotates_too(tmp_path: Path, old: Identity, new: Identity, password: str | bytes) -> None:
    """The PKCS#12 file holds what the pair holds, encrypted if there is a password."""
    files = RotatingFiles(old, tmp_path, pkcs12_password=password)
    assert old.pem == Identity.load(files.pkcs12_path, password=password or None).pem
    files.rotate(new)
    assert new.pem == Identity.load(files.pkcs12_path, password=password or None).pem


#: What a reader who checks the pair makes of a state; None where it is whole.
SEEN: dict[HalfWayState, type[MtlsError] | None] = {
    "new-key": KeyMismatch,
    "new-certificate": KeyMismatch,
    "truncated-certificate": UnreadableCertificate,
    "truncated-key": UnreadablePrivateKey,
    "empty": UnreadableCertificate,
    "malformed": UnreadableCertificate,
    "missing": UnreadableCertificate,
    "old-bundle": None,
    "truncated-bundle": None,
    "missing-bundle": None,
    "truncated-crl": None,
}


def test_every_state_is_described() -> None:
    """Each state has words and a row in this module's table."""
    assert set(get_args(HalfWayState)) == set(HALF_WAY_STATES) == set(SEEN)


@pytest.mark.parametrize("state", get_args(HalfWayState))
def test_no_new_pair_on_the_way_from_state_to_state(
    tmp_path: Path,
    state: HalfWayState,
    monkeypatch: pytest.MonkeyPatch,
    mtls_ca: CertificateAuthority,
    old: Identity,
    new: Identity,
) -> None:
    """A reader that looks after each file is replaced finds the new pair only in a state that has the whole of it."""
    files = RotatingFiles(old, tmp_path, trust=mtls_ca, crl=mtls_ca)
    files.half_way(new, "new-certificate")
    found = []
    replace = os.replace

    def look(*arguments: Any) -> None:
        replace(*arguments)
        with suppress(MtlsError):
            found.append(load(files))

    monkeypatch.setattr(os, "replace", look)
    files.half_way(new, state)
    assert old.pem in found
    assert (SEEN[state] is None) is (new.pem in found)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("state", get_args(HalfWayState))
def test_half_way(
    tmp_path: Path, layout: Layout, state: HalfWayState, mtls_ca: CertificateAuthority, old: Identity, new: Identity
) -> None:
    """A state is exactly what its name says, whatever was there before, and `rotate` makes the files whole."""
    files = RotatingFiles(old, tmp_path, layout, trust=mtls_ca, crl=mtls_ca, pkcs12_password="secret")
    other = CertificateAuthority.create("another")
    files.half_way(new, "missing")
    files.half_way(new, state, trust=other)
    problem = SEEN[state]
    if problem is None:
        assert new.pem == load(files)
    else:
        with pytest.raises(
            (UnreadableCertificate, UnreadablePrivateKey)
            if layout == "combined" and problem is not KeyMismatch
            else problem
        ):
            load(files)
    assert old == files.identity
    bundle = Path(files.ca_path)
    assert (state != "missing-bundle") == bundle.exists()
    if state == "truncated-bundle":
        with pytest.raises(UnreadableCertificate):
            load_bundle(bundle)
    elif state != "missing-bundle":
        assert (mtls_ca if state == "old-bundle" else other).pem == bundle.read_bytes()
    assert (state == "truncated-crl") == (b"END X509 CRL" not in Path(files.crl_path).read_bytes())
    files.rotate(new, trust=other)
    assert (new.pem, other.pem) == (load(files), bundle.read_bytes())
    assert new.pem == Identity.load(files.pkcs12_path, password="secret").pem


@pytest.mark.parametrize("layout", SEPARATE)
def test_new_key_beside_old_certificate(tmp_path: Path, layout: Layout, old: Identity, new: Identity) -> None:
    """The commonest state, and the default: nothing is broken but that the two do not belong together."""
    files = RotatingFiles(old, tmp_path, layout)
    files.half_way(new)
    assert (old.cert_pem, new.key_pem) == (Path(files.cert_path).read_bytes(), Path(files.key_path).read_bytes())
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.cert_path, files.key_path)


def test_states_depend_on_the_files(tmp_path: Path, old: Identity) -> None:
    """There is no half of a CRL where there is no CRL."""
    files = RotatingFiles(old, tmp_path)
    assert "truncated-crl" not in files.half_way_states
    assert "old-bundle" in files.half_way_states
    with pytest.raises(InvalidArgument, match="state is 'truncated-crl', but it must be one of new-key, "):
        files.half_way(old, "truncated-crl")


def bare(identity: Identity) -> Identity:
    return Identity(identity.chain)


BAD_ARGUMENTS: dict[str, tuple[Callable[[Path, Identity], object], type[MtlsError]]] = {
    "layout": (lambda path, old: RotatingFiles(old, path, "swap"), InvalidArgument),  # type: ignore[arg-type]
    "identity": (lambda path, old: RotatingFiles(old.pem, path), InvalidArgument),  # type: ignore[arg-type]
    "no key": (lambda path, old: RotatingFiles(bare(old), path), MissingPrivateKey),
    "trust": (lambda path, old: RotatingFiles(old, path, trust=7), InvalidArgument),  # type: ignore[arg-type]
    "crl": (lambda path, old: RotatingFiles(old, path, crl="a path"), InvalidArgument),
    "owner": (lambda path, old: RotatingFiles(old, path, owner="nobody-of-that-name"), InvalidArgument),
    "owner of links": (
        lambda path, old: RotatingFiles(old, path, "kubernetes", owner="nobody-of-that-name"),
        InvalidArgument,
    ),
    "password": (lambda path, old: RotatingFiles(old, path, pkcs12_password=7), InvalidArgument),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("make", "error"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
@pytest.mark.parametrize("directory", ["there", "not/there"])
def test_bad_arguments_leave_nothing_behind(
    tmp_path: Path, old: Identity, make: Callable[[Path, Identity], object], error: type[MtlsError], directory: str
) -> None:
    """One typed error, and the disk is as before."""
    (tmp_path / "there").mkdir()
    with pytest.raises(error):
        make(tmp_path / directory, old)
    assert [tmp_path / "there"] == list(tmp_path.rglob("*"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bad_rotation_changes_nothing(tmp_path: Path, layout: Layout, old: Identity, new: Identity) -> None:
    """What cannot be used leaves all files as they are."""
    files = RotatingFiles(old, tmp_path, layout)
    before = tree(tmp_path)
    for rotate in (files.rotate, files.half_way):
        with pytest.raises(MissingPrivateKey):
            rotate(bare(new))
        with pytest.raises(
            InvalidArgument, match=r"crl is .*, but it must be None: these files were made without ca.crl"
        ):
            rotate(new, crl=b"")
        with pytest.raises(InvalidArgument, match="trust is 7"):
            rotate(new, trust=7)  # type: ignore[arg-type]
    assert (before, old) == (tree(tmp_path), files.identity)
    with pytest.raises(InvalidArgument, match="crl is None, but it must be given to RotatingFiles"):
        _ = files.crl_path
    with pytest.raises(InvalidArgument, match="pkcs12_password is None"):
        _ = files.pkcs12_path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_directory_that_cannot_be_written(tmp_path: Path, layout: Layout, old: Identity) -> None:
    """A file where the directory should be, and a directory where a file should be, are told and left alone."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UnusableDirectory):
        RotatingFiles(old, tmp_path / "file", layout)
    (tmp_path / "certs" / "ca.crt").mkdir(parents=True)
    with pytest.raises(UnusableDirectory, match="it is a directory, where a file is to be written"):
        RotatingFiles(old, tmp_path / "certs", layout)
    assert {"file", "certs", "certs/ca.crt"} == {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_failed_write_leaves_the_last_good_files(
    tmp_path: Path, layout: Layout, old: Identity, new: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up in the middle of a rotation: one typed error, and the old pair is whole."""
    files = RotatingFiles(old, tmp_path, layout)
    before = {path.name for path in tmp_path.iterdir()}
    opened, real = [], os.open

    def full(path: str, flags: int, mode: int = 0o777, **others: int) -> int:
        opened.append(path)
        if len(opened) == 2:
            raise OSError(28, "No space left on device")
        return real(path, flags, mode, **others)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(UnusableDirectory, match="no space left on device"):
        files.rotate(new)
    monkeypatch.undo()
    assert (old.pem, old) == (load(files), files.identity)
    assert before == {path.name for path in tmp_path.iterdir()}
    files.rotate(new)
    assert new.pem == load(files)


@as_root
@pytest.mark.parametrize("layout", LAYOUTS)
def test_owner(tmp_path: Path, layout: Layout, old: Identity, new: Identity) -> None:
    """All files, and the directories that were made, belong to the account of the server."""
    files = RotatingFiles(old, tmp_path / "certs", layout, owner="daemon")
    files.half_way(new)
    files.rotate(new)
    owners = {path.owner() for path in (tmp_path / "certs").rglob("*") if not path.is_symlink()}
    assert {"daemon"} == owners | {(tmp_path / "certs").owner()}


def test_repr(tmp_path: Path, old: Identity) -> None:
    """It says how, where and what."""
    assert f"<RotatingFiles rename in {tmp_path}, CN=old>" == repr(RotatingFiles(old, tmp_path))
