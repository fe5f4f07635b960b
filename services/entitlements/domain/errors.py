"""Why a command is refused. The tree is the table of contents; the code is for ever.

CommandRefused
├── InvalidCommand            a value of the command is invalid
│   ├── InvalidId, InvalidQuantity, InvalidRules, InvalidInstant, InvalidPeriod, InvalidTimeZone, InvalidPolicy, InvalidLadder
├── any          EffectiveAtIsNotAllowed
├── pools        UnknownPool, PoolAlreadyExists, PoolIsClosed, PoolIsSuspended, PoolIsElsewhere
├── provisions   UnknownProvision, ProvisionAlreadyExists, ProvisionIsOver, LadderIsOccupied, RulesConflict,
│                TooManyProvisions, ProvisionIsSuspended, NoBillingPeriod
├── ladders      UnknownRung, LadderMismatch
├── grants       UnknownGrant, GrantAlreadyExists, GrantIsOver
├── assignments  CustomerIsNotAssigned
├── terms        UnknownOverride, OverrideAlreadyExists, LadderIsEmpty
├── reservations UnknownReservation, ReservationAlreadyExists, TooManyReservations
├── corrections  UnknownUsage, MoreThanWasUsed, MoreThanIsOwed
├── inheritance  UnknownParent, InheritanceCycle, InheritanceIsTooDeep, ParentsDisagree
├── usage        MemberCapIsReached, NotEntitled, UnknownKey, KeyIsNotMetered, KeyIsNotHeld, QuotaIsExceeded, PeriodIsClosed, MoreThanIsHeld
├── units        UnknownUnit, UnitCycle, UnitIsNotEmpty, TooManyUnits, TooManyRoles, TooManyCustomers, TooManyAssignments
├── policies     UnknownPolicy, TooManyPolicies
├── keys         UnknownApiKey, ApiKeyAlreadyExists, ApiKeyIsOver, ActForNotAllowed, TooManyApiKeys
├── campaigns    UnknownCampaign, CampaignIsActive, TooManyPools
├── remembering  TooManyIdempotencyKeys, TooManyUsageIds
└── IdempotencyKeyReused      the same key with another body

The docstring is the message; `entitlements.advice` says what to do.
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
    return next((str(kind()) for kind in kinds if kind.code == code), "The command was refused.")


class CommandRefused(Exception):
    """The command was refused."""

    code: ClassVar[str] = "refused"
    #: How much would have been taken of what was too much, in the smallest unit; -1: without meaning.
    remaining: int = -1

    def __init__(self, detail: str = "", remaining: int = -1) -> None:
        self.remaining = remaining
        said = (type(self).__doc__ or "").strip()
        super().__init__(f"{said.rstrip('.')}: {detail.rstrip('.')}." if detail else said)


class InvalidCommand(CommandRefused):
    """Invalid command."""

    code = "invalid_command"


class InvalidId(InvalidCommand):
    """Invalid id."""

    code = "invalid_id"


class InvalidQuantity(InvalidCommand):
    """Invalid quantity."""

    code = "invalid_quantity"


class InvalidRules(InvalidCommand):
    """Invalid rules."""

    code = "invalid_rules"


class InvalidInstant(InvalidCommand):
    """Invalid instant."""

    code = "invalid_instant"


class InvalidPeriod(InvalidCommand):
    """Invalid period."""

    code = "invalid_period"


class InvalidTimeZone(InvalidCommand):
    """Unknown time zone."""

    code = "invalid_time_zone"


class InvalidLadder(InvalidCommand):
    """Invalid plan ladder."""

    code = "invalid_ladder"


class EffectiveAtIsNotAllowed(CommandRefused):
    """Only a pool in backfill accepts effective_at."""

    code = "effective_at_not_allowed"


class UnknownPool(CommandRefused):
    """No such pool."""

    code = "unknown_pool"


class PoolAlreadyExists(CommandRefused):
    """The pool already exists with other values."""

    code = "pool_already_exists"


class PoolIsClosed(CommandRefused):
    """The pool is closed."""

    code = "pool_is_closed"


class PoolIsSuspended(CommandRefused):
    """The pool is suspended."""

    code = "pool_is_suspended"


class PoolIsElsewhere(CommandRefused):
    """The command was sent to the wrong partition."""

    code = "pool_is_elsewhere"


class UnknownProvision(CommandRefused):
    """The pool has no such provision."""

    code = "unknown_provision"


class ProvisionAlreadyExists(CommandRefused):
    """The provision already exists with other values."""

    code = "provision_already_exists"


class ProvisionIsOver(CommandRefused):
    """The provision has ended."""

    code = "provision_is_over"


class ProvisionIsSuspended(CommandRefused):
    """The provision that includes this resource key is suspended."""

    code = "provision_suspended"


class NoBillingPeriod(CommandRefused):
    """The provision has no billing period and no end."""

    code = "no_billing_period"


class UnknownRung(CommandRefused):
    """The plan ladder has no such rung."""

    code = "unknown_rung"


class LadderMismatch(CommandRefused):
    """The ladder or rung differs from that of the entitlement set."""

    code = "ladder_mismatch"


class LadderIsOccupied(CommandRefused):
    """The pool already has a plan on this ladder at that time."""

    code = "ladder_is_occupied"


class RulesConflict(CommandRefused):
    """The pool already has the key with another type, period or stacking."""

    code = "rules_conflict"


class TooManyProvisions(CommandRefused):
    """A pool has at most 500 provisions that have not ended."""

    code = "too_many_provisions"


class UnknownGrant(CommandRefused):
    """The pool has no such grant."""

    code = "unknown_grant"


class GrantAlreadyExists(CommandRefused):
    """The grant already exists with other values."""

    code = "grant_already_exists"


class GrantIsOver(CommandRefused):
    """The grant has ended."""

    code = "grant_is_over"


class CustomerIsNotAssigned(CommandRefused):
    """The customer is not assigned to the pool."""

    code = "customer_is_not_assigned"


class UnknownKey(CommandRefused):
    """The pool has never had this resource key."""

    code = "unknown_key"


class KeyIsNotMetered(CommandRefused):
    """The resource key is not metered."""

    code = "key_is_not_metered"


class KeyIsNotHeld(CommandRefused):
    """Only limits, such as seats, can be released."""

    code = "key_is_not_held"


class NotEntitled(CommandRefused):
    """No active provision of the pool includes this resource key."""

    code = "not_entitled"


class QuotaIsExceeded(CommandRefused):
    """The usage exceeds the remaining amount."""

    code = "quota_exceeded"


class PeriodIsClosed(CommandRefused):
    """The usage belongs to a closed period."""

    code = "period_is_closed"


class MoreThanIsHeld(CommandRefused):
    """The quantity exceeds what is allocated."""

    code = "more_than_is_held"


class MemberCapIsReached(CommandRefused):
    """The usage exceeds the member's cap."""

    code = "member_cap_reached"


class UnknownReservation(CommandRefused):
    """The pool has no such open reservation."""

    code = "unknown_reservation"


class ReservationAlreadyExists(CommandRefused):
    """The reservation already exists with other values."""

    code = "reservation_already_exists"


class TooManyReservations(CommandRefused):
    """A customer has at most 1,000 outstanding reservations on a pool."""

    code = "too_many_reservations"


class UnknownOverride(CommandRefused):
    """The pool has no such override."""

    code = "unknown_override"


class OverrideAlreadyExists(CommandRefused):
    """The override already exists with other values."""

    code = "override_already_exists"


class LadderIsEmpty(CommandRefused):
    """No plan is active on this ladder of the pool."""

    code = "ladder_is_empty"


class UnknownUsage(CommandRefused):
    """No usage with this id is on record."""

    code = "unknown_usage"


class MoreThanWasUsed(CommandRefused):
    """The quantity exceeds what was used."""

    code = "more_than_was_used"


class MoreThanIsOwed(CommandRefused):
    """The quantity exceeds what is owed."""

    code = "more_than_is_owed"


class UnknownUnit(CommandRefused):
    """The organization has no such unit."""

    code = "unknown_unit"


class UnitCycle(CommandRefused):
    """The unit would be below itself."""

    code = "unit_cycle"


class UnitIsNotEmpty(CommandRefused):
    """The unit still has units, customers, assignments or members."""

    code = "unit_is_not_empty"


class TooManyUnits(CommandRefused):
    """Too many units, or too many customers changed by one command."""

    code = "too_many_units"


class TooManyRoles(CommandRefused):
    """An organization has at most 100,000 member roles."""

    code = "too_many_roles"


class TooManyCustomers(CommandRefused):
    """An organization has at most 100,000 customers in units."""

    code = "too_many_customers"


class TooManyAssignments(CommandRefused):
    """An organization has at most 10,000 pools assigned to units, and one command changes at most 20,000 assignments."""

    code = "too_many_assignments"


class UnknownCampaign(CommandRefused):
    """No such campaign."""

    code = "unknown_campaign"


class CampaignIsActive(CommandRefused):
    """The campaign is active."""

    code = "campaign_is_active"


class TooManyPools(CommandRefused):
    """Too many pools in one campaign or command."""

    code = "too_many_pools"


class UnknownParent(CommandRefused):
    """No such entitlement set or version to extend."""

    code = "unknown_parent"


class InheritanceCycle(CommandRefused):
    """The definition would inherit from itself."""

    code = "inheritance_cycle"


class InheritanceIsTooDeep(CommandRefused):
    """A definition has at most 16 levels of inheritance and 100 ancestors."""

    code = "inheritance_too_deep"


class ParentsDisagree(CommandRefused):
    """The parents have conflicting rules."""

    code = "parents_disagree"


class InvalidPolicy(InvalidCommand):
    """Invalid policy."""

    code = "invalid_policy"


class UnknownPolicy(CommandRefused):
    """The organization has no such access policy."""

    code = "unknown_policy"


class TooManyPolicies(CommandRefused):
    """An organization has at most 1,000 active access policies and 524,288 characters in total."""

    code = "too_many_policies"


class UnknownApiKey(CommandRefused):
    """The organization has no such API key."""

    code = "unknown_api_key"


class ApiKeyAlreadyExists(CommandRefused):
    """The API key already exists with other values."""

    code = "api_key_already_exists"


class ActForNotAllowed(CommandRefused):
    """Only the operator can create a key with act_for."""

    code = "act_for_not_allowed"


class ApiKeyIsOver(CommandRefused):
    """The API key is revoked or expired."""

    code = "api_key_is_over"


class TooManyApiKeys(CommandRefused):
    """An organization has at most 1,000 active API keys and 10,000 in total."""

    code = "too_many_api_keys"


class TooManyIdempotencyKeys(CommandRefused):
    """A pool or organization remembers at most 1,000,000 idempotency keys at a time, each for 24 hours."""

    code = "too_many_idempotency_keys"


class TooManyUsageIds(CommandRefused):
    """A pool remembers at most 10,000,000 usage ids at a time, each for 24 hours."""

    code = "too_many_usage_ids"


class IdempotencyKeyReused(CommandRefused):
    """The idempotency key was already used with a different request."""

    code = "idempotency_key_reused"
