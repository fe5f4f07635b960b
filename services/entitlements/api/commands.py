"""Every command of the domain: POST /v1/commands/NAME with its fields. Usage has routes of its own (metering.py)."""

from __future__ import annotations

import inspect
from contextlib import suppress
from dataclasses import fields
from functools import partial
from typing import Annotated, Any, Final, get_type_hints

from fastapi import APIRouter
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import at_least, key_of, services_of, who
from entitlements.api.auth import identity_of, require_own
from entitlements.api.auth.errors import OperatorOnly
from entitlements.api.documents import ACCEPTED, PROBLEMS, CommandResult
from entitlements.api.identity import Identity
from entitlements.api.openapi.headers import CHANGES, CONSISTENCY, takes
from entitlements.api.problems import Problem
from entitlements.api.routes import Route
from entitlements.api.sending import answered, envelope
from entitlements.api.validation import explained
from entitlements.domain.checks import NUMBERS_OF_32_BITS, QUANTITIES, id_rules
from entitlements.domain.commands import (
    Command,
    DefineEntitlementSet,
    DefineLadder,
    DefineResourceKey,
    OpenPool,
    RecordUsage,
    RecordUsageBatch,
    address_of,
)
from entitlements.domain.errors import CommandRefused, UnknownPool
from entitlements.domain.governance_commands import (
    AssignUnit,
    CampaignCommand,
    CreateApiKey,
    DefineAccessPolicy,
    RevokeApiKey,
)
from entitlements.domain.ids import check_chosen
from entitlements.domain.plan_commands import ReviseProvision
from entitlements.domain.values import Rule
from entitlements.errors import EntitlementsError
from entitlements.intake.looking import check_beside, is_looked_at
from entitlements.intake.policies import require_meant
from entitlements.intake.sets import is_new_ladder, keys_not_defined, looked_up, looks_up, prefixes
from entitlements.intake.strict import Id, Narrow, OfId, Quantity, Strict, UsageInstant, default_of, written
from entitlements.intake.synonyms import command_near
from entitlements.ledger.records import COMMANDS

router = APIRouter(tags=["commands"], responses=PROBLEMS, route_class=Route)

#: Said by the request, not by its body, and what is looked up for it.
_ENVELOPE: Final = frozenset(
    {
        "command_id",
        "idempotency_key",
        "caller",
        "caller_organization_id",
        "looked_up",
        "ladder_rungs",
        "batch_key",
        "batch_digest",
    }
)
#: The catalogue and campaigns are the installation's own, not any one customer's.
_OPERATORS: Final = (DefineResourceKey, DefineEntitlementSet, DefineLadder, CampaignCommand)
_OWN_RULES: Final = (
    "Default: the rules of the set. For a set that nobody has defined, send set_version, ladder and rung too."
)
#: Commands for which the API does not wait like this: lines of usage are refused one by one.
_USAGE: Final = (RecordUsage, RecordUsageBatch)


def body_of(kind: type[Command]) -> type[BaseModel]:
    """The body of a command: its fields, where the rules of a set may be left to the set, and the organization to the key."""
    hints = get_type_hints(kind)
    made: dict[str, Any] = {}
    ids = {name: Annotated[str, OfId(rule)] for name, rule in id_rules(kind).items()}
    for field in fields(kind):
        if field.name not in _ENVELOPE:
            hint = hints[field.name]
            if field.name in ids and hint in (str, str | None):
                hint = ids[field.name] if hint is str else ids[field.name] | None
            read = Quantity if field.name in QUANTITIES else written(hint, field.name)
            made[field.name] = (Narrow if field.name in NUMBERS_OF_32_BITS and hint is int else read, default_of(field))
    if "occurred_at" in made:
        made["occurred_at"] = (UsageInstant | None, None)
    if kind is DefineEntitlementSet:
        return create_model(
            kind.__name__, __base__=Strict, __doc__=kind.__doc__, **made
        )  # It is no set that is looked up.
    for prefix in ("",) if kind is ReviseProvision else prefixes(kind):
        made[f"{prefix}rules"] = (written(list[Rule] | None), Field(None, description=_OWN_RULES))
        made[f"{prefix}set_version"] = (Narrow | None, Field(None, description="Default: the newest version."))
        if f"{prefix}rung" in made:
            of_set = Field(
                None, description="Default: that of the set. Any other value is refused with `ladder_mismatch`."
            )
            made |= {"ladder": (Id | None, of_set), f"{prefix}rung": (Narrow | None, of_set)}
    if "organization_id" in made:
        made["organization_id"] = (Id | None, Field(None, description="Default: the organization of the API key."))
    return create_model(kind.__name__, __base__=Strict, __doc__=kind.__doc__, **made)


def _names(kind: type[Command]) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


def _about(kind: type[Command]) -> str:
    scope = "Scope `administer`"
    scope += ", with a key of the operator's organization." if issubclass(kind, _OPERATORS) else "."
    return f"{inspect.getdoc(kind)}\n\n{scope}"


def _add(name: str, kind: type[Command]) -> None:
    model, made, names = body_of(kind), TypeAdapter(kind), _names(kind)

    async def send(request: Request, body: Any) -> Response:
        identity = who(request, "administer")
        if (
            issubclass(kind, _OPERATORS)
            and identity.organization_id != services_of(request).settings.operator_organization
        ):
            raise OperatorOnly
        facts = {field: getattr(body, field) for field in body.model_fields_set}
        _check_organization(names, facts, identity)
        if looks_up(kind):
            facts = await _looked_up(request, kind, facts, identity.organization_id)
        carried = envelope(identity, key_of(request), facts.pop("actor", ""))
        try:
            command = made.validate_python(facts | carried)
        except ValidationError as error:  # Of what a set would have filled in.
            raise explained(error.errors()) from error
        check_chosen(command)
        if isinstance(command, DefineAccessPolicy):
            require_meant(command)
        if isinstance(command, CreateApiKey):
            require_own(identity, command, services_of(request).settings.key_requests_per_s)
        if isinstance(command, OpenPool):
            await services_of(request).pool_counts.take_one(command.organization_id, command.pool_id)
        if is_looked_at(command):
            await _check_beside(request, command)
        document = {"status": "accepted", "command": name, "id": address_of(command)[1]}
        answer = await answered(request, command, document, await _noticed(request, command))
        if isinstance(command, CreateApiKey | RevokeApiKey):
            services_of(request).authenticator.forget(command.key_id)  # This worker asks at once.
        return answer

    reads_first = looks_up(kind) or kind in (DefineResourceKey, AssignUnit, CreateApiKey)
    takes(*CHANGES, *((CONSISTENCY,) if reads_first else ()))(send)
    send.__annotations__["body"] = model
    send.__name__ = name
    router.add_api_route(
        f"/v1/commands/{name}",
        send,
        methods=["POST"],
        summary=(kind.__doc__ or "").split("\n", maxsplit=1)[0],
        description=_about(kind),
        operation_id=name,
        response_model=CommandResult,
        responses=ACCEPTED,
    )


async def _looked_up(
    request: Request, kind: type[Command], facts: dict[str, Any], organization_id: str
) -> dict[str, Any]:
    """As looked_up; what is not found is looked for once more among all that was decided until now."""
    services = services_of(request)
    first = partial(looked_up, is_all_known=False)
    try:
        return await services.read(organization_id, first, kind, facts, organization_id, at_least=at_least(request))
    except (EntitlementsError, CommandRefused) as error:
        if not error.code.startswith("unknown_"):
            raise
    await services.catch_up()
    return await services.read(organization_id, looked_up, kind, facts, organization_id)


async def _check_beside(request: Request, command: Command) -> None:
    """As check_beside, by all that was decided until now. A pool that is there needs no waiting."""
    services, organization_id = services_of(request), identity_of(request.scope).organization_id
    if isinstance(command, AssignUnit):
        with suppress(UnknownPool):
            return await services.read(organization_id, check_beside, command, at_least=at_least(request))
    await services.reach(at_least(request))
    await services.catch_up()
    await services.read(organization_id, check_beside, command)
    return None


def _check_organization(names: frozenset[str], facts: dict[str, Any], identity: Identity) -> None:
    if "organization_id" not in names:
        return
    if facts.get("organization_id") not in {None, identity.organization_id}:
        raise Problem("unknown_organization", "No such organization.")
    facts["organization_id"] = identity.organization_id


async def _noticed(request: Request, command: Command) -> dict[str, Any]:
    """What a typo in a new set would be seen by: a ladder that it brings into being, keys that nobody has defined."""
    if not isinstance(command, DefineEntitlementSet):
        return {}
    services, organization_id = services_of(request), identity_of(request.scope).organization_id
    keys = {rule.resource_key for rule in command.rules}
    noticed: dict[str, Any] = {}
    if await services.read(organization_id, is_new_ladder, command.ladder):
        noticed["ladder_defined"] = command.ladder
    if await services.read(organization_id, keys_not_defined, keys):  # Perhaps one was defined just now.
        await services.catch_up()
        if undefined := await services.read(organization_id, keys_not_defined, keys):
            noticed["keys_not_defined"] = undefined
    return noticed


for _name, _kind in sorted((full.rpartition(".")[2], kind) for full, kind in COMMANDS.items()):
    if _kind not in _USAGE:
        _add(_name, _kind)


@router.post("/v1/commands/{name}", include_in_schema=False)
async def unknown(name: str) -> Response:
    """Whoever misspells a command is told its name."""
    near = command_near(name, [kind.__name__ for kind in COMMANDS.values() if kind not in _USAGE])
    meant = f" Did you mean {near}?" if near else ""
    raise Problem("not_found", f"No such command.{meant} The OpenAPI document lists them all.")
