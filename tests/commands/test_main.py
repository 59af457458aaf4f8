"""The command line: what it prints, and that a mistake is one line and exit status 2."""

from __future__ import annotations

import json
import os
import platform
import ssl
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

from pytest_mtls.__main__ import main
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.listing import as_markdown, select
from pytest_mtls.commands.table import COMMANDS

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "cases.md"


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """`cases` prints a line a case, with verdict, reason and setting."""
    assert 0 == main(["cases", "expired", "revoked", "--side", "client"])
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert [
        ["side", "case", "verdict", "reason", "setting", "what it is"],
        ["client", "expired", "rejected", "expired", "-", "The validity ended a day ago."],
        ["client", "revoked", "rejected", "revoked", "crl", "The certificate is on the CRL of its CA."],
    ] == cells


def test_all_of_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a pattern `cases` lists the whole catalogue, the clients first."""
    main(["cases"])
    sides = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    numbers = {side: len(catalogue.select(["*"])) for side, catalogue in CATALOGUE.items()}
    assert ["client"] * numbers["client"] + ["server"] * numbers["server"] == sides


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """`cases --json` gives each case's facts to programs."""
    main(["cases", "--json", "--side", "server", "wrong-ip-address"])
    assert [
        {
            "side": "server",
            "id": "wrong-ip-address",
            "theme": "names",
            "summary": "The certificate is for another IP address.",
            "tier": "must",
            "accepted": False,
            "reasons": ["hostname_mismatch"],
            "requires": [],
            "rfc": "RFC 9525 section 6.5",
            "limbo": None,
            "tls": None,
            "host": "127.0.0.1",
        }
    ] == json.loads(capsys.readouterr().out)


def test_pattern_of_one_side_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern that matches on one side is not a mistake on the other."""
    main(["cases", "wrong-host"])
    assert 2 == len(capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cases", "expird"], "no case matches 'expird'. Did you mean expired"),
        (["cases", "wrong-hos"], "no case matches 'wrong-hos'. Did you mean wrong-host?"),
        (["cases", "nothing"], "Patterns are globs over case ids. `python -m pytest_mtls cases` lists them all."),
        (["cases", "no-certificate", "--side", "server"], "no server case matches 'no-certificate'."),
        (["mint", "{file}"], "is not a directory. Give a directory that is not there yet, or is empty."),
        (["mint", ""], "directory is '', but it must be the path of a directory"),
        (["mint", "{new}", "--days", "-3"], "days is -3.0, but it must be from 0 to"),
    ],
    ids=["pattern", "server-pattern", "unlike-any", "pattern-of-the-other-side", "directory", "no-directory", "days"],
)
def test_mistakes(arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake is told in one line on the error stream, with status 2, and leaves nothing behind."""
    (tmp_path / "file").write_text("")
    places = {"{file}": str(tmp_path / "file"), "{new}": str(tmp_path / "new")}
    assert 2 == main([places.get(argument, argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert ("", 1, True) == (out, err.count("\n"), err.startswith("pytest-mtls: "))
    assert said in err
    assert ["file"] == os.listdir(tmp_path)


def test_as_a_program(tmp_path: Path) -> None:
    """`python -m pytest_mtls mint` writes the directory and says what is in it."""
    command = [sys.executable, "-m", "pytest_mtls", "mint", str(tmp_path / "certs")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ("", True) == (done.stderr, "README.md names them all." in done.stdout)
    assert (tmp_path / "certs" / "client-cases" / "expired.crt").is_file()


def test_console_script() -> None:
    """`pytest-mtls` is the same program."""
    (script,) = entry_points(group="console_scripts", name="pytest-mtls")
    assert main is script.load()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` tells the versions of all that a verdict rests on."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    lines = capsys.readouterr().out.splitlines()
    assert 0 == ended.value.code
    assert f"pytest-mtls {version('pytest-mtls')}" == lines[0]
    assert lines[1].endswith(f" {platform.python_version()} with {ssl.OPENSSL_VERSION}")
    assert lines[2].startswith(f"cryptography {version('cryptography')} with OpenSSL ")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists each command of the table with its summary."""
    with pytest.raises(SystemExit):
        main(["--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert [] == [command.name for command in COMMANDS if f"{command.name} {command.summary}" not in words]


def test_help_loads_no_library() -> None:
    """`--help` loads neither ssl nor cryptography nor pytest: each command imports what it needs when it runs."""
    program = (
        "import sys\nfrom pytest_mtls.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'cryptography', 'pytest', 'requests', 'ssl', 'trustme'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.splitlines()[-1]


@pytest.mark.parametrize("arguments", [[], ["no-such"], ["cases", "--no-such"]], ids=["none", "command", "option"])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What is not a command line is told with the usage, with status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    assert (2, "", True) == (ended.value.code, out, err.startswith("usage: pytest-mtls "))


def test_reader_that_stops_early() -> None:
    """`cases | head` ends in silence, whatever was not read."""
    command = [sys.executable, "-m", "pytest_mtls", "cases"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        assert "" == listing.stderr.read()
    assert 0 == listing.returncode


def test_reference_page_is_current() -> None:
    """docs/reference/cases.md is what `cases --markdown` prints."""
    assert as_markdown(select()) + "\n" == PAGE.read_text(encoding="utf-8"), (
        "run: python -m pytest_mtls cases --markdown > docs/reference/cases.md"
    )
