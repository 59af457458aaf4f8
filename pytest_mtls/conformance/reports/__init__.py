"""Reports of a run: each form is made of the same document, which `document` describes and JSON holds as it is.

Nothing here opens a socket or imports pytest, so that a report can be made of an old one too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pytest_mtls.conformance.reports import html, json, markdown, sarif
from pytest_mtls.conformance.reports.document import Document
from pytest_mtls.errors import InvalidArgument

__all__ = ["FORMS", "check_report_path", "write_report"]

#: By the ending of the file's name, what makes the text of a document.
FORMS: Mapping[str, Callable[[Document], str]] = {
    ".json": json.as_json,
    ".html": html.as_html,
    ".md": markdown.as_markdown,
    ".sarif": sarif.as_sarif,
}


def check_report_path(
    path: str | os.PathLike[str], option: str = "--mtls-report", *, endings: Iterable[str] = FORMS
) -> None:
    """See to it, before the run, that a report can be written there.

    Args:
        path: the file.
        option: what names it.
        endings: what its name may end in.

    Raises:
        InvalidArgument: its ending stands for no form, it is a directory, or its directory is not there.
    """
    file = Path(path)
    if file.is_dir():
        raise InvalidArgument(option, str(path), "a file, and this is a directory")
    if file.suffix.lower() not in endings:
        *most, last = endings
        told = f"{', '.join(most)} or {last}" if most else last
        raise InvalidArgument(option, str(path), f"a file whose name ends in {told}")
    if not file.parent.is_dir():
        raise InvalidArgument(option, str(path), f"a file in a directory that is there; {file.parent} is not")


def write_report(path: str | os.PathLike[str], document: Document) -> None:
    """Write a document in the form that the ending stands for.

    Args:
        path: the file; what was there is replaced.
        document: of `pytest_mtls.conformance.reports.document.make_document`.

    Raises:
        OSError: it cannot be written.
    """
    text = FORMS[Path(path).suffix.lower()](document)
    Path(path).write_text(text, encoding="utf-8", newline="\n")
