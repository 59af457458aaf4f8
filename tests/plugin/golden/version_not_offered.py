from pytest_mtls import assert_accepted


def test_version_not_offered(mtls_server_factory, mtls_client_cert):
    server = mtls_server_factory(tls="1.3")
    assert_accepted(server, mtls_client_cert, tls="1.2")
