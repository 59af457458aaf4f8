"""The key log: the secrets of every connection, in a file from which Wireshark and tshark decrypt a capture of them.

Its form is that of NSS (RFC 9850), and its place is where programs look for it, the environment variable SSLKEYLOGFILE:
so what a test starts or makes by itself, such as curl or `ssl.create_default_context`, writes to the same file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_mtls.errors import UnusableKeyLog

if TYPE_CHECKING:
    from pytest_mtls.tls.engine import TLSContext

__all__ = ["VARIABLE", "key_log_path", "log_keys", "start_key_log"]

#: The environment variable that names the file.
VARIABLE = "SSLKEYLOGFILE"


def start_key_log(path: str) -> tuple[str, Callable[[], None]]:
    """Have this process, and what it starts, write to a file from now on; it is made, readable only by its owner.

    Returns:
        The absolute path, and what ends it.

    Raises:
        UnusableKeyLog: it cannot be written to.
    """
    absolute = os.path.abspath(path)
    try:
        os.close(os.open(absolute, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    except OSError as error:
        raise _unusable(absolute, error) from error
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = absolute

    def end() -> None:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before

    return absolute, end


def key_log_path() -> str | None:
    """The file that the environment names, if it names one."""
    return os.environ.get(VARIABLE) or None


def log_keys(context: TLSContext) -> None:
    """Have a context add the secrets of its connections to the file that the environment names, if it names one.

    Every line is written at once and at the end of the file, so that threads and processes can share it.

    Raises:
        UnusableKeyLog: it cannot be written to.
    """
    path = key_log_path()
    if path is not None:
        try:
            context.keylog_filename = path
        except OSError as error:
            raise _unusable(path, error) from error


def _unusable(path: str, error: OSError) -> UnusableKeyLog:
    return UnusableKeyLog(path, (error.strerror or str(error)).lower())
