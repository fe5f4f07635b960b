"""A method of both clients, made of the function that describes its call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from entitlements_client.transport.call import Call

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Sends(Protocol):
    """A client that waits."""

    def send(self, call: Call[T], /) -> T: ...


class SendsLater(Protocol):
    """A client to be awaited."""

    def asend(self, call: Call[T], /) -> Awaitable[T]: ...


@dataclass(frozen=True)
class Method(Generic[P, T_co]):
    """A method of both clients made of the function that describes its call: it waits here and is awaited there."""

    describe: Callable[P, Call[T_co]]

    @overload
    def __get__(self, client: Sends, owner: Any) -> Callable[P, T_co]: ...
    @overload
    def __get__(self, client: SendsLater, owner: Any) -> Callable[P, Awaitable[T_co]]: ...
    def __get__(self, client: Any, owner: Any) -> Callable[P, Any]:
        if client is None:
            return self.describe
        deliver = getattr(client, "asend", None) or client.send

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return deliver(self.describe(*args, **kwargs))

        method.__doc__ = self.describe.__doc__
        return method
