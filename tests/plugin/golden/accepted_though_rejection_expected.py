from pytest_mtls import assert_rejected


def test_accepted_though_rejection_expected(mtls_server, mtls_ca):
    assert_rejected(mtls_server, mtls_ca.issue_client("alice"), "expired")
