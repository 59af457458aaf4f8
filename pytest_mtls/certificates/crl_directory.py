"""`CRLDirectory`: the CRLs of a hierarchy, where OpenSSL finds the one that it needs.

A context that is given many CRLs reads them all, and each one costs more than the one before. So a CRL is a file here that
is called by the hash of its issuer's name, and OpenSSL reads those of the chain that it verifies (``-CApath``).
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptography import x509

from pytest_mtls.certificates.clock import clock
from pytest_mtls.certificates.files import PrivateDirectory
from pytest_mtls.certificates.name_hash import name_hash

__all__ = ["CRLDirectory", "crl_file_name"]

#: The folder below the private directory.
_FOLDER = "crls"
#: After so many seconds all are looked at again, since a CRL runs out.
_GOOD_FOR = 3600.0

#: The CRLs of CAs, from the one with this number on, each as its object and PEM; None for a CA that has none.
CRLs = Callable[[int], "Sequence[tuple[x509.CertificateRevocationList, bytes] | None]"]


class _State(NamedTuple):
    """What a directory holds.

    Attributes:
        path: where it is.
        changes, authorities: how many changes and CAs it has seen.
        until: when all are looked at again.
    """

    path: str
    changes: int
    authorities: int
    until: float


_NOTHING = _State("", -1, 0, 0.0)


class CRLDirectory:
    """The directory. It may be used from several threads at once.

    Args:
        files: the private directory that it is in.
    """

    def __init__(self, files: PrivateDirectory) -> None:
        self._files = files
        self._locks: dict[int, threading.Lock] = {}
        self._written: dict[str, bytes] = {}
        self._numbers: Counter[str] = Counter()
        self._state = _NOTHING

    def path(self, changes: int, count: int, crls: CRLs) -> str:
        """Its path, with the CRLs of now in it.

        Args:
            changes: how often anything changed that was there.
            count: how many CAs there are.
            crls: gives their CRLs.

        Raises:
            UnusableDirectory: it cannot be written.
            ValueError: a CRL's issuer has a name that cannot be read.
        """
        path = os.path.join(self._files.path, _FOLDER)
        if self._state[:3] == (path, changes, count) and clock() < self._state.until:
            return path
        with self._locks.setdefault(os.getpid(), threading.Lock()):  # a forked child must not wait for its parent's
            self._bring_up_to_date(path, changes, crls)
        return path

    def _bring_up_to_date(self, path: str, changes: int, crls: CRLs) -> None:
        before, self._state = self._state, _NOTHING  # until all is there
        seen, until = before.authorities, before.until
        if before.path != path:
            self._written = {}
        obsolete: set[str] = set()
        if (before.path, before.changes) != (path, changes) or clock() >= until:
            seen, until = 0, clock() + _GOOD_FOR
            self._numbers.clear()
            obsolete = set(self._written)
        current = crls(seen)
        for crl, pem in filter(None, current):
            name = crl_file_name(crl.issuer, self._numbers)
            obsolete.discard(name)
            if self._written.get(name) != pem:
                self._files.replace(os.path.join(_FOLDER, name), pem)
                self._written[name] = pem
        for name in obsolete:
            os.unlink(os.path.join(path, name))
            del self._written[name]
        self._state = _State(path, changes, seen + len(current), until)


def crl_file_name(issuer: x509.Name, numbers: Counter[str]) -> str:
    """``HASH.r0`` for the first CRL of an issuer of that name, ``HASH.r1`` for the second (openssl-rehash(1)).

    Args:
        issuer: the issuer.
        numbers: how many CRLs there are of each hash, which this counts.

    Raises:
        ValueError: the name cannot be read.
    """
    digest = name_hash(issuer)
    numbers[digest] += 1
    return f"{digest}.r{numbers[digest] - 1}"
