"""Many mixed handshakes with one server while faults are injected; every verdict is checked, and nothing may grow.

``python benchmarks/soak.py --handshakes 100000``; the same ``--seed`` gives the same order of steps. It begins with each
step once. It ends with 1 at the first wrong verdict, or if memory, descriptors or threads have grown beyond their bounds since the
first tenth of the run, or its first 2,000 handshakes in a shorter one (half of it, if it is shorter still). POSIX only.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import random
import resource
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import time_machine

from pytest_mtls import Case, CertificateAuthority, Handshake, Identity, MutualTLSServer, Reason, probe
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.certificates.clock import now

VERSIONS = ("1.2", "1.3")
#: How many more of each there may be than in the beginning.
BOUNDS = {"megabytes": 16.0, "descriptors": 4, "threads": 4}
#: How many handshakes one CA serves for. The CRL grows with each client that is revoked, so all is begun anew now and then.
PER_CA = 1000
#: The soft limit of open files, so that it does not take long to reach it.
DESCRIPTORS = 256
#: How many connections are open and silent at once.
SILENT = 8
AT_ONCE = 8
#: Nothing waits for so long unless something is wrong.
PATIENCE = 60.0
#: Under what settings the server rejects clients: all but the OCSP answers of others, which Python's ssl does not ask for.
SETTINGS = frozenset({"strict", "crl", "level", "usage"})
JUMPS = (timedelta(days=-4000), timedelta(hours=-1), timedelta(hours=1), timedelta(days=4000))


class WrongVerdict(Exception):
    """A handshake ended otherwise than it has to."""


class Exhaustion(logging.Handler):
    """Hears that the server is out of descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        if "cannot take a connection" in record.getMessage():
            self.heard.set()


class Soak:
    """One server, and what is done to it.

    Args:
        seed: of the random numbers.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clients = [(case, tls) for case in CATALOGUE["client"].select("*") for tls in case.versions]
        self.next_client = cycle(self.clients)
        self.ca = CertificateAuthority.create()
        self.good = self.ca.issue_client()
        self.server = MutualTLSServer(
            cert=self.ca.issue_server(), trust=self.ca, host="127.0.0.1", keep=100, handshake_timeout=PATIENCE
        )
        self.silent: deque[tuple[socket.socket, int]] = deque()
        self.exhaustion = Exhaustion()
        self.done: Counter[str] = Counter()
        self.began = 0
        self.steps: tuple[tuple[Callable[[], None], int], ...] = (
            (self.good_client, 20),
            (self.client_of_catalogue, 60),
            (self.silent_connection, 3),
            (self.reset_in_handshake, 3),
            (self.reset_after_handshake, 3),
            (self.interrupted_hello, 3),
            (self.delayed_client, 4),
            (self.reload_of_pair, 2),
            (self.revoked_client, 2),
            (self.jump_of_clock, 3),
            (self.clients_at_once, 1),
            (self.no_descriptors, 1),
        )

    @property
    def handshakes(self) -> int:
        """How many there were so far."""
        return self.done.total()

    def step(self) -> None:
        """Do one thing, chosen by its weight."""
        steps, weights = zip(*self.steps, strict=True)
        (chosen,) = self.chance.choices(steps, weights)
        chosen()

    def begin(self) -> None:
        """Do each thing once, with as many silent connections as there will be."""
        for _ in range(SILENT):
            self.silent_connection()
        for step, _ in self.steps:
            step()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Close what is open, and go on with another CA."""
        while self.silent:
            self.end_silence()
        self.began = self.handshakes
        self.ca = CertificateAuthority.create()
        self.good = self.ca.issue_client()
        self.server.reload(cert=self.ca.issue_server(), trust=self.ca)

    # --- what is done ---------------------------------------------------------------------------------------------------

    def good_client(self) -> None:
        """An ordinary client is accepted."""
        self.check("good", probe(self.server, self.good, tls=self.version(), timeout=PATIENCE), accepted=True)

    def client_of_catalogue(self) -> None:
        """The next client of the catalogue gets the verdict that its case says."""
        case, tls = next(self.next_client)
        self.present(case, tls)

    def present(self, case: Case, tls: str) -> None:
        """Present one client of the catalogue."""
        seen, of = probe(self.server, case, tls=tls, timeout=PATIENCE), f"{case.id} over TLS {tls}"
        is_binding = case.accepted is not None and case.requires <= SETTINGS
        if not is_binding and seen.accepted is not None:  # both answers can be right
            self.check("catalogue", seen, accepted=seen.accepted, reasons=(seen.reason or Reason.UNSPECIFIED,), of=of)
        else:
            self.check("catalogue", seen, accepted=case.accepted is True, reasons=case.reasons, of=of)

    def silent_connection(self) -> None:
        """A connection on which nothing is said stays open while others come and go."""
        bookmark = self.server.bookmark()
        self.silent.append((socket.create_connection(self.server.address), bookmark))
        if len(self.silent) > SILENT:
            self.end_silence()

    def end_silence(self) -> None:
        """Close the silent connection that is open for longest; there is no verdict."""
        sock, bookmark = self.silent.popleft()
        address = sock.getsockname()
        sock.close()
        self.check("silent", self.seen(address, bookmark), accepted=None)

    def reset_in_handshake(self) -> None:
        """A client resets the connection when it has got what the server says first."""
        with self.client() as client:
            client.connect()
            client.exchange()
            client.reset()
            self.check_gone("reset in the handshake", client)

    def reset_after_handshake(self) -> None:
        """A client resets the connection once it is accepted, which stays so."""
        with self.client() as client:
            client.connect()
            client.finish()
            self.check("reset after the handshake", self.seen_by_server(client), accepted=True)
            client.reset()

    def interrupted_hello(self) -> None:
        """A client goes away in the middle of its ClientHello."""
        with self.client() as client:
            client.connect()
            hello = client.next_flight()
            client.plain.sendall(hello[: self.chance.randrange(1, len(hello))])
            if self.chance.randrange(2):
                client.reset()
            else:
                client.plain.close()
            self.check_gone("interrupted hello", client)

    def delayed_client(self) -> None:
        """A client that waits in the middle of its handshake delays nobody, and is accepted in the end."""
        with self.client() as client:
            client.connect()
            client.exchange(piece=self.chance.choice((1, 7, 100)))
            self.good_client()
            if self.chance.randrange(4) == 0:
                self.reload_of_pair()
            client.finish(piece=self.chance.choice((16, 64, 256)))
            self.check("delayed", self.seen_by_server(client), accepted=True)

    def reload_of_pair(self) -> None:
        """The next client sees the server's new certificate."""
        renewed = self.ca.issue_server()
        self.server.reload(cert=renewed)
        seen = probe(self.server, self.good, tls=self.version(), timeout=PATIENCE)
        self.check("reload", seen, accepted=seen.peer_certificate == renewed.certificate)

    def revoked_client(self) -> None:
        """A client is accepted until it is revoked, also by a server that had accepted it."""
        client, tls = self.ca.issue_client("to be revoked"), self.version()
        self.check("revoke", probe(self.server, client, tls=tls, timeout=PATIENCE), accepted=True)
        self.ca.revoke(client)
        seen = probe(self.server, client, tls=tls, timeout=PATIENCE)
        self.check("revoke", seen, accepted=False, reasons=(Reason.REVOKED,))

    def jump_of_clock(self) -> None:
        """Where Python's clock stands changes no validity; what has just ended or not begun is rejected."""
        moment = now()
        with time_machine.travel(moment + self.chance.choice(JUMPS)):
            self.good_client()
            over = self.ca.issue_client(not_before=moment - timedelta(hours=1), not_after=moment - timedelta(seconds=2))
            early = self.ca.issue_client(not_before=moment + timedelta(hours=1), not_after=moment + timedelta(hours=2))
            for client, reason in ((over, Reason.EXPIRED), (early, Reason.NOT_YET_VALID)):
                seen = probe(self.server, client, tls=self.version(), timeout=PATIENCE)
                self.check("clock", seen, accepted=False, reasons=(reason,))

    def clients_at_once(self) -> None:
        """Good and bad clients at the same time get each their own verdict."""
        bad = self.ca.issue_client(not_before=-10, not_after=-1)
        clients = [self.good, bad] * (AT_ONCE // 2)

        def one(client: Identity) -> Handshake:
            return probe(self.server, client, timeout=PATIENCE)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for client, seen in zip(clients, pool.map(one, clients), strict=True):
                reasons = (Reason.EXPIRED,) if client is bad else ()
                self.check("at once", seen, accepted=client is not bad, reasons=reasons)

    def no_descriptors(self) -> None:
        """A connection that cannot be taken, since this process may open no more files, is taken when it may."""
        while not self.is_kept_waiting():
            pass  # an earlier connection ended just then, and left its descriptor to this one

    def is_kept_waiting(self) -> bool:
        """Whether a client had to wait for a descriptor; it is accepted in either case."""
        self.exhaustion.heard.clear()
        with self.client() as client:
            with every_descriptor_taken():
                client.connect()
                client.send(client.next_flight())
                is_answered = False
                while not (self.exhaustion.heard.wait(0.01) or is_answered):
                    is_answered = bool(select.select([client.plain], [], [], 0)[0])
            client.finish()
            self.check("no descriptors", self.seen_by_server(client), accepted=True)
            return not is_answered

    # --- parts ----------------------------------------------------------------------------------------------------------

    def version(self) -> str:
        """A TLS version."""
        return self.chance.choice(VERSIONS)

    def client(self) -> HandmadeClient:
        """A good client whose bytes are in our hands, not yet connected."""
        context = self.good.ssl_context(trust=self.ca.certificate, side="client", tls=self.version())
        return HandmadeClient(context, self.server.address, self.server.bookmark())

    def seen(self, address: tuple[str, int], bookmark: int) -> Handshake:
        """What the server saw of the client that connected from an address.

        Raises:
            WrongVerdict: nothing, for a long time.
        """
        seen = self.server.handshake_of(address, bookmark, PATIENCE)
        if seen is None:
            raise WrongVerdict(f"the server has no verdict on the client at {address}")
        return seen

    def seen_by_server(self, client: HandmadeClient) -> Handshake:
        """The same of a client of ours."""
        return self.seen(client.address, client.bookmark)

    def check(
        self, what: str, seen: Handshake, *, accepted: bool | None, reasons: tuple[Reason, ...] = (), of: str = ""
    ) -> None:
        """Count a handshake whose verdict is right.

        Raises:
            WrongVerdict: it is not.
        """
        is_right = seen.accepted is accepted
        if accepted is False:
            is_right = is_right and seen.rejected_by == "server" and seen.reason in reasons
        if not is_right:
            raise WrongVerdict(f"{what} {of}: {seen!r}\n" + "\n".join(map(str, seen.transcript)))
        self.done[what] += 1

    def check_gone(self, what: str, client: HandmadeClient) -> None:
        """Count a client that went away before the server could judge.

        Raises:
            WrongVerdict: the server accepted it, or rejected it itself.
        """
        seen = self.seen_by_server(client)
        if seen.accepted or seen.rejected_by == "server":
            raise WrongVerdict(f"{what}: {seen!r}")
        self.done[what] += 1


class HandmadeClient:
    """A client that sends its bytes when and how it is told.

    Args:
        context: its TLS context.
        server: where it connects to.
        bookmark: the server's, from before it connects.
    """

    def __init__(self, context: ssl.SSLContext, server: tuple[str, int], bookmark: int) -> None:
        self.bookmark = bookmark
        self.plain = socket.socket()
        self._server = server
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._is_done = False

    def __enter__(self) -> HandmadeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.plain.close()

    def connect(self) -> None:
        """Connect, and say nothing."""
        self.plain.settimeout(PATIENCE)
        self.plain.connect(self._server)
        self.address: tuple[str, int] = self.plain.getsockname()
        self.plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def next_flight(self) -> bytes:
        """What it says next."""
        try:
            self._tls.do_handshake()
            self._is_done = True
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    def exchange(self, piece: int = 65536) -> None:
        """Send what comes next, in pieces, and take in some of what the server says then.

        Raises:
            WrongVerdict: the server ended the connection.
        """
        self.send(self.next_flight(), piece)
        received = self.plain.recv(65536)
        if not received:
            raise WrongVerdict("the server ended the connection of a good client")
        self._incoming.write(received)

    def finish(self, piece: int = 65536) -> None:
        """Go on to the end of the handshake; raises as `exchange`."""
        while True:
            flight = self.next_flight()
            if self._is_done:
                self.send(flight, piece)
                return
            self.send(flight, piece)
            received = self.plain.recv(65536)
            if not received:
                raise WrongVerdict("the server ended the connection of a good client")
            self._incoming.write(received)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.plain.close()

    def send(self, data: bytes, piece: int = 65536) -> None:
        """Send bytes, in pieces."""
        for start in range(0, len(data), piece):
            self.plain.sendall(data[start : start + piece])


@contextmanager
def every_descriptor_taken() -> Iterator[None]:
    """This process can open no file and take no connection."""
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)


def usage() -> dict[str, float]:
    """What this process takes up now."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if statm.exists():
        size = int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    else:  # the most that it ever took up, in bytes on macOS
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "megabytes": size / 2**20,
        "descriptors": len(os.listdir("/dev/fd")),
        "threads": threading.active_count(),
    }


def told(used: dict[str, float]) -> str:
    """The same in words."""
    return ", ".join(f"{value:.0f} {name}" for name, value in used.items())


def run(soak: Soak, handshakes: int) -> dict[str, float]:
    """Do so many handshakes or a few more.

    Returns:
        By how much each of what is used has grown.

    Raises:
        WrongVerdict: a handshake ended otherwise than it has to.
    """
    # Each client of the catalogue has come once by then, in a run that is long enough.
    warm = max(handshakes // 10, min(handshakes // 2, 2 * PER_CA))
    started = time.monotonic()
    soak.begin()
    first: dict[str, float] | None = None
    while True:
        end = handshakes if first is not None else warm
        while soak.handshakes < min(end, soak.began + PER_CA):
            soak.step()
        soak.begin_anew()
        used = usage()
        rate = soak.handshakes / (time.monotonic() - started)
        print(f"{soak.handshakes} handshakes, {rate:.0f} a second; {told(used)}", flush=True)
        if first is None and soak.handshakes >= end:
            first = used
        elif first is not None and soak.handshakes >= end:
            return {name: used[name] - first[name] for name in first}


def main() -> int:
    """Print what was done, and what it took up; 0 if all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--handshakes", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    soak = Soak(options.seed)
    log = logging.getLogger("pytest_mtls")
    log.addHandler(soak.exhaustion)
    try:
        with soak.server:
            grown = run(soak, options.handshakes)
    except WrongVerdict as wrong:
        print(f"WRONG after {soak.handshakes} handshakes: {wrong}")
        return 1
    print(", ".join(f"{count} {what}" for what, count in soak.done.most_common()))
    too_much = [name for name, more in grown.items() if more > BOUNDS[name]]
    for name, more in grown.items():
        verdict = "ABOVE" if name in too_much else "within"
        print(f"{more:+.1f} {name} ({verdict} the bound of {BOUNDS[name]:g})")
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
