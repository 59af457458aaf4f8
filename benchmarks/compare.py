"""Two things timed against each other in one process, by turns, so that the machine's moods strike both."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable


def seconds_of(ours: Callable[[], object], peer: Callable[[], object], *, rounds: int) -> tuple[float, float]:
    """The median times of ours and of the peer, in seconds.

    Args:
        ours: one run of ours.
        peer: one run of the peer.
        rounds: how many times each is run.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for index in range(rounds + 1):
        for measured, run in zip(times, (ours, peer), strict=True):
            gc.collect()
            started = time.perf_counter()
            run()
            if index:  # the first round warms up
                measured.append(time.perf_counter() - started)
    mine, theirs = map(statistics.median, times)
    return mine, theirs


def compare(what: str, ours: Callable[[], object], peer: Callable[[], object], *, rounds: int, bound: float) -> float:
    """Print and return how much time ours takes in relation to the peer.

    Args:
        what: ``"ours : peer"`` in words.
        ours: one run of ours.
        peer: one run of the peer.
        rounds: how many times each is run.
        bound: the ratio that should not be passed.
    """
    mine, theirs = seconds_of(ours, peer, rounds=rounds)
    ratio = mine / theirs
    verdict = "within" if ratio <= bound else "ABOVE"
    print(f"{what}: {mine * 1e3:.3f} ms : {theirs * 1e3:.3f} ms = {ratio:.2f} ({verdict} the bound of {bound:.2f})")
    return ratio
