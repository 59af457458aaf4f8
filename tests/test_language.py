"""The words that the project has decided on, in docstrings, comments, messages and pages."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: What is not written, as a pattern, and what is written for it.
INSTEAD_OF: dict[str, str] = {
    r"(?<!connection )(?<!request )\brefus(?:e|ing|al)s?\b": "reject, rejection",
    r"\bin place of\b": "instead of",
    r"(?<!there )\bis no (?!longer|more|room|need|matter|good|doubt|other|choice|unless)": "is not a",
    r"\bto be had\b": "available, or what has it",
    r"\b(?<!how )many an? \b": "many",
    r"\bbut for\b": "except",
}

#: Where the words themselves are the subject.
EXEMPT = {"tests/test_language.py", "CHANGELOG.md"}

FILES = sorted(
    path
    for folder in ("pytest_mtls", "docs", "examples", "benchmarks", "changelog.d", ".")
    for path in (ROOT / folder).glob("*" if folder == "." else "**/*")
    if path.suffix in (".py", ".md", ".rst") and "_build" not in path.parts
    if path.relative_to(ROOT).as_posix() not in EXEMPT
)


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """What people read in a file, each with its line: all of a page but its code, and of a module its strings and comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        in_code = False
        for number, line in enumerate(text.splitlines(), 1):
            if line.lstrip().startswith("```"):
                in_code = not in_code
            elif not in_code:
                yield number, re.sub(r"`+[^`]*`+", "", line)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING}:
            for number, line in enumerate(token.string.splitlines(), token.start[0]):
                yield number, re.sub(r"`+[^`]*`+", "", line)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_words(path: Path) -> None:
    """No file has a word that another stands for."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0].strip()!r}: write {better!r}: {line.strip()}"
        for number, line in prose(path)
        for pattern, better in INSTEAD_OF.items()
        for match in re.finditer(pattern, line, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)
