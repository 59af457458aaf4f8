"""`Bypass`: one named way round a server's client authentication; the decorator that makes one.

A bypass is data and one small function, like a case. The function is given an `Attempt`, with which it visits the server
as an attacker and as a good client, and returns if the server held. Otherwise it raises one of the
ends of `pytest_mtls.bypasses.ends`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pytest_mtls.bypasses.attempt import Attempt
from pytest_mtls.bypasses.ends import Verdict
from pytest_mtls.errors import InvalidArgument
from pytest_mtls.tls.handshake import Handshake

__all__ = ["BYPASSES", "Bypass", "Finding", "bypass"]

#: Gives what else is to be said, if the server held.
Function = Callable[[Attempt], "str | None"]


#: What does not depend on the site behind the target.
_GENERAL_NEEDS = frozenset({"http", "ca_key", "good_client"})


@dataclass(frozen=True)
class Bypass:
    """One way round client authentication that was found in a real server.

    Attributes:
        id: the name, e.g. ``"resume-across-names"``.
        title: what must not happen, in one sentence.
        mechanism: how it works.
        cves: the advisories that it was found in.
        needs: what has to be known of the server, by the keys of `site.DESCRIPTIONS`.
        requires: the settings without which a server may let it happen, as a `Case` has them; see `Site`.
        check: the function.
    """

    id: str
    title: str
    mechanism: str
    cves: tuple[str, ...]
    needs: tuple[str, ...]
    requires: frozenset[str]
    check: Function = field(repr=False, compare=False)

    @property
    def is_of_the_rule(self) -> bool:
        """Whether it gets round the rule of the target itself that a client has a certificate.

        All do but those that are about another name, path, listener or identity, which a policy has to name.
        """
        return set(self.needs) <= _GENERAL_NEEDS

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True)
class Finding:
    """What one check of one server came to.

    Attributes:
        bypass: what was tried.
        verdict: what it came to.
        note: why, or what else is to be said; may be empty.
        handshakes: those that were done, in order.
    """

    bypass: Bypass
    verdict: Verdict
    note: str = ""
    handshakes: tuple[Handshake, ...] = field(default=(), repr=False)


#: By id, in the order of their definition.
BYPASSES: dict[str, Bypass] = {}


def bypass(
    *, cves: Iterable[str] = (), needs: Iterable[str] = (), requires: Iterable[str] = ()
) -> Callable[[Function], Function]:
    """Make a bypass of a function that tries it. Its docstring is published: first the title, then the mechanism.

    Args:
        cves: the advisories that it was found in.
        needs: what has to be known of the server; without it the check is not applicable.
        requires: the settings that the server has to claim; without them it is reported and never failed.

    Raises:
        InvalidArgument: the function has no docstring of two parts, or another has its name.
    """

    def register(function: Function) -> Function:
        id = function.__name__.replace("_", "-")
        title, _, mechanism = (inspect.getdoc(function) or "").partition("\n\n")
        if not mechanism:
            raise InvalidArgument(f"the docstring of {id}", title, "a title, and after an empty line the mechanism")
        known = BYPASSES.get(id)
        if known is not None and known.check.__code__.co_filename != function.__code__.co_filename:
            raise InvalidArgument("the name of a bypass", id, "one that no other has")
        BYPASSES[id] = Bypass(
            id=id,
            title=" ".join(title.split()),
            mechanism=" ".join(mechanism.split()),
            cves=tuple(cves),
            needs=tuple(needs),
            requires=frozenset(requires),
            check=function,
        )
        return function

    return register
