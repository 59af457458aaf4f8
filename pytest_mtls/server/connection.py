"""One connection to our server, from accept to close: handshake, verdict, what is spoken inside, drain.

No threads here. The handshake is done in steps of which none waits, so that the thread which took the connection can see
to others meanwhile; what is spoken inside has a thread of its own. `server` is told of what happens by callbacks.
"""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pytest_mtls.server.misbehaviour import AFTER_HANDSHAKE, MISBEHAVIOURS, reset
from pytest_mtls.tls.engine import TLSContext
from pytest_mtls.tls.handshake import Handshake, describe_socket, judge_failure, refused_by_alert
from pytest_mtls.tls.transcript import ConnectedSocket, can_observe, failure, late_failure, messages_of, server_name
from pytest_mtls.tls.wire import Deadline, drain, is_readable, send_close_notify, silence, wait_for

__all__ = ["Connection", "Handler", "ServingSocket"]

#: What is spoken inside: called with the socket, in blocking mode, and the accepted handshake.
Handler = Callable[[ssl.SSLSocket, Handshake], None]

log = logging.getLogger("pytest_mtls")


class ServingSocket(ConnectedSocket):
    """A server's end, of which it is known whether all that its client said has been taken in, and whether there was any.

    Attributes:
        is_used: whether the client has sent a byte of data that was read.
    """

    is_used = False
    _is_reading = False
    _has_ended = False

    def read(self, len: int = 1024, buffer: bytearray | None = None) -> bytes:  # type: ignore[override]  # noqa: D102
        seconds = self.gettimeout()
        if seconds != 0 and not self.pending() and not wait_for(self, seconds):
            raise TimeoutError("The read operation timed out")
        self._is_reading = True
        try:
            data = super().read(len, buffer)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError):
            raise
        except OSError:
            self._has_ended = True
            raise
        finally:
            self._is_reading = False
        if data:  # with a buffer, the number of bytes
            self.is_used = True
        else:
            self._has_ended = True
        return data

    def has_unread(self) -> bool:
        """Whether its client has said something, or ended, that was not read yet."""
        return is_readable(self) or self._is_reading or self._has_ended


class Connection:
    """One accepted TCP connection.

    Args:
        number: the how-many-eth of its server this is.
        sock: the TCP socket.
        peer_address: the client's (host, port).
        context: the server's TLS context of now.
        misbehaviour: what the server does instead of serving, by its name in `MISBEHAVIOURS`; None to serve.
        handshake_timeout: seconds for the handshake, from now, and for the client to close when all is said.
        on_change: called when this connection begins to wait for its client, or stops.
        on_verdict: called with this connection when it has a verdict, and again if the verdict changes.
        on_leave: called with this connection when the thread that led its handshake has no more to do with it.

    Attributes:
        sock: the socket, another object from `begin` on.
        context: the TLS context that it was accepted with.
        deadline: by when the handshake has to be done.
        handshake: the handshake once there is a verdict, None before.
        recorded: the same, once the server has taken note of it; the server's own to set, under its lock.
    """

    def __init__(
        self,
        number: int,
        sock: socket.socket,
        peer_address: tuple[str, int],
        context: TLSContext,
        misbehaviour: str | None,
        handshake_timeout: float,
        on_change: Callable[[], None],
        on_verdict: Callable[[Connection], None],
        on_leave: Callable[[Connection], None],
    ) -> None:
        self.number = number
        self.peer_address = peer_address
        self.handshake: Handshake | None = None
        self.recorded: Handshake | None = None
        self.sock = sock
        self.context = context
        self.deadline = Deadline(handshake_timeout)
        self._misbehaviour = misbehaviour
        self._on_change = on_change
        self._on_verdict = on_verdict
        self._on_leave = on_leave
        self._waiting = False
        self._aborted = False
        self._is_over = False

    # --- the handshake -----------------------------------------------------------------------------------------------

    @property
    def shakes_hands(self) -> bool:
        """Whether there is to be a handshake, which `begin` begins."""
        return self._misbehaviour not in MISBEHAVIOURS

    def begin(self) -> int:
        """Begin the handshake, and take it on as far as it goes without the client.

        Returns:
            What it then waits for: `selectors.EVENT_READ`, `selectors.EVENT_WRITE`, or 0 if there is a verdict.
        """
        return self._done(self._begin)

    def advance(self, *, in_time: bool) -> int:
        """Take the handshake on as far as it goes without the client.

        Args:
            in_time: whether what was waited for came before the deadline; if not, that is the end of it.

        Returns:
            As `begin`.
        """
        return self._done(partial(self._step, in_time))

    def leave(self) -> None:
        """Go on with `run`, on another thread."""
        self._on_leave(self)

    def _done(self, step: Callable[[], int]) -> int:
        """Do a step, and have a verdict if it fails: the thread that does it has others to see to."""
        try:
            return step()
        except OSError as error:  # the connection had gone
            problem = str(error)
        except Exception as error:
            log.exception("the handshake with %s:%d could not be done", *self.peer_address)
            problem = f"{type(error).__name__}: {error}"
        self._leave_undecided(problem)
        return 0

    def _begin(self) -> int:
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        sock = self.context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
        self._use(sock)
        sock.settimeout(0.0)
        return self._step(True)

    def _step(self, in_time: bool) -> int:
        sock = self.sock
        assert isinstance(sock, ssl.SSLSocket)
        self._set_waiting(False)
        failed: Exception | None = None
        try:
            if not in_time:
                raise silence(self.deadline)
            sock.do_handshake()
        except ssl.SSLWantReadError:
            self._set_waiting(True)
            return selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            return selectors.EVENT_WRITE
        except OSError as error:
            failed = error
        self._decide(self._judge(sock, failed))
        return 0

    def _judge(self, sock: ssl.SSLSocket, failed: Exception | None) -> Handshake:
        transcript = messages_of(sock)
        seen = describe_socket(
            sock,
            "server",
            transcript,
            accepted=True if failed is None else None,
            server_name=server_name(transcript),
            local_address=sock.getsockname()[:2],
            peer_address=self.peer_address,
        )
        verdict = seen if failed is None else judge_failure(seen, failed)
        if self._aborted and not verdict.accepted and verdict.rejected_by != "server" and verdict.alert is None:
            verdict = replace(seen, error="the server was stopped in the middle of the handshake")
        return verdict

    # --- what comes after it -----------------------------------------------------------------------------------------

    def run(self, handler: Handler, idle_timeout: float) -> None:
        """See the connection through to its end: the handshake too, if that is not done yet.

        Args:
            handler: what is spoken inside once the client is accepted.
            idle_timeout: seconds that an accepted client may be silent.
        """
        try:
            if not self.shakes_hands:
                self._misbehave()
                return
            if self.handshake is None:
                self._shake_hands()
            assert self.handshake is not None
            sock = self.sock
            if self.handshake.accepted and isinstance(sock, ssl.SSLSocket):
                sock.settimeout(idle_timeout)
                if self._misbehaviour == AFTER_HANDSHAKE:
                    reset(sock)
                    return
                self._speak(sock, self.handshake, handler)
                send_close_notify(sock)
                self._note_late_judgement(sock, self.handshake)
            self._drain(sock)
        except OSError as error:
            log.debug("the connection from %s:%d ended: %s", *self.peer_address, error)
        finally:
            self.sock.close()

    def _shake_hands(self) -> None:
        awaited = self.begin()
        while awaited:
            is_there = wait_for(self.sock, self.deadline.remaining, to_write=awaited == selectors.EVENT_WRITE)
            awaited = self.advance(in_time=is_there)

    def give_up(self, problem: str) -> None:
        """Close it without serving it. A client that was accepted is undecided then, since it gets no answer.

        Args:
            problem: why.
        """
        if self.handshake is None:
            self._leave_undecided(problem)
        elif self.handshake.accepted:
            self._decide(replace(self.handshake, accepted=None, error=f"accepted, and not served: {problem}"))
        self.sock.close()

    def _drain(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:  # a handler may have closed it, or taken it over
            self._is_over = True
            drain(sock, Deadline(self.deadline.seconds))

    def _misbehave(self) -> None:
        assert self._misbehaviour is not None
        self._leave_undecided(f"this server does not shake hands: it plays {self._misbehaviour!r}")
        self.sock.settimeout(self.deadline.seconds)
        MISBEHAVIOURS[self._misbehaviour](self.sock)

    def is_client_silent(self) -> bool:
        """Whether there can be no verdict before the client sends something."""
        return self._waiting and not is_readable(self.sock)

    def has_begun(self) -> bool:
        """Whether the client has sent the beginning of a handshake, as far as that is known, or anything not read yet."""
        if is_readable(self.sock) or not can_observe():
            return True
        return isinstance(self.sock, ssl.SSLSocket) and bool(messages_of(self.sock))

    def may_still_judge(self) -> bool:
        """Whether an accepted client has neither sent a byte of data nor ended: some check the server only now."""
        sock = self.sock
        seen = self.handshake
        is_accepted = seen is not None and seen.accepted is True and not seen.is_unused
        is_unused = isinstance(sock, ServingSocket) and not sock.is_used
        return is_accepted and is_unused and not self._aborted and not self._is_over

    def has_unread(self) -> bool:
        """Whether an accepted client has said something, or ended, of which nothing is known yet."""
        if self.handshake is None or not self.handshake.accepted or self._is_over:
            return False
        sock = self.sock
        return isinstance(sock, ServingSocket) and (sock.has_unread() or failure(messages_of(sock)) is not None)

    def abort(self) -> None:
        """End the connection now: whatever its thread waits for ends with an error."""
        self._aborted = True
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # not SSLSocket's own, which drops its TLS state
        except OSError:
            pass  # it has ended by itself

    def _use(self, sock: socket.socket) -> None:
        """Go on with another object for the same connection."""
        self.sock = sock
        if self._aborted:  # while the connection was between two objects
            self.abort()

    def _speak(self, sock: ssl.SSLSocket, handshake: Handshake, handler: Handler) -> None:
        try:
            handler(sock, handshake)
        except OSError as error:  # the client has gone, or was silent for too long
            log.debug("the connection from %s:%d ended: %s", *self.peer_address, error)
        except Exception:
            log.exception("the handler of the connection from %s:%d raised", *self.peer_address)

    def _note_late_judgement(self, sock: ssl.SSLSocket, handshake: Handshake) -> None:
        """Some clients check the server only after the handshake: they send an alert, or end without having sent a byte."""
        transcript = messages_of(sock)
        late = late_failure(transcript, "client")
        is_used = not isinstance(sock, ServingSocket) or sock.is_used
        if late is not None and late.alert is not None and (late.alert.is_about_a_certificate or not is_used):
            refused = refused_by_alert(replace(handshake, transcript=transcript), late)
            self._decide(replace(refused, error=f"after the handshake the client sent {late}"))
        elif not is_used and not self._aborted:
            self._decide(replace(handshake, is_unused=True))

    def _leave_undecided(self, problem: str) -> None:
        self._decide(Handshake("server", None, error=problem, peer_address=self.peer_address))

    def _decide(self, handshake: Handshake) -> None:
        self.handshake = handshake
        self._on_verdict(self)

    def _set_waiting(self, waiting: bool) -> None:
        self._waiting = waiting
        self._on_change()
