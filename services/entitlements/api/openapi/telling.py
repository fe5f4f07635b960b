"""What the OpenAPI document tells of a value that another part reads: its own type is checked as ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler, TypeAdapter
from pydantic_core.core_schema import CoreSchema


@dataclass(frozen=True, slots=True)
class ToldAs:
    """`Annotated[dict[str, Any], ToldAs(Policy)]` is read as a dict and documented as a Policy."""

    type: Any

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(TypeAdapter(self.type).core_schema)


def body_as(model: type[BaseModel]) -> dict[str, Any]:
    """How a body that its route decodes by itself is documented (`openapi_extra`)."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": ref(model)}}}}


def ref(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model that stands among the document's components."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}
