from pytest_mtls import assert_accepted, client_cases

(CASE,) = client_cases("self-signed-certificate")


def test_self_signed(mtls_server):
    assert_accepted(mtls_server, CASE.values[0])
