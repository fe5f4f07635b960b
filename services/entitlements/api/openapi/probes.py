"""The probes in the document: they are answered before the application is asked (operations/requests.py)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from entitlements.api.openapi.telling import ref


class ReadinessCheck(BaseModel):
    """Result of one readiness check."""

    ok: bool = Field(description="Whether it passed.")
    took_seconds: float | None = Field(None, description="Duration of the check in seconds.")
    lag_seconds: float | None = Field(None, description="How far the read models are behind the ledger, in seconds.")
    reason: str | None = Field(None, description="Why it failed.")


class Probe(BaseModel):
    """Result of a probe."""

    status: Literal["alive", "ready", "not_ready"] = Field(description="Status of the process.")
    process: str = Field(description="The process that answers.", examples=["api"])
    checks: dict[str, ReadinessCheck] | None = Field(None, description="The checks by name; only for /readyz.")


def paths() -> dict[str, Any]:
    """The paths of the probes."""
    return {
        "/healthz": _probe("alive", "Liveness", "The process is alive. No other server is contacted."),
        "/readyz": _probe("ready", "Readiness", "Ready: Kafka, Postgres and the read models respond."),
    }


def _probe(name: str, summary: str, yes: str) -> dict[str, Any]:
    content = {"application/json": {"schema": ref(Probe)}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    responses = {
        "200": {"description": yes, "content": content},
        "405": {"description": "Only GET and HEAD are allowed.", "content": problem},
        "503": {"description": "Not ready; `checks` has the reasons.", "content": content},
    }
    return {
        "get": {
            "tags": ["operations"], "operationId": name, "summary": summary, "description": yes, "security": [], "responses": responses
        }
    }  # fmt: skip
