"""What a run says: the section on failing tests, the summary, JUnit XML."""

from __future__ import annotations

import pickle
import re
import xml.etree.ElementTree as ET

import pytest
from support.users_suite import Run, said

from pytest_mtls import HandshakeAssertionError, MtlsError, SigningRequestRefused

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
    assert {"test_own_failure", "ERROR at setup of test_broken_fixture"} == set(told)
    own = "\n".join(told["test_own_failure"])
    assert own.count("  verdict: ") == 1
    assert "  verdict: rejected by the server: expired" in own
    assert "CN=alice" in own
    assert "CN=bob" not in own
    assert sum("CN=bob" in line for line in result.outlines) == 1


def test_handshake_of_an_assertion_is_told_once(run: Run) -> None:
    """A failed `assert_accepted` tells of its handshake in its own text, and the section does not repeat it."""
    result = run(
        """
        from pytest_mtls import Endpoint, MutualTLSServer, assert_accepted

        def test_it(mtls_ca, mtls_server_cert):
            with MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca) as server:
                assert_accepted(Endpoint("localhost", server.port, trust=mtls_ca), None)
        """
    )
    result.assert_outcomes(failed=1)
    assert said(result).count("rejected by the server: no certificate") == 1
    assert "test_it" not in sections(result)


def test_failed_assertion_shows_the_frame_of_the_test_alone(run: Run) -> None:
    """No frame of ours is in the traceback, the short summary says what is wrong, the handshake is told once."""
    result = run(
        """
        from pytest_mtls import assert_rejected

        def test_it(mtls_server, mtls_ca):
            assert_rejected(mtls_server, mtls_ca.issue_client("alice"))
        """
    )
    result.assert_outcomes(failed=1)
    text = said(result)
    assert "assertions.py" not in text
    assert "pytest_mtls.HandshakeAssertionError: the server accepted the client" in text
    assert "FAILED test_it.py::test_it - the server accepted the client; it should have r" in text
    assert text.count("CN=alice") == 1


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_colours_on_a_terminal(run: Run, workers: tuple[str, ...]) -> None:
    """The first line is red, the remedy green, the mark on the certificate yellow, and the facts are plain; in a block too."""
    pytest.importorskip("xdist")
    result = run(
        """
        from pytest_mtls import assert_accepted

        def test_it(mtls_server, mtls_ca):
            for days in (-1,):
                assert_accepted(mtls_server, mtls_ca.issue_client(not_before=-10, not_after=days))
        """,
        "--color=yes",
        *workers,
    )
    red, green, yellow, plain = "\x1b[1m\x1b[31m", "\x1b[32m\x1b[1m", "\x1b[33m\x1b[1m", ""
    text = [line for line in result.outlines if "E   " in line]
    colours = {
        "the server rejected the client": red,
        "remedy:": green,
        "<-- not after": yellow,
        "alert:": plain,
        "likely cause:": "\x1b[1m",
    }
    for words, colour in colours.items():
        assert [line.partition("E   ")[0] for line in text if words in line] == [colour], words


def test_colours_are_only_for_terminals(run: Run) -> None:
    """Without colours the text is the same, and a failure that is not ours keeps pytest's own."""
    test = """
        from pytest_mtls import assert_accepted

        def test_it(mtls_server, mtls_ca):
            assert_accepted(mtls_server, mtls_ca.issue_client(not_before=-10, not_after=-1))
        def test_other():
            raise ValueError("one\\nremedy: two")
    """
    assert "\x1b" not in said(run(test, "--color=no"))
    other = [line for line in run(test, "--color=yes").outlines if "E       remedy: two" in line]
    assert other == ["\x1b[1m\x1b[31mE       remedy: two\x1b[0m"]


def test_public_errors_name_where_they_are_imported_from() -> None:
    """The public errors are of `pytest_mtls`, and can be pickled, as xdist and process pools do."""
    for kind in (HandshakeAssertionError, MtlsError, SigningRequestRefused):
        assert kind.__module__ == "pytest_mtls"
        assert pickle.loads(pickle.dumps(kind)) is kind


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
VERDICTS = ["accepted", "accepted", "rejected by the client: unknown CA", "rejected by the server: expired"]


def test_junit_xml_has_the_verdicts(run: Run, pytester: pytest.Pytester) -> None:
    """Each handshake of a test is a property ``mtls_handshake`` of its test case in JUnit XML."""
    run(PROPERTIES, "--junit-xml=report.xml", "-o", "junit_family=xunit1").assert_outcomes(passed=1)
    (case,) = ET.parse(pytester.path / "report.xml").iter("testcase")
    properties = [(one.get("name"), one.get("value")) for one in case.iter("property")]
    assert [("mtls_handshake", verdict) for verdict in VERDICTS] == sorted(properties)


MANY = """
from pytest_mtls import probe

def test_it(mtls_server, mtls_client_cert):
    for number in range(30):
        probe(mtls_server, mtls_client_cert if number else None)
    assert False
"""


def test_many_handshakes_are_counted(run: Run, pytester: pytest.Pytester) -> None:
    """Of many handshakes there is one property for each verdict, and the last ten are told in full; the summary counts all."""
    result = run(MANY, "-v", "--junit-xml=report.xml", "-o", "junit_family=xunit1")
    (case,) = ET.parse(pytester.path / "report.xml").iter("testcase")
    assert {"accepted x 29", "rejected by the server: no certificate"} == {
        one.get("value") for one in case.iter("property")
    }
    result.stdout.fnmatch_lines(
        ["*30 handshakes, of which these are the last 10:", "   29 accepted", "    1 rejected by *"]
    )
    assert 10 == said(result).count("ClientHello")


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_summary_counts_the_verdicts(run: Run, options: tuple[str, ...]) -> None:
    """With ``-v`` the end of the run counts who rejected whom, and why."""
    result = run(PROPERTIES, "-v", *options)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*- mTLS handshakes -*",
            "    2 accepted",
            "    1 rejected by the client: unknown CA",
            "    1 rejected by the server: expired",
        ]
    )


def test_no_summary_without_v_or_handshakes(run: Run) -> None:
    """Who does not ask for more gets no more."""
    assert "mTLS handshakes" not in said(run(PROPERTIES))
    assert "mTLS handshakes" not in said(run("def test_it(): pass", "-v"))
