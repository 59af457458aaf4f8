"""`assert_rotates`: a server takes up new certificate files, and nobody notices.

New connections are made on a thread of their own, one after the other, while the files are replaced and the server is told:
a gap shows in one of them, however short, and no connection has to be aimed at it. Nothing here waits for a fixed time
where there is something to be seen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, get_args

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.cases.presentation import PeerArgument, presented
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.clock import clock
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.rotating import (
    HALF_WAY_STATES,
    CRLArgument,
    HalfWayState,
    RotatingFiles,
)
from pytest_mtls.certificates.trust import Trust, TrustArgument
from pytest_mtls.client.endpoint import Endpoint, EndpointArgument, endpoint_of, observed
from pytest_mtls.client.held import HeldConnection
from pytest_mtls.client.probe import probe
from pytest_mtls.client.protocols import PROTOCOLS
from pytest_mtls.client.protocols.protocol import UnexpectedAnswer
from pytest_mtls.errors import HandshakeAssertionError, InvalidArgument, UnusableDirectory
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.wire import Deadline
from pytest_mtls.verdict.assertions import assert_rejected
from pytest_mtls.verdict.chain import UNREADABLE
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import explain, headline
from pytest_mtls.verdict.twins import good_client, twin_of

__all__ = ["Reload", "Rotation", "assert_rotates", "describe_certificate"]

#: Tells the server to take up its files: a callable without arguments.
Reload = Callable[[], object]

#: So many new connections in a row have to get the new certificate, and more where new and old ones came in turns: a server of
#: several processes may have some that never read their files again. Of four processes one is missed by twelve once in 32 times.
_IN_A_ROW = 12
#: How many times as long as the server took to take up good files each half-way state has to be watched, at least.
_TIMES_AS_LONG = 3.0
#: Seconds between two new connections, so that a server of this machine has time for more than these.
_PAUSE_SECONDS = 0.01
#: The states in which key and certificate are whole, so that the server may take them up or not.
_WHOLE_PAIR = ("old-bundle", "truncated-bundle", "missing-bundle", "truncated-crl")


@dataclass(frozen=True)
class Rotation:
    """What `assert_rotates` saw.

    Attributes:
        seconds: for each of the rotations, how long after the files were there the first of an unbroken row of new
            connections got the new certificate.
        connections: how many new connections were made meanwhile, all of them accepted.
        half_way: by state, what ``reload`` raised then, in words; empty where it raised nothing.
    """

    seconds: tuple[float, ...]
    connections: int
    half_way: Mapping[str, str]


def assert_rotates(
    endpoint: EndpointArgument,
    files: RotatingFiles,
    to: Identity | None = None,
    within: float = 10.0,
    reload: Reload | None = None,
    *,
    client: PeerArgument | None = None,
    trust: TrustArgument | None = None,
    bundle: TrustArgument | None = None,
    crl: CRLArgument | None = None,
    accepts: Collection[Identity] = (),
    rejects: Collection[Identity] = (),
    half_way: bool | Collection[HalfWayState] = True,
    watch: float = 1.0,
    timeout: float = 5.0,
    ca: CertificateAuthority | None = None,
) -> Rotation:
    """Replace the certificate files of a server, and assert that it takes them up without anybody's noticing.

    First the files are left half way, in every state that they can be in. In each, new connections are made for ``watch``
    seconds: all of them have to be accepted, with the last good certificate. Then the files are rotated, to ``to``, back, and
    to ``to`` again. Each time new connections have to get what the files hold within ``within`` seconds, none may be
    rejected meanwhile, and a connection that was open has to live on. After each reload, a client without certificate and
    one of an untrusted CA still have to be rejected, and after the rotation back all clients have to be judged as before.
    Where it turns out that the server took longer to take up its files than a half-way state was watched, all states are
    watched again, for three times as long as that and ``within`` seconds at most.

    A connection that is open is, over HTTP, a request of which only half was sent. Over PostgreSQL, Redis, MQTT, LDAP and
    SMTP it is a session, which is asked something afterwards. Over any other protocol it only has to stay open.

    Args:
        endpoint: the server, as for `probe`. It presents what ``files`` holds.
        files: what it reads. Afterwards they hold what was rotated to; if a half-way state makes it fail, the old.
        to: the next certificate and key; as before by default, where only ``bundle`` or ``crl`` is rotated.
        within: seconds from the replacement of the files until new connections get the new certificate.
        reload: called after each replacement, to tell the server. It may raise while the files are half way, and not
            otherwise. Without it the server has to notice by itself.
        client: a client that the server accepts before, during and after; by default the endpoint's ``client``, or one
            that the endpoint's CA issues.
        trust: what the clients trust; as for `probe`. Where ``to`` has another root, give both.
        bundle, crl: what the CA bundle and the CRL are rotated to, as for `RotatingFiles.rotate`; as before by default.
        accepts: clients that have to be accepted once the files are rotated to ``to``, such as one of a CA that is new in
            the bundle.
        rejects: clients that have to be rejected then, such as one of a CA that is no longer in the bundle, or one that is
            on the new CRL. A good client of the same names has to be accepted, so that the names are not why.
        half_way: which half-way states are tried; all by default, False for none.
        watch: seconds for which each half-way state is watched, at least.
        timeout: seconds for each connection.
        ca: the CA that issues clients; the endpoint's by default.

    Returns:
        What was seen, with the seconds until the new certificate.

    Raises:
        HandshakeAssertionError: the server does not do that. The text says which connection, after how many seconds, got
            which certificate.
        MtlsError: a bad argument, or arguments by which nothing would be seen: the certificate that the files hold already and
            no other bundle or CRL, or these with neither ``accepts`` nor ``rejects``. Nothing has been done then.
    """
    __tracebackhide__ = True
    plan = _Plan.of(endpoint, files, to, client, trust, ca, timeout, within, watch, reload)
    states = _chosen(files, half_way)
    for name, clients in (("accepts", accepts), ("rejects", rejects)):
        if not all(isinstance(one, Identity) for one in clients):
            raise InvalidArgument(name, clients, "identities, as ca.issue_client() gives them")
    is_pair_new = plan.new.certificate != plan.old.certificate
    if not is_pair_new and bundle is None and crl is None:
        raise InvalidArgument(
            "to", to, "another certificate than the files hold, where there is no other bundle or CRL"
        )
    if not (accepts or rejects or is_pair_new):
        allowed = "given, or rejects, where only bundle or CRL is rotated: else nothing shows that it was taken up"
        raise InvalidArgument("accepts", accepts, allowed)
    judged = {**dict.fromkeys(accepts, True), **dict.fromkeys(rejects, False)}
    old: dict[str, Any] = {
        "identity": files.identity,
        "trust": Path(files.ca_path).read_bytes() if bundle is not None else None,
        "crl": Path(files.crl_path).read_bytes() if crl is not None else None,
    }
    new: dict[str, Any] = {"identity": plan.new, "trust": bundle, "crl": crl}
    run = _Run(plan)
    before = run.check_before(judged)
    notes: dict[str, str] = {}

    def leave_half_way(seconds: float) -> None:
        __tracebackhide__ = True
        try:
            for state in states:
                notes[state] = run.leave_half_way(state, new, seconds)
        except BaseException:
            with suppress(UnusableDirectory):
                files.rotate(**old)
            raise

    leave_half_way(watch)
    seconds = [run.rotate(1, new, judged), run.rotate(2, old, before)]
    # Whoever takes a second to read files that are good had not read those that were bad, if they were there for less.
    needed = min(_TIMES_AS_LONG * max(seconds), within)
    if needed > watch:
        leave_half_way(needed)
    seconds.append(run.rotate(3, new, judged))
    return Rotation(tuple(seconds), run.connections, notes)


def describe_certificate(certificate: x509.Certificate) -> str:
    """A certificate by its subject, serial number and fingerprint."""
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    subject = describe_name(certificate.subject) or "an empty subject"
    return f"{subject} (serial number {certificate.serial_number:x}, SHA-256 {fingerprint})"


def _chosen(files: RotatingFiles, half_way: bool | Collection[HalfWayState]) -> tuple[HalfWayState, ...]:
    """The half-way states to try, in an order in which the pair that is not whole comes first."""
    if isinstance(half_way, bool):
        return files.half_way_states if half_way else ()
    for state in [half_way] if isinstance(half_way, str) else half_way:
        if state not in files.half_way_states:
            raise InvalidArgument("half_way", state, f"some of {', '.join(files.half_way_states)}, for these files")
    return tuple(state for state in get_args(HalfWayState) if state in half_way)


@dataclass(frozen=True)
class _Plan:
    """What is asked for, interpreted once."""

    endpoint: EndpointArgument
    target: Endpoint
    files: RotatingFiles
    old: Identity
    new: Identity
    client: Identity
    untrusted: Identity
    issuer: CertificateAuthority | None
    trust: Trust | None
    timeout: float
    within: float
    reload: Reload | None

    @classmethod
    def of(
        cls,
        endpoint: EndpointArgument,
        files: RotatingFiles,
        to: Identity | None,
        client: PeerArgument | None,
        trust: TrustArgument | None,
        ca: CertificateAuthority | None,
        timeout: float,
        within: float,
        watch: float,
        reload: Reload | None,
    ) -> _Plan:
        if not isinstance(files, RotatingFiles):
            raise InvalidArgument("files", files, "the RotatingFiles that the server reads")
        for name, seconds in (("within", within), ("watch", watch), ("timeout", timeout)):
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
                raise InvalidArgument(name, seconds, "a number of seconds above 0")
        if reload is not None and not callable(reload):
            raise InvalidArgument("reload", reload, "a callable that tells the server, or None")
        target = endpoint_of(endpoint)
        if PROTOCOLS[target.protocol].probe is not None:
            raise InvalidArgument(
                "endpoint", str(target), "of a protocol without a probe of its own: the certificate has to be seen"
            )
        trusted = target.trust if trust is None else trust
        known = None if trusted is None else Trust.of(trusted)
        issuer = ca or target.ca or (known.issuer if known is not None else None)
        identity = good_client(target, issuer) if client is None else presented(client, "client", issuer).identity
        if identity is None:
            raise InvalidArgument("client", client, "a client that the server accepts, since no CA here can issue one")
        new = presented(to, "server", issuer).identity if to is not None else files.identity
        assert new is not None
        _ = new.key_pem  # raises where it is not here
        stranger = CertificateAuthority.create() if issuer is None else issuer.impostor()
        untrusted = twin_of(identity, stranger) or stranger.issue_client()
        return cls(
            endpoint, target, files, files.identity, new, identity, untrusted, issuer, known, timeout, within, reload
        )

    def connect(self, client: Identity | None) -> Handshake:
        """One new connection."""
        return probe(self.endpoint, client, self.trust, timeout=self.timeout)


@dataclass(frozen=True)
class _New:
    """One new connection.

    Attributes:
        number: which it was, from 1.
        seconds: when it began, from the moment at which the files were replaced.
        handshake: what came of it.
    """

    number: int
    seconds: float
    handshake: Handshake

    @property
    def der(self) -> bytes | None:
        """The server's own certificate."""
        chain = self.handshake.server_chain_der
        return chain[0] if chain else None


class _Watch:
    """New connections, one after the other, on a thread of their own."""

    def __init__(self, connect: Callable[[], Handshake], first: int) -> None:
        self.seen: list[_New] = []
        self.start = clock()
        self._connect = connect
        self._first = first
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._failed = False

    def run(self) -> None:
        """Make connections until `stop` is called."""
        try:
            while not self._stopped.is_set():
                began = clock()
                handshake = self._connect()
                with self._changed:
                    self.seen.append(_New(self._first + len(self.seen), began - self.start, handshake))
                    self._changed.notify_all()
                self._stopped.wait(_PAUSE_SECONDS)
        finally:
            self._failed = not self._stopped.is_set()
            with self._changed:
                self._changed.notify_all()

    def stop(self) -> None:
        """Make no more."""
        self._stopped.set()

    def files_are_there(self) -> None:
        """From now on the seconds are counted. Connections that are there already began before, at a negative time."""
        with self._changed:
            present = clock()
            self.seen[:] = [replace(one, seconds=one.seconds + self.start - present) for one in self.seen]
            self.start = present

    def wait_for(self, is_there: Callable[[Sequence[_New]], bool], deadline: Deadline) -> bool:
        """Wait until what was seen is as wished; False if the deadline comes first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._failed or is_there(self.seen), deadline.remaining)


@dataclass
class _Run:
    """One call of `assert_rotates` under way."""

    plan: _Plan
    connections: int = 0
    #: What the last step was, for messages.
    step: str = ""
    #: What `reload` did in it.
    reloaded: str = ""
    seen: Sequence[_New] = field(default_factory=list)

    # --- the steps ---------------------------------------------------------------------------------------------------

    def check_before(self, judged: Collection[Identity]) -> dict[Identity, bool]:
        """The server presents what the files hold, and rejects who has to be rejected; gives how it judges these clients."""
        __tracebackhide__ = True
        self.step = "before the first rotation"
        first = _New(1, 0.0, self.plan.connect(self.plan.client))
        self.seen = [first]
        if not first.handshake.accepted:
            self._fail("a good client does not get in before the first rotation", first)
        if first.der != _der(self.plan.old):
            self._fail("the server does not present what the files hold, before they are rotated", first)
        self._check_rejections()
        verdicts = {client: self.plan.connect(client).accepted for client in judged}
        return {client: accepted for client, accepted in verdicts.items() if accepted is not None}

    def leave_half_way(self, state: HalfWayState, new: Mapping[str, Any], seconds: float) -> str:
        """Leave the files half way for a time and see that nobody notices; gives what `reload` raised."""
        __tracebackhide__ = True
        self.step = f"while the files were half way: {HALF_WAY_STATES[state]}"
        allowed = [self.plan.old, self.plan.new] if state in _WHOLE_PAIR else [self.plan.old]
        with self._hold() as held:
            with self._watching() as watch:
                self.plan.files.half_way(**new, state=state)
                watch.files_are_there()
                raised = self._reload(may_raise=True)
                if not watch.wait_for(lambda seen: self._offender(seen, allowed) is not None, Deadline(seconds)):
                    # One more that began when the time was over, so that each state is seen by at least one.
                    count = len(watch.seen)
                    watch.wait_for(lambda seen: len(seen) > count + 1, Deadline(2 * self.plan.timeout))
            self._check_seen(watch, allowed)
            self._check_held(held)
        self._check_rejections()
        return raised

    def rotate(
        self,
        number: int,
        material: Mapping[str, Any],
        judged: Mapping[Identity, bool],
    ) -> float:
        """Rotate the files and see that the server follows; gives the seconds that it took.

        Args:
            number: which rotation it is.
            material: what the files hold then.
            judged: clients, and whether they have to be accepted then.
        """
        __tracebackhide__ = True
        plan = self.plan
        wanted: Identity = material["identity"]
        both = [plan.old, plan.new]
        self.step = f"in rotation {number} of 3, to {describe_certificate(wanted.certificate)}"
        with self._hold() as held:
            with self._watching() as watch:
                plan.files.rotate(**material)
                watch.files_are_there()
                deadline = Deadline(plan.within)
                self._reload(may_raise=False)
                # A row that began in time may end later.
                watch.wait_for(
                    lambda seen: (
                        _since(seen, wanted) is not None
                        or self._offender(seen, both) is not None
                        or (bool(seen) and seen[-1].seconds > plan.within and seen[-1].der != _der(wanted))
                    ),
                    Deadline(plan.within + _IN_A_ROW * plan.timeout),
                )
            self._check_seen(watch, both)
            seconds = _since(watch.seen, wanted)
            if seconds is None or seconds > plan.within:
                late = next((one for one in reversed(watch.seen) if one.der != _der(wanted)), watch.seen[-1])
                self._fail(
                    f"the server did not take up the new certificate within {plan.within:g} s",
                    late,
                    cause=self._why_late(watch.seen, wanted),
                )
            for client, expected in judged.items():
                self._check_client(client, expected, deadline)
            self._check_held(held)
        self._check_rejections()
        self.connections += 1
        last = _New(self.connections, clock() - watch.start, plan.connect(plan.client))
        if not last.handshake.accepted or last.der != _der(wanted):
            self.seen = [*self.seen, last]
            self._fail("the server went back to another certificate", last)
        return seconds

    # --- their parts -------------------------------------------------------------------------------------------------

    @contextmanager
    def _watching(self) -> Iterator[_Watch]:
        """New connections throughout the block, the first of them before it."""
        __tracebackhide__ = True
        watch = _Watch(partial(self.plan.connect, self.plan.client), self.connections + 1)
        with ThreadPoolExecutor(1, "mtls-rotation") as pool, ExitStack() as stopped:
            stopped.callback(watch.stop)
            running = pool.submit(watch.run)
            watch.wait_for(bool, Deadline(2 * self.plan.timeout))
            yield watch
        running.result()  # raises what it raised
        self.connections += len(watch.seen)
        self.seen = watch.seen

    def _hold(self) -> HeldConnection:
        """A connection that is open throughout."""
        __tracebackhide__ = True
        try:
            return HeldConnection(self.plan.target, self.plan.client, self.plan.trust, self.plan.timeout)
        except (OSError, UnexpectedAnswer) as error:
            self.seen = []
            self._fail(f"a connection that was to be kept open could not be made: {error}")

    def _reload(self, *, may_raise: bool) -> str:
        if self.plan.reload is None:
            self.reloaded = "there is no reload: the server has to notice by itself"
            return ""
        began = clock()
        try:
            self.plan.reload()
        except Exception as error:  # the caller's function may decline by any
            if not may_raise:
                raise
            text = f"{type(error).__name__}: {error}"
            self.reloaded = f"reload() raised {text}"
            return text
        self.reloaded = f"reload() returned after {clock() - began:.2f} s"
        return ""

    def _offender(self, seen: Sequence[_New], allowed: Sequence[Identity]) -> _New | None:
        """The first new connection that was not accepted, or got a certificate that it could not get."""
        known = {_der(identity) for identity in allowed}
        return next((one for one in seen if not one.handshake.accepted or one.der not in known), None)

    def _check_seen(self, watch: _Watch, allowed: Sequence[Identity]) -> None:
        __tracebackhide__ = True
        offender = self._offender(watch.seen, allowed)
        if offender is None:
            return
        if offender.handshake.accepted:
            self._fail("a new connection got a certificate that it should not get", offender)
        undecided = offender.handshake.accepted is None
        self._fail(f"a new connection {'failed' if undecided else 'was rejected'}", offender)

    def _check_held(self, held: HeldConnection) -> None:
        __tracebackhide__ = True
        problem = held.problem()
        if problem is not None:
            self._fail(f"{held.words}, open since before the files were replaced, did not live on: {problem}")

    def _check_rejections(self) -> None:
        """No certificate and an untrusted one are still rejected."""
        __tracebackhide__ = True
        self._check_rejected(None, "a client without a certificate")
        self._check_rejected(self.plan.untrusted, "an untrusted client")

    def _check_rejected(self, client: Identity | None, words: str) -> None:
        """A client is rejected each time that it comes, and a good one of its names is not."""
        __tracebackhide__ = True
        plan = self.plan
        endpoint = plan.endpoint
        if observed(endpoint) is None:
            endpoint = replace(plan.target, client=plan.client)
        try:
            assert_rejected(endpoint, client, trust=plan.trust, timeout=plan.timeout)
        except HandshakeAssertionError as error:
            seen = error.handshakes[-1] if error.handshakes else None
            what = "was accepted" if seen is not None and seen.accepted else "was not rejected as it should be"
            self._fail(f"{words} {what}", None if seen is None else _New(0, 0.0, seen), str(error))

    def _check_client(self, client: Identity, expected: bool, deadline: Deadline) -> None:
        """Wait until a client is judged as it should be, and, if it should be rejected, for its certificate."""
        __tracebackhide__ = True
        pause = threading.Event()
        while True:
            seen = self.plan.connect(client)
            if seen.accepted is expected:
                if not expected:
                    self._check_reason(client, seen)
                return
            if not deadline.remaining:
                break
            pause.wait(_PAUSE_SECONDS)
        who = describe_certificate(client.certificate)
        should = "accepted" if expected else "rejected"
        text = f"the client {who} was not {should} within {self.plan.within:g} s"
        self._fail(text, _New(0, 0.0, seen))

    def _check_reason(self, client: Identity, seen: Handshake) -> None:
        """Whoever is rejected is so each time, and not by the application for names that a good client has, too."""
        __tracebackhide__ = True
        plan = self.plan
        who = f"the client {describe_certificate(client.certificate)}"
        self._check_rejected(client, who)
        twin = twin_of(client, plan.issuer) if seen.reason is Reason.ACCESS_DENIED else None
        if twin is not None and plan.connect(twin).reason is Reason.ACCESS_DENIED:
            self._fail(
                f"{who} was rejected, and so is a good client of its names: that tells nothing", _New(0, 0.0, seen)
            )

    def _why_late(self, seen: Sequence[_New], wanted: Identity) -> str:
        after = [one.der == _der(wanted) for one in seen if one.seconds >= 0]
        if any(after):
            return "some of the server's processes took up the new files, and others did not."
        if self.plan.reload is None:
            return "the server does not look at its files again by itself. Tell it to: reload=..."
        return "the server did not read its files again when it was told to, or could not: its log may tell."

    # --- the story ---------------------------------------------------------------------------------------------------

    def _fail(self, problem: str, offender: _New | None = None, story: str | None = None, cause: str = "") -> NoReturn:
        __tracebackhide__ = True
        plan = self.plan
        which = f" (connection {offender.number}, {_when(offender.seconds)})" if offender and offender.number else ""
        lines = [
            f"{problem}{which}, {self.step}",
            "",
            f"  files:  {plan.files.layout} in {plan.files.directory}",
            f"  old:    {describe_certificate(plan.old.certificate)}",
            f"  new:    {describe_certificate(plan.new.certificate)}",
        ]
        if self.reloaded:
            lines.append(f"  reload: {self.reloaded}")
        if cause:
            lines.append(f"  likely cause: {cause}")
        if self.seen:
            lines += ["  new connections:", *(f"    {line}" for line in self._runs())]
        seen = [] if offender is None else [offender.handshake]
        if story is not None:
            lines += ["", story]
        elif seen:
            lines += ["", explain(seen[0], Expected(accepted=True))]
        raise HandshakeAssertionError("\n".join(lines), seen)

    def _runs(self) -> Iterator[str]:
        """The new connections, those that ended alike on one line."""
        group: list[_New] = []
        for one in [*self.seen, None]:
            if group and (one is None or self._outcome(one) != self._outcome(group[0])):
                first, last = group[0], group[-1]
                span = f"{first.number}, at {first.seconds:.2f} s"
                if first is not last:
                    span = f"{first.number} to {last.number}, from {first.seconds:.2f} s to {last.seconds:.2f} s"
                yield f"{span}: {self._outcome(first)}"
                group = []
            if one is not None:
                group.append(one)

    def _outcome(self, one: _New) -> str:
        said = "accepted" if one.handshake.accepted else headline(one.handshake)
        if one.der is None:
            return said
        if one.der == _der(self.plan.new):
            return f"{said}, with the new certificate"
        if one.der == _der(self.plan.old):
            return f"{said}, with the old certificate"
        return f"{said}, with {_described(one.der)}"


def _since(seen: Sequence[_New], wanted: Identity) -> float | None:
    """When the unbroken row of connections began that got the wanted certificate; None if there is none.

    Where others came after the first that got it, the row has to be as long as they took.
    """
    der = _der(wanted)
    after = [one for one in seen if one.seconds >= 0]
    row = 0
    for one in reversed(after):
        if one.der != der:
            break
        row += 1
    if not row:
        return None
    first = next(index for index, one in enumerate(after) if one.der == der)
    mixed = len(after) - row - first
    return after[-row].seconds if row >= max(_IN_A_ROW, mixed) else None


def _when(seconds: float) -> str:
    return f"begun {abs(seconds):.2f} s {'after' if seconds >= 0 else 'before'} the files were replaced"


def _der(identity: Identity) -> bytes:
    return identity.certificate.public_bytes(Encoding.DER)


def _described(der: bytes) -> str:
    try:
        return describe_certificate(x509.load_der_x509_certificate(der))
    except UNREADABLE:
        return f"{len(der)} bytes that are no certificate"
