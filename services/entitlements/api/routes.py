"""Routes whose requests are read strictly: bodies are application/json, and queries hold parameters of the route alone, each once.

Python reads more than JSON: NaN, halves of characters, integers of any length. Nothing behind a route could write those down again.
And FastAPI ignores what it does not know in a query: a key with a misspelt `revoke_at` would be revoked at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, get_args, get_origin

import orjson
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import PARSED_AT_ONCE_BYTES, parsed
from entitlements.api.media_types import JSON, require_json
from entitlements.api.problems import Problem
from entitlements.api.repeats import require_no_repeats
from entitlements.api.validation import explained, invalid, number_out_of_range
from entitlements.intake.synonyms import hint_of_field


class Route(APIRoute):
    """A route whose body is read by orjson, and whose query is checked: `invalid_json`, `invalid_request`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handle = super().get_route_handler()
        assert not self.dependant.dependencies, "parameters of dependencies would be refused"
        takes_json = self.body_field is not None or _documented(self.openapi_extra) == {JSON}
        repeats = {each.alias: _is_list(each.field_info.annotation) for each in self.dependant.query_params}
        model = None if self.body_field is None else self.body_field.field_info.annotation
        strict = partial(_Strict, model if isinstance(model, type) and issubclass(model, BaseModel) else None)

        async def handle_strictly(request: Request) -> Response:
            if request.scope["query_string"]:
                _check_query(request, repeats)
            if takes_json:
                require_json(request)
            try:
                return await handle(strict(request.scope, request.receive))
            except _NumberOutOfRange as error:
                raise error.problem from error
            except HTTPException as error:
                if isinstance(error.__cause__, Problem):  # FastAPI takes all that a body raises for one and the same.
                    raise error.__cause__ from None
                raise

        return handle_strictly


def _documented(extra: Mapping[str, Any] | None) -> set[str]:
    """The media types of a body that its route decodes by itself."""
    return set((extra or {}).get("requestBody", {}).get("content", ()))


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) is list for part in (annotation, *get_args(annotation)))


def _check_query(request: Request, repeats: Mapping[str, bool]) -> None:
    """Whether a query holds parameters of its route alone. repeats: each of these, and whether it may be repeated. Raises Problem."""
    found = []
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        at = f"query.{name}"
        if name not in repeats:
            hint = hint_of_field(name, repeats)
            found.append({"at": at, "message": "is not a known parameter" + (f"; {hint}" if hint else "")})
        elif count > 1 and not repeats[name]:
            found.append({"at": at, "message": "is given more than once"})
    if found:
        raise invalid(found)


class _Strict(Request):
    def __init__(self, model: type[BaseModel] | None, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._model = model

    async def json(self) -> Any:
        """What the body says; of a large one already as the model of its route, made where it is read and not in the loop."""
        body, model = await self.body(), self._model
        if len(body) <= PARSED_AT_ONCE_BYTES or model is None:
            return await parsed(self, body, _strictly)
        return await parsed(self, body, lambda whole: _as_model(model, _strictly(whole)))


def _as_model(model: type[BaseModel], found: Any) -> BaseModel:
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise explained([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from error


def _strictly(body: bytes) -> Any:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        problem = number_out_of_range(body)
        if problem is not None:
            raise _NumberOutOfRange(problem) from error
        raise HTTPException(422, f"The body is not valid JSON at byte {error.pos}.") from error
    try:
        orjson.dumps(found)
    except orjson.JSONEncodeError as error:  # It reads deeper than it writes, and so do those behind it.
        raise HTTPException(422, "The body is nested too deep: 250 levels at most.") from error
    require_no_repeats(body, found)
    return found


class _NumberOutOfRange(HTTPException):
    """FastAPI lets this through, and takes any other error for its own."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(422)
        self.problem = problem
