"""Flask: entitle(app, Asked(...)), and @requires_entitlement("key") on views. Needs an Entitlements."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from entitlements_client.frameworks import extra_is_missing

try:
    from flask import Flask, Request, Response, current_app, g, jsonify, request
    from flask.typing import ResponseReturnValue
except ModuleNotFoundError as error:
    raise extra_is_missing(error, "flask") from error

from entitlements_client.frameworks.requirement import (
    Asked,
    Passed,
    RecordUsage,
    Refusal,
    Requirement,
    pass_waiting,
)

P = ParamSpec("P")
T = TypeVar("T")

_EXTENSION: Final = "entitlements"
_PASSED: Final = "entitlements_passed"


def entitle(app: Flask, asked: Asked[Request]) -> None:
    """Set up an application, so that its views can require entitlements."""
    app.extensions[_EXTENSION] = asked
    app.register_error_handler(Refusal, _refuse)
    app.after_request(_answered)
    app.teardown_request(_ended)


def _refuse(refusal: Refusal) -> ResponseReturnValue:
    return jsonify(refusal.document()), refusal.status, dict(refusal.headers)


def _answered(response: Response) -> Response:
    for passed in _passed():
        passed.ended(response.status_code)
    _passed().clear()
    return response


def _ended(_: BaseException | None) -> None:
    """What is still here had no answer."""
    for passed in _passed():
        passed.ended(None)
    _passed().clear()


def _passed() -> list[Passed]:
    found: list[Passed] = g.setdefault(_PASSED, [])
    return found


def requires_entitlement(
    resource_key: str,
    *,
    record_usage: RecordUsage = False,
    quantity: int | Callable[[Request], int] | None = None,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Require an entitlement to a resource key for a view. Put it below the decorator of the route.

    record_usage   "after": the quantity is recorded after a successful response; "lease": it is taken from a lease before
    quantity       quantity per request, or a function of the request; None: access in general (1 if usage is recorded)
    """
    requirement = Requirement[Request](resource_key=resource_key, record_usage=record_usage, quantity=quantity)

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(view)
        def asking(*args: P.args, **kwargs: P.kwargs) -> T:
            asked: Asked[Request] | None = current_app.extensions.get(_EXTENSION)
            if asked is None:
                raise LookupError("the application is not configured: call `entitle(app, Asked(...))`")
            _passed().append(pass_waiting(requirement, asked, request))
            answer: T = current_app.ensure_sync(view)(*args, **kwargs)
            return answer

        return asking

    return decorate
