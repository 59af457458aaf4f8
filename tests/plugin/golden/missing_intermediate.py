from pytest_mtls import Identity, assert_accepted


def test_missing_intermediate(mtls_server, mtls_ca):
    issued = mtls_ca.intermediate("Team CA").issue_client("alice")
    alice = Identity.load(issued.certificate, issued.private_key)
    assert_accepted(mtls_server, alice)
