from pytest_mtls import Endpoint, assert_accepted


def test_name_by_address(mtls_server_factory, mtls_ca, mtls_client_cert):
    server = mtls_server_factory(cert=mtls_ca.issue_server("localhost"))
    assert_accepted(Endpoint("127.0.0.1", server.port), mtls_client_cert, trust=mtls_ca)
