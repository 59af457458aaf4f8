from pytest_mtls import Endpoint, assert_accepted


def test_plain_http_port(serve, mtls_ca, mtls_client_cert):
    assert_accepted(Endpoint("127.0.0.1", serve()), mtls_client_cert, trust=mtls_ca)
