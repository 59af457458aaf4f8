def test_connection_reused(mtls_server, mtls_client, mtls_ca, mtls_client_cert):
    mtls_client.get(mtls_server.url)
    mtls_ca.revoke(mtls_client_cert)
    with mtls_server.expect_rejected("revoked"):
        mtls_client.get(mtls_server.url)
