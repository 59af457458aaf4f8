"""`Ahead`: checks of a run that are done several at once, before their tests ask for them. No pytest here.

What is done at once is believed only where the server did what it should and said so. All else is done again when its turn
comes, with nothing beside it, and that is the result: a server that serves one client at a time, or fewer than come at
once, is not said to fail for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from pytest_mtls.cases import Case
from pytest_mtls.conformance.run import Outcome, Result, Run
from pytest_mtls.errors import InvalidArgument

__all__ = ["Ahead"]

_Check = tuple[Case, str]


class Ahead:
    """Does the checks of a run, several at once. A context manager, which ends its threads.

    The first check that conforms is done alone. Once one comes to something else alone than it did beside others, all that
    follow are done alone.

    Args:
        make_run: makes a `Run` of the server. Each thread has one of its own, and so has what is done alone.
        checks: those that will be asked for, in their order.
        jobs: how many are done at once.

    Raises:
        InvalidArgument: `jobs` is not a number above 0.
    """

    def __init__(self, make_run: Callable[[], Run], checks: Sequence[_Check], jobs: int) -> None:
        if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
            raise InvalidArgument("--mtls-jobs", jobs, "how many checks are done at once, a number above 0")
        self.run = make_run()
        self._make_run = make_run
        self._jobs = jobs
        self._upcoming = {key: None for key in checks if _can_be_done_beside_others(key)} if jobs > 1 else {}
        self._begun: dict[_Check, Future[Result]] = {}
        self._of_thread = threading.local()
        self._has_conformed = False
        # Cases are built one at a time, and all connections of a check are made in a row: see `Run`.
        self._building, self._connecting = threading.Lock(), threading.Lock()
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="mtls-check")

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def check(self, case: Case, tls: str) -> Result:
        """The result of a check, which may have been done already; as `Run.check`."""
        key = (case, tls)
        if self._has_conformed:
            self._begin()
        self._upcoming.pop(key, None)
        begun = self._begun.pop(key, None)
        beside_others = begun.result() if begun is not None else None
        if beside_others is not None and _is_beyond_doubt(beside_others):
            self._begin()
            return beside_others
        wait(self._begun.values())
        result = self.run.check(case, tls)
        self._has_conformed = self._has_conformed or result.outcome is Outcome.CONFORMS
        if beside_others is not None and (beside_others.outcome, beside_others.note) != (result.outcome, result.note):
            self._upcoming.clear()
            self._begun.clear()
        return result

    def _begin(self) -> None:
        """Have as many done as may be at once."""
        while self._upcoming and sum(not future.done() for future in self._begun.values()) < self._jobs:
            if len(self._begun) >= 2 * self._jobs:
                return  # whoever stops at the first failure has not much done in vain
            key = next(iter(self._upcoming))
            del self._upcoming[key]
            self._begun[key] = self._pool.submit(self._check, *key)

    def _check(self, case: Case, tls: str) -> Result:
        run: Run | None = getattr(self._of_thread, "run", None)
        if run is None:
            with self._building:
                run = self._make_run()
            run.do_beside_others(self._building, self._connecting)
        result = run.check(case, tls)
        # A run remembers what it found in the way of others; one in whose way nothing was goes on.
        self._of_thread.run = run if _is_beyond_doubt(result) else None
        return result


def _can_be_done_beside_others(key: _Check) -> bool:
    """Not where it takes a TLS library of Python's own, which computes for long."""
    return key[0].extra is None


def _is_beyond_doubt(result: Result) -> bool:
    """Whether the server would have done the same with this client alone.

    Not where it ended the connection without a word, as one does that has too many.
    """
    seen = result.handshake
    if seen is None or seen.accepted is None or result.outcome not in (Outcome.CONFORMS, Outcome.REPORTED):
        return False
    return seen.accepted or seen.alert is not None or seen.answer is not None
