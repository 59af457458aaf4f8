from pytest_mtls import assert_rejected


def test_server_asks_but_takes_any(mtls_server_factory):
    server = mtls_server_factory(client_certs="optional")
    assert_rejected(server, None)
