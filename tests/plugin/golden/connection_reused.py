from pytest_mtls import clients


def test_connection_reused(mtls_server, mtls_ca):
    alice = mtls_ca.issue_client("alice")
    session = clients.requests(alice, mtls_ca)
    session.get(mtls_server.url)
    mtls_ca.revoke(alice)
    with mtls_server.expect_rejected("revoked"):
        session.get(mtls_server.url)
