"""Decisions about who is let in: access policies, which say when a key may be used, and API keys, which say who may ask."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Any, Final, NoReturn, get_args

from entitlements.domain.aggregate import begin
from entitlements.domain.errors import (
    ActForNotAllowed,
    ApiKeyAlreadyExists,
    ApiKeyIsOver,
    InvalidCommand,
    InvalidId,
    InvalidInstant,
    InvalidPolicy,
    TooManyApiKeys,
    TooManyPolicies,
    UnknownApiKey,
    UnknownPolicy,
    UnknownUnit,
)
from entitlements.domain.governance_commands import (
    CreateApiKey,
    DefineAccessPolicy,
    OrganizationCommand,
    RetireAccessPolicy,
    RevokeApiKey,
)
from entitlements.domain.organization_events import (
    AccessPolicyDefined,
    AccessPolicyRetired,
    ApiKeyCreated,
    ApiKeyRevoked,
)
from entitlements.domain.organizations import Organization, OrganizationEvent
from entitlements.domain.values import ApiScope, is_id

#: Policies of one organization that count, and all it ever had.
POLICIES_MAX: Final = 1_000
POLICIES_EVER_MAX: Final = 10_000
#: Characters of the document of one policy.
DOCUMENT_CHARACTERS_MAX: Final = 32_768
#: Characters of the documents of all policies of one organization that count: they are read and compiled together, and each decision
#: may ask all of them.
DOCUMENTS_CHARACTERS_MAX: Final = 524_288
PRIORITY_MAX: Final = 1_000_000
#: API keys of one organization that count, and all it ever had.
API_KEYS_MAX: Final = 1_000
API_KEYS_EVER_MAX: Final = 10_000
REQUESTS_PER_S_MAX: Final = 1_000_000
#: Organizations that a key names; whoever acts for more acts for all.
ACT_FOR_MAX: Final = 1_000
#: What a key bound to a unit may be used for: commands and the access log are the whole organization's.
UNIT_SCOPES: Final[frozenset[ApiScope]] = frozenset({"read", "use"})
#: It stands between two underscores in what callers send, so it has none itself.
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def define_access_policy(held: Organization | None, command: DefineAccessPolicy, now: datetime) -> Organization:
    """Let a policy count as its document says. The same document again changes nothing."""
    _check_document(command)
    digest = hashlib.sha256(command.document.encode()).hexdigest()[:32]
    present = None if held is None else held.policies.get(command.policy_id)
    if held is not None and present is not None and not present.is_retired and present.digest == digest:
        return held
    if held is not None and present is None and len(held.policies) >= POLICIES_EVER_MAX:
        raise TooManyPolicies(f"the maximum including retired ones is {POLICIES_EVER_MAX}")
    others = {} if held is None else {name: one for name, one in held.policies.items() if name != command.policy_id}
    counting = [policy.characters for policy in others.values() if not policy.is_retired]
    if len(counting) >= POLICIES_MAX:
        raise TooManyPolicies(f"the maximum is {POLICIES_MAX}")
    if sum(counting) + len(command.document) > DOCUMENTS_CHARACTERS_MAX:
        raise TooManyPolicies(f"the maximum is {DOCUMENTS_CHARACTERS_MAX} characters in total")
    return _happen(
        held,
        command,
        AccessPolicyDefined,
        now,
        policy_id=command.policy_id,
        policy_version=1 if present is None else present.policy_version + 1,
        policies_version=1 if held is None else held.policies_version + 1,
        name=command.name or command.policy_id,
        effect=command.effect,
        priority=command.priority,
        document=command.document,
        digest=digest,
    )


def _check_document(command: DefineAccessPolicy) -> None:
    """It is one JSON document in its canonical form, that says the same as the command. Raises InvalidPolicy.

    What its conditions mean is checked by whoever sends it (intake/policies.py): by the very code that decides by them.
    """
    if len(command.document) > DOCUMENT_CHARACTERS_MAX:
        raise InvalidPolicy(
            f"the document has {len(command.document)} characters; the maximum is {DOCUMENT_CHARACTERS_MAX}"
        )
    if not is_id(command.name, 0) or abs(command.priority) > PRIORITY_MAX:
        raise InvalidPolicy(f"a name has at most 128 characters, a priority is from -{PRIORITY_MAX} to {PRIORITY_MAX}")
    try:
        found = json.loads(command.document, parse_constant=_no_json)
        text = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise InvalidPolicy("the document is not valid JSON") from error
    # Postgres stores no zero character, which JSON can write.
    if not isinstance(found, dict) or text != command.document or "\\u0000" in text:
        raise InvalidPolicy("the document is not an object in canonical JSON")
    said = {"policy_id": command.policy_id, "effect": command.effect, "priority": command.priority}
    if said != {"priority": 0} | {name: found[name] for name in said if name in found}:
        raise InvalidPolicy("policy_id, effect or priority differ between document and command")


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def retire_access_policy(held: Organization | None, command: RetireAccessPolicy, now: datetime) -> Organization:
    """Let a policy count no more."""
    present = None if held is None else held.policies.get(command.policy_id)
    if held is None or present is None:
        raise UnknownPolicy(command.policy_id)
    if present.is_retired:
        return held
    return _happen(
        held,
        command,
        AccessPolicyRetired,
        now,
        policy_id=command.policy_id,
        policy_version=present.policy_version + 1,
        policies_version=held.policies_version + 1,
        reason=command.reason,
    )


def create_api_key(held: Organization | None, command: CreateApiKey, now: datetime) -> Organization:
    """Let whoever holds a secret act for the organization. An id is given once, for ever.

    The operator alone gives act_for: whoever sends commands beside the installation, in no organization's name. So no key hands it on.
    """
    _check_key(command)
    if (command.act_for or command.acts_for_all) and command.caller_organization_id is not None:
        raise ActForNotAllowed
    if command.unit_id and (held is None or held.unit(command.unit_id) is None):
        raise UnknownUnit(command.unit_id)
    facts: dict[str, Any] = {
        "secret_sha256": command.secret_sha256,
        "name": command.name or command.key_id,
        "scopes": [scope for scope in get_args(ApiScope) if scope in command.scopes],
        "act_for": sorted(set(command.act_for)),
        "acts_for_all": command.acts_for_all,
        "unit_id": command.unit_id,
        "expires_at": command.expires_at,
        "requests_per_s": command.requests_per_s,
    }
    present = None if held is None else held.api_keys.get(command.key_id)
    if held is not None and present is not None:
        if any(getattr(present, name) != fact for name, fact in facts.items()):
            raise ApiKeyAlreadyExists(command.key_id)
        if not present.counts_at(now):
            raise ApiKeyIsOver(command.key_id)
        return held
    if command.expires_at is not None and command.expires_at <= now:
        raise InvalidInstant("expires_at is in the past")
    keys = [] if held is None else list(held.api_keys.values())
    if len(keys) >= API_KEYS_EVER_MAX or sum(key.counts_at(now) for key in keys) >= API_KEYS_MAX:
        raise TooManyApiKeys(f"the maximum is {API_KEYS_MAX} active and {API_KEYS_EVER_MAX} in total")
    return _happen(held, command, ApiKeyCreated, now, key_id=command.key_id, **facts)


def _check_key(command: CreateApiKey) -> None:
    if _SHA256.fullmatch(command.secret_sha256) is None:
        raise InvalidCommand("a SHA-256 must have 64 hexadecimal digits, in lower case")
    if not is_id(command.name, 0):
        raise InvalidCommand("a name has at most 128 characters")
    scopes = get_args(ApiScope)
    if not command.scopes or len(set(command.scopes)) < len(command.scopes) or not set(command.scopes) <= set(scopes):
        raise InvalidCommand(f"a key needs at least one scope of {', '.join(scopes)}, each once")
    if command.requests_per_s is not None and not 1 <= command.requests_per_s <= REQUESTS_PER_S_MAX:
        raise InvalidCommand(f"requests_per_s must be 1 to {REQUESTS_PER_S_MAX}")
    _check_whom_it_acts_for(command)


def _check_whom_it_acts_for(command: CreateApiKey) -> None:
    if len(command.act_for) > ACT_FOR_MAX:
        raise InvalidCommand(f"act_for has at most {ACT_FOR_MAX} organizations; for more use all")
    if not all(map(is_id, command.act_for)):
        raise InvalidId("an organization in act_for")
    if command.act_for and command.acts_for_all:
        raise InvalidCommand("act_for is a list of organizations or all, not both")
    if command.unit_id and (command.act_for or command.acts_for_all):
        raise InvalidCommand("a key limited to a unit cannot act for other organizations")
    if command.unit_id and not UNIT_SCOPES.issuperset(command.scopes):
        raise InvalidCommand("a key limited to a unit can only have the scopes read and use")


def revoke_api_key(held: Organization | None, command: RevokeApiKey, now: datetime) -> Organization:
    """Take a key back, now or later. Of several instants the earliest counts: what was announced is never put off."""
    present = None if held is None else held.api_keys.get(command.key_id)
    if held is None or present is None:
        raise UnknownApiKey(command.key_id)
    revoke_at = now if command.revoke_at is None else max(now, command.revoke_at)
    if present.revoked_at is not None and present.revoked_at <= revoke_at:
        return held
    return _happen(held, command, ApiKeyRevoked, now, key_id=command.key_id, revoke_at=revoke_at, reason=command.reason)


def _happen(
    held: Organization | None,
    command: OrganizationCommand,
    event_class: type[OrganizationEvent],
    now: datetime,
    **facts: Any,
) -> Organization:
    """Let an event happen; the first of an organization brings it into being."""
    facts["actor"] = command.actor
    if held is not None:
        held.happen(event_class, now, **facts)
        return held
    opening = event_class(
        originator_id=command.organization_id,
        originator_version=Organization.INITIAL_VERSION,
        timestamp=now,
        command_id=command.command_id,
        **facts,
    )
    return begin(opening, Organization)
