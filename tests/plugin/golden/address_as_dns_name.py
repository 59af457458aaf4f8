from cryptography.x509 import DNSName

from pytest_mtls import Endpoint, assert_accepted


def test_address_as_dns_name(mtls_server_factory, mtls_ca, mtls_client_cert):
    server = mtls_server_factory(cert=mtls_ca.issue_server(DNSName("127.0.0.1")))
    assert_accepted(Endpoint("127.0.0.1", server.port), mtls_client_cert, trust=mtls_ca)
