def test_no_handshake(mtls_server):
    with mtls_server.expect_rejected("expired"):
        url = mtls_server.url
        assert url
