from pytest_mtls import assert_accepted


def test_wrong_name(mtls_server_factory, mtls_ca, mtls_client_cert):
    server = mtls_server_factory(cert=mtls_ca.issue_server("api.example"))
    assert_accepted(server, mtls_client_cert)
