"""Private files: a temporary directory for keys, gone after the run (`cleanup`), and files written whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

from pytest_mtls.certificates.cleanup import CLEANER
from pytest_mtls.errors import UnusableDirectory

__all__ = ["FileContent", "PrivateDirectory", "file_stem", "write_files"]

_READABLE = 0o644
_PRIVATE = 0o600


class FileContent(NamedTuple):
    """A file to be written.

    Attributes:
        name: the file's name, without directory.
        data: what it holds.
        secret: whether only its owner may read it.
    """

    name: str
    data: bytes
    secret: bool = True


class PrivateDirectory:
    """A temporary directory that only its owner can enter, made when first needed and gone when this process is.

    It is never removed by garbage collection: a test may hold nothing but the path of a file in it. A forked child has
    a directory of its own and does not touch its parent's. One that somebody else removes in the middle is made again. On
    Windows the temporary directory of the user is private already, and modes are best effort.
    """

    def __init__(self) -> None:
        self._made: dict[str, str] = {}
        self._kept: dict[str, str] = {}
        self._numbers = count(1)
        self._process = os.getpid()

    @property
    def path(self) -> str:
        """The directory of this process, which is made by the first call."""
        self._leave_to_parent()
        made = self._made.get("path")
        if made is not None and not os.path.isdir(made):
            self._made.pop("path", None)
            made = None
        return made or self._make()

    def write(self, name: str, data: bytes) -> str:
        """Write a new file, readable only by its owner.

        Args:
            name: the file's name, which must not be taken yet.
            data: what it holds.

        Returns:
            The file's path.

        Raises:
            UnusableDirectory: it cannot be written.
        """
        path = os.path.join(self.path, name)
        try:
            _write_new(path, data, _PRIVATE)
        except OSError as error:
            raise UnusableDirectory(path, _reason(error)) from error
        return path

    def keep(self, name: str, make: Callable[[], bytes]) -> str:
        """The path of a file, which is written by the first call, and again if it is gone.

        Args:
            name: the file's name; always the same content for the same name.
            make: gives the content.

        Raises:
            UnusableDirectory: it cannot be written.
        """
        self._leave_to_parent()
        path = self._kept.get(name)
        if path is None or not os.path.exists(path):
            path = self.replace(name, make())
            self._kept[name] = path
        return path

    def replace(self, name: str, data: bytes) -> str:
        """Write a file, or put it in the place of the one of that name, so that nobody sees half of it.

        Args:
            name: the file's name, maybe below a folder, which is made.
            data: what it holds.

        Returns:
            The file's path.

        Raises:
            UnusableDirectory: it cannot be written.
        """
        temporary = self.write(f".{secrets.token_hex(8)}", data)
        path = os.path.join(os.path.dirname(temporary), name)
        try:
            if os.path.dirname(name):
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            os.replace(temporary, path)
        except OSError as error:
            with suppress(OSError):
                os.unlink(temporary)
            raise UnusableDirectory(path, _reason(error)) from error
        return path

    def new_stem(self, label: str) -> str:
        """The first part of a file name that is like no other here."""
        return f"{file_stem(label)}-{next(self._numbers)}"

    def remove(self) -> None:
        """Delete the directory and all in it. Another one is made if something is written afterwards."""
        self._leave_to_parent()
        path = self._made.pop("path", None)
        self._kept.clear()
        if path is not None:
            shutil.rmtree(path, ignore_errors=True)

    def _leave_to_parent(self) -> None:
        """In a forked child, forget the files of its parent: they are for the parent to present and to remove."""
        process = os.getpid()
        if process != self._process:
            self._process = process
            self._made = {}
            self._kept = {}

    def _make(self) -> str:
        parent = CLEANER.run_directory()
        try:
            fresh = tempfile.mkdtemp(dir=parent, prefix="")
        except OSError as error:
            raise UnusableDirectory(parent, _reason(error)) from error
        path = self._made.setdefault("path", fresh)
        if path is not fresh:  # another thread was faster
            os.rmdir(fresh)
        return path

    def __repr__(self) -> str:
        return f"PrivateDirectory({self._made.get('path', 'not made yet')})"


def write_files(
    directory: str | os.PathLike[str],
    files: Sequence[FileContent],
    *,
    before_rename: Callable[[str], None] | None = None,
) -> tuple[str, ...]:
    """Write files all together: if one cannot be written, none is, and those which were there before stay.

    Args:
        directory: made with mode 0700 if there is none.
        files: what to write; files of the same names are replaced.
        before_rename: called with the path of each new file before it gets its name.

    Returns:
        The paths, in the order of ``files``.

    Raises:
        UnusableDirectory: the directory cannot be made or written to.
    """
    target = Path(directory)
    made = make_directory(target)
    written: list[tuple[str, str]] = []
    try:
        for file in files:
            final = str(target / file.name)
            if os.path.dirname(file.name):
                raise UnusableDirectory(final, "a file is named without a directory")
            if os.path.isdir(final):
                raise UnusableDirectory(final, "it is a directory, where a file is to be written")
            temporary = str(target / f".{secrets.token_hex(8)}")
            written.append((temporary, final))
            _write_new(temporary, file.data, _PRIVATE if file.secret else _READABLE)
            if before_rename is not None:
                before_rename(temporary)
        for temporary, final in written:
            os.replace(temporary, final)
    except BaseException as error:
        for temporary, _ in written:
            with suppress(OSError):
                os.unlink(temporary)
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        if isinstance(error, OSError):
            raise UnusableDirectory(str(target), _reason(error)) from error
        raise
    return tuple(final for _, final in written)


def file_stem(label: str) -> str:
    """A file name that resembles a label and is harmless on every system."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40] or "identity"


def make_directory(target: Path) -> list[Path]:
    """Make a directory and those above it, if they are missing; gives the ones made, the deepest first.

    Raises:
        UnusableDirectory: it cannot be made.
    """
    missing = [path for path in (target, *target.parents) if not path.exists()]
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableDirectory(str(target), _reason(error)) from error
    return missing


def _write_new(path: str, data: bytes, mode: int) -> None:
    binary: int = getattr(os, "O_BINARY", 0)  # Windows
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | binary, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
