"""Which cases a test runs with: the marker, globs, and a suite that chooses for itself."""

from __future__ import annotations

from textwrap import dedent

import pytest
from support.users_suite import Run, said

from pytest_mtls import client_cases


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
