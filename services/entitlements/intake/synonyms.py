"""Names that callers bring from other systems, and misspelled ones: which command or field of ours they stand for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Final

#: Commands as billing systems and metering services call them, and ours that does it.
COMMAND_SYNONYMS: Final = {
    "CancelProvision": "EndProvision", "CancelSubscription": "EndProvision", "EndSubscription": "EndProvision",
    "DeleteProvision": "EndProvision", "RemoveProvision": "EndProvision", "StopProvision": "EndProvision",
    "CreateProvision": "ProvisionPool", "AddProvision": "ProvisionPool", "StartProvision": "ProvisionPool",
    "CreateSubscription": "ProvisionPool", "StartSubscription": "ProvisionPool", "AddPlan": "ProvisionPool",
    "PurchasePlan": "ProvisionPool", "BuyPlan": "ProvisionPool", "Subscribe": "ProvisionPool",
    "PauseSubscription": "SuspendProvision", "SuspendSubscription": "SuspendProvision", "PauseProvision": "SuspendProvision",
    "ResumeSubscription": "ResumeProvision", "UnsuspendProvision": "ResumeProvision", "UnpauseProvision": "ResumeProvision",
    "UncancelSubscription": "UncancelProvision", "ReactivateSubscription": "UncancelProvision",
    "ReactivateProvision": "UncancelProvision",
    "UpgradePlan": "ChangePlan", "DowngradePlan": "ChangePlan", "SwitchPlan": "ChangePlan", "UpdatePlan": "ChangePlan",
    "UpdateSubscription": "ChangePlan", "ChangeSubscription": "ChangePlan",
    "UpdateQuantity": "ChangeQuantity", "SetQuantity": "ChangeQuantity", "ChangeSeats": "ChangeQuantity",
    "CreateTrial": "StartTrial", "BeginTrial": "StartTrial",
    "CreatePool": "OpenPool", "AddPool": "OpenPool", "DeletePool": "ClosePool", "RemovePool": "ClosePool",
    "PausePool": "SuspendPool", "DisablePool": "SuspendPool", "EnablePool": "ResumePool", "ReopenPool": "ResumePool",
    "UnsuspendPool": "ResumePool", "UnpausePool": "ResumePool",
    "AssignCustomer": "AssignWorkspace", "AddCustomer": "AssignWorkspace", "CreateCustomer": "AssignWorkspace",
    "UnassignCustomer": "UnassignWorkspace", "RemoveCustomer": "UnassignWorkspace", "DeleteCustomer": "UnassignWorkspace",
    "PlaceCustomer": "PlaceWorkspace", "MoveCustomer": "PlaceWorkspace", "MoveWorkspace": "PlaceWorkspace",
    "RefundUsage": "ReverseUsage", "VoidUsage": "ReverseUsage", "UndoUsage": "ReverseUsage", "DeleteUsage": "ReverseUsage",
    "AdjustUsage": "CorrectUsage", "UpdateUsage": "CorrectUsage", "EditUsage": "CorrectUsage",
    "HoldUsage": "ReserveUsage", "CreateReservation": "ReserveUsage", "CancelReservation": "ReleaseReservation",
    "DeleteReservation": "ReleaseReservation", "ConfirmReservation": "CommitReservation", "CaptureReservation": "CommitReservation",
    "GrantCredits": "IssueGrant", "CreateGrant": "IssueGrant", "AddGrant": "IssueGrant", "AddCredits": "IssueGrant",
    "VoidGrant": "RevokeGrant", "CancelGrant": "RevokeGrant", "DeleteGrant": "RevokeGrant",
    "AllocateSeat": "AllocateLimit", "AssignSeat": "AllocateLimit", "ReleaseSeat": "ReleaseUsage", "UnassignSeat": "ReleaseUsage",
    "SetLimit": "SetOverride", "OverrideLimit": "SetOverride", "CreateOverride": "SetOverride",
    "RemoveOverride": "ClearOverride", "DeleteOverride": "ClearOverride", "UnsetOverride": "ClearOverride",
    "CreatePlan": "DefineEntitlementSet", "DefinePlan": "DefineEntitlementSet", "DefineSet": "DefineEntitlementSet",
    "CreateFeature": "DefineResourceKey", "DefineFeature": "DefineResourceKey", "CreateMeter": "DefineResourceKey",
    "CreatePolicy": "DefineAccessPolicy", "DefinePolicy": "DefineAccessPolicy", "DeletePolicy": "RetireAccessPolicy",
    "CreateCampaign": "DefineCampaign", "StartCampaign": "ActivateCampaign", "StopCampaign": "DeactivateCampaign",
    "EndCampaign": "DeactivateCampaign", "CreateUnit": "DefineUnit", "DeleteUnit": "RemoveUnit",
    "DeleteApiKey": "RevokeApiKey", "WriteOffOverage": "ForgiveOverage", "WaiveOverage": "ForgiveOverage",
}  # fmt: skip
#: Verbs of commands that undo each other, beside those that differ by un- or de-: a typing error never suggests the other.
_OPPOSITES: Final = frozenset(
    frozenset(pair)
    for pair in (
        ("suspend", "resume"), ("open", "close"), ("issue", "revoke"), ("create", "revoke"), ("define", "retire"),
        ("define", "remove"), ("reserve", "release"), ("commit", "release"), ("set", "clear"), ("allocate", "release"),
        ("record", "reverse"), ("record", "release"), ("start", "end"), ("open", "end"), ("add", "end"), ("provision", "end"),
    )
)  # fmt: skip
_UNDOING: Final = ("un", "de", "dis", "re")
#: Fields as others call them: which of these a thing may have.
_FIELD_SYNONYMS: Final = {
    "customer": ("workspace_id", "customer_id"), "customer_id": ("workspace_id", "customer"),
    "customers": ("workspaces",), "workspace": ("customer", "customer_id"), "workspace_id": ("customer", "customer_id"),
    "user_id": ("subject_id",), "member_id": ("subject_id",),
    "feature": ("resource_key", "key"), "feature_id": ("resource_key", "key"), "feature_key": ("resource_key", "key"),
    "key": ("resource_key",), "plan": ("set", "set_id"), "plan_id": ("set", "set_id"),
    "subscription_id": ("provision_id", "provision"), "organisation_id": ("organization_id", "organization"),
    "organization": ("organization_id",), "limit": ("amount",), "timestamp": ("occurred_at",),
}  # fmt: skip
_FILES_NAMED_MAX: Final = 5
#: Commands and events say workspace where everything else says customer.
_OF_COMMANDS: Final = frozenset({"workspace_id", "workspace", "workspaces"})


def command_near(name: str, known: Iterable[str]) -> str | None:
    """The command that a name stands for, whatever its case and separators: a synonym's, else the nearest that does not undo it."""
    by_plain = {_plain(each): each for each in known}
    plain = _plain(name)
    synonym = _SYNONYMS.get(plain)
    if plain in by_plain or (synonym is not None and _plain(synonym) in by_plain):
        return by_plain.get(plain, synonym)
    near = (by_plain[each] for each in get_close_matches(plain, by_plain, 5))
    return next((each for each in near if not _undoes(plain, each)), None)


def advice_on_file(path: Path) -> str:
    """What to do about a file that is not there: the nearest name beside it, if any."""
    try:
        beside = [each.name for each in path.parent.iterdir() if each.is_file()]
    except OSError:
        beside = []
    near = get_close_matches(path.name, beside, 1, 0.8)
    same = sorted(name for name in beside if Path(name).suffix == path.suffix)[:_FILES_NAMED_MAX]
    if near:
        return f"Did you mean {path.parent / near[0]}?"
    return f"Check the path. In {path.parent.absolute()}: {', '.join(same)}." if same else "Check the path."


def _undoes(plain: str, command: str) -> bool:
    """Whether a command undoes what a name asks for, as far as their verbs show."""
    verb = re.findall(r"[A-Z][a-z]*", command)[0].lower()
    rest = _plain(command)
    if any(plain == f"{prefix}{rest}" or rest == f"{prefix}{plain}" for prefix in _UNDOING):
        return True
    return any(
        verb in pair and any(plain.startswith(other) for other in pair - {verb}) and not plain.startswith(verb)
        for pair in _OPPOSITES
    ) or any(plain.startswith(f"{prefix}{verb}") or verb.startswith(f"{prefix}{plain[:4]}") for prefix in _UNDOING)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_SYNONYMS: Final = {_plain(name): command for name, command in COMMAND_SYNONYMS.items()}


def hint_of_field(name: str, known: Collection[str]) -> str:
    """What follows "no such field": the field of a command that is called otherwise, or the nearest one; empty if none is near."""
    word = name.lower().replace("-", "_")
    for other in _FIELD_SYNONYMS.get(word, ()):
        short = other.removesuffix("_id")
        called = other if other in known else short if short in known else None
        if called is not None and called != name:
            return f"commands call it {called}" if called in _OF_COMMANDS else f"did you mean {called}?"
    near = get_close_matches(word, [each for each in known if each != name], 1)
    return f"did you mean {near[0]}?" if near else ""
