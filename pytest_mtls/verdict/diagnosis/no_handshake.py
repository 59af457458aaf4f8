"""Why a block saw no handshake at all."""

from __future__ import annotations

from pytest_mtls.verdict.diagnosis.symptoms import Diagnosis

__all__ = ["CONNECTION_REUSED", "client_not_called"]

#: Where no handshake was seen, though an earlier connection is open.
CONNECTION_REUSED = Diagnosis(
    "connection-reused",
    "the client used a connection that was open before the block: a kept-alive connection does no handshake.",
    "Open a new connection in the block: close the client's session before it, or use a new one.",
)


def client_not_called(address: str, error: BaseException | None) -> Diagnosis:
    """Why no handshake was seen, where no connection is left from before.

    Args:
        address: where the server listens.
        error: what the client raised.
    """
    failed = "failed before it connected" if error is not None else "was not called in the block"
    return Diagnosis(
        "client-not-called",
        f"the client {failed}, or it was given another address than {address}.",
        f"Call the client inside the block, with {address}.",
    )
