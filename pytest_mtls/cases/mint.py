"""The catalogue as files: a CA, a good server, a good client and every bad one, for programs in any language.

A directory is written beside its place and renamed into it, so that it is there as a whole or not at all.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.cases import CATALOGUE, Case
from pytest_mtls.cases.behaviour import ServerBehaviour
from pytest_mtls.cases.listing import reasons_of, settings_of, verdict_of
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.crl_directory import crl_file_name
from pytest_mtls.certificates.files import FileContent, write_files
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import private_key_pem
from pytest_mtls.certificates.stapling import Stapler
from pytest_mtls.certificates.validity import prolonged
from pytest_mtls.errors import InvalidArgument, UnusableDirectory
from pytest_mtls.reasons.settings import SETTINGS

__all__ = ["MintedCase", "mint"]

_TITLE = "# Certificates by pytest-mtls"
_README = "README.md"
_CRLS = "crls"
_ANOTHER = "Give a directory that is not there yet, or is empty."
_REPLACE = "Give another directory, or replace it: --replace, or replace_old=True."


@dataclass(frozen=True)
class MintedCase:
    """A case of the catalogue, and what it presents.

    Attributes:
        case: the case.
        identity: None for one that has no files: it presents nothing, or is more than a certificate and its key.
        ocsp: the OCSP answer that a server has to staple, DER; empty for none.
        why_not: why it has no files; empty if it has.
    """

    case: Case
    identity: Identity | None
    why_not: str = ""
    ocsp: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """Where its chain is, relative to the directory."""
        return f"{self.case.side}-cases/{self.case.id}.crt"


def mint(
    directory: str | os.PathLike[str],
    *,
    days: float = 0,
    replace_old: bool = False,
    ca: CertificateAuthority | None = None,
) -> list[MintedCase]:
    """Write a CA, a good server, a good client and the whole catalogue as PEM files, all of them or none.

    The directory then has ``ca.crt``, ``ca.key`` and ``ca.crl.pem``, which holds the CRLs of the CA and of all CAs below
    it; ``crls``, with each of them in a file of its own, for programs that read only the first CRL of a file, named as
    OpenSSL looks for it (``HASH.rN``, openssl-rehash(1)); ``server`` and ``client``, and for each case
    ``client-cases/<id>`` or ``server-cases/<id>``, each as ``.crt`` (the chain as it is sent), ``.key`` and ``.pem``
    (both), and for one that staples an OCSP answer ``.ocsp`` (that answer, DER, as nginx's ``ssl_stapling_file`` and
    openssl's ``s_server -status_file`` take it); and ``README.md``, which says what each of them is.

    Args:
        directory: where; it is made, with mode 0700. It must not be there yet, or be empty.
        days: how much longer than half a day the certificates are to be good.
        replace_old: put it in the place of a directory that this function wrote before.
        ca: the CA that issues them; a new one by default.

    Returns:
        All cases, with what they present.

    Raises:
        UnusableDirectory: the directory cannot be written, or is in use for something else.
        InvalidArgument: ``directory`` is empty, or ``days`` is not a number of days that certificates can hold.
        MissingPrivateKey: the CA's key is not here.
    """
    if not os.fspath(directory):
        raise InvalidArgument("directory", directory, "the path of a directory")
    target = Path(os.path.abspath(directory))
    if not 0 <= days <= _LONGEST:
        raise InvalidArgument("days", days, f"from 0 to {_LONGEST}")
    is_there = _check_place(target, replace_old)
    with prolonged(timedelta(days=days)):
        authority = ca or CertificateAuthority.create()
        key = authority.private_key
        peers = {"server": authority.issue_server(), "client": authority.issue_client()}
        cases = [_minted(case, authority) for side in CATALOGUE.values() for case in side.select(["*"])]
        crls = list(_crl_files(authority.crls()))
    top = [
        FileContent("ca.crt", authority.pem, secret=False),
        *([] if key is None else [FileContent("ca.key", private_key_pem(key))]),
        FileContent("ca.crl.pem", b"".join(crl.data for crl in crls), secret=False),
        *(file for name, identity in peers.items() for file in _files(name, identity)),
        FileContent(_README, _readme(cases, peers["client"]).encode(), secret=False),
    ]
    folders = {
        "": top,
        _CRLS: crls,
        "client-cases": list(_case_files(cases, "client")),
        "server-cases": list(_case_files(cases, "server")),
    }
    _put_in_place(target, folders, is_there)
    return cases


# --- what is written -------------------------------------------------------------------------------------------------

#: Some certificates hold a week longer than the days asked for, and none can hold beyond the year 9999.
_LONGEST = (datetime(9999, 1, 1) - datetime(2100, 1, 1)).days  # noqa: DTZ001


def _minted(case: Case, authority: CertificateAuthority) -> MintedCase:
    if case.rewrite is not None:
        return MintedCase(case, None, "what is bad about it is made on the wire")
    behaviour = case.behaviour
    if behaviour is not None and not (isinstance(behaviour, ServerBehaviour) and behaviour.is_of_certificate):
        return MintedCase(case, None, "what is odd about it is what it does")
    identity = case.identity(authority)
    if identity is None:
        return MintedCase(case, None, "it presents no certificate")
    if isinstance(behaviour, ServerBehaviour) and behaviour.staple is not None and behaviour.staples:
        return MintedCase(case, identity, ocsp=Stapler(identity, [authority], behaviour.staple)())
    return MintedCase(case, identity)


def _crl_files(crls: Iterable[x509.CertificateRevocationList]) -> Iterator[FileContent]:
    numbers: Counter[str] = Counter()
    for place, crl in enumerate(crls):
        try:
            name = crl_file_name(crl.issuer, numbers)
        except ValueError:  # a name that is not what it says, by which OpenSSL finds nothing
            name = f"{place}.pem"
        yield FileContent(name, crl.public_bytes(Encoding.PEM), secret=False)


def _files(name: str, identity: Identity) -> Iterator[FileContent]:
    yield FileContent(f"{name}.crt", identity.cert_pem, secret=False)
    yield FileContent(f"{name}.key", identity.key_pem)
    yield FileContent(f"{name}.pem", identity.combined_pem)


def _case_files(cases: Sequence[MintedCase], side: str) -> Iterator[FileContent]:
    for minted in cases:
        if minted.case.side == side and minted.identity is not None:
            yield from _files(minted.case.id, minted.identity)
            if minted.ocsp:
                yield FileContent(f"{minted.case.id}.ocsp", minted.ocsp, secret=False)


def _readme(cases: Sequence[MintedCase], client: Identity) -> str:
    until = client.certificate.not_valid_after_utc
    return "\n".join(
        [
            _TITLE,
            "",
            f"Good until {until:%Y-%m-%d %H:%M} UTC. Only for tests: the keys are not encrypted.",
            "",
            "| file | what it is |",
            "|---|---|",
            "| `ca.crt`, `ca.key` | the CA that both sides are to trust, and its key |",
            "| `ca.crl.pem` | the CRLs of that CA and of all CAs below it; the revoked cases are on it |",
            f"| `{_CRLS}/*` | the same, each CRL in a file of its own, named as OpenSSL looks for it (`-CApath`) |",
            "| `server.*` | a good server: localhost, 127.0.0.1 and ::1 |",
            "| `client.*` | a good client |",
            "| `client-cases/*`, `server-cases/*` | good and bad ones, as below |",
            "",
            "Of each there are `.crt`, the chain as it is sent, `.key`, the private key, and `.pem`, both in one file. Some",
            "servers have an `.ocsp` too, the OCSP answer that is to be stapled, DER.",
            "",
            "A case is bad in one way only. *rejected by setting* is rejected where the other side has the setting that",
            "stands beside it, and may be accepted elsewhere. *either* is for stacks to choose. The settings:",
            "",
            *(f"- `{setting}`: {words}" for setting, words in SETTINGS.items()),
            "",
            *_listing("Clients, for a server to judge", [minted for minted in cases if minted.case.side == "client"]),
            *_listing("Servers, for a client to judge", [minted for minted in cases if minted.case.side == "server"]),
        ]
    )


def _listing(title: str, cases: Sequence[MintedCase]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield "| file | verdict | reason | setting | what it is |"
    yield "|---|---|---|---|---|"
    for minted in cases:
        case = minted.case
        if minted.identity is None:
            continue
        asked = f" Ask for it as `{case.host}`." if case.side == "server" and case.host != "localhost" else ""
        only = f" Only over TLS {case.tls}." if case.tls else ""
        cells = (f"`{minted.path}`", verdict_of(case), reasons_of(case), settings_of(case), case.summary + only + asked)
        yield "| " + " | ".join(cells) + " |"
    yield ""
    missing = [minted for minted in cases if minted.identity is None]
    if missing:
        yield "Without files:"
        yield ""
        yield from (f"- `{minted.case.id}`: {minted.why_not}. {minted.case.summary}" for minted in missing)
        yield ""


# --- putting it in its place -----------------------------------------------------------------------------------------


def _check_place(target: Path, replace_old: bool) -> bool:
    """Whether something is there that will be replaced.

    Raises:
        UnusableDirectory: something is there that must not be.
    """
    try:
        if not os.path.lexists(target):
            return False
        if not target.is_dir() or target.is_symlink():
            raise UnusableDirectory(str(target), "it is there already, and is not a directory", _ANOTHER)
        if not any(target.iterdir()):
            return True
        if not _is_ours(target):
            raise UnusableDirectory(str(target), "it holds files that are not of an earlier mint", _ANOTHER)
        if not replace_old:
            raise UnusableDirectory(str(target), "an earlier mint is there", _REPLACE)
    except OSError as error:
        raise UnusableDirectory(str(target), (error.strerror or str(error)).lower()) from error
    return True


def _is_ours(target: Path) -> bool:
    """Whether a directory holds what `mint` writes, and nothing else."""
    readme = target / _README
    if not readme.is_file() or not readme.read_text(encoding="utf-8", errors="replace").startswith(_TITLE):
        return False
    known = {_README, "ca.crt", "ca.key", "ca.crl.pem", _CRLS, "client-cases", "server-cases"}
    known |= {f"{name}.{suffix}" for name in ("server", "client") for suffix in ("crt", "key", "pem")}
    return {path.name for path in target.iterdir()} <= known


def _put_in_place(target: Path, folders: dict[str, list[FileContent]], is_there: bool) -> None:
    # An empty directory is filled and not replaced: it may be a mount point, or where somebody's shell is.
    is_empty = is_there and not any(target.iterdir())
    beside = (target if is_empty else target.parent) / f".{target.name}.{secrets.token_hex(8)}"
    try:
        for folder, files in folders.items():
            write_files(beside / folder, files)
        (_fill if is_empty else _swap)(beside, target)
    except UnusableDirectory as error:  # It names the directory beside, which nobody asked for.
        raise UnusableDirectory(str(target), error.problem) from error
    except OSError as error:
        raise UnusableDirectory(str(target), (error.strerror or str(error)).lower()) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _fill(new: Path, target: Path) -> None:
    """Move what is in one directory into another, which is empty; if that fails, it is empty again."""
    moved: list[Path] = []
    try:
        for path in sorted(new.iterdir()):
            moved.append(path.rename(target / path.name))
    except BaseException:
        for path in moved:
            path.rename(new / path.name)
        raise


def _swap(new: Path, target: Path) -> None:
    """Rename one directory into the place of another, if there is one; if that fails, the old one is there as before."""
    if not target.exists():
        new.rename(target)
        return
    old = target.with_name(f"{new.name}.old")
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)
