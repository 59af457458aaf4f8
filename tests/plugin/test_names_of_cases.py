"""Whose names the clients of cases carry."""

from __future__ import annotations

from support.users_suite import Run

SUITE = """
import pytest
from pytest_mtls import Reason, assert_rejected, client_cases, wsgi_environ

@pytest.fixture(scope="session")
def mtls_client_cert(mtls_ca):
    return mtls_ca.issue_client("billing", sans=["billing.example"])

def only_billing(environ, start_response):
    is_known = environ["SSL_CLIENT_S_DN_CN"] == "billing"
    start_response("200 OK" if is_known else "403 Forbidden", [])
    return [b""]

@pytest.fixture
def mtls_target(mtls_server_factory):
    server = mtls_server_factory(only_billing)
    from dataclasses import replace
    return replace(server.endpoint, protocol="https")

@pytest.mark.parametrize("case", client_cases("expired", "untrusted-ca", "server-only"))
def test_every_bad_client_is_rejected(mtls_target, case):
    seen = assert_rejected(mtls_target, case)
    assert seen.layer == "tls"

def test_names(mtls_server_factory):
    server = mtls_server_factory()
    seen = assert_rejected(server, client_cases("expired")[0].values[0])
    assert seen.counterpart.peer_certificate.subject.rfc4514_string() == "CN=billing"
"""


def test_suite_whose_application_authorizes_by_name_works_at_the_first_try(run: Run) -> None:
    """Overriding ``mtls_client_cert`` is all that it takes."""
    run(SUITE).assert_outcomes(passed=4)
