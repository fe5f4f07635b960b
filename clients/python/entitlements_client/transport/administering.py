"""Routes for administrators: commands, API keys, reports to the access log. methods.py has the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from entitlements_client.transport.call import Call, changing, path_id
from entitlements_client.transport.results import changed_of, document_of


def report_access(
    decisions: Iterable[Mapping[str, Any]], *, idempotency_key: str = "", organization: str = ""
) -> Call[dict[str, Any]]:
    """Report local decisions to the access log."""
    body = {"decisions": list(decisions)}
    return changing("/v1/access-log", document_of, body, idempotency_key=idempotency_key, organization=organization)


def command(
    name: str, fields: Mapping[str, Any], *, idempotency_key: str = "", wait: bool = True, organization: str = ""
) -> Call[dict[str, Any]]:
    """Send a command, such as ("OpenPool", {...}). The answer has a consistency_token.

    wait: for the decision; otherwise the answer is the position of the command in the log.
    """
    headers = {} if wait else {"Prefer": "respond-async"}
    path = f"/v1/commands/{path_id(name)}"
    return changing(
        path, changed_of, fields, idempotency_key=idempotency_key, headers=headers, organization=organization
    )


def create_key(fields: Mapping[str, Any], *, idempotency_key: str = "", organization: str = "") -> Call[dict[str, Any]]:
    """Create an API key (name, scopes, expires_at, ...). Only this answer contains its secret."""
    return changing("/v1/keys", document_of, fields, idempotency_key=idempotency_key, organization=organization)


def revoke_key(key_id: str, *, idempotency_key: str = "", organization: str = "") -> Call[dict[str, Any]]:
    """Revoke an API key."""
    path = f"/v1/keys/{path_id(key_id)}"
    return changing(
        path, document_of, None, method="DELETE", idempotency_key=idempotency_key, organization=organization
    )
