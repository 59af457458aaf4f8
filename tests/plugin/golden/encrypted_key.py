from pytest_mtls import Identity


def test_encrypted_key(mtls_ca, tmp_path):
    mtls_ca.issue_client("alice").write_to(tmp_path, password="a password")
    Identity.load(tmp_path / "alice.pem", tmp_path / "alice.key")
