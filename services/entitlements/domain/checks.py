"""What holds for the fields of every command, whatever it asks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final

from entitlements.domain import campaigns, commands, governance_commands, plan_commands, usage_commands
from entitlements.domain.commands import Command
from entitlements.domain.errors import InvalidCommand, InvalidId, InvalidQuantity
from entitlements.domain.ids import chosen_ids_of
from entitlements.domain.values import ID_CHARACTERS_MAX, NO_SEGMENTS, QUANTITY_MAX, is_id, is_key_id


def check_fields(command: Command) -> None:
    """Every id has 1 to 128 characters, and every number can be written down or counted, whoever wrote the command."""
    _check_ids(command)
    for name, value in vars(command).items():
        if isinstance(value, str) and "\0" in value:
            raise InvalidCommand(f"{name} contains NUL")
    for name in NUMBERS_OF_32_BITS:
        number = getattr(command, name, None)
        if number is not None and not -(2**31) <= number < 2**31:
            raise InvalidCommand(f"{name} does not fit into 32 bits")
    if getattr(command, "sequence", 0) < 0:
        raise InvalidCommand("a sequence must not be negative")
    for name in QUANTITIES:
        quantity = getattr(command, name, 1)
        if not 0 < quantity <= QUANTITY_MAX:
            raise InvalidQuantity(str(quantity))


def _check_ids(command: Command) -> None:
    kind: type = type(command)
    for name, characters_min in _ids_of(kind):
        value = getattr(command, name)
        if value is not None and not is_id(value, characters_min):
            raise InvalidId(f"{name} has {len(value)} characters or contains NUL")
        if name == "key_id" and not is_key_id(value):  # Perhaps a key: it is not repeated.
            raise InvalidId("key_id must have 8 to 64 letters and digits")
    for name in _IN_PATHS.get(kind, ()):
        if getattr(command, name) in NO_SEGMENTS:
            raise InvalidId(f"{name} is {getattr(command, name)}, which a URL path cannot contain")


#: Avro's int and Postgres' integer, of which writers take more than readers find.
NUMBERS_OF_32_BITS: Final = ("rung", "then_rung", "set_version", "then_set_version", "priority")
#: From 1 to QUANTITY_MAX, in every command that has them.
QUANTITIES: Final = ("quantity", "then_quantity")
_ALSO_IDS: Final = frozenset({"resource_key", "idempotency_key", "ladder", "source", "batch_key"})


#: Ids of what is new and is named in paths of the API: customers, pools, sets, keys, reservations, policies.
_IN_PATHS: Final[dict[type[Command], tuple[str, ...]]] = {
    commands.AssignWorkspace: ("workspace_id",),
    commands.DefineEntitlementSet: ("set_id",),
    commands.DefineLadder: ("ladder",),
    commands.DefineResourceKey: ("resource_key",),
    commands.OpenPool: ("pool_id",),
    governance_commands.CreateApiKey: ("key_id",),
    governance_commands.DefineAccessPolicy: ("policy_id",),
    governance_commands.PlaceWorkspace: ("workspace_id",),
    plan_commands.CapMember: ("resource_key",),
    plan_commands.ConfigureOnDemand: ("resource_key",),
    plan_commands.SetOverride: ("resource_key",),
    usage_commands.ReserveUsage: ("reservation_id",),
}
#: Ids that are checked where their command is decided.
_ALSO_CHECKED: Final[dict[type[Command], tuple[tuple[str, int], ...]]] = {
    plan_commands.ConfigureOnDemand: (("payer", 0),)
}


@cache
def _ids_of(kind: type[Any]) -> tuple[tuple[str, int], ...]:
    """The names of a command's ids, each with the least of characters: one that defaults to empty may be empty."""
    ids = (field for field in fields(kind) if field.name.endswith("_id") or field.name in _ALSO_IDS)
    return tuple((field.name, 0 if field.default == "" else 1) for field in ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRule:
    """What holds for an id. is_chosen: its sender chooses it for something new; is_segment: paths of the API name it."""

    characters_min: int = 1
    characters_max: int = ID_CHARACTERS_MAX
    is_chosen: bool = False
    is_segment: bool = False
    #: A character that it must not hold, beside zero; empty: none.
    without: str = ""
    #: It is that of an API key (values.KEY_ID).
    is_key: bool = False


#: It leaves room for what the ids of its grants have behind it.
_OF_CAMPAIGN: Final = IdRule(characters_max=campaigns.ID_CHARACTERS_MAX, without=campaigns.GRANT_MARK, is_chosen=True)
#: For RevokeApiKey too: what is no id of a key is refused before it is written anywhere.
OF_API_KEY: Final = IdRule(characters_min=8, characters_max=64, is_key=True)


def id_rules(kind: type[Command]) -> dict[str, IdRule]:
    """The ids of a command by their names, for whoever checks commands before they are sent, or tells what is taken."""
    hashable: type = kind
    rules = {}
    for name, characters_min in (*_ids_of(hashable), *_ALSO_CHECKED.get(kind, ())):
        is_segment, is_chosen = name in _IN_PATHS.get(kind, ()), name in chosen_ids_of(kind)
        rules[name] = IdRule(characters_min=characters_min, is_chosen=is_chosen, is_segment=is_segment)
    if kind is governance_commands.DefineCampaign:
        rules["campaign_id"] = _OF_CAMPAIGN
    return rules | ({"key_id": OF_API_KEY} if "key_id" in rules else {})
