"""What pytest prints for realistic mistakes, to the letter, at two widths of the terminal.

Each file of ``golden/`` makes one mistake; beside it stands what is printed. ``REWRITE_GOLDEN=1 pytest
tests/plugin/test_golden.py`` writes the outputs anew: read the difference aloud before you commit it.
"""

from __future__ import annotations

import difflib
import os
import re
import ssl
from pathlib import Path
from statistics import median

import pytest
from support.bypass_scenarios import Kit
from support.bypassed_server import Door, chooses
from support.users_suite import INI, Run, said

from pytest_mtls import CertificateAuthority, MutualTLSServer

GOLDEN = Path(__file__).parent / "golden"
MISTAKES = sorted(path.stem for path in GOLDEN.glob("*.py") if path.stem != "conftest")
#: What changes from run to run, and what stands for it.
_CHANGING = [
    (r"OU=Testing CA #[\w-]+,O=pytest-mtls", "CN=CA"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"localhost:\d+", "localhost:PORT"),
    (r"(port ?= ?)\d+", r"\1PORT"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\+00:00| UTC)", "MOMENT"),
    (r"\b[0-9a-f]{20,}\b", "NUMBER"),
    (r"0x[0-9a-fA-F]{6,}", "0xADDRESS"),
    (r"\w*Path\('[^']*'\)", "Path('PATH')"),
    (r"(?:[A-Z]:)?[/\\][^\s']*[/\\](\w+?)(?:-\d+)?\.(crt|key|pem)\b", r"PATH/\1.\2"),
    (r"\b\d+\.\d+s\b", "SECONDS"),
    (r"([=_-])\1{4,}", r"\1\1\1\1\1"),
    # The catalogue grows.
    (r"\b\d+ (deselected|skipped|checks|left out)", r"N \1"),
    # How many of the server's tickets are read before the verdict is known is a matter of luck.
    (r"NewSessionTicket(, NewSessionTicket)+", "NewSessionTicket"),
    (r"test_\d\d\.py", "test_it.py"),
    # Which lines are marked below is up to the version of Python.
    (r"(?m)^ *\^+\n", ""),
]


def normalised(text: str) -> str:
    for pattern, replacement in _CHANGING:
        text = re.sub(pattern, replacement, text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def told_of(result: pytest.RunResult) -> dict[str, str]:
    """What a run prints of each mistake: its section under FAILURES, and its line of the short summary."""
    _, _, rest = said(result).partition(" FAILURES ")
    failures, _, summary = rest.partition(" short test summary info ")
    sections = re.split(r"^_+ test_(\w+)(?:\[[\w-]+\])? _+$", failures, flags=re.MULTILINE)[1:]
    lines = {match[1]: match[0] for match in re.finditer(r"^FAILED test_\d+\.py::test_(\w+).*$", summary, re.MULTILINE)}
    told = dict(zip(sections[::2], sections[1::2], strict=True))
    return {name: normalised(f"{text.strip(chr(10) + '=')}\n{lines[name]}") for name, text in told.items()}


def compare(name: str, width: int, actual: str) -> list[str]:
    """How an output differs from the one that is kept; it is written where that is asked for."""
    path = GOLDEN / f"{name}.{width}.txt"
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(actual, encoding="utf-8")
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    return list(difflib.unified_diff(expected.splitlines(), actual.splitlines(), str(path), "now", lineterm=""))


@pytest.fixture(params=[80, 120], ids=lambda width: f"{width} columns")
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The width of the terminal."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    for name in ("CI", "BUILD_NUMBER"):  # by which pytest knows a CI, where it cuts no line of its summary
        monkeypatch.delenv(name, raising=False)
    columns: int = request.param
    return columns


def test_mistakes(run: Run, pytester: pytest.Pytester, width: int) -> None:
    """Each mistake fails with the words that are kept: its cause at once, in the short summary too."""
    files = {
        f"test_{number:02}": (GOLDEN / f"{name}.py").read_text(encoding="utf-8") for number, name in enumerate(MISTAKES)
    }
    conftest = (GOLDEN / "conftest.py").read_text(encoding="utf-8")
    result = run("", "-p", "no:asyncio", "-p", "no:randomly", conftest=conftest, **files)
    assert {"failed": len(MISTAKES)} == result.parseoutcomes()
    told = told_of(result)
    assert MISTAKES == sorted(told)
    assert [] == [line for name, text in told.items() for line in compare(name, width, text)]
    lengths = [text.count("\n") for text in told.values()]
    assert median(lengths) <= 25


def told_by_run(pytester: pytest.Pytester, port: int, ca: CertificateAuthority, *options: str) -> str:
    """What a conformance run prints against a server, when it is called with ``-q``."""
    pytester.makeini(INI)
    ca.write_to(pytester.path / "certs", name="ca")
    target = [f"--mtls-target=https://localhost:{port}", "--mtls-ca=certs"]
    result = pytester.runpytest("-q", "-p", "no:randomly", "--pyargs", "pytest_mtls.conformance", *target, *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    return normalised(said(result))


def test_conformance_run_against_wrong_ca(
    pytester: pytest.Pytester, mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, width: int
) -> None:
    """A run that was given another CA than the server's says so once."""
    other = CertificateAuthority.create("Staging CA")
    told = told_by_run(pytester, mtls_server.port, other, f"--mtls-server-ca={mtls_ca.cert_path}", "-m", "mtls_path")
    assert [] == compare("conformance_run_against_wrong_ca", width, told)


def test_bypass_found(pytester: pytest.Pytester, width: int) -> None:
    """A run that finds a bypass names it, what got through, and what to do."""
    kit = Kit()

    def choose(hello: bytes) -> ssl.SSLContext:
        """The site that is meant by the first record of a ClientHello, as a careless router reads it."""
        first_record = hello[: 5 + int.from_bytes(hello[3:5], "big")]
        return kit.required if b"localhost" in first_record else kit.lax

    with Door(kit.ca, chooses(choose)) as door:
        told = told_by_run(pytester, door.endpoint.port, kit.ca, "-k", "split-client-hello")
    assert [] == compare("bypass_found", width, told)
