"""What a server remembers of its handshakes: the last ones, found by connection or by client at once.

No locks here: `server` holds its own around every call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pytest_mtls.certificates.clock import clock
from pytest_mtls.errors import HandshakesForgotten, InvalidArgument
from pytest_mtls.tls.handshake import Handshake

__all__ = ["History"]


class History:
    """The handshakes of a server, in the order of their verdicts, up to a number of them.

    A connection is known by its number: they are counted from 0 in the order in which they came.

    Args:
        keep: how many handshakes are kept, the last ones; None for all.

    Raises:
        InvalidArgument: `keep` is not a number above 0.
    """

    def __init__(self, keep: int | None) -> None:
        if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int) or keep < 1):
            raise InvalidArgument("keep", keep, "how many handshakes are kept, a number above 0, or None for all")
        self._keep = keep
        self._count = 0
        self._decided: dict[int, Handshake] = {}
        self._order: dict[int, int] = {}
        self._moments: dict[int, float] = {}
        self._verdicts = 0
        self._by_client: dict[tuple[str, int], deque[int]] = {}
        self._forgotten = -1

    @property
    def count(self) -> int:
        """How many connections have come."""
        return self._count

    def new_number(self) -> int:
        """The number of the next connection."""
        self._count += 1
        return self._count - 1

    def revise(self, number: int, handshake: Handshake) -> None:
        """Put a verdict in the place of a connection's earlier one; if that is forgotten, so is this."""
        if number in self._decided:
            self._decided[number] = handshake

    def record(self, number: int, handshake: Handshake) -> None:
        """Keep a connection's first verdict, and forget the oldest if that is one too many."""
        if self._keep is not None and len(self._decided) >= self._keep:
            self._forget(next(iter(self._decided)))
        self._decided[number] = handshake
        self._order[number] = self._verdicts
        self._moments[number] = clock()
        self._verdicts += 1
        if handshake.peer_address is not None:
            self._by_client.setdefault(handshake.peer_address, deque()).append(number)

    def of_client(self, address: tuple[str, int], bookmark: int) -> Handshake | None:
        """The first handshake that a client did from this address, among the connections after a bookmark.

        The time that this takes does not depend on how many handshakes are kept.
        """
        numbers = self._by_client.get(address, ())
        return next((self._decided[number] for number in numbers if number >= bookmark), None)

    def since(self, bookmark: int, *, by_arrival: bool = False) -> tuple[Handshake, ...]:
        """The handshakes of connections after a bookmark, in the order of their verdicts, or in that in which they came.

        The time that this takes depends on how many came since, and not on how many are kept.

        Raises:
            HandshakesForgotten: some of them are no longer kept.
        """
        self._check_kept(bookmark)
        if by_arrival:
            return tuple(self._decided[number] for number in sorted(self._decided) if number >= bookmark)
        if self._count - bookmark >= len(self._decided):
            return tuple(handshake for number, handshake in self._decided.items() if number >= bookmark)
        numbers = [number for number in range(bookmark, self._count) if number in self._decided]
        return tuple(self._decided[number] for number in sorted(numbers, key=self._order.__getitem__))

    def moment_of(self, bookmark: int, wanted: Callable[[Handshake], bool]) -> float | None:
        """When the first verdict came on a handshake of a kind, by `clock`; None if there is none yet.

        Args:
            bookmark: connections before it do not count.
            wanted: whether a handshake is of that kind.

        Raises:
            HandshakesForgotten: some of them are no longer kept.
        """
        self._check_kept(bookmark)
        numbers = [number for number in range(bookmark, self._count) if number in self._decided]
        return min((self._moments[number] for number in numbers if wanted(self._decided[number])), default=None)

    def kept(self) -> tuple[Handshake, ...]:
        """All that are kept, in the order of their verdicts."""
        return tuple(self._decided.values())

    def clear(self) -> None:
        """Forget all verdicts so far; nobody will miss them."""
        for forgotten in (self._decided, self._order, self._moments, self._by_client):
            forgotten.clear()
        self._forgotten = -1

    def _check_kept(self, bookmark: int) -> None:
        if self._forgotten >= bookmark:
            raise HandshakesForgotten(self._count - bookmark, len(self._decided))

    def _forget(self, number: int) -> None:
        handshake = self._decided.pop(number)
        del self._order[number], self._moments[number]
        self._forgotten = max(self._forgotten, number)
        if handshake.peer_address is not None:
            numbers = self._by_client[handshake.peer_address]
            numbers.remove(number)
            if not numbers:
                del self._by_client[handshake.peer_address]
