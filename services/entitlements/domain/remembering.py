"""That a command under an idempotency key was accepted: an event of each kind of aggregate but pools, which have theirs (pool_events.py).

A repeat has no effect of its own, however much has changed since; another body under the key is an error (docs/architecture.md 3.8).
"""

from __future__ import annotations

from typing import ClassVar, Final

from entitlements.domain.aggregate import Aggregate, AggregateType, Event, to_ms


class Remembered(Event):
    """A command with an idempotency key was accepted. A repeat gets the same answer."""

    command_id: str
    idempotency_key: str
    body_digest: str

    def apply(self, aggregate: Aggregate) -> None:
        aggregate.remember_answer(self.idempotency_key, self.body_digest, to_ms(self.timestamp))


class SetAnswerRemembered(Remembered):
    """A command about an entitlement set was accepted with an idempotency key."""

    aggregate_type: ClassVar[AggregateType] = "entitlement_set"


class KeyAnswerRemembered(Remembered):
    """A command about a resource key was accepted with an idempotency key."""

    aggregate_type: ClassVar[AggregateType] = "resource_key"


class OrganizationAnswerRemembered(Remembered):
    """A command about an organization was accepted with an idempotency key."""

    aggregate_type: ClassVar[AggregateType] = "organization"


class CampaignAnswerRemembered(Remembered):
    """A command about a campaign was accepted with an idempotency key."""

    aggregate_type: ClassVar[AggregateType] = "campaign"


class LadderAnswerRemembered(Remembered):
    """A command about a plan ladder was accepted with an idempotency key."""

    aggregate_type: ClassVar[AggregateType] = "plan_ladder"


#: The event by which each kind of aggregate remembers.
REMEMBERED_BY: Final[dict[AggregateType, type[Remembered]]] = {
    kind.aggregate_type: kind
    for kind in (
        SetAnswerRemembered,
        KeyAnswerRemembered,
        OrganizationAnswerRemembered,
        CampaignAnswerRemembered,
        LadderAnswerRemembered,
    )
}
