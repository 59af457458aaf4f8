"""One CA for the whole run: in the controller of pytest-xdist, in its workers, and without it."""

from __future__ import annotations

import json
import os
import sys
import venv
from pathlib import Path

import pytest

#: What a suite has that starts one server for all workers. Every process writes down who it is and what its CA is.
CONFTEST = """
import json, os, pathlib, sys
import pytest
import pytest_mtls

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        ca = pytest_mtls.run_ca(config)
        server = pytest_mtls.MutualTLSServer(cert=ca.issue_server(), trust=ca).start()
        config.add_cleanup(server.stop)
        os.environ["SHARED_SERVER"] = server.url

def pytest_sessionfinish(session):
    config = session.config
    name = config.workerinput["workerid"] if hasattr(config, "workerinput") else "controller"
    known = {"prefix": sys.prefix, "ca": pytest_mtls.run_ca(config).pem.decode()}
    pathlib.Path(f"{name}.json").write_text(json.dumps(known))
"""

#: What every process does: the clients of its own are let in by the server outside, and by its own server.
TESTS = """
import os
from urllib.parse import urlsplit
import pytest

def test_clients(mtls_ca, mtls_server, mtls_client, mtls_untrusted_ca, request):
    import pytest_mtls, requests

    assert mtls_ca is pytest_mtls.run_ca(request.config)
    for url in (os.environ["SHARED_SERVER"], mtls_server.url):
        assert mtls_client.get(url).json()["client"]["issuer"] == mtls_ca.subject
        stranger = mtls_untrusted_ca.issue_client().combined_path
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(url, cert=stranger, verify=mtls_ca.cert_path)

def test_revoked(mtls_ca, mtls_server, request):
    from pytest_mtls import assert_accepted, assert_rejected

    alice, bob = mtls_ca.issue_client("alice"), mtls_ca.issue_client("bob")
    assert_accepted(mtls_server, alice)
    mtls_ca.revoke(alice)
    assert_rejected(mtls_server, alice, "revoked")
    assert_accepted(mtls_server, bob)
    if hasattr(request.config, "workerinput"):
        outside = urlsplit(os.environ["SHARED_SERVER"])
        assert_accepted((outside.hostname, outside.port), alice, trust=mtls_ca)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite whose conftest starts a server, outside the workers if there are any; other plugins are off."""
    temporary = pytester.mkdir("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_PLUGINS", raising=False)
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider\n")
    pytester.makepyfile(test_it=TESTS, conftest=CONFTEST)
    return pytester


def processes(pytester: pytest.Pytester) -> dict[str, dict[str, str]]:
    """What each process of the run has written down, by its name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in pytester.path.glob("*.json")}


def test_a_run_without_workers_has_one_ca(suite: pytest.Pytester) -> None:
    """A conftest's server trusts the clients of the tests; the next run has another CA."""
    authorities = set()
    for _ in range(2):
        suite.runpytest_subprocess("-p", "mtls").assert_outcomes(passed=2)
        (process,) = processes(suite).values()
        authorities.add(process["ca"])
    assert 2 == len(authorities)


def test_all_workers_have_the_ca_of_the_controller(suite: pytest.Pytester, tmp_path: Path) -> None:
    """Workers of this and of another interpreter (``--tx``): a server outside trusts the clients of all of them.

    Each worker revokes for itself, and no file of a key is left by any process.
    """
    other = other_python(tmp_path / "other")
    transports = ("--tx", "popen", "--tx", f"popen//python={other}")
    result = suite.runpytest_subprocess("-p", "mtls", "-p", "xdist", "--dist", "each", *transports)
    result.assert_outcomes(passed=4)
    known = processes(suite)
    assert {"controller", "gw0", "gw1"} == set(known)
    assert known["controller"]["prefix"] == known["gw0"]["prefix"] != known["gw1"]["prefix"]
    assert 1 == len({process["ca"] for process in known.values()})
    assert [] == list((suite.path / "temporary").glob("pytest-mtls-*"))


def test_a_controller_without_the_plugin_is_no_hindrance(suite: pytest.Pytester) -> None:
    """A worker that was handed nothing makes a CA of its own."""
    suite.makeconftest(
        """
        import pytest

        @pytest.hookimpl(trylast=True, optionalhook=True)
        def pytest_configure_node(node):
            del node.workerinput["mtls_seed"]
        """
    )
    suite.makepyfile(test_it="def test_it(mtls_ca, mtls_client_cert): assert mtls_client_cert.key_path")
    suite.runpytest_subprocess("-p", "mtls", "-p", "xdist", "-n", "1").assert_outcomes(passed=1)


def other_python(directory: Path) -> Path:
    """Another interpreter: a new environment's. It is of our version, since xdist gives popen workers our path."""
    builder = venv.EnvBuilder(symlinks=os.name != "nt")
    builder.create(directory)
    python = Path(builder.ensure_directories(directory).env_exe)
    (library,) = directory.rglob("site-packages")
    borrowed = dict.fromkeys(path for path in sys.path if path.endswith("site-packages"))
    lines = [f"import site; site.addsitedir({path!r})" for path in borrowed]
    (library / "borrowed.pth").write_text("\n".join(lines), encoding="utf-8")
    return python
