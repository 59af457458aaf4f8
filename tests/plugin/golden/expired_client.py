from pytest_mtls import assert_accepted


def test_expired_client(mtls_server, mtls_ca):
    alice = mtls_ca.issue_client("alice", not_before=-10, not_after=-1)
    assert_accepted(mtls_server, alice)
