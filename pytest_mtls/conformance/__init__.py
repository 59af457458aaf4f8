"""Whether a server enforces mutual TLS: a test a case of the catalogue, against a server that somebody else wrote.

``pytest --pyargs pytest_mtls.conformance --mtls-target https://localhost:8443 --mtls-ca certs/``
"""
