"""`CertificateAuthority`: where it comes from, what it makes, and what it takes back."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.clock import now
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind, same_key
from pytest_mtls.certificates.profile import CertificateProfile
from pytest_mtls.certificates.signing_request import CertificateSigningRequest
from pytest_mtls.errors import (
    InvalidArgument,
    InvalidName,
    InvalidValidity,
    KeyMismatch,
    NotIssuedByThisAuthority,
    UnsupportedKeyKind,
    UnusableDirectory,
)

ROOT = CertificateAuthority.create()
LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


class TestCreate:
    """Roots."""

    def test_names_differ_by_chance(self) -> None:
        """Two CAs without given names do not share one."""
        assert ROOT.subject != CertificateAuthority.create().subject

    def test_same_name_other_key(self) -> None:
        """The same names make the same subject, and another key."""
        for names in ({"organizational_unit": "Unit"}, {"common_name": "Root", "organization": "Example"}):
            one, other = (CertificateAuthority.create(**names) for _ in range(2))  # type: ignore[arg-type]
            assert one.certificate.subject == other.certificate.subject
            assert not same_key(one.certificate.public_key(), other.certificate.public_key())

    def test_impostor(self) -> None:
        """An impostor has the name of its model, and nobody's trust."""
        for model in (ROOT, ROOT.intermediate("Below", permitted=["example.com"])):
            impostor = model.impostor()
            assert model.certificate.subject == impostor.certificate.subject == impostor.certificate.issuer
            assert _profile(model).name_constraints == _profile(impostor).name_constraints
            with pytest.raises(NotIssuedByThisAuthority):
                model.renew(impostor.issue_client())

    def test_what_trustme_cannot(self) -> None:
        """Common name, constraints, validity and missing path length are as asked."""
        ca = CertificateAuthority.create(
            "Root", path_length=None, excluded=["example.com"], not_before=-2, not_after=-1
        )
        profile = _profile(ca)
        assert ("CN=Root,O=pytest-mtls", None, True) == (ca.subject, profile.path_length, profile.authority)
        assert profile.name_constraints == x509.NameConstraints(None, [x509.DNSName("example.com")])
        assert timedelta(days=1) == profile.not_after - profile.not_before

    def test_own_roots_live_a_week(self) -> None:
        """Roots that are not trustme's are short-lived."""
        assert timedelta(days=6) < CertificateAuthority.create("Root").certificate.not_valid_after_utc - now()

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"key_kind": "dsa"}, UnsupportedKeyKind),
            ({"common_name": "x" * 65}, InvalidName),
            ({"organization": ""}, InvalidName),
            ({"permitted": ["a b"]}, InvalidName),
            ({"not_after": float("inf")}, InvalidValidity),
            ({"common_name": 3}, InvalidName),
            ({"path_length": -1}, InvalidArgument),
            ({"path_length": -1, "common_name": "Root"}, InvalidArgument),
        ],
    )
    def test_bad_arguments(self, arguments: dict[str, Any], error: type[Exception]) -> None:
        """What cannot be is rejected."""
        with pytest.raises(error):
            CertificateAuthority.create(**arguments)


class TestIntermediate:
    """CAs below others."""

    def test_chain(self) -> None:
        """Each knows its parent, its chain and its root."""
        below = ROOT.intermediate("Below")
        third = below.intermediate("Third")
        assert (below, ROOT) == (third.parent, below.parent)
        assert (third.certificate, below.certificate) == third.chain
        assert ROOT.certificate == third.root == ROOT.root
        identity = third.issue_client()
        assert (*third.chain, ROOT.certificate) == (*identity.chain[1:], identity.root)

    def test_path_length(self) -> None:
        """It is one less than above, none where there is none, or as asked."""
        unlimited = CertificateAuthority.create(path_length=None).intermediate()
        one = CertificateAuthority.create(path_length=1)
        found = [_profile(ca).path_length for ca in (unlimited, one.intermediate(), one.intermediate(path_length=5))]
        assert [None, 0, 5] == found

    def test_path_length_used_up(self) -> None:
        """Where no CA is allowed below, the error tells how to make one all the same."""
        last = CertificateAuthority.create("Last", path_length=0)
        with pytest.raises(InvalidArgument, match="CN=Last,O=pytest-mtls allows no CA below it"):
            last.intermediate()
        assert 0 == _profile(last.intermediate(path_length=0)).path_length

    def test_any_profile(self) -> None:
        """A CA can be made of any profile, even one that is not a CA's."""
        leaf = ROOT.issue_authority(ROOT.client_profile("not a CA"))
        identity = leaf.issue_client()
        identity.certificate.verify_directly_issued_by(leaf.certificate)
        assert (identity.certificate, leaf.certificate) == identity.chain


class TestIssue:
    """Clients and servers."""

    def test_client(self) -> None:
        """By default a client has a subject of one part, no names, and one purpose."""
        identity = ROOT.issue_client("alice")
        profile = _profile(identity)
        assert ("CN=alice", ()) == (identity.subject, profile.sans)
        assert (ExtendedKeyUsageOID.CLIENT_AUTH,) == profile.extended_key_usage
        assert (frozenset({"digital_signature"}), False) == (profile.key_usage, profile.authority)
        assert timedelta(hours=12, minutes=5) == profile.not_after - profile.not_before

    def test_server(self) -> None:
        """By default a server is localhost by name and address."""
        identity = ROOT.issue_server()
        assert ROOT.server_profile("localhost", "127.0.0.1", "::1").sans == _profile(identity).sans
        assert ("CN=localhost", (ExtendedKeyUsageOID.SERVER_AUTH,)) == (
            identity.subject,
            _profile(identity).extended_key_usage,
        )

    @pytest.mark.parametrize(
        ("names", "subject"),
        [
            (["a.example", "b.example"], "CN=a.example"),
            (["10.0.0.1"], "CN=10.0.0.1"),
            (["spiffe://example.org/a"], "(empty name)"),
            ([f"{'a' * 60}.example"], "(empty name)"),
        ],
    )
    def test_common_name_of_server(self, names: list[str], subject: str) -> None:
        """A server's common name is its first name, if it fits."""
        assert subject == ROOT.issue_server(*names).subject
        assert "CN=given" == ROOT.issue_server(*names, common_name="given").subject

    def test_critical_names(self) -> None:
        """The alternative names are critical only if there is no subject (RFC 5280 section 4.2.1.6)."""
        for identity in (ROOT.issue_server(), ROOT.issue_client(None, sans=["spiffe://example.org/a"])):
            extension = identity.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            assert ("(empty name)" == identity.subject) is extension.critical

    @pytest.mark.parametrize("usage", ["clientAuth", ["1.3.6.1.5.5.7.3.2"], [ExtendedKeyUsageOID.CLIENT_AUTH]])
    def test_usages(self, usage: Any) -> None:
        """Usages are named, or given as OIDs."""
        profile = _profile(ROOT.issue_client(extended_key_usage=usage, key_usage="key_agreement"))
        assert ((ExtendedKeyUsageOID.CLIENT_AUTH,), frozenset({"key_agreement"})) == (
            profile.extended_key_usage,
            profile.key_usage,
        )

    def test_without_usages(self) -> None:
        """None leaves an extension out."""
        profile = _profile(ROOT.issue_client(extended_key_usage=None, key_usage=None))
        assert (None, None) == (profile.extended_key_usage, profile.key_usage)

    @pytest.mark.parametrize(
        ("arguments", "named"), [({"extended_key_usage": ["tls"]}, "'tls'"), ({"key_usage": ["sign"]}, "'sign'")]
    )
    def test_unknown_usages(self, arguments: dict[str, Any], named: str) -> None:
        """Unknown usages are rejected, and the known ones are named."""
        with pytest.raises(InvalidArgument, match=f"{named}, but it must be one of "):
            ROOT.issue_client(**arguments)

    @pytest.mark.parametrize("kind", [None, "p384", KeyKind.ED25519])
    def test_key_kind(self, kind: Any) -> None:
        """Keys are P-256 unless another kind is asked for, whatever the CA's."""
        key = CertificateAuthority.create(key_kind="p384").issue_client(key_kind=kind).certificate.public_key()
        assert KeyKind.of(key) is KeyKind.parse(kind or "p256")

    def test_serial_numbers(self) -> None:
        """Serial numbers are of up to 159 random bits, each another."""
        numbers = {ROOT.issue_client().serial_number for _ in range(50)}
        assert (50, True) == (len(numbers), 120 < max(number.bit_length() for number in numbers) <= 159)

    def test_other_chain(self) -> None:
        """What is sent after a certificate can be replaced."""
        identity = ROOT.intermediate().issue(ROOT.client_profile(), chain=())
        assert (identity.certificate,) == identity.chain


class TestRenew:
    """Renewal."""

    @settings(max_examples=25, deadline=None)
    @given(LABELS, st.lists(LABELS.map("{}.example".format), max_size=4), st.booleans())
    def test_same_but_new(self, name: str, sans: list[str], server: bool) -> None:
        """Subject, names and usages stay; key, serial number and validity are new."""
        issue = ROOT.issue_server if server else ROOT.issue_client
        old = issue(common_name=name, sans=sans, not_before=-2, not_after=-1)
        new = ROOT.renew(old)
        assert replace(_profile(old), not_before=_EPOCH, not_after=_EPOCH) == replace(
            _profile(new), not_before=_EPOCH, not_after=_EPOCH
        )
        assert old.serial_number != new.serial_number
        assert not same_key(old.certificate.public_key(), new.certificate.public_key())
        assert new.certificate.not_valid_before_utc < now() < new.certificate.not_valid_after_utc

    def test_kind_and_validity(self) -> None:
        """The key is of the same kind, the validity as asked."""
        new = ROOT.renew(ROOT.issue_client(key_kind="ed25519"), not_after=1)
        assert KeyKind.ED25519 is KeyKind.of(new.certificate.public_key())
        assert abs(new.certificate.not_valid_after_utc - now() - timedelta(days=1)) < timedelta(seconds=5)

    def test_of_another(self) -> None:
        """Only the CA that issued a certificate renews it; a namesake does not."""
        identity = ROOT.impostor().issue_client("alice")
        with pytest.raises(NotIssuedByThisAuthority) as refused:
            ROOT.renew(identity)
        assert ("CN=alice", ROOT.subject, ROOT.subject) == (
            refused.value.subject,
            refused.value.issuer,
            refused.value.authority,
        )
        assert "its issuer is another CA of that name." in str(refused.value)

    @pytest.mark.parametrize("own", [True, False], ids=["same", "given"])
    def test_key(self, own: bool) -> None:
        """A renewed certificate is for the same key, or for a given one."""
        old = ROOT.issue_client("alice")
        key = KeyKind.P384.generate()
        new = ROOT.renew(old, private_key="same" if own else key)
        assert (old.private_key if own else key) is new.private_key
        assert new.private_key is not None
        assert same_key(new.private_key.public_key(), new.certificate.public_key())
        assert old.serial_number != new.serial_number

    def test_same_key_elsewhere(self) -> None:
        """The same key can be certified again where its private half is not here."""
        old = ROOT.sign(CertificateSigningRequest.create("alice").pem)
        new = ROOT.renew(old, private_key="same")
        assert (None, True) == (
            new.private_key,
            same_key(old.certificate.public_key(), new.certificate.public_key()),
        )

    def test_no_key(self) -> None:
        """What is not a key is rejected by its type, and is not shown."""
        with pytest.raises(InvalidArgument, match=r"^private_key is <class 'str'>, but it must be a private key of"):
            ROOT.renew(ROOT.issue_client(), private_key="other")  # type: ignore[arg-type]

    def test_urls_stay(self) -> None:
        """The renewed certificate names the same CRL and responder."""
        old = ROOT.issue_client(crl_urls=["http://localhost/crl"], ocsp_urls=["http://localhost/ocsp"])
        assert _profile(old).extra_extensions == _profile(ROOT.renew(old)).extra_extensions != ()


class TestDetails:
    """Serial number, subject and URLs that a caller chooses."""

    @pytest.mark.parametrize("number", [1, 2**159 - 1])
    def test_serial_number(self, number: int) -> None:
        """A serial number is taken as it is given."""
        assert [number] * 2 == [
            identity.serial_number
            for identity in (ROOT.issue_client(serial_number=number), ROOT.issue_server(serial_number=number))
        ]

    @pytest.mark.parametrize("number", [0, -1, 2**159, True, "1", 1.0])
    def test_no_serial_number(self, number: Any) -> None:
        """What RFC 5280 section 4.1.2.2 forbids is rejected."""
        with pytest.raises(InvalidArgument, match=r"^serial_number is .* a whole number from 1 to "):
            ROOT.issue_client(serial_number=number)

    @pytest.mark.parametrize(
        ("arguments", "subject"),
        [
            ({"subject": [("UID", "alice")]}, "UID=alice"),
            ({"subject": ["uid=a=b", "serialnumber=7"], "common_name": "x"}, "CN=x,serialNumber=7,UID=a=b"),
            ({"subject": [("C", "DE"), ("O", "Bank"), ("CN", "alice")]}, "CN=alice,O=Bank,C=DE"),
            ({"subject": [("DC", "example"), ("2.5.4.97", "VATDE-1")]}, "2.5.4.97=VATDE-1,DC=example"),
            ({"subject": [("UID", "a")], "organization": "Bank", "common_name": "b"}, "CN=b,UID=a,O=Bank"),
            ({"subject": []}, "(empty name)"),
            ({"subject": [("UID", "a")], "common_name": "client"}, "CN=client,UID=a"),
        ],
    )
    def test_subject(self, arguments: dict[str, Any], subject: str) -> None:
        """Attributes of the subject follow organization and unit; no common name is added to them."""
        assert subject == ROOT.issue_client(**arguments).subject
        assert subject == ROOT.issue_server(**arguments).subject

    @pytest.mark.parametrize(
        "subject",
        [
            "UID=alice", [("UID", "")], [("C", "DEU")], [("C", "D")], [("nonsense", "x")], [("UID", 7)], ["alice"], [7], 7,
            [("CN", "x" * 65)], [("serialNumber", "ä")], [("DC", "ä")], [("UID", "a\nb")], [("CN", "a", "b")],
        ],
    )  # fmt: skip
    def test_no_subject(self, subject: Any) -> None:
        """What no subject can hold is rejected."""
        with pytest.raises(InvalidName):
            ROOT.issue_client(subject=subject)

    def test_urls(self) -> None:
        """A certificate names its CRL and its responders; a request's and a CA's does too."""
        urls: dict[str, Any] = {"crl_urls": "http://localhost/a.crl", "ocsp_urls": ["http://a/", "http://b/"]}
        for made in (
            ROOT.issue_client(**urls),
            ROOT.issue_server(**urls),
            ROOT.sign(CertificateSigningRequest.create("alice"), **urls),
            ROOT.intermediate(**urls),
        ):
            extensions = made.certificate.extensions
            (point,) = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
            access = extensions.get_extension_for_class(x509.AuthorityInformationAccess)
            assert [x509.UniformResourceIdentifier("http://localhost/a.crl")] == point.full_name
            assert ["http://a/", "http://b/"] == [place.access_location.value for place in access.value]
            assert not access.critical

    @pytest.mark.parametrize("urls", ["localhost", ["http://"], [7], 7, b"http://a/", [b"http://a/"]])
    @pytest.mark.parametrize("argument", ["crl_urls", "ocsp_urls"])
    def test_no_urls(self, argument: str, urls: Any) -> None:
        """What is not a URL is rejected, and the argument is named."""
        with pytest.raises(InvalidArgument, match=rf"^{argument} is .*, but it must be a list of URLs"):
            ROOT.issue_client(**{argument: urls})


class TestRevoke:
    """Revocation and CRLs."""

    def test_forms(self) -> None:
        """Identities, certificates and CAs can be revoked, with reason and date."""
        ca = CertificateAuthority.create()
        identity, certificate, below = ca.issue_client(), ca.issue_client().certificate, ca.intermediate()
        date = datetime(2030, 1, 1, tzinfo=timezone.utc)
        ca.revoke(identity)
        ca.revoke(certificate, reason="keyCompromise", date=date)
        ca.revoke(below, reason="cessation_of_operation")
        entries = {entry.serial_number: entry for entry in ca.crl()}
        assert {identity.serial_number, certificate.serial_number, below.certificate.serial_number} == set(entries)
        assert 0 == len(entries[identity.serial_number].extensions)
        compromised = entries[certificate.serial_number]
        reason = compromised.extensions.get_extension_for_class(x509.CRLReason).value.reason
        assert (x509.ReasonFlags.key_compromise, date) == (reason, compromised.revocation_date_utc)

    def test_twice(self) -> None:
        """Who is revoked twice is listed once."""
        ca = CertificateAuthority.create()
        identity = ca.issue_client()
        ca.revoke(identity)
        ca.revoke(identity)
        assert [identity.serial_number] == [entry.serial_number for entry in ca.crl()]

    @pytest.mark.parametrize("reason", ["boredom", "removeFromCRL", None])
    def test_unknown_reason(self, reason: Any) -> None:
        """Unknown reasons are rejected, and nothing is revoked."""
        ca = CertificateAuthority.create()
        with pytest.raises(InvalidArgument, match="key_compromise"):
            ca.revoke(ca.issue_client(), reason=reason)
        assert [] == list(ca.crl())

    def test_of_another(self) -> None:
        """Only the CA that issued a certificate revokes it."""
        for stranger in (ROOT.intermediate().issue_client(), ROOT.impostor()):
            with pytest.raises(NotIssuedByThisAuthority):
                ROOT.revoke(stranger)

    def test_crl(self) -> None:
        """A CRL is signed, current, numbered, and made anew only when something changed."""
        ca = CertificateAuthority.create()
        first = ca.crl()
        assert first is ca.crl()
        ca.revoke(ca.issue_client())
        second = ca.crl()
        assert [1, 2] == [
            crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for crl in (first, second)
        ]
        assert second.is_signature_valid(ca.certificate.public_key())  # type: ignore[arg-type]
        assert timedelta(hours=12, minutes=5) == second.next_update_utc - second.last_update_utc  # type: ignore[operator]
        assert ca.certificate.subject == second.issuer

    def test_crl_dates(self) -> None:
        """A CRL may have expired or be to come, but cannot end before it begins."""
        assert ROOT.crl(next_update=-1).next_update_utc < now()  # type: ignore[operator]
        assert ROOT.crl(last_update=1).last_update_utc > now()
        with pytest.raises(InvalidValidity):
            ROOT.crl(last_update=1, next_update=-1)

    def test_expired_crl_is_made_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The CRL that is kept is not used beyond its end."""
        ca = CertificateAuthority.create()
        first = ca.crl()
        monkeypatch.setattr("pytest_mtls.certificates.revocation.now", lambda: now() + timedelta(days=1))
        assert first is not ca.crl()

    def test_hierarchy(self) -> None:
        """The CRLs are those of all related CAs whose key is here, from any of them."""
        root = CertificateAuthority.create()
        below, beside = root.intermediate(), root.intermediate()
        third = below.intermediate()
        issuers = [ca.certificate.subject for ca in (root, below, beside, third)]
        for ca in (root, below, beside, third):
            assert issuers == [crl.issuer for crl in ca.crls()]

    def test_revision(self) -> None:
        """It grows with every revocation and every intermediate anywhere in the family, and with nothing else."""
        root = CertificateAuthority.create()
        seen = [root.revision]
        below = root.intermediate()
        seen.append(root.revision)
        identity = below.issue_client()
        root.crls()
        assert seen[-1] == root.revision
        below.revoke(identity)
        seen.append(root.revision)
        assert sorted(set(seen)) == seen
        assert root.revision == below.revision

    def test_threads(self) -> None:
        """Many threads can issue and revoke at once, and nothing is lost."""
        root = CertificateAuthority.create()
        before = root.revision

        def work(_: int) -> int:
            identity = root.issue_client()
            assert Path(identity.key_path).exists()
            root.revoke(identity)
            assert identity.serial_number in {entry.serial_number for entry in root.crl()}
            return identity.serial_number

        with ThreadPoolExecutor(8) as pool:
            numbers = set(pool.map(work, range(40)))
        assert (numbers, before + 40) == ({entry.serial_number for entry in root.crl()}, root.revision)
        root.remove_files()


class TestFiles:
    """Files of a CA."""

    def test_shared(self) -> None:
        """A family of CAs and its identities share a directory, which can be removed."""
        root = CertificateAuthority.create()
        paths = [root.cert_path, root.intermediate().cert_path, root.intermediate().issue_client().key_path]
        assert root.pem == Path(paths[0]).read_bytes()
        assert 1 == len({Path(path).parent for path in paths})
        root.remove_files()
        assert not any(Path(path).exists() for path in paths)
        assert root.pem == Path(root.cert_path).read_bytes()
        root.remove_files()

    def test_write_to(self, tmp_path: Path) -> None:
        """Certificate and key are written to keep, and read back, with password or without."""
        for password in (None, "secret"):
            files = ROOT.write_to(tmp_path / "ca", password, name="it")
            assert (str(tmp_path / "ca" / "it.crt"), str(tmp_path / "ca" / "it.key")) == files
            assert ROOT.certificate == CertificateAuthority.load(*files, password=password).certificate
            with pytest.raises(KeyMismatch):
                CertificateAuthority.load(files[0], ROOT.issue_client().key_path)

    def test_write_without_key(self, tmp_path: Path) -> None:
        """Without a key, the certificate alone is written."""
        files = CertificateAuthority.load(CertificateAuthority.create("Example CA").pem).write_to(tmp_path)
        assert [str(tmp_path / "example-ca.crt"), None] == list(files)
        with pytest.raises(UnusableDirectory):
            ROOT.write_to(files.cert)


def test_fingerprint() -> None:
    """The fingerprint is that of the certificate, in lower-case hex."""
    assert hashlib.sha256(ROOT.certificate.public_bytes(Encoding.DER)).hexdigest() == ROOT.fingerprint_sha256


def test_repr() -> None:
    """A CA is shown by name and end."""
    ca = CertificateAuthority.create("Example CA")
    assert f"<CertificateAuthority CN=Example CA,O=pytest-mtls, until {ca.certificate.not_valid_after_utc}>" == repr(ca)


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _profile(of: Identity | CertificateAuthority) -> CertificateProfile:
    return CertificateProfile.of(of.certificate)
