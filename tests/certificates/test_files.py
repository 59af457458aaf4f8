"""Private files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pytest_mtls.certificates.files import FileContent, PrivateDirectory, file_stem, write_files
from pytest_mtls.errors import UnusableDirectory

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no POSIX modes")


def _mode(path: str | Path) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_nothing_until_used() -> None:
    """A directory that nobody writes to is not made."""
    assert "PrivateDirectory(not made yet)" == repr(PrivateDirectory())


@posix_only
def test_modes() -> None:
    """Files are 0600 in a 0700 directory."""
    files = PrivateDirectory()
    try:
        path = files.write("a.key", b"secret")
        assert (0o600, 0o700, b"secret") == (_mode(path), _mode(files.path), Path(path).read_bytes())
    finally:
        files.remove()


def test_no_file_is_overwritten() -> None:
    """A name can be taken only once."""
    files = PrivateDirectory()
    try:
        files.write("a", b"first")
        with pytest.raises(UnusableDirectory):
            files.write("a", b"second")
        assert b"first" == Path(files.path, "a").read_bytes()
    finally:
        files.remove()


def test_keep() -> None:
    """A kept file is made once, and again after its directory was removed."""
    files = PrivateDirectory()
    made = []

    def make() -> bytes:
        made.append(1)
        return b"content"

    first = files.keep("a.crt", make)
    assert (first, [1]) == (files.keep("a.crt", make), made)
    assert ["a.crt"] == os.listdir(files.path)
    files.remove()
    assert not Path(first).exists()
    assert b"content" == Path(files.keep("a.crt", make)).read_bytes()
    files.remove()


def test_stems_differ() -> None:
    """Two of the same name get different files."""
    files = PrivateDirectory()
    assert ["alice-1", "alice-2"] == [files.new_stem("Alice"), files.new_stem("alice")]


@pytest.mark.parametrize(
    ("label", "stem"),
    [("alice", "alice"), ("../../etc/passwd", "etc-passwd"), ("*.Ü", "identity"), ("a" * 99, "a" * 40)],
)
def test_file_stem(label: str, stem: str) -> None:
    """A file name is harmless whatever the label."""
    assert stem == file_stem(label)


def test_no_temporary_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no directory can be made, the error names the place."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(UnusableDirectory) as refused:
        PrivateDirectory().write("a", b"")
    assert str(tmp_path / "missing") == refused.value.path


def _run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_gone_after_the_run() -> None:
    """The directory is removed at interpreter exit, and not when the last reference to it is dropped."""
    path = _run(
        "import gc, os\n"
        "from pytest_mtls.certificates.authority import CertificateAuthority\n"
        "path = CertificateAuthority.create().issue_client().key_path\n"
        "gc.collect()\n"
        "assert os.path.exists(path)\n"
        "print(path)\n"
    )
    assert not Path(path).parent.exists()


@posix_only
def test_forked_child_leaves_it() -> None:
    """A forked child that exits does not take its parent's files away."""
    said = _run(
        "import os, sys\n"
        "from pytest_mtls.certificates.files import PrivateDirectory\n"
        "path = PrivateDirectory().write('a', b'')\n"
        "if os.fork() == 0: sys.exit()\n"
        "os.wait()\n"
        "print(os.path.exists(path))\n"
    )
    assert "True" == said


class TestWriteFiles:
    """Files to keep, all or none."""

    @posix_only
    def test_modes(self, tmp_path: Path) -> None:
        """A new directory is 0700, secrets are 0600."""
        target = tmp_path / "new" / "certs"
        key, cert = write_files(target, [FileContent("a.key", b"k"), FileContent("a.crt", b"c", secret=False)])
        assert (0o700, 0o600, 0) == (_mode(target), _mode(key), _mode(cert) & 0o133)
        assert ["a.crt", "a.key"] == sorted(os.listdir(target))

    def test_replaces(self, tmp_path: Path) -> None:
        """Files of the same names are replaced."""
        for content in (b"first", b"second"):
            (path,) = write_files(tmp_path, [FileContent("a", content)])
            assert content == Path(path).read_bytes()

    def test_nothing_half_written(self, tmp_path: Path) -> None:
        """If one file cannot be written, the others are as they were before."""
        write_files(tmp_path, [FileContent("a", b"before")])
        (tmp_path / "b").mkdir()
        with pytest.raises(UnusableDirectory) as refused:
            write_files(tmp_path, [FileContent("a", b"after"), FileContent("b", b"")])
        assert str(tmp_path / "b") == refused.value.path
        assert (b"before", ["a", "b"]) == ((tmp_path / "a").read_bytes(), sorted(os.listdir(tmp_path)))

    def test_new_directory_goes_again(self, tmp_path: Path) -> None:
        """A directory that was made in vain is not left behind."""
        with pytest.raises(UnusableDirectory):
            write_files(tmp_path / "new" / "certs", [FileContent("a", b""), FileContent("x/y", b"")])
        assert [] == os.listdir(tmp_path)

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        """A file where a directory is wanted is named."""
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(UnusableDirectory) as refused:
            write_files(tmp_path / "file", [FileContent("a", b"")])
        assert str(tmp_path / "file") == refused.value.path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork: run on POSIX")
@pytest.mark.parametrize("how", ["fork", "multiprocessing"])
def test_forked_child_has_files_of_its_own(how: str, tmp_path: Path) -> None:
    """What a child issues never takes the place of what its parent presents, and is gone with the child."""
    program = tmp_path / "forked.py"
    program.write_text(
        f"""
import multiprocessing, os, pathlib
from pytest_mtls import CertificateAuthority

ca = CertificateAuthority.create()
before = ca.issue_client("before").cert_path

def child(pipe):
    expired = ca.issue_client("client", not_before=-10, not_after=-1)
    pipe.send((expired.cert_path, expired.cert_pem == pathlib.Path(expired.cert_path).read_bytes()))

def main():
    here, there = multiprocessing.Pipe()
    if {how!r} == "fork":
        if os.fork() == 0:
            child(there)
            return
        path, is_whole = here.recv()
        os.wait()
    else:
        process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
        process.start()
        path, is_whole = here.recv()
        process.join()
    good = ca.issue_client("client")
    assert is_whole and good.cert_path != path
    assert pathlib.Path(good.cert_path).read_bytes() == good.cert_pem
    assert pathlib.Path(before).exists() and not pathlib.Path(path).parent.exists()
    print("apart")

main()
""",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert ("apart\n", 0) == (done.stdout, done.returncode), done.stderr
