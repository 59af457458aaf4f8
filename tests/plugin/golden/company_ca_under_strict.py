from pytest_mtls import Endpoint, assert_accepted


def test_company_ca_under_strict(mtls_server_factory, company_ca, mtls_ca, mtls_client_cert):
    server = mtls_server_factory(cert=company_ca.issue_server("localhost"))
    assert_accepted(Endpoint("localhost", server.port), mtls_client_cert, trust=company_ca)
