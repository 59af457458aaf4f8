from pytest_mtls import CertificateAuthority, assert_accepted


def test_server_of_wrong_ca(mtls_server_factory, mtls_ca, mtls_client_cert):
    other = CertificateAuthority.create("Staging CA")
    server = mtls_server_factory(cert=other.issue_server("localhost"))
    assert_accepted(server, mtls_client_cert, trust=mtls_ca)
