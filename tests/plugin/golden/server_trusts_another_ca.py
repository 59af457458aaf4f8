from pytest_mtls import assert_rejected


def test_server_trusts_another_ca(mtls_server_factory, mtls_ca, mtls_untrusted_ca):
    server = mtls_server_factory(trust=[mtls_ca, mtls_untrusted_ca])
    assert_rejected(server, mtls_untrusted_ca.issue_client("alice"), "unknown_ca")
