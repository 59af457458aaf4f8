"""The fixtures, used as users use them: test files of their own, run by pytest."""

from __future__ import annotations

import pytest
from support.users_suite import Run

from pytest_mtls import client_cases, server_cases

CONTRACT = """
import pytest, requests
import pytest_mtls
from pytest_mtls import assert_accepted, assert_rejected, Reason

def test_server_knows_its_client(mtls_server, mtls_client):
    body = mtls_client.get(mtls_server.url).json()          # the default app tells who called
    assert body["client"]["subject"] == "CN=client"
    assert mtls_server.handshakes[-1].tls_version == "TLSv1.3"

def test_my_client_survives_refusal(mtls_ca, mtls_server):
    expired = mtls_ca.issue_client("alice", not_before=-10, not_after=-1)   # days from now; datetimes too
    with mtls_server.expect_rejected(Reason.EXPIRED) as seen:               # swallows what the client raises
        requests.get(mtls_server.url, cert=(expired.cert_path, expired.key_path), verify=mtls_ca.cert_path)
    assert seen.handshake.alert.name == "CERTIFICATE_EXPIRED"
    assert isinstance(seen.exception, requests.exceptions.ConnectionError)

def test_every_bad_client_is_refused(mtls_target, mtls_client_case):
    assert_rejected(mtls_target, mtls_client_case)          # the case knows its reason

def test_my_client_refuses_every_bad_server(mtls_server_case, mtls_server_factory, mtls_client):
    server = mtls_server_factory(cert=mtls_server_case)
    with server.expect_rejected(mtls_server_case.reason, by="client"):
        mtls_client.get(server.url)

@pytest.mark.parametrize("case", pytest_mtls.client_cases("expired", "untrusted-*"))
def test_some(mtls_target, case): assert_rejected(mtls_target, case)

def test_enrolment(mtls_ca, mtls_server):
    csr = pytest_mtls.CertificateSigningRequest.create("alice", sans=["alice.example"])
    alice = mtls_ca.sign(csr)                               # refuses a CSR whose own signature is bad
    assert_accepted(mtls_server, mtls_ca.renew(alice))
"""


def test_the_contract_holds_to_the_letter(run: Run) -> None:
    """What the contract says a test looks like passes, over the whole catalogue."""
    cases = len(client_cases()) + len(server_cases()) + len(client_cases("expired", "untrusted-*"))
    run(CONTRACT).assert_outcomes(passed=3 + cases)


def test_every_fixture_gives_what_it_says(run: Run) -> None:
    """Each fixture of the contract is there, and they fit each other."""
    run(
        """
        import requests
        from pytest_mtls import Case, CertificateAuthority, Identity, MutualTLSServer, probe

        def test_authorities(mtls_ca, mtls_untrusted_ca):
            assert isinstance(mtls_ca, CertificateAuthority) and isinstance(mtls_untrusted_ca, CertificateAuthority)
            assert mtls_ca.certificate.subject == mtls_untrusted_ca.certificate.subject
            assert mtls_ca.certificate != mtls_untrusted_ca.certificate

        def test_identities(mtls_ca, mtls_server_cert, mtls_client_cert):
            assert isinstance(mtls_server_cert, Identity) and isinstance(mtls_client_cert, Identity)
            mtls_server_cert.certificate.verify_directly_issued_by(mtls_ca.certificate)
            mtls_client_cert.certificate.verify_directly_issued_by(mtls_ca.certificate)

        def test_server_is_for_all_loopback_names(mtls_server_factory, mtls_client):
            for host in ("localhost", "127.0.0.1"):
                assert mtls_client.get(mtls_server_factory(host=host).url).status_code == 200

        def test_server_requires_a_certificate(mtls_server):
            assert isinstance(mtls_server, MutualTLSServer) and mtls_server.is_running
            assert probe(mtls_server).reason == "no_certificate"

        def test_server_shows_this_tests_handshakes(mtls_server, mtls_client_cert):
            assert mtls_server.handshakes == ()
            probe(mtls_server, mtls_client_cert)
            assert len(mtls_server.handshakes) == 1

        def test_factory_takes_what_the_server_takes(mtls_server_factory, mtls_untrusted_ca, mtls_client_cert):
            assert probe(mtls_server_factory(client_certs="optional")).accepted
            assert probe(mtls_server_factory(client_certs="none", tls="1.2")).tls_version == "TLSv1.2"
            stranger = mtls_server_factory(trust=mtls_untrusted_ca)
            assert probe(stranger, mtls_client_cert).rejected_by == "server"

        def test_client_ignores_the_environment(mtls_client, mtls_server, monkeypatch):
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/dev/null")
            monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
            assert isinstance(mtls_client, requests.Session)
            assert mtls_client.get(mtls_server.url).status_code == 200

        def test_target_is_the_server(mtls_target, mtls_server):
            assert mtls_target is mtls_server

        def test_cases(mtls_client_case):
            assert isinstance(mtls_client_case, Case) and mtls_client_case.side == "client"

        def test_server_cases(mtls_server_case):
            assert isinstance(mtls_server_case, Case) and mtls_server_case.side == "server"
        """
    ).assert_outcomes(passed=8 + len(client_cases()) + len(server_cases()))


def test_session_fixtures_are_the_same_in_every_test(run: Run) -> None:
    """CAs and certificates are made once a session, servers once a test."""
    run(
        """
        import pytest

        SEEN = []

        @pytest.mark.parametrize("time", [1, 2])
        def test_it(time, mtls_ca, mtls_untrusted_ca, mtls_server_cert, mtls_client_cert, mtls_server):
            SEEN.append((mtls_ca, mtls_untrusted_ca, mtls_server_cert, mtls_client_cert, mtls_server))
            if len(SEEN) == 2:
                assert [one is other for one, other in zip(*SEEN)] == [True, True, True, True, False]
        """
    ).assert_outcomes(passed=2)


def test_servers_are_stopped_at_teardown(run: Run) -> None:
    """Whatever the factory started is stopped, also when its test failed, and no thread stays."""
    result = run(
        """
        import threading
        import pytest
        from pytest_mtls import probe

        STARTED = []

        @pytest.fixture(autouse=True)
        def look_afterwards():
            before = set(threading.enumerate())
            yield
            assert len(STARTED) == 3 and not any(server.is_running for server in STARTED)
            assert set(threading.enumerate()) == before

        def test_it(look_afterwards, mtls_server, mtls_server_factory, mtls_client_cert):
            STARTED.extend([mtls_server, mtls_server_factory(), mtls_server_factory()])
            for server in STARTED:
                assert probe(server, mtls_client_cert).accepted
            raise RuntimeError("on purpose")
        """
    )
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize("scope", ["module", "session"])
def test_fixtures_are_overridden_in_a_conftest(run: Run, scope: str) -> None:
    """A suite puts its own CA, certificate and target instead of ours; what depends on them follows."""
    run(
        """
        def test_ca(mtls_ca, mtls_server_cert, mtls_untrusted_ca):
            assert mtls_ca.subject == mtls_untrusted_ca.subject == "CN=ours,O=pytest-mtls"
            mtls_server_cert.certificate.verify_directly_issued_by(mtls_ca.certificate)

        def test_server(mtls_server, mtls_client):
            assert mtls_client.get(mtls_server.url).json()["client"]["issuer"] == "CN=ours,O=pytest-mtls"
            assert len(mtls_server.cert.certificate.extensions) and mtls_server.cert.subject == "CN=web.example"

        def test_target(mtls_target, mtls_client_cert):
            from pytest_mtls import assert_accepted, assert_rejected

            assert mtls_target.server_name == "web.example"
            assert_accepted(mtls_target, mtls_client_cert)
            assert_rejected(mtls_target)
        """,
        conftest=f"""
        import pytest
        from pytest_mtls import CertificateAuthority, Endpoint, MutualTLSServer

        @pytest.fixture(scope="session")
        def mtls_ca():
            return CertificateAuthority.create("ours")

        @pytest.fixture(scope="session")
        def mtls_server_cert(mtls_ca):
            return mtls_ca.issue_server("web.example", "localhost", common_name="web.example")

        @pytest.fixture(scope="{scope}")
        def mtls_target(mtls_ca, mtls_server_cert):
            with MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca) as server:
                yield Endpoint("localhost", server.port, server_name="web.example", trust=mtls_ca, ca=mtls_ca)
        """,
    ).assert_outcomes(passed=3)


@pytest.mark.parametrize("fixture", ["mtls_client_cert", "mtls_server_cert"])
def test_revoking_what_all_tests_have_warns(run: Run, fixture: str) -> None:
    """The warning names the fixture; a certificate of the test's own may be revoked."""
    result = run(
        f"""
        import pytest
        from pytest_mtls.errors import SharedCertificateRevoked

        def test_own(mtls_ca):
            mtls_ca.revoke(mtls_ca.issue_client())

        def test_shared(mtls_ca, {fixture}):
            with pytest.warns(SharedCertificateRevoked, match="the fixture {fixture}, which is one for the whole run"):
                mtls_ca.revoke({fixture})
        """,
        "-W",
        "error",
        "-p",
        "no:asyncio",
    )
    result.assert_outcomes(passed=2)
