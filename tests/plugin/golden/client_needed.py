import pytest

from pytest_mtls import Endpoint, assert_rejected


@pytest.fixture
def mtls_target(mtls_server_factory, billing_only, mtls_ca):
    server = mtls_server_factory(billing_only)
    return Endpoint("localhost", server.port, "https", trust=mtls_ca, ca=mtls_ca)


@pytest.mark.mtls_cases("expired")
def test_client_needed(mtls_target, mtls_client_case):
    assert_rejected(mtls_target, mtls_client_case)
