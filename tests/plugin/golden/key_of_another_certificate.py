from pytest_mtls import Identity


def test_key_of_another_certificate(mtls_ca):
    alice, bob = mtls_ca.issue_client("alice"), mtls_ca.issue_client("bob")
    Identity.load(alice.cert_path, bob.key_path)
