"""What the servers of a certificate's life do wrong on purpose: one attribute for all of them, checked when it is set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, overload

from pytest_mtls.certificates.ocsp import checked_misbehaviour

__all__ = ["MisbehaviourOf"]


Name = TypeVar("Name", bound=str)


class MisbehaviourOf(Generic[Name]):
    """An attribute that is None or the name of something to do wrong; it can be changed while the server runs.

    Args:
        known: what there is to do wrong, in words, by name.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self.__doc__ = "What it does wrong on purpose; None for nothing."

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> MisbehaviourOf[Name]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Name | None: ...
    def __get__(self, instance: object | None, owner: type) -> MisbehaviourOf[Name] | Name | None:
        if instance is None:
            return self
        value: Name | None = getattr(instance, self._name)
        return value

    def __set__(self, instance: Any, value: Name | None) -> None:
        """Have the server do that from now on.

        Raises:
            InvalidArgument: there is no misbehaviour of that name.
        """
        setattr(instance, self._name, checked_misbehaviour(value, self._known))
