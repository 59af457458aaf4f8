"""In CI a skip fails the run unless it is expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.expected_skips import EXPECTED_SKIPS, ExpectedSkip, is_expected

TESTS = Path(__file__).parent
SUITE = """
    import pytest

    def test_passes():
        pass

    def test_skips():
        pytest.skip("no reason at all")

    @pytest.mark.skip(reason="marked")
    def test_is_marked():
        pass

    @pytest.mark.xfail(strict=True)
    def test_xfails():
        assert False

    @pytest.fixture
    def absent():
        pytest.skip("not here")

    def test_uses_absent(absent):
        pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A suite with three skips, under this suite's own conftest.py."""
    for name in ("conftest.py", "support/expected_skips.py"):
        source = (TESTS / name).read_text(encoding="utf-8").replace('pytest_plugins = ["pytester"]', "")
        copy = pytester.path / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(source, encoding="utf-8")
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\npythonpath = ["."]')
    pytester.makepyfile(SUITE)
    return pytester


@pytest.mark.parametrize("workers", ["0", "2"])
def test_unexpected_skips_fail_in_ci(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    """With CI set, every skip is a failure that names the test and its reason; an xfail stays one."""
    monkeypatch.setenv("CI", "true")
    result = suite.runpytest_subprocess("-n", workers)
    outcomes = result.parseoutcomes()
    skipped_at_set_up = outcomes.pop("errors", 0)
    assert {"passed": 1, "failed": 3, "xfailed": 1} == {
        **outcomes,
        "failed": outcomes.get("failed", 0) + skipped_at_set_up,
    }
    for test, reason in (("skips", "no reason at all"), ("is_marked", "marked"), ("uses_absent", "not here")):
        result.stdout.fnmatch_lines([f"*::test_{test} skipped in CI: {reason}"])
    assert pytest.ExitCode.TESTS_FAILED == result.ret


def test_skips_are_skips_elsewhere(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CI a skip is only reported."""
    monkeypatch.delenv("CI", raising=False)
    suite.runpytest_subprocess("-n", "0").assert_outcomes(passed=1, skipped=3, xfailed=1)


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.slow)])
def test_a_module_may_not_skip_in_ci(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    """A module that skips while it is collected fails the run too."""
    monkeypatch.setenv("CI", "true")
    suite.makepyfile(test_module="import pytest\npytest.skip('whole', allow_module_level=True)")
    result = suite.runpytest_subprocess("-n", workers, "test_module.py")
    result.stdout.fnmatch_lines(["*test_module.py skipped in CI: whole"])
    assert result.ret not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def test_an_expected_skip_is_found_by_test_and_reason() -> None:
    """Both globs of an entry must match."""
    table = [ExpectedSkip("tests/test_a.py::*", "needs a moon*", "there is none")]
    assert is_expected("tests/test_a.py::test_x", "needs a moon: wait", table)
    assert not is_expected("tests/test_b.py::test_x", "needs a moon: wait", table)
    assert not is_expected("tests/test_a.py::test_x", "needs a sun", table)


def test_every_expected_skip_says_why() -> None:
    """An entry of the table without an explanation, or that expects everything, is none."""
    assert [] == [skip for skip in EXPECTED_SKIPS if not skip.why or skip.reason == "*"]
