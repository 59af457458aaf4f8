"""`Policy`: what is known and agreed of the server under test, read from TOML."""

from __future__ import annotations

import fnmatch
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from pytest_mtls.bypasses import BYPASSES, Site, Verdict
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.conformance.site import read_site
from pytest_mtls.conformance.toml import Checker
from pytest_mtls.errors import InvalidArgument, InvalidPolicy, UnknownCase
from pytest_mtls.reasons.settings import CLIENT_SETTINGS, RUN_SETTINGS
from pytest_mtls.reasons.versions import ALL_VERSIONS, TLS_VERSIONS

#: pytest itself brings the older one where the standard library has none.
_toml_library = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

__all__ = [
    "SERVER_CHECKS",
    "ExpectedException",
    "Policy",
    "read_policy",
]

_REASONS = ("alert", "any")
_SEEN = ("accepted", "refused", "undecided")
#: The checks of what a server offers; see `pytest_mtls.conformance.offers`.
SERVER_CHECKS = (*(f"tls-{tls}" for tls in ALL_VERSIONS), "weak-cipher-suites", "server-certificate-expires-soon")
_TABLE = "tool.pytest-mtls"
_CLIENT = "client"


@dataclass(frozen=True)
class ExpectedException:
    """A deviation that is known and agreed. If it no longer happens, that fails.

    Attributes:
        case: a glob over the ids of client cases; for a bypass its id, as ``bypass[resume-across-names]``.
        seen: what the server does instead of what it should: "accepted", "refused" or "undecided".
        reason: why that is so, for the report.
        tls: the TLS version that it is about; None for each.
    """

    case: str
    seen: str
    reason: str
    tls: str | None = None

    def is_about(self, case_id: str, tls: str) -> bool:
        """Whether it is about this case over this version."""
        is_one = self.is_of_bypass or self.case.startswith("check[")
        is_it = case_id == self.case if is_one else fnmatch.fnmatchcase(case_id, self.case)
        return is_it and self.tls in (None, tls)

    @property
    def is_of_bypass(self) -> bool:
        """Whether it is about a bypass and no client case."""
        return self.case.startswith("bypass[")


@dataclass(frozen=True)
class Policy:
    """What is known and agreed of a server.

    Attributes:
        settings: those that the server claims: those of `pytest_mtls.reasons.settings.SETTINGS`,
            and "resumption". A case that requires another is reported and never failed.
        reasons: "alert" if a rejection counts only when its alert can stand for the case's reason, "any" for every rejection.
        exceptions: deviations that are agreed.
        site: what else is known of the server, for the bypasses.
        versions: the TLS versions that the server must offer, and all that it may; None if nothing is claimed of 1.2 and 1.3,
            and the older ones are rejected (RFC 8996).
        expiry_days: for how many days every certificate of the server's chain has to be valid yet; None if nothing is claimed.
    """

    settings: frozenset[str] = frozenset()
    reasons: str = "alert"
    exceptions: tuple[ExpectedException, ...] = ()
    site: Site = field(default_factory=Site)
    versions: frozenset[str] | None = None
    expiry_days: float | None = None

    def exception_for(self, case_id: str, tls: str) -> ExpectedException | None:
        """The first exception that is about this case."""
        return next((known for known in self.exceptions if known.is_about(case_id, tls)), None)


def read_policy(
    path: str | os.PathLike[str] | None,
    pyproject: str | os.PathLike[str] | None,
    settings: Iterable[str] = (),
    *,
    client_checks: Collection[str] | None = None,
) -> Policy:
    """Read a policy.

    Args:
        path: a TOML file of it.
        pyproject: a ``pyproject.toml`` whose table ``[tool.pytest-mtls]`` is read where there is no ``path``.
        settings: more settings that the server claims, by ``--mtls-setting``.
        client_checks: the ids of the checks of a client, where the policy is that of a client under test. In
            ``pyproject.toml`` it is the table ``[tool.pytest-mtls.client]``.

    Raises:
        InvalidArgument: there is no such setting.
        InvalidPolicy: there is no such file, it is not TOML, or an entry is unknown.
    """
    if path is not None:
        source, table = os.fspath(path), _toml(Path(path))
    elif pyproject is not None and Path(pyproject).is_file():
        path_of_table = _TABLE if client_checks is None else f"{_TABLE}.{_CLIENT}"
        source, table = f"[{path_of_table}] of {os.fspath(pyproject)}", _toml(Path(pyproject))
        for name in path_of_table.split("."):
            table = table.get(name, {})
        if client_checks is None:
            table = {name: value for name, value in table.items() if name != _CLIENT}
    else:
        source, table = "the options", {}
    check = Checker(source)
    known = RUN_SETTINGS if client_checks is None else CLIENT_SETTINGS
    of_server = ("site", "versions", "expiry_days") if client_checks is None else ()
    check.keys(table, ("settings", "reasons", "exceptions", *of_server), "it")
    claimed = {check.one_of(name, known, "a setting") for name in check.list_of(table, "settings")}
    for name in settings:
        if name not in known:
            raise InvalidArgument("--mtls-setting", name, f"one of {', '.join(known)}")
        claimed.add(name)
    reasons = check.one_of(table.get("reasons", "alert"), _REASONS, "reasons")
    exceptions = tuple(_exception(check, entry, client_checks) for entry in check.list_of(table, "exceptions"))
    return Policy(
        frozenset(claimed),
        reasons,
        exceptions,
        read_site(check, table.get("site", {})),
        versions=_versions(check, table),
        expiry_days=_days(check, table),
    )


def _versions(check: Checker, table: Mapping[str, Any]) -> frozenset[str] | None:
    if "versions" not in table:
        return None
    versions = frozenset(check.one_of(name, ALL_VERSIONS, "a TLS version") for name in check.list_of(table, "versions"))
    if not versions:
        raise check.error("versions is empty: a server has to offer one")
    return versions


def _days(check: Checker, table: Mapping[str, Any]) -> float | None:
    days = table.get("expiry_days")
    if days is None:
        return None
    if isinstance(days, bool) or not isinstance(days, (int, float)) or not days >= 0:
        raise check.error(f"expiry_days is {days!r}, and must be a number of days")
    return float(days)


def _toml(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = _toml_library.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidPolicy(str(path), (error.strerror or str(error)).lower()) from None
    except ValueError as error:
        raise InvalidPolicy(str(path), f"it is not TOML ({error})") from None
    return document


def _exception(check: Checker, entry: Any, client_checks: Collection[str] | None) -> ExpectedException:
    if not isinstance(entry, Mapping):
        raise check.error("an entry of exceptions is not a table")
    if "check" in entry:
        check.keys(entry, ("check", "reason"), "an exception of a check")
        known = SERVER_CHECKS if client_checks is None else tuple(client_checks)
        id = check.one_of(check.text(entry, "check"), known, "a check")
        return ExpectedException(f"check[{id}]", "fails", check.text(entry, "reason"))
    if client_checks is None and "bypass" in entry:
        check.keys(entry, ("bypass", "reason"), "an exception of a bypass")
        id = check.one_of(check.text(entry, "bypass"), tuple(BYPASSES), "a bypass")
        return ExpectedException(f"bypass[{id}]", Verdict.BYPASSED.value, check.text(entry, "reason"))
    check.keys(entry, ("case", "seen", "reason", "tls"), "an exception")
    case = check.text(entry, "case")
    try:
        CATALOGUE["client" if client_checks is None else "server"].select([case])
    except UnknownCase as error:
        raise check.error(str(error).rstrip(".")) from None
    tls = entry.get("tls")
    return ExpectedException(
        case=case,
        seen=check.one_of(check.text(entry, "seen"), _SEEN, "seen"),
        reason=check.text(entry, "reason"),
        tls=None if tls is None else check.one_of(tls, TLS_VERSIONS, "tls"),
    )
