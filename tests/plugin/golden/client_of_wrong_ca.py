from pytest_mtls import CertificateAuthority, assert_accepted


def test_client_of_wrong_ca(mtls_server):
    other = CertificateAuthority.create("Staging CA")
    assert_accepted(mtls_server, other.issue_client("alice"))
