"""The colours of a failed assertion on a terminal, written by pytest's own terminal writer.

pytest writes all of a failure in red. Here its first line stays red, since it says what is wrong; the certificate at fault
and what to do about it stand out, and the facts between them are plain.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["colour_facts"]

#: How lines of an assertion that begin or go on in this way are written; the first that fits counts.
_MARKUP = (
    ("<--", {"yellow": True, "bold": True}),
    ("likely cause:", {"bold": True}),
    ("remedy:", {"green": True, "bold": True}),
)
#: How pytest begins each line of an exception's text, and the first one of an error of ours: it follows the indentation of
#: the code that raised.
_TEXT, _OURS = "E   ", re.compile(r"E +pytest_mtls\.")


def colour_facts(longrepr: object) -> None:
    """Have the last exception of a failure written in more than one colour, if it is one of ours.

    Only the run that writes to the terminal may do so: what a worker of pytest-xdist sends has to stay pytest's own.

    Args:
        longrepr: the report's, as pytest made it.
    """
    entries = getattr(getattr(longrepr, "reprtraceback", None), "reprentries", None)
    if entries and any(_OURS.match(line) for line in getattr(entries[-1], "lines", ())):
        entries[-1] = _Entry(entries[-1])


class _Entry:
    """An entry of a traceback, with the colours above where there are colours."""

    def __init__(self, entry: Any) -> None:
        self._entry = entry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)

    def toterminal(self, tw: Any) -> None:
        """Write it, as pytest does at the end of a run."""
        self._entry.toterminal(_Writer(tw) if tw.hasmarkup else tw)

    def __str__(self) -> str:
        return str(self._entry)


class _Writer:
    """A terminal writer that chooses the colours of the lines of an exception's text."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._first = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def line(self, text: str = "", **markup: bool) -> None:
        """Write a line; those after the first of an exception get a colour by what they say."""
        if text.startswith(_TEXT):
            if not self._first:
                markup = next((chosen for mark, chosen in _MARKUP if mark in text), {})
            self._first = False
        self._writer.line(text, **markup)
