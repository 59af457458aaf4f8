"""What is wrong with a client under test: it cannot be started, it hangs, or it does not reach even a good server."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mtls.errors.base import MtlsError

__all__ = ["ClientNotUsable"]


@dataclass(eq=False)
class ClientNotUsable(MtlsError):
    """The client under test does not work with a good server, so that its answer to a bad one proves nothing.

    Attributes:
        client: the command as it was run, or the name of the callable.
        problem: what is wrong.
        output: what it printed or raised, made printable; its end only, if it is long.
        remedy: what to do.
    """

    client: str
    problem: str
    output: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        said = f" It said:\n{self.output.rstrip()}" if self.output.strip() else ""
        return (
            f"the client `{self.client}` cannot be tested: {self.problem}.{f' {self.remedy}' * bool(self.remedy)}{said}"
        )
