from pytest_mtls import assert_rejected


def test_server_requires_nothing(mtls_server_factory):
    server = mtls_server_factory(client_certs="none")
    assert_rejected(server, None)
