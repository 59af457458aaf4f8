from pytest_mtls import assert_accepted


def test_expired_server(mtls_server_factory, mtls_ca, mtls_client_cert):
    server = mtls_server_factory(cert=mtls_ca.issue_server("localhost", not_before=-10, not_after=-1))
    assert_accepted(server, mtls_client_cert)
