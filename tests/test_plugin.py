"""The plugin, used as users use it: test files of their own, run by pytest."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

import pytest_mtls
from pytest_mtls import client_cases, server_cases

# A run of pytest inside this process forgets what it imported. Extension modules do not bear being imported twice, so
# that all which is used inside has to be there before.
for _name in ("anyio._backends._asyncio", "anyio._backends._trio", "freezegun", "httpx", "requests", "time_machine"):
    import_module(_name)
for _name in pytest_mtls.__all__:
    getattr(pytest_mtls, _name)

#: A suite as strict as one can be. The ignored warning is pytest-asyncio's, about an option of its own.
INI = """
[pytest]
addopts = --strict-markers --strict-config -p no:cacheprovider
filterwarnings =
    error
    ignore:The configuration option "asyncio_default_fixture_loop_scope" is unset:pytest.PytestDeprecationWarning
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run pytest, in this process, over a test file and what else is given by name."""

    def run(test: str, *options: str, **files: str) -> pytest.RunResult:
        write(pytester, test, **files)
        return pytester.runpytest(*options)

    return run


def write(pytester: pytest.Pytester, test: str, **files: str) -> None:
    """Write a test file, the strict ini file, and other modules by name."""
    pytester.makeini(INI)
    for name, text in {"test_it": test, **files}.items():
        (pytester.path / f"{name}.py").write_text(dedent(text), encoding="utf-8")


def said(result: pytest.RunResult) -> str:
    """All that a run printed."""
    return result.stdout.str() + result.stderr.str()


# --- what the contract shows -----------------------------------------------------------------------------------------

CONTRACT = """
import pytest, requests
import pytest_mtls
from pytest_mtls import assert_accepted, assert_rejected, Reason

def test_server_knows_its_client(mtls_server, mtls_client):
    body = mtls_client.get(mtls_server.url).json()          # the default app tells who called
    assert body["client"]["subject"] == "CN=client"
    assert mtls_server.handshakes[-1].tls_version == "TLSv1.3"

def test_my_client_survives_refusal(mtls_ca, mtls_server):
    expired = mtls_ca.issue_client("alice", not_before=-10, not_after=-1)   # days from now; datetimes too
    with mtls_server.expect_rejected(Reason.EXPIRED) as seen:               # swallows what the client raises
        requests.get(mtls_server.url, cert=(expired.cert_path, expired.key_path), verify=mtls_ca.cert_path)
    assert seen.handshake.alert.name == "CERTIFICATE_EXPIRED"
    assert isinstance(seen.exception, requests.exceptions.ConnectionError)

def test_every_bad_client_is_refused(mtls_target, mtls_client_case):
    assert_rejected(mtls_target, mtls_client_case)          # the case knows its reason

def test_my_client_refuses_every_bad_server(mtls_server_case, mtls_server_factory, mtls_client):
    server = mtls_server_factory(cert=mtls_server_case)
    with server.expect_rejected(mtls_server_case.reason, by="client"):
        mtls_client.get(server.url)

@pytest.mark.parametrize("case", pytest_mtls.client_cases("expired", "untrusted-*"))
def test_some(mtls_target, case): assert_rejected(mtls_target, case)

def test_enrolment(mtls_ca, mtls_server):
    csr = pytest_mtls.CertificateSigningRequest.create("alice", sans=["alice.example"])
    alice = mtls_ca.sign(csr)                               # refuses a CSR whose own signature is bad
    assert_accepted(mtls_server, mtls_ca.renew(alice))
"""


def test_the_contract_holds_to_the_letter(run: Run) -> None:
    """What the contract says a test looks like passes, over the whole catalogue."""
    cases = len(client_cases()) + len(server_cases()) + len(client_cases("expired", "untrusted-*"))
    run(CONTRACT).assert_outcomes(passed=3 + cases)


# --- fixtures --------------------------------------------------------------------------------------------------------


def test_every_fixture_gives_what_it_says(run: Run) -> None:
    """Each fixture of the contract is there, and they fit each other."""
    run(
        """
        import requests
        from pytest_mtls import Case, CertificateAuthority, Identity, MutualTLSServer, probe

        def test_authorities(mtls_ca, mtls_untrusted_ca):
            assert isinstance(mtls_ca, CertificateAuthority) and isinstance(mtls_untrusted_ca, CertificateAuthority)
            assert mtls_ca.certificate.subject == mtls_untrusted_ca.certificate.subject
            assert mtls_ca.certificate != mtls_untrusted_ca.certificate

        def test_identities(mtls_ca, mtls_server_cert, mtls_client_cert):
            assert isinstance(mtls_server_cert, Identity) and isinstance(mtls_client_cert, Identity)
            mtls_server_cert.certificate.verify_directly_issued_by(mtls_ca.certificate)
            mtls_client_cert.certificate.verify_directly_issued_by(mtls_ca.certificate)

        def test_server_is_for_all_loopback_names(mtls_server_factory, mtls_client):
            for host in ("localhost", "127.0.0.1"):
                assert mtls_client.get(mtls_server_factory(host=host).url).status_code == 200

        def test_server_requires_a_certificate(mtls_server):
            assert isinstance(mtls_server, MutualTLSServer) and mtls_server.is_running
            assert probe(mtls_server).reason == "no_certificate"

        def test_server_shows_this_tests_handshakes(mtls_server, mtls_client_cert):
            assert mtls_server.handshakes == ()
            probe(mtls_server, mtls_client_cert)
            assert len(mtls_server.handshakes) == 1

        def test_factory_takes_what_the_server_takes(mtls_server_factory, mtls_untrusted_ca, mtls_client_cert):
            assert probe(mtls_server_factory(client_certs="optional")).accepted
            assert probe(mtls_server_factory(client_certs="none", tls="1.2")).tls_version == "TLSv1.2"
            stranger = mtls_server_factory(trust=mtls_untrusted_ca)
            assert probe(stranger, mtls_client_cert).rejected_by == "server"

        def test_client_ignores_the_environment(mtls_client, mtls_server, monkeypatch):
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/dev/null")
            monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
            assert isinstance(mtls_client, requests.Session)
            assert mtls_client.get(mtls_server.url).status_code == 200

        def test_target_is_the_server(mtls_target, mtls_server):
            assert mtls_target is mtls_server

        def test_cases(mtls_client_case):
            assert isinstance(mtls_client_case, Case) and mtls_client_case.side == "client"

        def test_server_cases(mtls_server_case):
            assert isinstance(mtls_server_case, Case) and mtls_server_case.side == "server"
        """
    ).assert_outcomes(passed=8 + len(client_cases()) + len(server_cases()))


def test_session_fixtures_are_the_same_in_every_test(run: Run) -> None:
    """CAs and certificates are made once a session, servers once a test."""
    run(
        """
        import pytest

        SEEN = []

        @pytest.mark.parametrize("time", [1, 2])
        def test_it(time, mtls_ca, mtls_untrusted_ca, mtls_server_cert, mtls_client_cert, mtls_server):
            SEEN.append((mtls_ca, mtls_untrusted_ca, mtls_server_cert, mtls_client_cert, mtls_server))
            if len(SEEN) == 2:
                assert [one is other for one, other in zip(*SEEN)] == [True, True, True, True, False]
        """
    ).assert_outcomes(passed=2)


def test_servers_are_stopped_at_teardown(run: Run) -> None:
    """Whatever the factory started is stopped, also when its test failed, and no thread stays."""
    result = run(
        """
        import threading
        import pytest
        from pytest_mtls import probe

        STARTED = []

        @pytest.fixture(autouse=True)
        def look_afterwards():
            before = set(threading.enumerate())
            yield
            assert len(STARTED) == 3 and not any(server.is_running for server in STARTED)
            assert set(threading.enumerate()) == before

        def test_it(look_afterwards, mtls_server, mtls_server_factory, mtls_client_cert):
            STARTED.extend([mtls_server, mtls_server_factory(), mtls_server_factory()])
            for server in STARTED:
                assert probe(server, mtls_client_cert).accepted
            raise RuntimeError("on purpose")
        """
    )
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize("scope", ["module", "session"])
def test_fixtures_are_overridden_in_a_conftest(run: Run, scope: str) -> None:
    """A suite puts its own CA, certificate and target in place of ours; what depends on them follows."""
    run(
        """
        def test_ca(mtls_ca, mtls_server_cert, mtls_untrusted_ca):
            assert mtls_ca.subject == mtls_untrusted_ca.subject == "CN=ours,O=pytest-mtls"
            mtls_server_cert.certificate.verify_directly_issued_by(mtls_ca.certificate)

        def test_server(mtls_server, mtls_client):
            assert mtls_client.get(mtls_server.url).json()["client"]["issuer"] == "CN=ours,O=pytest-mtls"
            assert len(mtls_server.cert.certificate.extensions) and mtls_server.cert.subject == "CN=web.example"

        def test_target(mtls_target, mtls_client_cert):
            from pytest_mtls import assert_accepted, assert_rejected

            assert mtls_target.server_name == "web.example"
            assert_accepted(mtls_target, mtls_client_cert)
            assert_rejected(mtls_target)
        """,
        conftest=f"""
        import pytest
        from pytest_mtls import CertificateAuthority, Endpoint, MutualTLSServer

        @pytest.fixture(scope="session")
        def mtls_ca():
            return CertificateAuthority.create("ours")

        @pytest.fixture(scope="session")
        def mtls_server_cert(mtls_ca):
            return mtls_ca.issue_server("web.example", "localhost", common_name="web.example")

        @pytest.fixture(scope="{scope}")
        def mtls_target(mtls_ca, mtls_server_cert):
            with MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca) as server:
                yield Endpoint("localhost", server.port, server_name="web.example", trust=mtls_ca, ca=mtls_ca)
        """,
    ).assert_outcomes(passed=3)


# --- choosing cases --------------------------------------------------------------------------------------------------


def test_marker_narrows_the_cases(run: Run) -> None:
    """The closest marker chooses by globs, less those excluded; a list or a single string will do."""
    result = run(
        """
        import pytest

        pytestmark = pytest.mark.mtls_cases("no-certificate")

        def test_module(mtls_client_case): pass

        @pytest.mark.mtls_cases("expired", "untrusted-ca")
        def test_patterns(mtls_client_case): pass

        @pytest.mark.mtls_cases("expired", "revoked", "no-certificate", exclude="rev*")
        def test_exclude_one(mtls_client_case): pass

        @pytest.mark.mtls_cases("expired", "revoked", "no-certificate", exclude=["rev*", "no-*"])
        def test_exclude_several(mtls_client_case): pass

        @pytest.mark.mtls_cases("expired")
        def test_server(mtls_server_case): pass

        @pytest.mark.mtls_cases("not-yet-valid")
        class TestGroup:
            def test_in_class(self, mtls_client_case): pass
        """,
        "--collect-only",
        "-q",
        "-p",
        "no:randomly",
    )
    assert [
        "test_it.py::test_module[no-certificate]",
        "test_it.py::test_patterns[expired]",
        "test_it.py::test_patterns[untrusted-ca]",
        "test_it.py::test_exclude_one[no-certificate]",
        "test_it.py::test_exclude_one[expired]",
        "test_it.py::test_exclude_several[expired]",
        "test_it.py::test_server[expired]",
        "test_it.py::TestGroup::test_in_class[not-yet-valid]",
    ] == [line for line in result.outlines if "::" in line]


def test_case_that_cannot_be_presented_skips(run: Run) -> None:
    """A case that a TLS version cannot carry skips the test with that reason; it does not pass unseen."""
    result = run(
        """
        import pytest
        from pytest_mtls import assert_rejected

        @pytest.mark.mtls_cases("garbage-certificate", "expired")
        def test_it(mtls_target, mtls_client_case):
            assert_rejected(mtls_target, mtls_client_case, tls="1.3")
        """,
        "-rs",
    )
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*case 'garbage-certificate' cannot be presented here: it goes over TLS 1.2*"])


def test_exclude_alone_narrows_all_bad_ones(run: Run) -> None:
    """Without a pattern the marker starts from every bad case."""
    run(
        """
        import pytest

        @pytest.mark.mtls_cases(exclude="*")
        def test_none(mtls_client_case): pass

        @pytest.mark.mtls_cases(exclude="expired")
        def test_rest(mtls_client_case):
            assert mtls_client_case.id != "expired"
        """
    ).assert_outcomes(passed=len(client_cases()) - 1, skipped=1)


def test_both_case_fixtures_make_a_matrix(run: Run) -> None:
    """A test that takes both gets every pair."""
    run(
        """
        import pytest

        @pytest.mark.mtls_cases("expired", "not-yet-valid")
        def test_it(mtls_client_case, mtls_server_case):
            assert (mtls_client_case.side, mtls_server_case.side) == ("client", "server")
        """
    ).assert_outcomes(passed=4)


def test_own_parametrize_wins(run: Run) -> None:
    """A test, class or module that parametrizes the fixture itself chooses its values."""
    run(
        """
        import pytest
        from pytest_mtls import client_cases, server_cases

        @pytest.mark.parametrize("mtls_client_case", client_cases("expired"))
        def test_direct(mtls_client_case):
            assert mtls_client_case.id == "expired"

        @pytest.mark.parametrize("mtls_client_case", client_cases("expired"), indirect=True)
        def test_indirect(mtls_client_case):
            assert mtls_client_case.id == "expired"

        @pytest.mark.parametrize(("number", "mtls_client_case"), [(1, "anything")])
        def test_among_others(number, mtls_client_case):
            assert (number, mtls_client_case) == (1, "anything")

        @pytest.mark.parametrize("number, mtls_client_case", [(1, "anything")])
        def test_in_one_string(number, mtls_client_case):
            assert (number, mtls_client_case) == (1, "anything")

        @pytest.mark.parametrize(argnames="mtls_server_case", argvalues=server_cases("expired"))
        class TestGroup:
            def test_in_class(self, mtls_server_case):
                assert mtls_server_case.id == "expired"
        """
    ).assert_outcomes(passed=5)


@pytest.mark.parametrize(
    "override",
    [
        pytest.param(
            """
            @pytest.fixture
            def mtls_client_case():
                return CASE
            """,
            id="plain",
        ),
        pytest.param(
            """
            @pytest.fixture(params=[pytest.param(CASE, id="mine")])
            def mtls_client_case(request):
                return request.param
            """,
            id="params",
        ),
    ],
)
def test_overridden_case_fixture_wins(run: Run, override: str) -> None:
    """A suite's own fixture of the name is not parametrized behind its back."""
    run(
        """
        def test_it(mtls_client_case):
            assert mtls_client_case.id == "expired"
        """,
        conftest="import pytest\nfrom pytest_mtls import client_cases\nCASE = client_cases('expired')[0].values[0]\n"
        + dedent(override),
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "fixture", "message"),
    [
        (
            "'expierd'",
            "mtls_client_case",
            "no client case matches 'expierd'. Did you mean expired",
        ),
        ("'xyz'", "mtls_server_case", "no server case matches 'xyz'. Patterns are globs over case ids."),
        ("'expired', exclude='xyz'", "mtls_client_case", "no client case matches 'xyz'."),
        ("'expired', exlude='x'", "mtls_client_case", "unknown argument exlude: it takes glob patterns, and exclude="),
        ("7", "mtls_client_case", "a case pattern is 7, but it must be a string, such as 'expired*'."),
        ("['expired']", "mtls_client_case", "a case pattern is ['expired'], but it must be a string"),
        ("exclude=7", "mtls_client_case", "exclude is 7, but it must be a glob pattern or several."),
        ("exclude=[7]", "mtls_client_case", "a case pattern is 7, but it must be a string, such as 'expired*'."),
        ("'expired'", "mtls_ca", "the marker needs one of the fixtures mtls_client_case and mtls_server_case"),
    ],
)
def test_misused_marker_is_one_clear_message(run: Run, marker: str, fixture: str, message: str) -> None:
    """The message names the test, the marker, the value and the remedy; there is no traceback and no internal error."""
    result = run(f"import pytest\n\n@pytest.mark.mtls_cases({marker})\ndef test_it({fixture}): pass\n")
    result.assert_outcomes(errors=1)
    text = said(result)
    assert f"test_it.py::test_it: @pytest.mark.mtls_cases: {message}" in text
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
    assert pytest.ExitCode.INTERRUPTED == result.ret


def test_unknown_case_in_parametrize_is_one_clear_message(run: Run) -> None:
    """`client_cases` at import time says the same."""
    result = run(
        """
        import pytest
        from pytest_mtls import client_cases

        @pytest.mark.parametrize("case", client_cases("expierd"))
        def test_it(case): pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*no client case matches 'expierd'. Did you mean expired*"])


# --- reports ---------------------------------------------------------------------------------------------------------

FAILING = """
from pytest_mtls import assert_accepted, probe
import pytest

def test_own_failure(mtls_server, mtls_ca):
    probe(mtls_server, mtls_ca.issue_client("alice", not_before=-10, not_after=-1))
    assert 1 == 2

def test_assertion(mtls_server, mtls_ca):
    assert_accepted(mtls_server, mtls_ca.issue_client("bob", not_before=-10, not_after=-1))

def test_passing(mtls_server, mtls_client_cert):
    assert probe(mtls_server, mtls_client_cert).accepted

def test_failing_without_handshakes(mtls_server):
    assert 1 == 2

def test_failing_without_us():
    assert 1 == 2

@pytest.fixture
def broken(mtls_server):
    probe(mtls_server)
    raise RuntimeError("in set-up")

def test_broken_fixture(broken): pass
"""


def sections(result: pytest.RunResult) -> dict[str, list[str]]:
    """The ``mTLS handshakes`` section of each failed test, as lines."""
    found: dict[str, list[str]] = {}
    test, inside = "", False
    for line in result.outlines:
        heading = re.fullmatch(r"(_+|-+|=+) (.+) \1_?-?=?", line)
        if heading is not None and line.startswith("_"):
            test = heading[2]
        if heading is not None or line.startswith(("=", "_")):
            inside = heading is not None and heading[2] == "mTLS handshakes"
        elif inside and test:
            found.setdefault(test, []).append(line)
    return found


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_failing_test_shows_its_handshakes(run: Run, options: tuple[str, ...]) -> None:
    """A failing test's report tells of its handshakes and of no other's; a passing one's does not."""
    result = run(FAILING, *options)
    result.assert_outcomes(passed=1, failed=4, errors=1)
    told = sections(result)
    assert {"test_own_failure", "test_assertion", "ERROR at setup of test_broken_fixture"} == set(told)
    own = "\n".join(told["test_own_failure"])
    assert own.count("  verdict: ") == 1
    assert "  verdict: refused by the server for expired" in own
    assert "CN=alice" in own
    assert "CN=bob" not in own
    assert "CN=bob" in "\n".join(told["test_assertion"])


def test_handshake_of_an_assertion_is_told_without_a_server_of_ours(run: Run) -> None:
    """A failed `assert_accepted` against somebody else's server has its handshake in the section."""
    result = run(
        """
        from pytest_mtls import Endpoint, MutualTLSServer, assert_accepted

        def test_it(mtls_ca, mtls_server_cert):
            with MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca) as server:
                assert_accepted(Endpoint("localhost", server.port, trust=mtls_ca), None)
        """
    )
    result.assert_outcomes(failed=1)
    assert "  verdict: refused by the server for no certificate" in "\n".join(sections(result)["test_it"])


PROPERTIES = """
import requests
from pytest_mtls import assert_rejected, client_cases, probe, server_cases

def test_it(mtls_server_factory, mtls_server, mtls_client, mtls_client_cert, mtls_ca):
    assert_rejected(mtls_server, client_cases("expired")[0].values[0])
    mtls_client.get(mtls_server.url)
    bad = mtls_server_factory(cert=server_cases("untrusted-ca")[0].values[0])
    with bad.expect_rejected():
        mtls_client.get(bad.url)
"""
VERDICTS = ["accepted", "accepted", "refused by the client: unknown CA", "refused by the server: expired"]


def test_junit_xml_has_the_verdicts(run: Run, pytester: pytest.Pytester) -> None:
    """Each handshake of a test is a property ``mtls_handshake`` of its test case in JUnit XML."""
    run(PROPERTIES, "--junit-xml=report.xml", "-o", "junit_family=xunit1").assert_outcomes(passed=1)
    (case,) = ET.parse(pytester.path / "report.xml").iter("testcase")
    properties = [(one.get("name"), one.get("value")) for one in case.iter("property")]
    assert [("mtls_handshake", verdict) for verdict in VERDICTS] == sorted(properties)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_summary_counts_the_verdicts(run: Run, options: tuple[str, ...]) -> None:
    """With ``-v`` the end of the run counts who refused whom, and why."""
    result = run(PROPERTIES, "-v", *options)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*- mTLS handshakes -*",
            "    2 accepted",
            "    1 refused by the client: unknown CA",
            "    1 refused by the server: expired",
        ]
    )


def test_no_summary_without_v_or_handshakes(run: Run) -> None:
    """Who does not ask for more gets no more."""
    assert "mTLS handshakes" not in said(run(PROPERTIES))
    assert "mTLS handshakes" not in said(run("def test_it(): pass", "-v"))


# --- together with others --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", ["1", "2"])
def test_any_order_will_do(run: Run, seed: str) -> None:
    """pytest-randomly shuffles tests and seeds `random` alike before each; keys and serials still differ."""
    run(
        """
        import pytest
        from pytest_mtls import client_cases

        SERIALS = set()

        @pytest.mark.parametrize("number", range(3))
        def test_serial(number, mtls_ca):
            serial = mtls_ca.issue_client().certificate.serial_number
            assert serial not in SERIALS
            SERIALS.add(serial)

        def test_server(mtls_server, mtls_client):
            assert mtls_client.get(mtls_server.url).ok

        @pytest.mark.mtls_cases("revoked")
        def test_case(mtls_target, mtls_client_case):
            from pytest_mtls import assert_rejected

            assert_rejected(mtls_target, mtls_client_case)
        """,
        "-p",
        "randomly",
        f"--randomly-seed={seed}",
    ).assert_outcomes(passed=5)


def test_asyncio_tests_use_the_fixtures(run: Run) -> None:
    """Servers run in threads of their own: a test that is a coroutine talks to them."""
    run(
        """
        import httpx
        import pytest

        @pytest.fixture
        def context(mtls_ca, mtls_client_cert):
            return mtls_client_cert.ssl_context(trust=mtls_ca)

        @pytest.mark.asyncio
        async def test_accepted(mtls_server, context):
            async with httpx.AsyncClient(verify=context, trust_env=False) as client:
                assert (await client.get(mtls_server.url)).json()["client"]["subject"] == "CN=client"

        @pytest.mark.asyncio
        @pytest.mark.mtls_cases("expired", "untrusted-ca")
        async def test_refused(mtls_server_factory, mtls_server_case, context):
            server = mtls_server_factory(cert=mtls_server_case)
            with server.expect_rejected(mtls_server_case.reason) as seen:
                async with httpx.AsyncClient(verify=context, trust_env=False) as client:
                    await client.get(server.url)
            assert isinstance(seen.exception, httpx.ConnectError)
        """
    ).assert_outcomes(passed=3)


def test_anyio_tests_use_the_fixtures(run: Run) -> None:
    """The same on both of anyio's backends."""
    run(
        """
        import anyio
        import pytest

        pytestmark = pytest.mark.anyio

        async def test_accepted(mtls_server, mtls_ca, mtls_client_cert):
            context = mtls_client_cert.ssl_context(trust=mtls_ca)
            with mtls_server.expect_accepted(mtls_client_cert):
                stream = await anyio.connect_tcp(
                    "127.0.0.1", mtls_server.port, tls_hostname="localhost", ssl_context=context
                )
                await stream.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
                assert (await stream.receive()).startswith(b"HTTP/1.1 200")
                await stream.aclose()
        """
    ).assert_outcomes(passed=2)


def test_without_the_plugin_nothing_is_there(pytester: pytest.Pytester) -> None:
    """``-p no:mtls`` takes fixtures and marker away and imports nothing of ours."""
    write(
        pytester,
        """
        import sys

        def test_nothing_is_imported():
            assert [name for name in sys.modules if name.startswith("pytest_mtls")] == []

        def test_fixture(mtls_ca): pass
        """,
    )
    result = pytester.runpytest_subprocess("-p", "no:mtls")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*fixture 'mtls_ca' not found"])


def test_marker_and_fixtures_are_documented(run: Run) -> None:
    """``--markers`` and ``--fixtures`` list ours, with what they do."""
    text = said(run("", "--markers"))
    assert "@pytest.mark.mtls_cases(*patterns, exclude=()): narrow mtls_client_case or mtls_server_case" in text
    listed = said(run("", "--fixtures"))
    fixtures = re.findall(r"^(mtls_\w+)(?: \[session scope\])? -- .*\n    \S", listed, re.MULTILINE)
    assert [
        "mtls_async_client",
        "mtls_ca",
        "mtls_client",
        "mtls_client_case",
        "mtls_client_cert",
        "mtls_launch",
        "mtls_server",
        "mtls_server_case",
        "mtls_server_cert",
        "mtls_server_factory",
        "mtls_target",
        "mtls_untrusted_ca",
    ] == sorted(fixtures)


# --- files and clocks ------------------------------------------------------------------------------------------------


def test_no_file_outlives_the_run(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directories of private keys, of CAs that are nobody's fixture too, are gone after a run with a failure."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    write(
        pytester,
        """
        import pathlib, tempfile
        from pytest_mtls import CertificateAuthority

        def test_it(mtls_server, mtls_client, mtls_untrusted_ca):
            assert mtls_client.get(mtls_server.url).ok
            assert pathlib.Path(mtls_untrusted_ca.issue_client().key_path).exists()
            assert pathlib.Path(CertificateAuthority.create().issue_client().key_path).exists()
            assert list(pathlib.Path(tempfile.gettempdir()).glob("pytest-mtls-*"))
            assert 1 == 2
        """,
    )
    pytester.runpytest_subprocess().assert_outcomes(failed=1)
    assert [] == list(directory.iterdir())


@pytest.mark.parametrize(
    "frozen",
    [
        'freezegun.freeze_time("2020-01-01")',
        'freezegun.freeze_time("2050-01-01")',
        'time_machine.travel("2020-01-01")',
        'time_machine.travel("2020-01-01", tick=False)',
    ],
)
def test_clock_tricks_change_no_verdict(run: Run, frozen: str) -> None:
    """Under a frozen or moved clock what is minted is really valid, or really expired."""
    run(
        f"""
        import freezegun
        import pytest
        import requests
        import time_machine
        from pytest_mtls import assert_accepted, assert_rejected

        pytestmark = pytest.mark.filterwarnings("ignore:System time is way off")  # urllib3's, of what it is shown

        @pytest.mark.mtls_cases("expired", "not-yet-valid", "revoked")
        def test_cases(mtls_target, mtls_client_case):
            with {frozen}:
                assert_rejected(mtls_target, mtls_client_case)

        @{frozen}
        def test_minted_under_the_trick(mtls_ca, mtls_server, mtls_client):
            assert_accepted(mtls_server, mtls_ca.issue_client("alice"))
            assert mtls_client.get(mtls_server.url).status_code == 200
            with mtls_server.expect_rejected("expired"):
                old = mtls_ca.issue_client(not_before=-2, not_after=-1)
                requests.get(mtls_server.url, cert=old.combined_path, verify=mtls_ca.cert_path)
        """
    ).assert_outcomes(passed=4)


# --- odd certificates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("-W", "error", "-p", "no:asyncio")])
def test_odd_certificates_are_told_where_warnings_are_errors(run: Run, options: tuple[str, ...]) -> None:
    """cryptography remarks on a serial number of zero; that spoils neither the verdict nor the report of a failure."""
    result = run(
        """
        import pytest
        from pytest_mtls import assert_accepted

        @pytest.mark.mtls_cases("serial-number-zero", "serial-number-negative")
        def test_accepted(mtls_server, mtls_client_case):
            assert_accepted(mtls_server, mtls_client_case)
            raise RuntimeError("told")
        """,
        *options,
    )
    result.assert_outcomes(failed=2)
    assert 2 == result.outlines.count("E       RuntimeError: told")
