"""The CRLs of a hierarchy are where OpenSSL finds them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import crypto
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, MutualTLSServer, Reason, assert_accepted, assert_rejected
from pytest_mtls.cases.case import CATALOGUE
from pytest_mtls.certificates.name_hash import name_hash

_KEY = ec.generate_private_key(ec.SECP256R1())
_TYPES: list[tuple[_ASN1Type, st.SearchStrategy[str]]] = [
    (_ASN1Type.UTF8String, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)),
    (_ASN1Type.BMPString, st.text(st.characters(max_codepoint=0xD7FF, exclude_characters="\0"), min_size=1)),
    (_ASN1Type.PrintableString, st.text("AZaz09 '()+,-./:=?", min_size=1)),
    (_ASN1Type.IA5String, st.text(st.characters(min_codepoint=1, max_codepoint=127), min_size=1)),
]
_OIDS = [NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.LOCALITY_NAME]


def attributes() -> st.SearchStrategy[x509.NameAttribute[str]]:
    """Attributes of names, with a text of each type."""
    short = [(kind, text.filter(lambda value: len(value.encode()) <= 64)) for kind, text in _TYPES]
    return st.sampled_from(short).flatmap(
        lambda one: st.builds(x509.NameAttribute, st.sampled_from(_OIDS), one[1], st.just(one[0]))
    )


def names() -> st.SearchStrategy[x509.Name]:
    """Names, some of whose parts have several attributes."""
    parts = st.lists(attributes(), min_size=1, max_size=2, unique_by=lambda attribute: attribute.oid)
    return st.lists(parts.map(x509.RelativeDistinguishedName), max_size=4).map(x509.Name)


@given(names())
def test_hash_is_that_of_openssl(name: x509.Name) -> None:
    """For any name."""
    made = CertificateAuthority.create().certificate
    certificate = (
        x509.CertificateBuilder(name, name, _KEY.public_key(), 1)
        .not_valid_before(made.not_valid_before_utc)
        .not_valid_after(made.not_valid_after_utc)
        .sign(_KEY, hashes.SHA256())
    )
    assert f"{crypto.X509.from_cryptography(certificate).subject_name_hash():08x}" == name_hash(name)


def test_every_ca_of_the_catalogue_has_its_file(mtls_ca: CertificateAuthority) -> None:
    """By its name, as the program of OpenSSL says it; CAs of one name have several."""
    require_program("openssl", apt="openssl")
    ca = CertificateAuthority(mtls_ca.certificate, mtls_ca.private_key)
    for side in CATALOGUE.values():
        for case in side.select(["*"]):
            case.identity(ca)
    directory = Path(ca.crl_directory())
    assert sorted(ca.crl_pems()) == sorted(file.read_bytes() for file in directory.iterdir())
    for file in directory.iterdir():
        told = subprocess.run(["openssl", "crl", "-hash", "-noout", "-in", file], capture_output=True, check=True)
        assert file.name.startswith(f"{told.stdout.decode().strip()}.r")


def test_openssl_reads_it() -> None:
    """``openssl verify -CApath`` knows by it who is revoked."""
    require_program("openssl", apt="openssl")
    ca = CertificateAuthority.create()
    below = ca.intermediate()
    good, bad = below.issue_client("good"), below.issue_client("bad")
    below.revoke(bad)
    for identity, status in ((good, 0), (bad, 2)):
        path = identity.cert_path
        chain = ["-CAfile", ca.cert_path, "-untrusted", path, "-CApath", ca.crl_directory(), path]
        verify = ["openssl", "verify", "-crl_check_all", *chain]
        told = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert status == told.returncode, told.stderr
        assert ("certificate revoked" in told.stderr) == bool(status)


def test_what_changes_is_followed(mtls_ca: CertificateAuthority) -> None:
    """A CRL that is made anew takes the place of the old one, and a CA that joins gets one."""
    ca = CertificateAuthority.create()
    directory = Path(ca.crl_directory())
    (file,) = directory.iterdir()
    before = file.read_bytes()
    assert [file] == list(directory.iterdir())
    ca.revoke(ca.issue_client())
    assert directory == Path(ca.crl_directory())
    assert before != file.read_bytes()
    assert [ca.crl_pems()[0]] == [one.read_bytes() for one in directory.iterdir()]
    ca.intermediate()
    assert 2 == len(list(Path(ca.crl_directory()).iterdir()))
    ca.publish(mtls_ca.crl())
    names = {one.name for one in Path(ca.crl_directory()).iterdir()}
    assert file.name not in names
    assert f"{name_hash(mtls_ca.certificate.subject)}.r0" in names


def test_directory_that_is_gone_is_made_again() -> None:
    """After its private directory was removed, a server has its CRLs again at the next connection."""
    ca = CertificateAuthority.create()
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        good, bad = ca.issue_client("good"), ca.intermediate().issue_client("bad")
        ca.revoke(bad.chain[1])
        assert_accepted(server, good)
        shutil.rmtree(os.path.dirname(ca.crl_directory()))
        assert_accepted(server, good)
        assert_rejected(server, bad, Reason.REVOKED)


def test_temporary_directory_with_the_separator_of_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mtls_ca: CertificateAuthority
) -> None:
    """OpenSSL would read it as two directories; then the CRLs are given as they are."""
    place = tmp_path / f"a{os.pathsep}b"
    place.mkdir()
    ca = CertificateAuthority.create()
    monkeypatch.setattr(ca._hierarchy.files, "_made", {"path": str(place)})
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        good, bad = ca.issue_client("good"), ca.issue_client("bad")
        ca.revoke(bad)
        assert_accepted(server, good)
        assert_rejected(server, bad, Reason.REVOKED)
