"""pytest-localserver over mutual TLS, as the documentation has it: a suite of a user's, run by pytest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.requirements import require_library_apart
from test_documentation import python_of

TESTS = """
import pytest
import requests

from pytest_mtls import Reason, assert_rejected

def test_accepted(httpsserver, mtls_client):
    httpsserver.serve_content("hello")
    host, port = httpsserver.server_address
    assert mtls_client.get(f"https://localhost:{port}/").text == "hello"

def test_expired(httpsserver, mtls_ca):
    expired = mtls_ca.issue_client("alice", not_before=-10, not_after=-1)
    assert_rejected(httpsserver.server_address, expired, Reason.EXPIRED, trust=mtls_ca, server_name="localhost")
"""


def test_with_mutual_tls(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """One overriding fixture, and ``httpsserver`` lets in only those who have a good certificate."""
    directory: Path = require_library_apart("pytest-localserver")
    (fixture,) = (code for code in python_of("docs/how-to/clients.md") if "def httpsserver" in code)
    pytester.makeconftest(fixture)
    pytester.makepyfile(TESTS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(directory), os.environ.get("PYTHONPATH")])))
    pytester.runpytest_subprocess("-p", "no:pytest_httpserver").assert_outcomes(passed=2)
