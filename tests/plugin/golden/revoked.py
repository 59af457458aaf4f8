from pytest_mtls import assert_accepted


def test_revoked(mtls_server, mtls_ca):
    alice = mtls_ca.issue_client("alice")
    mtls_ca.revoke(alice)
    assert_accepted(mtls_server, alice)
