from pytest_mtls import Endpoint, assert_accepted


def test_port_closed(free_port, mtls_ca, mtls_client_cert):
    assert_accepted(Endpoint("127.0.0.1", free_port), mtls_client_cert, trust=mtls_ca)
