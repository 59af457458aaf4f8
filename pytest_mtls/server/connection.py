"""One connection to our server, from accept to close: handshake, verdict, what is spoken inside, drain.

No threads here. `server` gives every connection a thread, and is told of what happens by two callbacks.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from pytest_mtls.server.misbehaviour import AFTER_HANDSHAKE, MISBEHAVIOURS, reset
from pytest_mtls.tls.engine import TLSContext
from pytest_mtls.tls.handshake import Handshake, describe_socket, judge_failure, refused_by_alert
from pytest_mtls.tls.transcript import ConnectedSocket, can_observe, failure, late_failure, messages_of, server_name
from pytest_mtls.tls.wire import Deadline, drain, drive, is_readable, send_close_notify, wait_for

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
        turns: entered while a connection computes a part of its handshake, and never while it waits.
        misbehaviour: what the server does instead of serving, by its name in `MISBEHAVIOURS`; None to serve.
        on_change: called when this connection begins to wait for its client, or stops.
        on_verdict: called with this connection when it has a verdict, and again if the verdict changes.

    Attributes:
        context: the TLS context that it was accepted with.
        handshake: the handshake once there is a verdict, None before.
        recorded: the same, once the server has taken note of it; the server's own to set, under its lock.
    """

    def __init__(
        self,
        number: int,
        sock: socket.socket,
        peer_address: tuple[str, int],
        context: TLSContext,
        turns: AbstractContextManager[object],
        misbehaviour: str | None,
        on_change: Callable[[], None],
        on_verdict: Callable[[Connection], None],
    ) -> None:
        self.number = number
        self.peer_address = peer_address
        self.handshake: Handshake | None = None
        self.recorded: Handshake | None = None
        self._sock = sock
        self.context = context
        self._turns = turns
        self._misbehaviour = misbehaviour
        self._on_change = on_change
        self._on_verdict = on_verdict
        self._waiting = False
        self._aborted = False
        self._is_over = False

    def run(self, handler: Handler, handshake_timeout: float, idle_timeout: float) -> None:
        """See the connection through to its end.

        Args:
            handler: what is spoken inside once the client is accepted.
            handshake_timeout: seconds for the handshake, and for the client to close when all is said.
            idle_timeout: seconds that an accepted client may be silent.
        """
        try:
            if self._misbehaviour is not None and self._misbehaviour in MISBEHAVIOURS:
                self._misbehave(self._misbehaviour, handshake_timeout)
                return
            sock = self._shake_hands(Deadline(handshake_timeout))
            assert self.handshake is not None
            if self.handshake.accepted:
                sock.settimeout(idle_timeout)
                if self._misbehaviour == AFTER_HANDSHAKE:
                    reset(sock)
                else:
                    self._speak(sock, self.handshake, handler)
                    send_close_notify(sock)
                    self._note_late_judgement(sock, self.handshake)
                    self._drain(sock, handshake_timeout)
            else:
                self._drain(sock, handshake_timeout)
        except OSError as error:  # before TLS: the client had gone, or what it sent cannot be TLS
            seen = Handshake("server", None, error=str(error), peer_address=self.peer_address)
            self._decide(self.handshake or seen)
        finally:
            self._sock.close()

    def _drain(self, sock: ssl.SSLSocket, timeout: float) -> None:
        if sock.fileno() >= 0:  # a handler may have closed it, or taken it over
            self._is_over = True
            drain(sock, Deadline(timeout))

    def _misbehave(self, misbehaviour: str, timeout: float) -> None:
        error = f"this server does not shake hands: it plays {misbehaviour!r}"
        self._decide(Handshake("server", None, error=error, peer_address=self.peer_address))
        self._sock.settimeout(timeout)
        MISBEHAVIOURS[misbehaviour](self._sock)

    def is_client_silent(self) -> bool:
        """Whether there can be no verdict before the client sends something."""
        return self._waiting and not is_readable(self._sock)

    def has_begun(self) -> bool:
        """Whether the client has sent the beginning of a handshake, as far as that is known, or anything not read yet."""
        if is_readable(self._sock) or not can_observe():
            return True
        return isinstance(self._sock, ssl.SSLSocket) and bool(messages_of(self._sock))

    def may_still_judge(self) -> bool:
        """Whether an accepted client has neither sent a byte of data nor ended: some check the server only now."""
        sock = self._sock
        seen = self.handshake
        is_accepted = seen is not None and seen.accepted is True and not seen.is_unused
        is_unused = isinstance(sock, ServingSocket) and not sock.is_used
        return is_accepted and is_unused and not self._aborted and not self._is_over

    def has_unread(self) -> bool:
        """Whether an accepted client has said something, or ended, of which nothing is known yet."""
        if self.handshake is None or not self.handshake.accepted or self._is_over:
            return False
        sock = self._sock
        return isinstance(sock, ServingSocket) and (sock.has_unread() or failure(messages_of(sock)) is not None)

    def abort(self) -> None:
        """End the connection now: whatever its thread waits for ends with an error."""
        self._aborted = True
        try:
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # not SSLSocket's own, which drops its TLS state
        except OSError:
            pass  # it has ended by itself

    def _use(self, sock: socket.socket) -> None:
        """Go on with another object for the same connection."""
        self._sock = sock
        if self._aborted:  # while the connection was between two objects
            self.abort()

    def _shake_hands(self, deadline: Deadline) -> ssl.SSLSocket:
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        local_address = self._sock.getsockname()[:2]
        sock = self.context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        self._use(sock)
        sock.settimeout(0.0)
        failed: Exception | None = None
        try:
            drive(sock, partial(self._step, sock), deadline, waiting=self._set_waiting)
        except OSError as error:
            failed = error
        transcript = messages_of(sock)
        seen = describe_socket(
            sock,
            "server",
            transcript,
            accepted=True if failed is None else None,
            server_name=server_name(transcript),
            local_address=local_address,
            peer_address=self.peer_address,
        )
        verdict = seen if failed is None else judge_failure(seen, failed)
        if self._aborted and verdict.rejected_by == "client" and verdict.alert is None:
            verdict = replace(seen, error="the server was stopped in the middle of the handshake")
        self._decide(verdict)
        return sock

    def _step(self, sock: ssl.SSLSocket) -> None:
        """Take the handshake on as far as it goes without the client.

        Few connections do so at once: each record is told to Python, and threads that need the interpreter some forty times
        in each handshake take it from each other.
        """
        with self._turns:
            sock.do_handshake()

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

    def _decide(self, handshake: Handshake) -> None:
        self.handshake = handshake
        self._on_verdict(self)

    def _set_waiting(self, waiting: bool) -> None:
        self._waiting = waiting
        self._on_change()
