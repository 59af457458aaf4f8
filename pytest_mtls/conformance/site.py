"""The table ``site`` of a policy, read into a `Site`: what has to be known of a server so that bypasses can be tried on it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from pytest_mtls.bypasses import Site
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.conformance.toml import Checker
from pytest_mtls.errors import InvalidPolicy, MtlsError

__all__ = ["read_site"]

_TEXTS = ("other_name", "public_name", "public_path", "protected_path", "echo_path", "allowed_name")
_LISTS = ("names", "identity_headers")
#: How long a command may take that revokes a client, in seconds.
_REVOKE_SECONDS = 30


def read_site(check: Checker, table: Any) -> Site:
    """Read what a policy says of a site.

    Besides the texts and lists of `Site`: ``other_client`` is the file of a client's certificate and key, ``server_ca`` the
    file of a CA's certificate and ``server_ca_key`` of its key, ``listeners`` are URLs, and ``revoke`` is a command, a list
    of words, in which ``{cert}`` stands for the file of the client that it has to revoke.

    Raises:
        InvalidPolicy: an entry is unknown, of a wrong type, or names what cannot be read.
    """
    if not isinstance(table, Mapping):
        raise check.error("site is not a table")
    known = tuple(field.name for field in fields(Site) if field.name != "was_reached")
    check.keys(table, (*known, "server_ca_key"), "site")
    read: dict[str, Any] = {name: check.text(table, name, "site") for name in _TEXTS if name in table}
    read |= {name: _texts(check, table, name) for name in _LISTS}
    try:
        read["listeners"] = tuple(Endpoint.parse(url, strict=False) for url in _texts(check, table, "listeners"))
        if "other_client" in table:
            read["other_client"] = Identity.load(check.text(table, "other_client", "site"))
        if "server_ca" in table:
            cert, key = (check.text(table, name, "site") for name in ("server_ca", "server_ca_key"))
            read["server_ca"] = CertificateAuthority.load(cert, key)
    except InvalidPolicy:
        raise
    except (MtlsError, OSError) as error:
        raise check.error(f"site: {error}".rstrip(".")) from None
    command = _texts(check, table, "revoke")
    return Site(**read, revoke=_revoking(command) if command else None)


def _texts(check: Checker, table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = check.list_of(table, name)
    if not all(isinstance(value, str) and value for value in values):
        raise check.error(f"{name} of site is {values!r}, and must be a list of texts")
    return tuple(values)


def _revoking(command: tuple[str, ...]) -> Callable[[Identity], object]:
    """Runs the command for a client; a `subprocess.CalledProcessError` says that it failed."""

    def revoke(client: Identity) -> None:
        words = [word.replace("{cert}", client.cert_path) for word in command]
        subprocess.run(words, check=True, timeout=_REVOKE_SECONDS, stdin=subprocess.DEVNULL)

    return revoke
