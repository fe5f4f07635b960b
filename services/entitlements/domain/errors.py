"""Why a command is refused. The tree is the table of contents; the code is for ever.

CommandRefused
├── InvalidCommand            the command cannot be meant
│   ├── InvalidId, InvalidQuantity, InvalidRules, InvalidInstant, InvalidPeriod, InvalidTimeZone, InvalidPolicy, InvalidLadder
├── any          EffectiveAtIsNotAllowed
├── pools        UnknownPool, PoolAlreadyExists, PoolIsClosed, PoolIsSuspended, PoolIsElsewhere
├── provisions   UnknownProvision, ProvisionAlreadyExists, ProvisionIsOver, LadderIsOccupied, RulesConflict,
│                TooManyProvisions, ProvisionIsSuspended, NoBillingPeriod
├── ladders      UnknownRung, LadderMismatch
├── grants       UnknownGrant, GrantAlreadyExists, GrantIsOver
├── assignments  WorkspaceIsNotAssigned
├── terms        UnknownOverride, OverrideAlreadyExists, LadderIsEmpty
├── reservations UnknownReservation, ReservationAlreadyExists, TooManyReservations
├── corrections  UnknownUsage, MoreThanWasUsed, MoreThanIsOwed
├── inheritance  UnknownParent, InheritanceCycle, InheritanceIsTooDeep, ParentsDisagree
├── usage        MemberCapIsReached, NotEntitled, UnknownKey, KeyIsNotMetered, KeyIsNotHeld, QuotaIsExceeded, PeriodIsClosed, MoreThanIsHeld
├── units        UnknownUnit, UnitCycle, UnitIsNotEmpty, TooManyUnits
├── policies     UnknownPolicy, TooManyPolicies
├── keys         UnknownApiKey, ApiKeyAlreadyExists, ApiKeyIsOver, ActForNotAllowed, TooManyApiKeys
├── campaigns    UnknownCampaign, CampaignIsActive, TooManyPools
└── IdempotencyKeyReused      the same key with another body

The docstring is the message.
"""

from __future__ import annotations

from functools import cache
from typing import ClassVar


@cache
def sentence_of(code: str) -> str:
    """What a code means, for people."""
    kinds: list[type[CommandRefused]] = [CommandRefused]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return next((str(kind()) for kind in kinds if kind.code == code), "It was refused.")


class CommandRefused(Exception):
    """The command was refused."""

    code: ClassVar[str] = "refused"
    #: How much would have been taken of what was too much, in the smallest unit; -1: without meaning.
    remaining: int = -1

    def __init__(self, detail: str = "", remaining: int = -1) -> None:
        self.remaining = remaining
        said = (type(self).__doc__ or "").strip()
        super().__init__(f"{said} ({detail})" if detail else said)


class InvalidCommand(CommandRefused):
    """The command is not valid."""

    code = "invalid_command"


class InvalidId(InvalidCommand):
    """An id has 1 to 128 characters."""

    code = "invalid_id"


class InvalidQuantity(InvalidCommand):
    """A quantity is an integer from 1 to 2^53."""

    code = "invalid_quantity"


class InvalidRules(InvalidCommand):
    """The rules of the set cannot be meant."""

    code = "invalid_rules"


class InvalidInstant(InvalidCommand):
    """An instant of the command cannot be meant."""

    code = "invalid_instant"


class InvalidPeriod(InvalidCommand):
    """A period is hour, day, week, month, year, lifetime or an ISO 8601 duration from a minute to a hundred years."""

    code = "invalid_period"


class InvalidTimeZone(InvalidCommand):
    """A time zone has a name of the IANA database."""

    code = "invalid_time_zone"


class InvalidLadder(InvalidCommand):
    """A ladder has 1 to 1,000 rungs by rising number, each with a name of its own of 1 to 128 characters."""

    code = "invalid_ladder"


class EffectiveAtIsNotAllowed(CommandRefused):
    """Only commands to a pool whose history is being brought in (backfill_from) have an effective_at."""

    code = "effective_at_not_allowed"


class UnknownPool(CommandRefused):
    """There is no such pool."""

    code = "unknown_pool"


class PoolAlreadyExists(CommandRefused):
    """A pool with this id exists and is another one."""

    code = "pool_already_exists"


class PoolIsClosed(CommandRefused):
    """The pool is closed for good."""

    code = "pool_is_closed"


class PoolIsSuspended(CommandRefused):
    """The pool is suspended and confers nothing."""

    code = "pool_is_suspended"


class PoolIsElsewhere(CommandRefused):
    """The pool lives on another partition than the command."""

    code = "pool_is_elsewhere"


class UnknownProvision(CommandRefused):
    """The pool has no such provision."""

    code = "unknown_provision"


class ProvisionAlreadyExists(CommandRefused):
    """A provision with this id exists and is another one."""

    code = "provision_already_exists"


class ProvisionIsOver(CommandRefused):
    """The provision has ended, and an ended one cannot be changed or used again."""

    code = "provision_is_over"


class ProvisionIsSuspended(CommandRefused):
    """A provision that includes this resource key is suspended."""

    code = "provision_suspended"


class NoBillingPeriod(CommandRefused):
    """The provision has neither a billing period nor an end: name an instant."""

    code = "no_billing_period"


class UnknownRung(CommandRefused):
    """The plan ladder has no such rung."""

    code = "unknown_rung"


class LadderMismatch(CommandRefused):
    """The ladder or rung is not that of the entitlement set."""

    code = "ladder_mismatch"


class LadderIsOccupied(CommandRefused):
    """Another provision occupies this ladder of the pool at that time."""

    code = "ladder_is_occupied"


class RulesConflict(CommandRefused):
    """The pool has the key already with another type, period or stacking policy."""

    code = "rules_conflict"


class TooManyProvisions(CommandRefused):
    """A pool holds at most 500 provisions that are not over."""

    code = "too_many_provisions"


class UnknownGrant(CommandRefused):
    """The pool has no such grant."""

    code = "unknown_grant"


class GrantAlreadyExists(CommandRefused):
    """A grant with this id exists and is another one."""

    code = "grant_already_exists"


class GrantIsOver(CommandRefused):
    """The grant is over; an id is given once."""

    code = "grant_is_over"


class WorkspaceIsNotAssigned(CommandRefused):
    """The workspace is not assigned to the pool."""

    code = "workspace_is_not_assigned"


class UnknownKey(CommandRefused):
    """The pool has never had this resource key."""

    code = "unknown_key"


class KeyIsNotMetered(CommandRefused):
    """The resource key is a feature; nothing of it is used up."""

    code = "key_is_not_metered"


class KeyIsNotHeld(CommandRefused):
    """The resource key is not a limit; nothing of it can be given back."""

    code = "key_is_not_held"


class NotEntitled(CommandRefused):
    """No active provision of the pool confers this resource key."""

    code = "not_entitled"


class QuotaIsExceeded(CommandRefused):
    """The usage does not fit into what is left."""

    code = "quota_exceeded"


class PeriodIsClosed(CommandRefused):
    """The usage occurred in a period that is closed; only reported usage is taken late."""

    code = "period_is_closed"


class MoreThanIsHeld(CommandRefused):
    """More is given back than is held."""

    code = "more_than_is_held"


class MemberCapIsReached(CommandRefused):
    """The member may not draw so much, although the pool has it."""

    code = "member_cap_reached"


class UnknownReservation(CommandRefused):
    """The pool has no such reservation; it may be committed, released or expired."""

    code = "unknown_reservation"


class ReservationAlreadyExists(CommandRefused):
    """A reservation with this id exists and is another one."""

    code = "reservation_already_exists"


class TooManyReservations(CommandRefused):
    """A workspace has at most 1,000 outstanding reservations on a pool."""

    code = "too_many_reservations"


class UnknownOverride(CommandRefused):
    """The pool has no such override."""

    code = "unknown_override"


class OverrideAlreadyExists(CommandRefused):
    """An override with this id exists and is another one."""

    code = "override_already_exists"


class LadderIsEmpty(CommandRefused):
    """Nothing is active on this ladder of the pool."""

    code = "ladder_is_empty"


class UnknownUsage(CommandRefused):
    """No usage with this id is remembered; it is older than the window, was taken back, or never was."""

    code = "unknown_usage"


class MoreThanWasUsed(CommandRefused):
    """More is taken back than was used."""

    code = "more_than_was_used"


class MoreThanIsOwed(CommandRefused):
    """More is forgiven than is owed."""

    code = "more_than_is_owed"


class UnknownUnit(CommandRefused):
    """The organization has no such unit."""

    code = "unknown_unit"


class UnitCycle(CommandRefused):
    """A unit would lie within itself."""

    code = "unit_cycle"


class UnitIsNotEmpty(CommandRefused):
    """Units or workspaces are in the unit, or it has assignments or members: move or take them away first."""

    code = "unit_is_not_empty"


class TooManyUnits(CommandRefused):
    """An organization would be too large or too deep, or one command would concern too many of its workspaces."""

    code = "too_many_units"


class UnknownCampaign(CommandRefused):
    """There is no such campaign."""

    code = "unknown_campaign"


class CampaignIsActive(CommandRefused):
    """An active campaign stays as it is: deactivate it first."""

    code = "campaign_is_active"


class TooManyPools(CommandRefused):
    """A campaign, or one command about it, names too many pools."""

    code = "too_many_pools"


class UnknownParent(CommandRefused):
    """There is no such set, or version of it, to extend."""

    code = "unknown_parent"


class InheritanceCycle(CommandRefused):
    """It would descend from itself."""

    code = "inheritance_cycle"


class InheritanceIsTooDeep(CommandRefused):
    """At most 16 generations and 100 ancestors stand behind one definition."""

    code = "inheritance_too_deep"


class ParentsDisagree(CommandRefused):
    """What is inherited cannot be put together."""

    code = "parents_disagree"


class InvalidPolicy(InvalidCommand):
    """The document of the policy cannot be meant."""

    code = "invalid_policy"


class UnknownPolicy(CommandRefused):
    """The organization has no such access policy."""

    code = "unknown_policy"


class TooManyPolicies(CommandRefused):
    """An organization has at most 1,000 access policies that count, of 524,288 characters in all."""

    code = "too_many_policies"


class UnknownApiKey(CommandRefused):
    """The organization has no such API key."""

    code = "unknown_api_key"


class ApiKeyAlreadyExists(CommandRefused):
    """An API key with this id exists and is another one."""

    code = "api_key_already_exists"


class ActForNotAllowed(CommandRefused):
    """Only the operator can create a key with act_for, by the command line beside the installation."""

    code = "act_for_not_allowed"


class ApiKeyIsOver(CommandRefused):
    """The API key was revoked or has expired; an id is given once."""

    code = "api_key_is_over"


class TooManyApiKeys(CommandRefused):
    """An organization has at most 1,000 API keys that count, and 10,000 with those that do no more."""

    code = "too_many_api_keys"


class IdempotencyKeyReused(CommandRefused):
    """The idempotency key was used before with another body."""

    code = "idempotency_key_reused"
