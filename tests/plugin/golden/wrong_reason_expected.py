from pytest_mtls import assert_rejected


def test_wrong_reason_expected(mtls_server, mtls_ca):
    alice = mtls_ca.issue_client("alice", not_before=-10, not_after=-1)
    assert_rejected(mtls_server, alice, "revoked")
