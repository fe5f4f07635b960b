"""Django: the middleware "entitlements_client.frameworks.django.EntitlementsMiddleware", the setting ENTITLEMENTS (an Asked, or the
dotted name of a function that gives one), and @requires_entitlement("key") on views, plain (Entitlements) or async (AsyncEntitlements).
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from entitlements_client.frameworks import extra_is_missing

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.conf import settings
    from django.http import HttpRequest, HttpResponseBase, JsonResponse
    from django.utils.module_loading import import_string
except ModuleNotFoundError as error:
    raise extra_is_missing(error, "django") from error

from entitlements_client.frameworks.requirement import (
    Asked,
    Passed,
    RecordUsage,
    Refusal,
    Requirement,
    pass_awaiting,
    pass_waiting,
)

View = TypeVar("View", bound=Callable[..., Any])

_PASSED: Final = "_entitlements_passed"


class EntitlementsMiddleware:
    """Answers 403 or 503, and records what succeeded. Works in synchronous and asynchronous stacks."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_awaited = bool(iscoroutinefunction(get_response))
        if self._is_awaited:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_awaited:
            return self._answer_later(request)
        response: HttpResponseBase | None = None
        try:
            response = cast(HttpResponseBase, self._get_response(request))
        finally:
            _ended(request, response)
        return response

    async def _answer_later(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase | None = None
        try:
            response = cast(HttpResponseBase, await self._get_response(request))
        finally:
            _ended(request, response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """A view that is not reached is answered 403, or 503 in an outage."""
        del request
        if isinstance(exception, Refusal):
            return JsonResponse(exception.document(), status=exception.status, headers=dict(exception.headers))
        return None


def _ended(request: HttpRequest, response: HttpResponseBase | None) -> None:
    passed: list[Passed] = getattr(request, _PASSED, [])
    for one in passed:
        one.ended(None if response is None else response.status_code)


def _asked() -> Asked[HttpRequest]:
    found = getattr(settings, "ENTITLEMENTS", None)
    if isinstance(found, str):
        found = _by_name(found)
    if not isinstance(found, Asked):
        raise LookupError(  # noqa: TRY004 - a setting is missing.
            "the setting ENTITLEMENTS must be an `Asked`, or the dotted name of a function that returns one"
        )
    return found


@functools.cache
def _by_name(name: str) -> Any:
    return import_string(name)()


def requires_entitlement(
    resource_key: str,
    *,
    record_usage: RecordUsage = False,
    quantity: int | Callable[[HttpRequest], int] | None = None,
) -> Callable[[View], View]:
    """Require an entitlement to a resource key for a view. For methods of classes: django's method_decorator.

    record_usage   "after": the quantity is recorded after a successful response; "lease": it is taken from a lease before
    quantity       quantity per request, or a function of the request; None: access in general (1 if usage is recorded)
    """
    requirement = Requirement[HttpRequest](resource_key=resource_key, record_usage=record_usage, quantity=quantity)

    def passes(request: HttpRequest, passed: Passed) -> None:
        setattr(request, _PASSED, [*getattr(request, _PASSED, []), passed])

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @functools.wraps(view)
            async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                passes(request, await pass_awaiting(requirement, _asked(), request))
                return await view(request, *args, **kwargs)

            return cast(View, awaited)

        @functools.wraps(view)
        def waiting(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            passes(request, pass_waiting(requirement, _asked(), request))
            return view(request, *args, **kwargs)

        return cast(View, waiting)

    return decorate
