from pytest_mtls import Endpoint, assert_accepted


def test_no_trust(mtls_server, mtls_client_cert):
    assert_accepted(Endpoint("localhost", mtls_server.port), mtls_client_cert)
