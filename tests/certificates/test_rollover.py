"""Successors, cross-certificates and the replacement of a root: judged by OpenSSL's command and by handshakes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from support.requirements import require_program

from pytest_mtls import (
    CertificateAuthority,
    Identity,
    MutualTLSServer,
    Reason,
    TrustRollOver,
    assert_accepted,
    assert_rejected,
    probe,
)
from pytest_mtls.certificates.loading import issued
from pytest_mtls.certificates.profile import CertificateProfile
from pytest_mtls.certificates.rollover import LEAVES, LeafKind, StepName
from pytest_mtls.errors import InvalidArgument, InvalidName, MissingPrivateKey

STEPS: tuple[StepName, ...] = ("old", "both", "new")


@pytest.fixture(scope="module")
def roll_over() -> Iterator[TrustRollOver]:
    roll_over = TrustRollOver(CertificateAuthority.create("Example CA"))
    yield roll_over
    roll_over.old.remove_files()
    roll_over.new.remove_files()


def openssl_verifies(
    identity: Identity, trust: bytes, directory: Path, purpose: str = "sslclient", crls: bytes = b""
) -> bool:
    """What ``openssl verify`` says of a chain, with nothing trusted but the given roots, and strictly."""
    program = require_program("openssl", apt="openssl")
    files = {
        "leaf.pem": identity.chain[0].public_bytes(Encoding.PEM),
        "sent.pem": b"".join(certificate.public_bytes(Encoding.PEM) for certificate in identity.chain[1:]),
        "trust.pem": trust,
        "crls.pem": crls,
    }
    for name, data in files.items():
        (directory / name).write_bytes(data)
    command: list[str] = [
        str(program),
        "verify",
        "-x509_strict",
        "-purpose",
        purpose,
        "-no-CApath",
        "-no-CAstore",
        "-CAfile",
        "trust.pem",
    ]
    if len(identity.chain) > 1:
        command += ["-untrusted", "sent.pem"]
    if crls:
        command += ["-crl_check_all", "-CRLfile", "crls.pem"]
    finished = subprocess.run([*command, "leaf.pem"], cwd=directory, capture_output=True, text=True)
    assert finished.returncode in (0, 2), finished.stderr
    return finished.returncode == 0


# --- successors ------------------------------------------------------------------------------------------------------


def test_successor_has_another_name_and_key(tmp_path: Path) -> None:
    """Nobody takes one for the other, and each generation is numbered."""
    first = CertificateAuthority.create("Example CA", path_length=1, permitted=["example.com"], key_kind="p384")
    second = first.successor()
    third = second.successor(key_kind="p256")
    assert ["CN=Example CA,O=pytest-mtls", "CN=Example CA G2,O=pytest-mtls", "CN=Example CA G3,O=pytest-mtls"] == [
        ca.subject for ca in (first, second, third)
    ]
    assert 3 == len({ca.key_identifier for ca in (first, second, third)})
    for ca in (second, third):
        own, before = CertificateProfile.of(ca.certificate), CertificateProfile.of(first.certificate)
        assert (before.path_length, before.name_constraints) == (own.path_length, own.name_constraints)
    alice = second.issue_client("alice", sans=["alice.example.com"])
    assert openssl_verifies(alice, second.pem, tmp_path)
    assert not openssl_verifies(alice, first.pem, tmp_path)


def test_successor_of_trustmes(mtls_ca: CertificateAuthority) -> None:
    """Where there is no common name, the unit gets the generation; the successor is a CA of trustme's too."""
    successor = mtls_ca.successor()
    assert mtls_ca.subject.replace(",O=", " G2,O=") == successor.subject
    assert successor.certificate == CertificateAuthority.from_trustme(successor.trustme).certificate


def test_successor_of_an_intermediate(mtls_ca: CertificateAuthority) -> None:
    """It comes from the same CA, so that nobody's trust changes."""
    first = mtls_ca.intermediate("Issuing CA", path_length=0)
    second = first.successor()
    assert mtls_ca is second.parent
    assert issued(mtls_ca.certificate, second.certificate)
    with MutualTLSServer(cert=mtls_ca.issue_server(), trust=mtls_ca) as server:
        assert_accepted(server, second.issue_client("alice"))


def test_successor_with_a_chosen_name() -> None:
    """The common name may be chosen, or stay the same."""
    first = CertificateAuthority.create("Example CA")
    assert "CN=Example Root 2026,O=pytest-mtls" == first.successor("Example Root 2026").subject
    same = first.successor(same_name=True)
    assert first.subject == same.subject
    assert first.key_identifier != same.key_identifier
    with pytest.raises(InvalidArgument, match="common_name is 'x', but it must be None where the name stays the same"):
        first.successor("x", same_name=True)


def test_name_without_room_for_a_generation() -> None:
    """A name that is as long as names may be has no room."""
    with pytest.raises(InvalidName, match="it is longer than 64 characters"):
        CertificateAuthority.create("x" * 63).successor()
    number = x509.Name([x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\0", x509.name._ASN1Type.BitString)])
    profile = replace(CertificateProfile.of(CertificateAuthority.create().certificate), subject=number)
    with pytest.raises(InvalidName, match="it has no text that a generation could be added to"):
        CertificateAuthority.self_signed(profile).successor()


# --- cross-certificates ----------------------------------------------------------------------------------------------


def test_cross_certificate(roll_over: TrustRollOver) -> None:
    """It has the other CA's name, key and key identifier, and this CA's signature."""
    old, new, bridge = roll_over.old, roll_over.new, roll_over.new_with_old
    assert (new.certificate.subject, new.key_identifier) == (bridge.certificate.subject, bridge.key_identifier)
    assert new.certificate.public_key() == bridge.certificate.public_key()
    assert issued(old.certificate, bridge.certificate)
    alice = bridge.issue_client("alice")
    assert (alice.certificate, bridge.certificate) == alice.chain
    assert issued(new.certificate, alice.certificate)


def test_cross_certificate_ends_with_its_ca() -> None:
    """By default it holds no longer than either CA."""
    old, new = CertificateAuthority.create("old", not_after=1), CertificateAuthority.create("new")
    assert old.certificate.not_valid_after_utc == old.cross_sign(new).certificate.not_valid_after_utc
    assert old.certificate.not_valid_after_utc == new.cross_sign(old).certificate.not_valid_after_utc


def test_cross_certificate_takes_over_a_key_identifier_that_was_made_otherwise(tmp_path: Path) -> None:
    """Certificates name the other CA by its own identifier, however it came to that."""
    odd = x509.SubjectKeyIdentifier(b"our own way")
    profile = CertificateProfile.of(CertificateAuthority.create("odd").certificate)
    profile = replace(profile, subject_key_identifier=False, extra_extensions=(x509.Extension(odd.oid, False, odd),))
    other = CertificateAuthority.self_signed(profile)
    ca = CertificateAuthority.create("ca")
    alice = ca.cross_sign(other).issue_client("alice")
    assert b"our own way" == ca.cross_sign(other).key_identifier
    assert openssl_verifies(alice, ca.pem, tmp_path)


def test_path_length_is_respected(tmp_path: Path) -> None:
    """The cross-certificate allows no more below it than either CA, and a CA that allows none signs none."""
    short, long = (
        CertificateAuthority.create("short", path_length=1),
        CertificateAuthority.create("long", path_length=5),
    )
    assert CertificateProfile.of(short.cross_sign(long).certificate).path_length == 0
    assert CertificateProfile.of(long.cross_sign(short).certificate).path_length == 1
    none = CertificateAuthority.create("none", path_length=0)
    with pytest.raises(InvalidArgument, match="allows no CA below it"):
        none.cross_sign(long)
    assert openssl_verifies(short.cross_sign(long).issue_client("alice"), short.pem, tmp_path)


def test_identity_that_is_there_already(roll_over: TrustRollOver, tmp_path: Path) -> None:
    """The cross-certificate goes to the end of its chain."""
    alice = roll_over.new.issue_client("alice")
    sent = replace(alice, chain=(*alice.chain, roll_over.new_with_old.certificate))
    assert not openssl_verifies(alice, roll_over.old.pem, tmp_path)
    assert openssl_verifies(sent, roll_over.old.pem, tmp_path)


def test_revocation_by_either(tmp_path: Path) -> None:
    """What the new CA revokes is rejected where only the old one is trusted, by a server that runs."""
    roll_over = TrustRollOver(CertificateAuthority.create())
    alice, bob = (roll_over.new_with_old.issue_client(name) for name in ("alice", "bob"))
    with MutualTLSServer(cert=roll_over.servers["old"], trust=roll_over.old) as server:
        assert_accepted(server, alice)
        roll_over.new.revoke(alice)
        assert_rejected(server, alice, Reason.REVOKED)
        roll_over.new_with_old.revoke(bob)
        assert_rejected(server, bob, Reason.REVOKED)
    crls = b"".join(roll_over.old.crl_pems())
    assert not openssl_verifies(alice, roll_over.old.pem, tmp_path, crls=crls)
    assert openssl_verifies(roll_over.new_with_old.issue_client(), roll_over.old.pem, tmp_path, crls=crls)


def test_bad_arguments(mtls_ca: CertificateAuthority) -> None:
    """One typed error each."""
    with pytest.raises(InvalidArgument, match="other is b'', but it must be a CertificateAuthority"):
        mtls_ca.cross_sign(b"")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="but it must be another CA than this one"):
        mtls_ca.cross_sign(mtls_ca)
    bare = CertificateAuthority(mtls_ca.certificate)
    with pytest.raises(MissingPrivateKey):
        bare.cross_sign(mtls_ca.successor())
    with pytest.raises(MissingPrivateKey):
        TrustRollOver(mtls_ca, CertificateAuthority(mtls_ca.successor().certificate))
    with pytest.raises(InvalidArgument, match=r"new is .*, but it must be a CertificateAuthority that is a root"):
        TrustRollOver(mtls_ca, mtls_ca.intermediate())
    with pytest.raises(InvalidArgument, match=r"old is 'ca\.crt'"):
        TrustRollOver("ca.crt")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match=r"another CA than this one"):
        TrustRollOver(mtls_ca, mtls_ca)
    with pytest.raises(InvalidArgument, match=r"step is 'middle', but it must be one of 'old', 'both', 'new'"):
        TrustRollOver(mtls_ca)["middle"]  # type: ignore[index]


# --- the replacement of a root ---------------------------------------------------------------------------------------


def test_steps(roll_over: TrustRollOver) -> None:
    """The steps in their order, with what is trusted, who is taken, and what is safe to present."""
    assert list(STEPS) == [step.name for step in roll_over]
    assert [(roll_over.old,), (roll_over.old, roll_over.new), (roll_over.new,)] == [step.trust for step in roll_over]
    assert [("new",), (), ("old",)] == [step.rejected for step in roll_over]
    with_cross = ("new-with-cross", "old-with-cross")
    assert [("old", *with_cross), with_cross, ("new", *with_cross)] == [step.safe for step in roll_over]
    assert roll_over.old.pem + roll_over.new.pem == roll_over["both"].bundle
    assert "<RollOverStep both>" == repr(roll_over["both"])
    assert "<TrustRollOver from CN=Example CA,O=pytest-mtls to CN=Example CA G2,O=pytest-mtls>" == repr(roll_over)


@pytest.mark.parametrize("kind", LEAVES)
@pytest.mark.parametrize("name", STEPS)
def test_openssl_agrees(roll_over: TrustRollOver, name: StepName, kind: LeafKind, tmp_path: Path) -> None:
    """``openssl verify`` takes exactly whom the step says, clients and servers."""
    step = roll_over[name]
    expected = kind in step.accepted
    assert expected == openssl_verifies(step.clients[kind], step.bundle, tmp_path)
    assert expected == openssl_verifies(step.servers[kind], step.bundle, tmp_path, "sslserver")


@pytest.mark.parametrize("name", STEPS)
def test_server_takes_whom_the_step_says(roll_over: TrustRollOver, name: StepName, tls: str) -> None:
    """A server that trusts what the step says takes exactly those clients, and rejects the others for an unknown CA."""
    step = roll_over[name]
    with MutualTLSServer(cert=step.servers["old"], trust=step.trust) as server:
        for kind in step.accepted:
            assert_accepted(server, step.clients[kind], tls=tls, trust=roll_over.old)
        for kind in step.rejected:
            assert_rejected(server, step.clients[kind], Reason.UNKNOWN_CA, tls=tls, trust=roll_over.old)


@pytest.mark.parametrize("name", STEPS)
def test_client_takes_whom_the_step_says(roll_over: TrustRollOver, name: StepName, tls: str) -> None:
    """The same for clients."""
    step = roll_over[name]
    for kind, identity in step.servers.items():
        with MutualTLSServer(cert=identity, trust=roll_over["both"].trust) as server:
            if kind in step.accepted:
                assert_accepted(server, step.clients["old"], trust=step.trust, tls=tls)
            else:
                assert_rejected(server, step.clients["old"], Reason.UNKNOWN_CA, by="client", trust=step.trust, tls=tls)


def test_whole_replacement_without_a_gap(roll_over: TrustRollOver) -> None:
    """While server and client are at any two neighbouring steps, what is safe in both is taken by both."""
    with MutualTLSServer(cert=roll_over.servers["old"], trust=roll_over.old) as server:
        for at_server, at_client in (
            ("old", "old"),
            ("both", "old"),
            ("both", "both"),
            ("new", "both"),
            ("new", "new"),
        ):
            theirs, ours = roll_over[at_server], roll_over[at_client]  # type: ignore[index]
            for kind in theirs.safe:
                server.reload(cert=theirs.servers[kind], trust=theirs.trust)
                for own in ours.safe:
                    assert_accepted(server, ours.clients[own], trust=ours.trust)


# --- the classic mistakes --------------------------------------------------------------------------------------------


def test_leaf_switched_before_the_bundle(roll_over: TrustRollOver) -> None:
    """A server that presents the new root's certificate while clients trust the old one is rejected by them."""
    step = roll_over["old"]
    assert "new" not in step.safe
    with MutualTLSServer(cert=step.servers["new"], trust=roll_over["both"].trust) as server:
        assert_rejected(server, step.clients["old"], Reason.UNKNOWN_CA, by="client", trust=step.trust)
        assert_accepted(server, step.clients["old"], trust=roll_over["both"].trust)


def test_cross_certificate_not_sent(roll_over: TrustRollOver) -> None:
    """It helps only where it is sent along."""
    sent = roll_over.clients["new-with-cross"]
    forgotten = replace(sent, chain=sent.chain[:1])
    with MutualTLSServer(cert=roll_over.servers["old"], trust=roll_over.old) as server:
        assert_accepted(server, sent)
        assert_rejected(server, forgotten, Reason.UNKNOWN_CA)


def test_expired_cross_certificate(roll_over: TrustRollOver, tmp_path: Path) -> None:
    """It is rejected where only the old root is trusted; who trusts the new root does not need it, and takes the leaf."""
    expired = roll_over.old.cross_sign(roll_over.new, not_before=-10, not_after=-1)
    alice = expired.issue_client("alice")
    with MutualTLSServer(cert=roll_over.servers["old"], trust=roll_over.old) as server:
        assert_rejected(server, alice, Reason.EXPIRED)
        server.reload(trust=roll_over["both"].trust)
        assert_accepted(server, alice)
    assert not openssl_verifies(alice, roll_over.old.pem, tmp_path)
    assert openssl_verifies(alice, roll_over["both"].bundle, tmp_path)


@pytest.mark.parametrize("first", ["old", "new"])
def test_same_name_and_another_key_identifier(first: str, tmp_path: Path) -> None:
    """Two roots of one name in one bundle are told apart by their key identifiers, in either order."""
    old = CertificateAuthority.create("Example CA")
    new = old.successor(same_name=True)
    bundle = old.pem + new.pem if first == "old" else new.pem + old.pem
    assert [True, True] == [openssl_verifies(ca.issue_client(), bundle, tmp_path) for ca in (old, new)]


@pytest.mark.parametrize("first", ["old", "new"])
def test_same_name_and_same_key_identifier(first: str, tmp_path: Path) -> None:
    """Where the key identifiers are the same too, OpenSSL tries one root only: half of the certificates are rejected."""
    old = CertificateAuthority.create("Example CA")
    identifier = x509.SubjectKeyIdentifier(old.key_identifier)
    profile = replace(
        CertificateProfile.of(old.certificate),
        subject_key_identifier=False,
        extra_extensions=(x509.Extension(identifier.oid, False, identifier),),
    )
    new = CertificateAuthority.self_signed(profile)
    bundle = old.pem + new.pem if first == "old" else new.pem + old.pem
    verdicts = [openssl_verifies(ca.issue_client(), bundle, tmp_path) for ca in (old, new)]
    assert [False, True] == sorted(verdicts)
    with MutualTLSServer(
        cert=old.issue_server(), trust=[old, new] if first == "old" else [new, old], revocation=False
    ) as server:
        seen = [probe(server, ca.issue_client(), trust=old) for ca in (old, new)]
    assert [False, True] == sorted(one.accepted is True for one in seen)
    assert {None, Reason.BAD_SIGNATURE} == {one.reason for one in seen}
