import requests


def test_client_raised_nothing(mtls_server, mtls_ca):
    with mtls_server.expect_accepted():
        requests.get(mtls_server.url, verify=mtls_ca.cert_path)
