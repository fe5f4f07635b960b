"""Routes of those who administer: commands, API keys, reports to the access log. As methods.py has the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from entitlements_client.transport.call import Call, changing, path_id
from entitlements_client.transport.results import changed_of, document_of


def report_access(
    decisions: Iterable[Mapping[str, Any]], *, idempotency_key: str = "", organization: str = ""
) -> Call[dict[str, Any]]:
    """Tell the access log what was decided here."""
    body = {"decisions": list(decisions)}
    return changing("/v1/access-log", document_of, body, idempotency_key=idempotency_key, organization=organization)


def command(
    name: str, fields: Mapping[str, Any], *, idempotency_key: str = "", wait: bool = True, organization: str = ""
) -> Call[dict[str, Any]]:
    """Any command of the domain, such as ("OpenPool", {...}); its answer has a consistency_token.

    wait: for the decision; without it the answer is only where in the log the command stands.
    """
    headers = {} if wait else {"Prefer": "respond-async"}
    path = f"/v1/commands/{path_id(name)}"
    return changing(
        path, changed_of, fields, idempotency_key=idempotency_key, headers=headers, organization=organization
    )


def create_key(fields: Mapping[str, Any], *, idempotency_key: str = "", organization: str = "") -> Call[dict[str, Any]]:
    """Create an API key (name, scopes, expires_at, ...); the answer tells its secret once."""
    return changing("/v1/keys", document_of, fields, idempotency_key=idempotency_key, organization=organization)


def revoke_key(key_id: str, *, idempotency_key: str = "", organization: str = "") -> Call[dict[str, Any]]:
    """Revoke an API key."""
    path = f"/v1/keys/{path_id(key_id)}"
    return changing(
        path, document_of, None, method="DELETE", idempotency_key=idempotency_key, organization=organization
    )
