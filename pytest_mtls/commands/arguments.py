"""What several commands take from the command line: files, passwords, URLs. Each mistake names the option it is in."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mtls.errors import InvalidArgument, InvalidOption, MtlsError, WrongPassword

if TYPE_CHECKING:
    from pytest_mtls.certificates.identity import Identity
    from pytest_mtls.certificates.trust import Trust

__all__ = ["add_password", "as_url", "in_option", "read_identity", "read_password", "read_trust"]

#: What ``pytest-mtls mint`` calls the CA's certificate.
CA_FILE = "ca.crt"

_PASSWORD_FORMS = "pass:TEXT, env:NAME or file:PATH"


def add_password(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option ``--password``."""
    parser.add_argument(
        "--password",
        metavar="SOURCE",
        help=f"of {what}: {_PASSWORD_FORMS} (the file's first line), as openssl takes it",
    )


def read_password(source: str | None) -> str | None:
    """The password that ``--password`` names; None without the option.

    Raises:
        InvalidArgument: it is in none of the three forms. What was given is not shown: it may be the password itself.
        InvalidOption: there is no such variable or file.
    """
    if source is None:
        return None
    kind, colon, value = source.partition(":")
    if kind == "pass" and colon:
        return value
    if kind == "env" and colon:
        if value not in os.environ:
            raise InvalidOption("--password", f"there is no environment variable {value}")
        return os.environ[value]
    if kind == "file" and colon:
        try:
            lines = Path(value).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            problem = (getattr(error, "strerror", None) or str(error)).lower()
            raise InvalidOption("--password", f"cannot read {value}: {problem}") from None
        return lines[0] if lines else ""
    raise InvalidArgument("--password", "...", _PASSWORD_FORMS)


@contextmanager
def in_option(name: str) -> Iterator[None]:
    """Whatever is wrong inside is wrong with this option.

    Raises:
        InvalidOption: with what was wrong, and for a password with the remedy that the command line has.
    """
    try:
        yield
    except WrongPassword as error:
        raise InvalidOption(name, password_problem(error)) from error
    except MtlsError as error:
        raise InvalidOption(name, str(error)) from error


def password_problem(error: WrongPassword) -> str:
    """What is wrong with a password, and what to do about it on the command line."""
    if error.given:
        return f"the password does not open {error.source}. Give the right one: --password {_PASSWORD_FORMS}."
    return f"{error.source} is encrypted. Give its password: --password {_PASSWORD_FORMS}."


def read_identity(cert: str | None, key: str | None, password: str | None) -> Identity | None:
    """The client that ``--cert`` and ``--key`` name; None without them.

    Raises:
        InvalidOption: one of the files cannot be read, or they do not belong together.
        InvalidArgument: a key without its certificate, or the other way round.
    """
    from pytest_mtls.certificates.identity import Identity
    from pytest_mtls.certificates.loading import load_private_key

    if cert is None:
        if key is not None:
            raise InvalidOption(
                "--key",
                "a private key without its certificate is presented to nobody. Give its certificate: --cert FILE",
            )
        return None
    if key is not None:
        with in_option("--key"):
            load_private_key(key, password=password)
    with in_option("--cert"):
        identity = Identity.load(cert, key, password=password)
    if identity.private_key is None:
        raise InvalidOption("--cert", f"{cert} holds no private key. Give the file of the key: --key FILE")
    return identity


def read_trust(path: str | None) -> Trust | None:
    """The CAs that ``--ca`` names, by a file or by the directory that ``mint`` wrote; None without the option.

    Raises:
        InvalidOption: there are none.
    """
    from pytest_mtls.certificates.loading import load_certificates
    from pytest_mtls.certificates.trust import Trust

    if path is None:
        return None
    file = Path(path) / CA_FILE if Path(path).is_dir() else Path(path)
    with in_option("--ca"):
        return Trust.of(load_certificates(file))


def as_url(text: str) -> str:
    """The URL that a user means: ``host:port`` is TLS in which nothing is said."""
    return text if "://" in text else f"tls://{text}"
