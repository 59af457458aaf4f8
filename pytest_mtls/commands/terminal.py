"""Text for a terminal. What a peer or a file says is shown, never obeyed: control characters are printed as escapes."""

from __future__ import annotations

import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator

__all__ = ["fitted", "one_line", "shown"]

#: Categories of Unicode that steer a terminal or change the order of what is read: controls, formats, line separators.
_STEERING = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def shown(text: str) -> str:
    r"""The text with what would steer a terminal as escapes such as ``\x1b``; ends of lines stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character == "\n" or unicodedata.category(character) not in _STEERING
        else character.encode("unicode_escape").decode()
        for character in text
    )


def fitted(lines: Iterable[str]) -> Iterator[str]:
    """The lines as they are, or on a terminal: those that are too wide for it broken between words, and indented further."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in lines:
        if len(line) <= width or not width:
            yield line
            continue
        indent = " " * (len(line) - len(line.lstrip()))
        yield from textwrap.wrap(
            line,
            width,
            subsequent_indent=f"{indent}    ",
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )


def one_line(text: str) -> str:
    r"""The same, with ends of lines as ``\n`` too: nothing that a peer says can look like a line of ours."""
    return shown(text).replace("\n", "\\n")
