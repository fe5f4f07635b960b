"""One batch of frames becomes one transaction: positions first, then every read model once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from entitlements_projections import positions
from entitlements_projections.access_policies import AccessPolicies
from entitlements_projections.api_keys import ApiKeys
from entitlements_projections.bearing import may_be_borne
from entitlements_projections.boolean_entitlements import BooleanEntitlements
from entitlements_projections.campaign_pools import CampaignPools
from entitlements_projections.campaigns import Campaigns
from entitlements_projections.entitlement_sets import EntitlementSets
from entitlements_projections.grants import Grants
from entitlements_projections.limit_holders import LimitHolders
from entitlements_projections.member_caps import MemberCaps
from entitlements_projections.numeric_entitlement_contributions import NumericEntitlementContributions
from entitlements_projections.numeric_entitlement_usage import NumericEntitlementUsage
from entitlements_projections.numeric_entitlements import NumericEntitlements
from entitlements_projections.organization_members import OrganizationMembers
from entitlements_projections.organization_units import OrganizationUnits
from entitlements_projections.organization_workspaces import OrganizationWorkspaces
from entitlements_projections.plan_ladders import PlanLadders
from entitlements_projections.pool_assignments import PoolAssignments
from entitlements_projections.pool_ondemand_config import PoolOndemandConfig
from entitlements_projections.pool_overrides import PoolOverrides
from entitlements_projections.pool_provision_ladders import PoolProvisionLadders
from entitlements_projections.pool_provisions import PoolProvisions
from entitlements_projections.pool_reservations import PoolReservations
from entitlements_projections.read_model import Event, ReadModel, Stage, with_instants
from entitlements_projections.resource_keys import ResourceKeys
from entitlements_projections.resource_pools import PoolClocks, ResourcePools
from entitlements_projections.unit_assignments import UnitAssignments
from entitlements_projections.unit_workspace_pools import UnitWorkspacePools
from entitlements_projections.usage_events import UsageEvents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from entitlements.ledger.chain import ChainPosition
    from entitlements_projections.database import Connection

#: All read models, in the order in which they are written: what is referred to comes before what refers to it.
READ_MODELS: Final[tuple[type[ReadModel], ...]] = (
    ResourceKeys,
    PlanLadders,
    EntitlementSets,
    ResourcePools,
    PoolProvisions,
    PoolProvisionLadders,
    Grants,
    PoolAssignments,
    PoolOndemandConfig,
    PoolOverrides,
    MemberCaps,
    PoolReservations,
    LimitHolders,
    BooleanEntitlements,
    NumericEntitlements,
    NumericEntitlementContributions,
    NumericEntitlementUsage,
    UsageEvents,
    OrganizationUnits,
    OrganizationWorkspaces,
    UnitAssignments,
    UnitWorkspacePools,
    OrganizationMembers,
    AccessPolicies,
    ApiKeys,
    Campaigns,
    CampaignPools,
    PoolClocks,
)


@dataclass(frozen=True, slots=True)
class ProjectedFrame:
    """What a projection needs of a valid frame. Events are (short name, plain event)."""

    partition: int
    position: ChainPosition
    decided_at_ms: int
    events: Sequence[tuple[str, Event]]


class Writer:
    """Writes batches through one connection. After any error both are to be thrown away: positions may have moved.

    With notify, readers who wait for a position are woken at each commit.
    """

    def __init__(self, connection: Connection, *, notify: bool = True) -> None:
        self._connection = connection
        self._notify = notify
        self._models = [model() for model in READ_MODELS]
        self._plain_takers = _takers(model for model in self._models if model.plain)
        self._takers = _takers(model for model in self._models if not model.plain)
        # What a lost commit held is durable in the ledger and is read again.
        connection.execute("set synchronous_commit to off")
        # Every join looks up a batch by key. Hashing a whole table for a small batch never pays, whatever is estimated.
        connection.execute("set enable_hashjoin to off")
        connection.execute("set enable_mergejoin to off")
        self._stage = Stage(connection, self._models)
        self.offsets = positions.read_offsets(connection)

    def write(self, frames: Sequence[ProjectedFrame]) -> None:
        """Write frames, each partition's in order, and their positions: all or nothing.

        Raises PositionMoved when another projector has written any of them, psycopg.Error as it comes.
        """
        reached = {}
        for frame in frames:
            reached[frame.partition] = (frame.position, frame.decided_at_ms)
            for name, event in frame.events:
                for take in self._plain_takers.get(name, ()):
                    take(name, event)
                if name in self._takers and may_be_borne(name, event):  # Of usage they only want who else bears it.
                    whole = with_instants(event)
                    for take in self._takers[name]:
                        take(name, whole)
        try:
            for model in self._models:
                model.prepare(self._connection)
            with self._connection.transaction(), self._connection.cursor() as cursor:
                # First: it waits while a rebuild takes the place of these tables, and holds the next one off until commit.
                positions.advance(cursor, self.offsets, reached)
                for model in self._models:
                    model.write(cursor, self._stage)
                if self._notify:
                    positions.notify(cursor)
        finally:
            for model in self._models:
                model.clear()
        self.offsets.update({partition: position.offset for partition, (position, _) in reached.items()})


_Takers: TypeAlias = dict[str, list[Callable[[str, Event], None]]]


def _takers(models: Iterable[ReadModel]) -> _Takers:
    takers: _Takers = defaultdict(list)
    for model in models:
        for name in model.events:
            takers[name].append(model.take)
    return dict(takers)
