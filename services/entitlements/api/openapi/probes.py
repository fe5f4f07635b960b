"""The probes in the document: they are answered before the application is asked (operations/requests.py)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from entitlements.api.openapi.telling import ref


class ReadinessCheck(BaseModel):
    """What one check of the readiness came to."""

    ok: bool = Field(description="Whether it passed.")
    seconds: float | None = Field(None, description="How long it took.")
    reason: str | None = Field(None, description="Why it failed.")


class Probe(BaseModel):
    """What a probe found."""

    status: Literal["alive", "ready", "not_ready"] = Field(description="What it found.")
    process: str = Field(description="The process that answers.", examples=["api"])
    checks: dict[str, ReadinessCheck] | None = Field(None, description="Of /readyz: every check by its name.")


def paths() -> dict[str, Any]:
    """The paths of the probes."""
    return {
        "/healthz": _probe("alive", "Is the process alive?", "The process answers. It asks nothing else."),
        "/readyz": _probe("ready", "Is the service ready?", "Kafka, Postgres and the read models answer."),
    }


def _probe(name: str, summary: str, yes: str) -> dict[str, Any]:
    content = {"application/json": {"schema": ref(Probe)}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    responses = {
        "200": {"description": yes, "content": content},
        "405": {"description": "Another method than GET or HEAD.", "content": problem},
        "503": {"description": "No; `checks` says why.", "content": content},
    }
    return {
        "get": {
            "tags": ["operations"], "operationId": name, "summary": summary, "description": yes, "security": [], "responses": responses
        }
    }  # fmt: skip
