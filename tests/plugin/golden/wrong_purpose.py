from pytest_mtls import assert_accepted


def test_wrong_purpose(mtls_server, mtls_server_cert):
    assert_accepted(mtls_server, mtls_server_cert)
