"""`pytest-mtls compare`: two reports, and an exit status for CI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_mtls.__main__ import main


def report(path: Path, **seen: str) -> str:
    """A report of format 2 with these results."""
    results = [
        {"case": case, "tls": "1.3", "theme": "path", "expected": "refused", "seen": verdict, "outcome": "conforms"}
        for case, verdict in seen.items()
    ]
    path.write_text(json.dumps({"format": 2, "results": results}), encoding="utf-8")
    return str(path)


def test_weaker_is_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a change, weaker first; 1 where something got weaker, 0 where nothing did."""
    old = report(tmp_path / "old.json", expired="refused", revoked="accepted")
    new = report(tmp_path / "new.json", expired="accepted", revoked="refused")
    assert 1 == main(["compare", old, new])
    assert [
        "weaker: expired over TLS 1.3: refused -> accepted",
        "stronger: revoked over TLS 1.3: accepted -> refused",
    ] == capsys.readouterr().out.splitlines()
    better = report(tmp_path / "better.json", expired="refused", revoked="refused")
    assert 0 == main(["compare", old, better])
    assert "stronger: revoked over TLS 1.3: accepted -> refused\n" == capsys.readouterr().out


def test_nothing_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That is said too."""
    old = report(tmp_path / "old.json", expired="refused")
    assert 0 == main(["compare", old, old])
    assert "nothing changed\n" == capsys.readouterr().out


def test_unreadable_report_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and exit status 2."""
    assert 2 == main(["compare", str(tmp_path / "absent.json"), str(tmp_path / "absent.json")])
    assert "absent.json cannot be compared: no such file or directory" in capsys.readouterr().err
