"""``pytest-mtls inspect``: what is in the files that people have, and what is wrong with it."""

from __future__ import annotations

import argparse
import json

from pytest_mtls.commands.arguments import CA_FILE, add_password, in_option, password_problem, read_password
from pytest_mtls.commands.command import ACCEPTED, FAILED, Command
from pytest_mtls.commands.terminal import fitted, one_line
from pytest_mtls.errors import InvalidOption, WrongPassword
from pytest_mtls.reasons.side import Side

__all__ = ["INSPECT"]

_DESCRIPTION = """Say what is in files: certificates, chains, private and public keys, signing requests, CRLs; in PEM, DER,
PKCS#7, PKCS#12, a Java key store, a kubeconfig or a Kubernetes Secret. Say which of them belong together, and what a server
and a client with them would be rejected for. Nothing is sent anywhere, and no private key is printed. Exit status: 0 nothing
is wrong, 1 something is, 2 a file cannot be read."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="file", help="a file, or a directory of files")
    add_password(parser, "what is encrypted")
    parser.add_argument(
        "--ca", metavar="FILE|DIR", help="what the other side trusts; by default the roots among the files"
    )
    parser.add_argument("--name", metavar="HOST", help="the name by which clients ask for the server")
    parser.add_argument("--as", dest="side", choices=["server", "client"], help="only this role; by default both")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def _run(options: argparse.Namespace) -> int:
    from pathlib import Path

    from pytest_mtls.certificates.loading import load_certificates
    from pytest_mtls.inspection.belonging import Collection
    from pytest_mtls.inspection.reading import read_paths
    from pytest_mtls.inspection.rejections import assess
    from pytest_mtls.inspection.report import as_facts, as_text, is_wrong

    try:
        found = read_paths(options.files, read_password(options.password))
    except WrongPassword as error:
        raise InvalidOption("--password", password_problem(error)) from error
    with in_option("--ca"):
        file = None if options.ca is None else Path(options.ca)
        trusted = () if file is None else load_certificates(file / CA_FILE if file.is_dir() else file)
    collection = Collection(found, trusted)
    statements = list(collection.statements())
    sides: tuple[Side, ...] = (options.side,) if options.side else ("server", "client")
    assessments = [assess(collection, leaf, side, options.name) for leaf in collection.leaves for side in sides]
    if options.json:
        print(json.dumps(as_facts(collection, statements, assessments), indent=2, ensure_ascii=False))
    else:
        print("\n".join(fitted(map(one_line, as_text(collection, statements, assessments)))))
    return FAILED if is_wrong(collection, statements, assessments) else ACCEPTED


INSPECT = Command("inspect", "say what is in certificate files, and what is wrong", _add_arguments, _run, _DESCRIPTION)
