"""The catalogue written as files: what is there, what can be done with it, and that it is there as a whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer, assert_accepted, assert_rejected, probe
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.behaviour import ServerBehaviour
from pytest_mtls.cases.mint import mint
from pytest_mtls.cases.minted import minted_identity
from pytest_mtls.errors import InvalidArgument, MissingPrivateKey, UnusableDirectory

POSIX = os.name == "posix"


def good(directory: Path, name: str) -> Identity:
    """The minted server or client."""
    return Identity.load(directory / f"{name}.pem")


def bad(directory: Path, side: str, id: str) -> Identity:
    """What a minted case presents."""
    (case,) = CATALOGUE[side].select([id])
    identity = minted_identity(directory / f"{side}-cases", case)
    assert identity is not None
    return identity


@pytest.fixture(scope="module")
def minted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("minted") / "certs"
    mint(directory)
    return directory


def test_every_case_has_its_files_or_a_reason(minted: Path) -> None:
    """Each case is written as chain, key and both, unless it has no certificate; the README names it in either case."""
    readme = (minted / "README.md").read_text()
    for side, catalogue in CATALOGUE.items():
        written = {path.name for path in (minted / f"{side}-cases").iterdir()}
        expected = set()
        for case in catalogue.select(["*"]):
            assert case.summary in readme
            behaviour = case.behaviour
            is_of_certificate = isinstance(behaviour, ServerBehaviour) and behaviour.is_of_certificate
            has_files = (
                case.rewrite is None and (behaviour is None or is_of_certificate) and case.id != "no-certificate"
            )
            has_answer = isinstance(behaviour, ServerBehaviour) and behaviour.staples
            assert f"`{side}-cases/{case.id}.crt`" in readme if has_files else f"- `{case.id}`: " in readme
            expected |= {f"{case.id}.{suffix}" for suffix in ("crt", "key", "pem") if has_files}
            expected |= {f"{case.id}.ocsp" for _ in range(has_answer)}
        assert expected == written


def test_every_case_can_be_read_back(minted: Path) -> None:
    """What was written is what the case presents, even where cryptography has something to say of it."""
    for side, catalogue in CATALOGUE.items():
        for case in catalogue.select(["*"]):
            if (minted / f"{side}-cases" / f"{case.id}.crt").is_file() and case.id != "expires-in-a-minute":
                identity = bad(minted, side, case.id)
                assert identity.key_pem == (minted / f"{side}-cases" / f"{case.id}.key").read_bytes()


@pytest.mark.skipif(not POSIX, reason="modes are POSIX's")
def test_only_the_owner_reads_it(minted: Path) -> None:
    """The directories are 0700, and whatever has a key in it is 0600."""
    for path in (minted, *minted.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert 0o700 == mode, path
        elif path.suffix == ".key" or (path.suffix == ".pem" and path.name != "ca.crl.pem"):
            assert 0o600 == mode, path


def test_good_ones_get_in_and_bad_ones_do_not(minted: Path) -> None:
    """A server set up from the files alone takes the good client and rejects stolen and expired ones."""
    ca = CertificateAuthority.load(minted / "ca.crt", minted / "ca.key")
    with MutualTLSServer(cert=good(minted, "server"), trust=ca) as server:
        assert_accepted(server, good(minted, "client"))
        assert_rejected(server, bad(minted, "client", "stolen-certificate"), "possession_not_proved")
        assert_rejected(server, bad(minted, "client", "expired"), "expired")


def test_crls_name_the_revoked_cases(minted: Path) -> None:
    """What the revoked cases present is on the CRL of its issuer."""
    pem = (minted / "ca.crl.pem").read_bytes()
    end = b"-----END X509 CRL-----\n"
    crls = [x509.load_pem_x509_crl(part + end) for part in pem.split(end) if part]
    for side in ("client", "server"):
        for name, position in (("revoked", 0), ("revoked-intermediate", 1)):
            certificate = bad(minted, side, name).chain[position]
            lists = [crl for crl in crls if crl.issuer == certificate.issuer]
            assert any(crl.get_revoked_certificate_by_serial_number(certificate.serial_number) for crl in lists)


def test_each_crl_has_a_file_of_its_own(minted: Path) -> None:
    """The files in ``crls`` are together what is in ``ca.crl.pem``, and OpenSSL finds the one that it needs by its name."""
    files = sorted((minted / "crls").iterdir())
    assert sorted(pem_blocks(minted / "ca.crl.pem")) == sorted(pem for file in files for pem in pem_blocks(file))
    assert len(files) == len(pem_blocks(minted / "ca.crl.pem")) > 1
    openssl = require_program("openssl", apt="openssl")
    for name, status in (("client.crt", 0), ("client-cases/revoked.crt", 2)):
        chain = minted / name
        trust: list[str | Path] = ["-CAfile", minted / "ca.crt", "-CApath", minted / "crls", "-untrusted", chain]
        done = subprocess.run(
            [openssl, "verify", "-crl_check", *trust, chain], capture_output=True, text=True, check=False
        )
        assert status == done.returncode, done.stderr
        assert ("revoked" in done.stderr) == (status != 0)


def pem_blocks(path: Path) -> list[bytes]:
    end = b"-----END X509 CRL-----\n"
    return [part + end for part in path.read_bytes().split(end) if part]


def test_days_prolong_the_good_and_not_the_expired(tmp_path: Path) -> None:
    """With 30 days, everything that is not meant to be over still holds then, CRLs too; the expired stays expired."""
    mint(tmp_path / "certs", days=30)
    then = datetime.now(timezone.utc) + timedelta(days=30)
    for name in ("client", "server"):
        assert then < good(tmp_path / "certs", name).certificate.not_valid_after_utc
    middle = bad(tmp_path / "certs", "client", "through-nine-intermediates")
    assert all(then < certificate.not_valid_after_utc for certificate in middle.chain)
    crl = x509.load_pem_x509_crl((tmp_path / "certs" / "ca.crl.pem").read_bytes())
    assert crl.next_update_utc is not None
    assert then < crl.next_update_utc
    assert "expired" == probe_reason(tmp_path / "certs", "expired")
    assert CertificateAuthority.create().issue_client().certificate.not_valid_after_utc < then


def probe_reason(directory: Path, case: str) -> str | None:
    """Why our server rejects a minted client."""
    ca = CertificateAuthority.load(directory / "ca.crt", directory / "ca.key")
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        return probe(server, bad(directory, "client", case)).reason


class TestAllOrNothing:
    """A directory is written as a whole, and nothing that is there is lost."""

    def test_into_an_empty_directory(self, tmp_path: Path) -> None:
        """An empty directory is filled and stays the same one, and nothing is left in or beside it."""
        (tmp_path / "certs").mkdir()
        before = (tmp_path / "certs").stat().st_ino
        mint(tmp_path / "certs")
        assert before == (tmp_path / "certs").stat().st_ino
        assert ["certs"] == os.listdir(tmp_path)
        mint(tmp_path / "new")
        assert sorted(os.listdir(tmp_path / "new")) == sorted(os.listdir(tmp_path / "certs"))

    def test_an_empty_directory_stays_empty(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """If not all of it can be moved into an empty directory, nothing is."""
        (tmp_path / "certs").mkdir()
        rename = Path.rename

        def fail_at_the_key(path: Path, target: Path) -> Path:
            if target == tmp_path / "certs" / "server.key":
                raise PermissionError(13, "Permission denied")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", fail_at_the_key)
        with pytest.raises(UnusableDirectory, match="permission denied"):
            mint(tmp_path / "certs")
        assert [] == os.listdir(tmp_path / "certs")

    def test_foreign_files_stay(self, tmp_path: Path) -> None:
        """A directory with anything else in it is left alone, even if it may replace an earlier mint."""
        (tmp_path / "mine.txt").write_text("mine")
        for replace_old in (False, True):
            with pytest.raises(UnusableDirectory, match="not of an earlier mint"):
                mint(tmp_path, replace_old=replace_old)
        assert ["mine.txt"] == os.listdir(tmp_path)

    def test_an_earlier_mint_is_replaced_when_told(self, tmp_path: Path) -> None:
        """An earlier mint is only replaced if the caller says so; then all of it is."""
        mint(tmp_path / "certs")
        before = (tmp_path / "certs" / "ca.crt").read_bytes()
        with pytest.raises(UnusableDirectory, match=r"an earlier mint is there.*--replace, or replace_old=True"):
            mint(tmp_path / "certs")
        assert before == (tmp_path / "certs" / "ca.crt").read_bytes()
        mint(tmp_path / "certs", replace_old=True)
        assert before != (tmp_path / "certs" / "ca.crt").read_bytes()
        assert ["certs"] == os.listdir(tmp_path)

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        """A file of the directory's name is left alone."""
        (tmp_path / "certs").write_text("mine")
        with pytest.raises(UnusableDirectory, match="not a directory"):
            mint(tmp_path / "certs")
        assert "mine" == (tmp_path / "certs").read_text()

    def test_a_place_that_cannot_be_made(self, tmp_path: Path) -> None:
        """A directory below a file cannot be made, and nothing is left."""
        (tmp_path / "file").write_text("")
        with pytest.raises(UnusableDirectory) as refused:
            mint(tmp_path / "file" / "certs")
        assert str(tmp_path / "file" / "certs") == refused.value.path
        assert ["file"] == os.listdir(tmp_path)

    def test_a_ca_without_key(self, tmp_path: Path) -> None:
        """A CA that cannot sign is an error, and nothing is left."""
        ca = CertificateAuthority.load(CertificateAuthority.create().pem)
        with pytest.raises(MissingPrivateKey):
            mint(tmp_path / "certs", ca=ca)
        assert [] == os.listdir(tmp_path)

    @pytest.mark.parametrize("days", [-1, 1e9, float("nan")])
    def test_impossible_days(self, tmp_path: Path, days: float) -> None:
        """A number of days that no certificate can hold is an error that names it."""
        with pytest.raises(InvalidArgument, match="days is"):
            mint(tmp_path / "certs", days=days)
        assert [] == os.listdir(tmp_path)
