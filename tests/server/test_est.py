"""`ESTServer`, asked by curl with openssl's `req` and `pkcs7`, as a client is that nobody here wrote."""

from __future__ import annotations

import base64
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from support.requirements import require_program

from pytest_mtls import (
    CertificateAuthority,
    CertificateSigningRequest,
    ESTServer,
    Identity,
    MutualTLSServer,
    Reason,
    SigningPolicy,
    assert_accepted,
)
from pytest_mtls.certificates.der import BIT_STRING, OCTET_STRING, element, integer, object_identifier, sequence, set_of
from pytest_mtls.errors import InvalidArgument, MissingPrivateKey, ServerNotRunning

ALICE = "/CN=alice"


@pytest.fixture
def ca() -> Iterator[CertificateAuthority]:
    authority = CertificateAuthority.create()
    yield authority
    authority.remove_files()


@dataclass
class Curl:
    """A client made of curl and openssl, in a directory of its own."""

    directory: Path
    ca: CertificateAuthority

    def openssl(self, *arguments: str, given: bytes = b"") -> bytes:
        """Run openssl."""
        command = [str(require_program("openssl", apt="openssl")), *arguments]
        return subprocess.run(command, cwd=self.directory, input=given, capture_output=True, check=True).stdout

    def request(self, name: str, *, key: str | None = None, subject: str = ALICE, sans: str = "") -> None:
        """Make a request, and its key if it has none: NAME.key and NAME.b64."""
        key = key or f"{name}.key"
        if not (self.directory / key).exists():
            self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        names = ("-addext", f"subjectAltName={sans}") if sans else ()
        der = self.openssl("req", "-new", "-key", key, "-subj", subject, *names, "-outform", "DER")
        (self.directory / f"{name}.b64").write_bytes(self.openssl("base64", given=der))

    def call(self, url: str, *arguments: str) -> tuple[int, str, bytes]:
        """Ask; gives the status, the headers and the body."""
        program = require_program("curl", apt="curl")
        (self.directory / "ca.pem").write_bytes(self.ca.pem)
        command = [str(program), "-sS", "--cacert", "ca.pem", "-D", "headers", "-o", "body", url, *arguments]
        subprocess.run(command, cwd=self.directory, check=True, capture_output=True, timeout=60)
        headers = (self.directory / "headers").read_text()
        body = self.directory / "body"
        status = int(headers.split("HTTP/1.1 ")[-1][:3])
        return status, headers.lower(), body.read_bytes() if body.exists() else b""

    def enroll(self, url: str, name: str, *arguments: str) -> int:
        """Send NAME.b64; the certificate is in NAME.crt afterwards if the status is 200."""
        kind = ("-H", "Content-Type: application/pkcs10", "-H", "Content-Transfer-Encoding: base64")
        status, headers, body = self.call(url, "--data-binary", f"@{name}.b64", *kind, *arguments)
        if status == 200:
            assert "content-type: application/pkcs7-mime; smime-type=certs-only" in headers
            der = self.openssl("base64", "-d", given=body)
            pem = self.openssl("pkcs7", "-inform", "DER", "-print_certs", given=der)
            (self.directory / f"{name}.crt").write_bytes(pem)
        return status

    def verify(self, name: str) -> bytes:
        """What openssl says of NAME.crt by the CA."""
        return self.openssl("verify", "-CAfile", "ca.pem", "-purpose", "sslclient", f"{name}.crt")


@pytest.fixture
def curl(tmp_path: Path, ca: CertificateAuthority) -> Curl:
    return Curl(tmp_path, ca)


@pytest.fixture
def est(ca: CertificateAuthority) -> Iterator[ESTServer]:
    with ESTServer(ca, users={"alice": "secret: with a colon"}) as server:
        yield server


PASSWORD = ("-u", "alice:secret: with a colon")


class TestByCurl:
    """The whole way, by tools that know nothing of pytest-mtls."""

    def test_enrolment_and_renewal(self, curl: Curl, est: ESTServer, ca: CertificateAuthority) -> None:
        """A password gives the first certificate; that one is renewed with its key and then with a new one."""
        curl.request("first", sans="DNS:alice.example")
        assert 200 == curl.enroll(f"{est.url}/simpleenroll", "first", *PASSWORD)
        assert b"first.crt: OK\n" == curl.verify("first")
        by_first = ("--cert", "first.crt", "--key", "first.key")
        curl.request("same", key="first.key", sans="DNS:alice.example")
        assert 200 == curl.enroll(f"{est.url}/simplereenroll", "same", *by_first)
        curl.request("other", sans="DNS:alice.example")
        assert 200 == curl.enroll(f"{est.url}/simplereenroll", "other", *by_first)
        assert b"other.crt: OK\n" == curl.verify("other")
        got = [Identity.load(str(curl.directory / f"{name}.crt")).certificate for name in ("first", "same", "other")]
        assert got == [one.certificate for one in est.issued]
        assert got[0].public_key() == got[1].public_key() != got[2].public_key()
        assert [(200, None, "alice"), (200, "CN=alice", None), (200, "CN=alice", None)] == [
            (one.status, one.client, one.user) for one in est.requests
        ]
        with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
            pair = Identity.load(str(curl.directory / "other.crt"), str(curl.directory / "other.key"))
            assert_accepted(server, pair)

    def test_ca_certificates(self, curl: Curl, ca: CertificateAuthority) -> None:
        """Everybody gets the CA's certificates, up to the root."""
        with ESTServer(ca.intermediate()) as est:
            status, headers, body = curl.call(f"{est.url}/cacerts")
            assert (200, True) == (status, "content-type: application/pkcs7-mime; smime-type=certs-only" in headers)
            text = curl.openssl(
                "pkcs7", "-inform", "DER", "-print_certs", given=curl.openssl("base64", "-d", given=body)
            )
            found = x509.load_pem_x509_certificates(text)
            assert {*est.server.cert.chain[1:], ca.certificate} == set(found)

    def test_attributes(self, curl: Curl, ca: CertificateAuthority) -> None:
        """What requests should hold is told to everybody; without anything it is status 204."""
        with ESTServer(ca, csr_attributes=["1.2.840.113549.1.9.7"]) as est:
            status, headers, body = curl.call(f"{est.url}/csrattrs")
            assert (200, True) == (status, "content-type: application/csrattrs" in headers)
            text = curl.openssl("asn1parse", "-inform", "DER", given=curl.openssl("base64", "-d", given=body))
            assert b":challengePassword" in text
        with ESTServer(ca) as est:
            assert 204 == curl.call(f"{est.url}/csrattrs")[0]

    def test_put_off(self, curl: Curl, ca: CertificateAuthority) -> None:
        """A request that waits for approval is status 202 with Retry-After, and granted afterwards."""
        curl.request("a")
        with ESTServer(ca, users={"alice": "x"}, pending=2, retry_after=7) as est:
            url = f"{est.url}/some-label/simpleenroll"
            assert 202 == curl.enroll(url, "a", "-u", "alice:x")
            assert "retry-after: 7" in (curl.directory / "headers").read_text().lower()
            assert [202, 200] == [curl.enroll(url, "a", "-u", "alice:x") for _ in range(2)]
            assert {("simpleenroll", "some-label")} == {(one.operation, one.label) for one in est.requests}
            assert 1 == len(est.issued)


def post(est: ESTServer, ca: CertificateAuthority, operation: str, data: bytes, **how: Any) -> requests.Response:
    """Ask by requests."""
    headers = how.pop("headers", {"Content-Type": "application/pkcs10"})
    cert: Identity | None = how.pop("cert", None)
    return requests.post(
        f"{est.url}/{operation}",
        data=data,
        headers=headers,
        verify=ca.cert_path,
        cert=None if cert is None else (cert.cert_path, cert.key_path),
        timeout=30,
        **how,
    )


def body_of(request: CertificateSigningRequest) -> bytes:
    """A request as it is sent."""
    return base64.b64encode(x509.load_pem_x509_csr(request.pem).public_bytes(Encoding.DER))


def name_of(*attributes: tuple[str, bytes]) -> bytes:
    """A distinguished name, DER, of attributes that need not be sound: UTF-8 by their dotted types."""
    return sequence(*(set_of(sequence(object_identifier(oid), element(0x0C, value))) for oid, value in attributes))


def signed_request(subject: bytes, directory: bytes | None = None) -> bytes:
    """A request with a subject, and if need be a directory name among its alternative names, signed by its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    wanted = b""
    if directory is not None:
        names = element(OCTET_STRING, sequence(element(0xA4, directory)))
        extension = sequence(object_identifier("2.5.29.17"), names)
        wanted = sequence(object_identifier("1.2.840.113549.1.9.14"), set_of(sequence(extension)))
    info = sequence(integer(0), subject, public, element(0xA0, wanted))
    signature = element(BIT_STRING, b"\0" + key.sign(info, ec.ECDSA(hashes.SHA256())))
    return sequence(info, sequence(object_identifier("1.2.840.10045.4.3.2")), signature)


GOOD = ("alice", "secret: with a colon")


class TestRejections:
    """Each tells in one line of text/plain what is wrong, and nothing is issued."""

    @pytest.mark.parametrize("auth", [None, ("alice", "wrong"), ("bob", "secret: with a colon"), ("", "")])
    def test_without_password(self, est: ESTServer, ca: CertificateAuthority, auth: tuple[str, str] | None) -> None:
        """No password, a wrong one, and that of nobody ask for one."""
        said = post(est, ca, "simpleenroll", body_of(CertificateSigningRequest.create("alice")), auth=auth)
        assert (401, 'Basic realm="est", charset="UTF-8"') == (said.status_code, said.headers["WWW-Authenticate"])
        assert "" == said.text  # Bouncy Castle asks again only where the challenge has no body
        assert "/simpleenroll needs a client certificate or a password" == est.requests[-1].detail
        assert () == est.issued

    def test_renewal_needs_a_certificate(self, est: ESTServer, ca: CertificateAuthority) -> None:
        """A password does not renew."""
        said = post(est, ca, "simplereenroll", body_of(CertificateSigningRequest.create("alice")), auth=GOOD)
        assert (403, "/simplereenroll needs the certificate that is to be renewed\n") == (said.status_code, said.text)

    def test_renewal_of_another_subject(self, est: ESTServer, ca: CertificateAuthority) -> None:
        """Nobody renews another's certificate."""
        body = body_of(CertificateSigningRequest.create("bob"))
        said = post(est, ca, "simplereenroll", body, cert=ca.issue_client("alice"))
        assert 403 == said.status_code
        assert "the subject is not that of the certificate that is renewed (RFC 7030 section 4.2.2)\n" == said.text

    def test_renewal_of_another_cas_certificate(self, ca: CertificateAuthority) -> None:
        """A client of another CA that is trusted gets a first certificate, and no renewal of what this CA never issued."""
        maker = CertificateAuthority.create("maker")
        alice, body = maker.issue_client("alice"), body_of(CertificateSigningRequest.create("alice"))
        with ESTServer(ca, trust=[ca, maker]) as est:
            said = post(est, ca, "simplereenroll", body, cert=alice)
            assert 403 == said.status_code
            assert said.text.startswith("the certificate that is to be renewed is none of this CA's (RFC 7030 ")
            assert () == est.issued
            assert 200 == post(est, ca, "simpleenroll", body, cert=alice).status_code
            below = ca.intermediate().issue_client("alice")
            assert 200 == post(est, ca, "simplereenroll", body, cert=below).status_code
        maker.remove_files()

    @pytest.mark.parametrize("where", ["subject", "alternative name"])
    @pytest.mark.parametrize(
        ("oid", "value", "problem"),
        [
            ("2.5.4.3", b"x" * 65, "a common name of 65 octets, and there must be 1 to 64"),
            ("2.5.4.3", b"", "a common name of 0 octets, and there must be 1 to 64"),
            ("2.5.4.6", b"DEU", "a country of 3 octets, and there must be 2"),
        ],
    )
    def test_names_of_other_lengths(
        self, est: ESTServer, ca: CertificateAuthority, where: str, oid: str, value: bytes, problem: str
    ) -> None:
        """A name that X.520 does not allow is status 400, whether warnings are errors or not, and there is no warning."""
        odd = name_of((oid, value))
        body = base64.b64encode(
            signed_request(odd) if where == "subject" else signed_request(name_of(("2.5.4.3", b"a")), directory=odd)
        )
        for action in ("error", "always"):
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter(action)
                said = post(est, ca, "simpleenroll", body, auth=GOOD)
            assert (400, []) == (said.status_code, [str(one.message) for one in warned])
            expected = f"the request cannot be read: a name in it has {problem} (RFC 5280 appendix A.1)\n"
            assert expected == said.text
        assert () == est.issued

    def test_bad_clients_do_not_get_that_far(self, est: ESTServer, ca: CertificateAuthority) -> None:
        """A revoked certificate, and one that is over, are rejected by TLS."""
        revoked = ca.issue_client("alice")
        ca.revoke(revoked)
        for client, reason in ((revoked, Reason.REVOKED), (ca.issue_client("alice", not_after=-1), Reason.EXPIRED)):
            with est.server.expect_rejected(reason):
                post(est, ca, "simplereenroll", body_of(CertificateSigningRequest.create("alice")), cert=client)
        assert () == est.requests

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"", "the request cannot be read"),
            (b"%%%", "the request cannot be read: it is not base64"),
            (base64.b64encode(b"\x30\x03\x02\x01\x01"), "the request cannot be read"),
        ],
    )
    def test_not_a_request(self, est: ESTServer, ca: CertificateAuthority, data: bytes, problem: str) -> None:
        """What is not a PKCS#10 request in base64 is status 400."""
        said = post(est, ca, "simpleenroll", data, auth=GOOD)
        assert (400, True) == (said.status_code, said.text.startswith(problem)), said.text

    def test_bad_signature(self, est: ESTServer, ca: CertificateAuthority) -> None:
        """A request that does not prove possession of its key is status 400."""
        der = x509.load_pem_x509_csr(CertificateSigningRequest.create("alice").pem).public_bytes(Encoding.DER)
        said = post(est, ca, "simpleenroll", base64.b64encode(der[:-1] + bytes([der[-1] ^ 1])), auth=GOOD)
        assert (400, True) == (said.status_code, "proves possession" in said.text)

    def test_policy(self, ca: CertificateAuthority) -> None:
        """What the policy does not allow is status 403, with its words."""
        with ESTServer(ca, users=dict([GOOD]), policy=SigningPolicy(allowed_names=("alice",))) as est:
            said = post(est, ca, "simpleenroll", body_of(CertificateSigningRequest.create("bob")), auth=GOOD)
            assert (403, True) == (said.status_code, "only alice is allowed" in said.text)
            assert (403, "CN=bob", "alice") == (
                est.requests[-1].status,
                est.requests[-1].subject,
                est.requests[-1].user,
            )
            body = body_of(CertificateSigningRequest.create("alice"))
            assert 200 == post(est, ca, "simpleenroll", body, auth=GOOD).status_code

    @pytest.mark.parametrize(
        ("method", "path", "status", "problem"),
        [
            ("POST", "/.well-known/est/cacerts", 405, "/cacerts is asked by GET"),
            ("GET", "/.well-known/est/simpleenroll", 405, "/simpleenroll is asked by POST"),
            ("POST", "/.well-known/est/serverkeygen", 501, "this server has no /serverkeygen"),
            ("GET", "/.well-known/est/", 404, "EST is at /.well-known/est/ and one of cacerts,"),
            ("GET", "/", 404, "EST is at"),
            ("GET", "/.well-known/est/a/b/cacerts", 404, "EST is at"),
        ],
    )
    def test_other_paths_and_methods(
        self, est: ESTServer, ca: CertificateAuthority, method: str, path: str, status: int, problem: str
    ) -> None:
        """What there is not is said in words."""
        said = requests.request(method, est.server.url + path, verify=ca.cert_path, timeout=30)
        assert (status, True) == (said.status_code, said.text.startswith(problem)), said.text

    def test_media_type(self, est: ESTServer, ca: CertificateAuthority) -> None:
        """A request comes as application/pkcs10."""
        body = body_of(CertificateSigningRequest.create("alice"))
        said = post(est, ca, "simpleenroll", body, auth=GOOD, headers={"Content-Type": "text/plain"})
        assert (415, True) == (said.status_code, "application/pkcs10, and not text/plain" in said.text)


class TestMisbehaviour:
    """Hostile answers, for clients under test."""

    def enrolled(self, est: ESTServer, ca: CertificateAuthority, misbehaviour: Any) -> tuple[Any, requests.Response]:
        """What a request gets."""
        est.misbehaviour = misbehaviour
        request = CertificateSigningRequest.create("alice")
        said = post(est, ca, "simpleenroll", body_of(request), auth=GOOD)
        assert 200 == said.status_code
        return request, said

    @pytest.mark.parametrize("misbehaviour", ["expired", "for another key", "of another issuer"])
    def test_wrong_certificates(self, est: ESTServer, ca: CertificateAuthority, misbehaviour: Any, curl: Curl) -> None:
        """The certificate is bad in the one way, as openssl sees it, and is not among the issued."""
        request, said = self.enrolled(est, ca, misbehaviour)
        (certificate,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(said.content))
        is_for_key = certificate.public_key() == request.private_key.public_key()
        (curl.directory / "a.crt").write_bytes(Identity((certificate,)).cert_pem)
        (curl.directory / "ca.pem").write_bytes(ca.pem)
        openssl = str(require_program("openssl", apt="openssl"))
        judged = subprocess.run(
            [openssl, "verify", "-CAfile", "ca.pem", "a.crt"], cwd=curl.directory, capture_output=True, text=True
        )
        problems = {"expired": "certificate has expired", "of another issuer": "unable to get local issuer"}
        assert (misbehaviour != "for another key") is is_for_key
        assert (misbehaviour == "for another key") is (judged.returncode == 0)
        assert problems.get(misbehaviour, "OK") in judged.stdout + judged.stderr
        assert () == est.issued

    def test_wrong_bodies(self, est: ESTServer, ca: CertificateAuthority) -> None:
        """Another content type, HTML, too much, and half."""
        _, said = self.enrolled(est, ca, "content type")
        assert ("text/plain", 1) == (
            said.headers["Content-Type"],
            len(pkcs7.load_der_pkcs7_certificates(base64.b64decode(said.content))),
        )
        _, said = self.enrolled(est, ca, "html")
        assert ("text/html; charset=utf-8", "<!DOCTYPE html>") == (said.headers["Content-Type"], said.text[:15])
        _, said = self.enrolled(est, ca, "huge")
        assert len(said.content) > 32 * 2**20
        _, said = self.enrolled(est, ca, "truncated")
        with pytest.raises(ValueError, match=r".+"):
            pkcs7.load_der_pkcs7_certificates(base64.b64decode(said.content + b"=="))
        est.misbehaviour = None
        _, said = self.enrolled(est, ca, None)
        assert 1 == len(pkcs7.load_der_pkcs7_certificates(base64.b64decode(said.content)))

    def test_certificates_of_another_ca(self, est: ESTServer, ca: CertificateAuthority) -> None:
        """The CA certificates are another's of the same name."""
        est.misbehaviour = "of another issuer"
        said = requests.get(f"{est.url}/cacerts", verify=ca.cert_path, timeout=30)
        (certificate,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(said.content))
        assert ca.certificate.subject == certificate.subject
        assert ca.certificate.public_key() != certificate.public_key()

    def test_unknown(self, est: ESTServer) -> None:
        """A misbehaviour that there is not is one typed error, and changes nothing."""
        with pytest.raises(
            InvalidArgument, match=r"misbehaviour is 'slow', but it must be None, or one of 'content type'"
        ):
            est.misbehaviour = "slow"  # type: ignore[assignment]
        assert est.misbehaviour is None


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ({"pending": -1}, InvalidArgument, "pending is -1"),
        ({"pending": 1.5}, InvalidArgument, "pending is 1.5"),
        ({"retry_after": "soon"}, InvalidArgument, "retry_after is 'soon'"),
        ({"users": {"a:b": "x"}}, InvalidArgument, "names without a colon"),
        ({"csr_attributes": "1.2"}, InvalidArgument, "a list of object identifiers"),
        ({"csr_attributes": ["x"]}, InvalidArgument, "a dotted object identifier"),
        ({"misbehaviour": "slow"}, InvalidArgument, "misbehaviour is 'slow'"),
    ],
)
def test_arguments_that_cannot_be(
    ca: CertificateAuthority, arguments: Any, error: type[Exception], problem: str
) -> None:
    """Each is one typed error that names the argument."""
    with pytest.raises(error, match=problem):
        ESTServer(ca, **arguments)


def test_ca_without_key(ca: CertificateAuthority) -> None:
    """A CA whose key is elsewhere enrols nobody."""
    with pytest.raises(MissingPrivateKey, match="enrolling clients"):
        ESTServer(CertificateAuthority.load(ca.pem))
    with pytest.raises(InvalidArgument, match="ca is None"):
        ESTServer(None)  # type: ignore[arg-type]


def test_life(ca: CertificateAuthority) -> None:
    """It starts and stops as servers here do, and says so."""
    est = ESTServer(ca)
    assert "not running" in repr(est)
    with pytest.raises(ServerNotRunning):
        _ = est.url
    with est:
        assert est.is_running
        assert est.url == f"https://localhost:{est.port}/.well-known/est"
        assert est.url in repr(est)
    est.stop()
    assert not est.is_running


def test_fixture(mtls_est: ESTServer, mtls_ca: CertificateAuthority, mtls_client_cert: Identity) -> None:
    """The fixture enrols whoever has the password, and whoever has a certificate of ``mtls_ca``."""
    body = body_of(CertificateSigningRequest.create("new"))
    auth = ("client", mtls_est.users["client"])
    assert 200 == post(mtls_est, mtls_ca, "simpleenroll", body, auth=auth).status_code
    assert 200 == post(mtls_est, mtls_ca, "simpleenroll", body, cert=mtls_client_cert).status_code
    assert 403 == post(mtls_est, mtls_ca, "simplereenroll", body, cert=mtls_client_cert).status_code
