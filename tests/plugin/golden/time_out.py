from pytest_mtls import Endpoint, assert_accepted


def test_time_out(silent_port, mtls_ca, mtls_client_cert):
    assert_accepted(Endpoint("127.0.0.1", silent_port), mtls_client_cert, trust=mtls_ca, timeout=0.3)
