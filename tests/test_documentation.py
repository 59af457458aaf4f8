"""The examples in the README and the documentation run, as they stand there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.requirements import require_program

ROOT = Path(__file__).parent.parent
_FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^<!-- command: (\w+) -->\n```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def python_of(page: str) -> list[str]:
    """The Python of a page, each block whole."""
    return _FENCE.findall((ROOT / page).read_text(encoding="utf-8"))


#: Plugins that no page is about, and that take half of the time that pytest takes to start.
_WITHOUT = ("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:hypothesispytest", "-p", "no:randomly")

#: Pages whose examples start a program that is not Python's.
NEEDS = {"docs/how-to/flask-behind-nginx.md": "nginx", "docs/how-to/any-server.md": "openssl"}


@pytest.mark.parametrize("page", [page for page in PAGES if any("def test_" in code for code in python_of(page))])
def test_examples_run(pytester: pytest.Pytester, page: str) -> None:
    """A page's blocks that define fixtures and tests are one test file after another, and all of them pass."""
    if page in NEEDS:
        require_program(NEEDS[page], apt=NEEDS[page])
    pytester.makeini("[pytest]\n")
    fixtures = [code for code in python_of(page) if "@pytest.fixture" in code and "def test_" not in code]
    if fixtures:
        pytester.makeconftest("\n".join(fixtures))
    for number, code in enumerate(code for code in python_of(page) if "def test_" in code):
        (pytester.path / f"test_block_{number}.py").write_text(code, encoding="utf-8")
    result = pytester.runpytest_subprocess("-W", "error", *_WITHOUT)
    outcomes = result.parseoutcomes()
    assert {"passed"} == set(outcomes), result.stdout.str()


@pytest.mark.parametrize("page", PAGES)
def test_python_compiles(page: str) -> None:
    """No block of Python has a slip of the pen."""
    for code in python_of(page):
        compile(code, page, "exec")


def test_readme_has_its_two_commands() -> None:
    """CI runs these by their names; each is one command line."""
    commands = dict(_COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert ["examples", "tests"] == sorted(commands)
    assert [1, 1] == [len(command.splitlines()) for command in commands.values()]


def test_examples_pass_as_a_user_runs_them(pytester: pytest.Pytester) -> None:
    """``pytest -v examples`` passes, and says what was rejected and why."""
    shutil.copytree(ROOT / "examples", pytester.path / "examples")
    result = pytester.runpytest_subprocess("-v", "examples", *_WITHOUT)
    assert {"passed"} == set(result.parseoutcomes()), result.stdout.str()
    for reason in ("expired", "unknown CA", "possession not proved", "no certificate"):
        result.stdout.fnmatch_lines([f"* rejected by the server: {reason}"])


def test_tutorial_tells_what_a_broken_server_looks_like(pytester: pytest.Pytester) -> None:
    """The output that the tutorial shows is what pytest prints once the server is broken as it says."""
    page = "docs/tutorial/index.md"
    (fixtures,) = [code for code in python_of(page) if "def mtls_target" in code]
    (tests,) = [code for code in python_of(page) if "mtls_client_case" in code]
    assert "ssl.CERT_REQUIRED" in fixtures
    pytester.makeconftest(fixtures.replace("ssl.CERT_REQUIRED", "ssl.CERT_OPTIONAL"))
    pytester.makepyfile(tests)
    result = pytester.runpytest_subprocess(*_WITHOUT)
    result.assert_outcomes(passed=5, failed=1)
    (shown,) = re.findall(r"^```text\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line.rstrip() for line in result.outlines]
    start = lines.index(shown.splitlines()[0])
    assert shown.splitlines() == lines[start : start + len(shown.splitlines())]
