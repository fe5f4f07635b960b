"""Access policies on their way in: checked by the very code that decides by them, then commands (docs/policies.md)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from entitlements.domain.governance_commands import DefineAccessPolicy
from entitlements.errors import RequestError
from entitlements_client.deciding import CustomerView, PolicyIsInvalid, PolicySet, Request, check_policy, explain
from entitlements_client.deciding.instants import seconds_of
from entitlements_client.deciding.refusals import shown

#: Words of a file that people may write otherwise: an effect in small letters.
_EFFECTS: Final = {"allow": "ALLOW", "deny": "DENY"}

#: NUL as JSON writes it. The decision of a policy refuses it too.
NUL: Final = rb"\u0000"
#: Whatever is nested deeper is refused by the check that follows, which counts as it goes down.
_PLAIN_TO_DEPTH: Final = 64


class InvalidPolicyDocument(RequestError):
    """Invalid policy."""

    code = "invalid_policy"

    def __init__(self, where: str, error: PolicyIsInvalid) -> None:
        super().__init__(f"{where}: {error}.")
        #: Which mistake it is, and where: for programs.
        self.facts = {"mistake": error.code, "path": error.path}


def read_policies(path: Path) -> list[dict[str, Any]]:
    """The policies of a file, YAML or JSON: one, a list, or under `policies`. Raises DefinitionIsInvalid, InvalidPolicyDocument."""
    from entitlements.intake.definitions import read_file

    return parse_policies(read_file(path), str(path))


def parse_policies(content: Any, where: str) -> list[dict[str, Any]]:
    """The policies of a document: one, a list, or under `policies`. Raises InvalidPolicyDocument."""
    if isinstance(content, dict) and "policies" not in content:
        return [_checked_alone(_spelled_out(content), where)]
    whole = content if isinstance(content, dict) else {"policies": content}
    listed = whole["policies"]
    spelled_out = [_spelled_out(one) for one in listed] if isinstance(listed, list) else listed
    try:
        PolicySet.compile(whole | {"policies": spelled_out})
    except PolicyIsInvalid as error:
        raise InvalidPolicyDocument(where, error) from error
    for document in spelled_out:
        _require_text(document, where)
    return list(spelled_out)


def _require_text(document: dict[str, Any], where: str) -> None:
    """JSON can write halves of characters, which nothing else can, and NUL, which no text here holds. Raises InvalidPolicyDocument."""
    try:
        if NUL in canonical(document).encode():
            raise ValueError("it contains NUL")
    except ValueError as error:
        said = PolicyIsInvalid("invalid_value", "policy", f"cannot be written as JSON: {error}")
        raise InvalidPolicyDocument(where, said) from error


def _checked_alone(document: Any, where: str) -> dict[str, Any]:
    try:
        check_policy(document)
    except PolicyIsInvalid as error:
        raise InvalidPolicyDocument(where, error) from error
    _require_text(document, where)
    return dict(document)


def _spelled_out(document: Any) -> Any:
    """What YAML reads as something else than was written, as policies have it: instants."""
    if not isinstance(document, dict):
        return document
    effect = document.get("effect")
    said = _plain(document)
    return said | {"effect": _EFFECTS[effect]} if isinstance(effect, str) and effect in _EFFECTS else said


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > _PLAIN_TO_DEPTH:
        return value
    if isinstance(value, dict):
        return {name: _plain(part, depth + 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, depth + 1) for part in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def canonical(document: dict[str, Any]) -> str:
    """The JSON of a policy as commands carry it: one text for whatever means the same."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def policy_command(document: dict[str, Any], organization_id: str, carried: dict[str, Any]) -> DefineAccessPolicy:
    """Define a policy that was checked. carried: the envelope of the command."""
    return DefineAccessPolicy(
        **carried,
        organization_id=organization_id,
        policy_id=document["policy_id"],
        name=document.get("name") or "",
        effect=document["effect"],
        priority=document.get("priority", 0),
        document=canonical(document),
    )


def require_meant(command: DefineAccessPolicy) -> None:
    """The document of a command is valid: for those who take commands from outside. Raises InvalidPolicyDocument.

    The decision itself cannot ask this: the domain knows nothing of conditions.
    """
    try:
        document = json.loads(command.document)
    except (ValueError, RecursionError) as error:
        raise InvalidPolicyDocument(
            command.policy_id, PolicyIsInvalid("invalid_value", "document", f"invalid JSON: {error}")
        ) from error
    _checked_alone(document, command.policy_id)


#: What a file for `entitlements policy test` may say beside the request itself.
_OF_CUSTOMER: Final = ("subscription", "members", "entitlement", "now")
_ASKED: Final = ("customer_id", "resource_key", "quantity", "subject_id", "action", "context")


def tried_out(documents: list[dict[str, Any]], content: dict[str, Any], where: str) -> dict[str, Any]:
    """Decide what a file asks by policies that do not count yet: the five steps. Raises InvalidContext."""
    said = _plain(content)
    unknown = said.keys() - {*_ASKED, *_OF_CUSTOMER}
    missing = {"customer_id", "resource_key"} - said.keys()
    if unknown or missing:
        wrong = (
            f"has no {', '.join(sorted(missing))}" if missing else f"has unknown fields: {', '.join(sorted(unknown))}"
        )
        raise InvalidContext(f"{where} {wrong}; it can have {', '.join((*_ASKED, *_OF_CUSTOMER))}.")
    for name in ("context", "subscription", "members", "entitlement"):
        if not isinstance(said.get(name, {}), dict):
            raise InvalidContext(f"{where}: {name} must be a mapping of fields to values.")
    now_s = time.time() if "now" not in said else seconds_of(said["now"])
    if now_s is None:
        raise InvalidContext(f"{where}: now must be a time such as 2026-01-31T12:00:00Z, not {shown(said['now'])}.")
    entry = said.get("entitlement")
    view = CustomerView.from_document(
        {
            "customer_id": said["customer_id"],
            "subscription": said.get("subscription"),
            "members": said.get("members"),
            "entitlements": {} if entry is None else {said["resource_key"]: entry},
        }
    )
    return explain(view, PolicySet.compile({"policies": documents}), Request.from_document(said), now_s)


class InvalidContext(RequestError):
    """Invalid context."""

    code = "invalid_request"
