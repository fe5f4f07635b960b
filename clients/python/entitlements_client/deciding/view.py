"""What one customer has, as the service tells it: everything that a decision asks of a customer, in one document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from entitlements_client.deciding.instants import seconds_of
from entitlements_client.deciding.places import Constraints

_FOREVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class AsOf:
    """How fresh an answer is. position: "partition:offset,.." of the ledger, in the format of the consistency token."""

    position: str = ""
    #: When the last thing known was decided; None: nothing is known.
    decided_at: str | None = None
    read_at: str = ""
    #: How far the read models were behind when this was read; None: nobody knows.
    lag_ms: int | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            position=document.get("position", ""),
            decided_at=document.get("decided_at"),
            read_at=document.get("read_at", ""),
            lag_ms=document.get("lag_ms"),
        )

    def to_document(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "decided_at": self.decided_at,
            "read_at": self.read_at,
            "lag_ms": self.lag_ms,
        }


#: The fields of an entry as its document has them, and what they are when they are left out.
_ENTRY: Final[dict[str, Any]] = {
    "entitlement_type": "boolean",
    "allowed": False,
    "reason_code": "not_entitled",
    "pool_id": None,
    "limit": None,
    "soft_limit": None,
    "hard_limit": None,
    "consumed": None,
    "owed": None,
    "reserved": None,
    "remaining": None,
    "period": None,
    "period_start": None,
    "resets_at": None,
    "valid_until": None,
    "ends_at": None,
    "min_role": "",
    "has_subject_caps": False,
}


def _or_never(instant: str | None) -> float:
    seconds = seconds_of(instant)
    return _FOREVER if seconds is None else seconds


def first_end(contributions: Iterable[Mapping[str, Any]]) -> str | None:
    """When the first of the contributions ends; None: none does by itself."""
    ends = [end for end in (one.get("ends_at") for one in contributions) if seconds_of(end) is not None]
    return min(ends, key=_or_never, default=None)


class Entry:
    """What one customer has of one key. Quantities in the smallest unit; instants as RFC 3339 text.

    allowed, reason_code   the answer for a quantity of 1 by a member without caps of its own (codes of `entitlements check`)
    owed                   overage that nobody has paid, of this period and earlier ones; None: a feature
    remaining              the largest quantity that strict usage could have; None: without end, or a feature
    valid_until            from then on the entry may say too little or too much: an end, an expiry or a reset is due
    ends_at                from then on it says nothing any more: something that it rests on ends or expires, or something starts or recurs
                           that takes away. A reset takes nothing away, so what is allowed before one still is after it. None: nothing ends
                           by itself
    rests_on               what it rests on beside its own key of its own pool, as (pool, key): credits, and pools that usage goes on to
    has_subject_caps       a subject may have a cap of its own, which only the service knows
    kept                   whatever is kept with it for as long as it is kept: it says nothing
    """

    __slots__ = (
        "allowed",
        "constraints",
        "consumed",
        "contributions",
        "ends_at",
        "ends_s",
        "entitlement_type",
        "hard_limit",
        "has_subject_caps",
        "inherited_path",
        "is_plain",
        "kept",
        "limit",
        "min_role",
        "owed",
        "period",
        "period_start",
        "pool_id",
        "reason_code",
        "remaining",
        "reserved",
        "resets_at",
        "resource_key",
        "rests_on",
        "soft_limit",
        "valid_until",
        "valid_until_s",
    )

    resource_key: str
    entitlement_type: str
    allowed: bool
    reason_code: str
    pool_id: str | None
    limit: int | None
    soft_limit: int | None
    hard_limit: int | None
    consumed: int | None
    owed: int | None
    reserved: int | None
    remaining: int | None
    period: str | None
    period_start: str | None
    resets_at: str | None
    valid_until: str | None
    ends_at: str | None
    min_role: str
    has_subject_caps: bool

    def __init__(self, resource_key: str, document: Mapping[str, Any]) -> None:
        self.resource_key = resource_key
        self.kept: Any = None
        for name, otherwise in _ENTRY.items():
            setattr(self, name, document.get(name, otherwise))
        constraints = document.get("constraints")
        self.constraints = None if constraints is None else Constraints(constraints)
        self.inherited_path: list[str] = list(document.get("inherited_path") or ())
        self.contributions: list[Mapping[str, Any]] = list(document.get("contributions") or ())
        self.rests_on = [(each["pool_id"], each["resource_key"]) for each in document.get("rests_on") or ()]
        if "ends_at" not in document:
            # Only a reset is named then; or else what ends first.
            is_reset = self.valid_until is not None and self.valid_until == self.resets_at
            self.ends_at = first_end(self.contributions) if is_reset else self.valid_until
        self.ends_s = _or_never(self.ends_at)
        self.valid_until_s = min(_or_never(self.valid_until), self.ends_s)
        #: Its answer is the same for whoever asks, and wherever.
        self.is_plain = not (self.min_role or self.constraints or self.has_subject_caps or self.inherited_path)

    @property
    def is_feature(self) -> bool:
        """Had or not had; of everything else there is a quantity."""
        return self.entitlement_type == "boolean"

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(document["resource_key"], document)

    def to_document(self) -> dict[str, Any]:
        return {
            "resource_key": self.resource_key,
            **{name: getattr(self, name) for name in _ENTRY},
            "constraints": None if self.constraints is None else self.constraints.document,
            "inherited_path": self.inherited_path,
            "contributions": self.contributions,
            "rests_on": [{"pool_id": pool, "resource_key": key} for pool, key in self.rests_on],
        }


@dataclass(slots=True)
class CustomerView:
    """What one customer has. Nobody changes one: what is newer is another view."""

    customer_id: str
    organization_id: str
    as_of: AsOf
    entitlements: Mapping[str, Entry]
    #: The main subscription: tier (the set), ladder, rung, status, source, source_id, provision_id, ends_at.
    subscription: Mapping[str, Any] | None = None
    #: The role of each subject.
    members: Mapping[str, str] = field(default_factory=dict)
    #: False: there are more members than the view tells.
    members_complete: bool = True

    @property
    def subscription_ends_s(self) -> float:
        """When the main subscription ends, in seconds since 1970; inf: it does not by itself, or there is none."""
        return _FOREVER if self.subscription is None else _or_never(self.subscription.get("ends_at"))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read a view. Raises KeyError where it has no customer; what else is left out has its default."""
        subscription = document.get("subscription")
        return cls(
            customer_id=document["customer_id"],
            organization_id=document.get("organization_id", ""),
            as_of=AsOf.from_document(document.get("as_of") or {}),
            entitlements={
                key: Entry(key, entry) for key, entry in sorted((document.get("entitlements") or {}).items())
            },
            subscription=None if subscription is None else dict(subscription),
            members=dict(document.get("members") or {}),
            members_complete=document.get("members_complete", True),
        )

    def to_document(self) -> dict[str, Any]:
        return {
            "customer_id": self.customer_id,
            "organization_id": self.organization_id,
            "as_of": self.as_of.to_document(),
            "subscription": None if self.subscription is None else dict(self.subscription),
            "members": dict(self.members),
            "members_complete": self.members_complete,
            "entitlements": {key: entry.to_document() for key, entry in self.entitlements.items()},
        }
