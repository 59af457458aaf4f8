import ssl

from pytest_mtls import Endpoint, assert_accepted


def test_crl_missing(serve, server_context, mtls_ca, mtls_client_cert):
    server_context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    port = serve(server_context)
    assert_accepted(Endpoint("127.0.0.1", port), mtls_client_cert, trust=mtls_ca)
