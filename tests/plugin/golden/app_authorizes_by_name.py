from pytest_mtls import Endpoint, assert_accepted


def test_app_authorizes_by_name(mtls_server_factory, billing_only, mtls_ca):
    server = mtls_server_factory(billing_only)
    target = Endpoint("localhost", server.port, "https", trust=mtls_ca)
    assert_accepted(target, mtls_ca.issue_client("alice"))
