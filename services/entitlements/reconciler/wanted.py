"""What each rollout wants: a query for what is behind, and the command that brings one row of it up to date."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from entitlements.domain.commands import AssignWorkspace, IssueGrant, PoolCommand, RevokeGrant, UnassignWorkspace
from entitlements.domain.plan_commands import ReviseProvision
from entitlements.domain.values import Rule
from entitlements.ledger.caller import new_id
from entitlements_projections import reading
from entitlements_projections.database import Connection, Row

#: Who the commands say they come from.
OF_REVISIONS: Final = "rollout:revisions"
OF_CAMPAIGNS: Final = "rollout:campaigns"
OF_UNITS: Final = "rollout:units"


@dataclass(frozen=True)
class Rollout:
    """Finds what is behind, by the name of its query, and says what to do about a row of it."""

    name: str
    actor: str
    query: str
    #: The column that names a row within its pool.
    key: str
    command: Callable[[Source, Row, dict[str, Any]], PoolCommand | None]

    def page(self, connection: Connection, after: tuple[str, str], count: int) -> list[tuple[tuple[str, str], Row]]:
        """The next rows that are behind, after a place, with their places."""
        rows = reading.behind(connection, self.query, after, count, self.actor)
        return [((row["pool_id"], row[self.key]), row) for row in rows]

    def ask(self, source: Source, row: Row) -> PoolCommand | None:
        """The command for a row; None: it does not hold any more."""
        envelope = {"command_id": new_id(), "actor": self.actor, "pool_id": row["pool_id"]}
        return self.command(source, row, envelope)


class Source:
    """Reads, once in a round, what many rows have in common."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rules: dict[tuple[str, int], list[Rule]] = {}
        self._campaigns: dict[str, Row] = {}

    def rules(self, set_id: str, set_version: int) -> list[Rule]:
        """The rules of a version of a set."""
        wanted = (set_id, set_version)
        if wanted not in self._rules:
            self._rules[wanted] = reading.rules_of_set(self._connection, set_id, set_version)
        return self._rules[wanted]

    def campaign(self, campaign_id: str, version: int) -> Row | None:
        """A campaign as it is at a version, its rules as commands carry them; None: it is another one by now."""
        known = self._campaigns.get(campaign_id)
        if known is None or known["version"] != version:
            known = reading.campaign(self._connection, campaign_id)
            assert known is not None, "a campaign is never removed"
            known |= {"rules": [Rule(**rule) for rule in json.loads(known["rules"])]}
            self._campaigns[campaign_id] = known
        return known if known["version"] == version else None


def _revise(source: Source, row: Row, envelope: dict[str, Any]) -> PoolCommand:
    return ReviseProvision(
        **envelope,
        provision_id=row["provision_id"],
        set_version=row["set_version"],
        rules=source.rules(row["set_id"], row["set_version"]),
        reason=f"it follows {row['set_id']}, which has version {row['set_version']}",
    )


def _issue(source: Source, row: Row, envelope: dict[str, Any]) -> PoolCommand | None:
    campaign = source.campaign(row["campaign_id"], row["version"])
    if campaign is None:
        return None
    return IssueGrant(
        **envelope,
        grant_id=row["grant_id"],
        reason=campaign["reason"],
        set_id=campaign["set_id"],
        set_version=campaign["set_version"],
        rules=campaign["rules"],
        quantity=campaign["quantity"],
        priority=campaign["priority"],
        starts_at=campaign["starts_at"],
        ends_at=campaign["ends_at"],
    )


def _revoke(_: Source, row: Row, envelope: dict[str, Any]) -> PoolCommand:
    reason = f"campaign {row['campaign_id']} confers it no more"
    return RevokeGrant(**envelope, grant_id=row["grant_id"], reason=reason)


def _assign(_: Source, row: Row, envelope: dict[str, Any]) -> PoolCommand:
    workspace_id = row["workspace_id"]
    if row["role"] is None:
        reason = f"its unit in {row['organization_id']} uses it no more"
        return UnassignWorkspace(**envelope, workspace_id=workspace_id, reason=reason)
    return AssignWorkspace(**envelope, workspace_id=workspace_id, role=row["role"], may_overflow=row["may_overflow"])


#: Revoking comes before issuing: a campaign that is activated anew is never conferred twice.
ROLLOUTS: Final = (
    Rollout("revisions", OF_REVISIONS, "followers_behind", "provision_id", _revise),
    Rollout("campaigns", OF_CAMPAIGNS, "campaign_grants_left", "grant_id", _revoke),
    Rollout("campaigns", OF_CAMPAIGNS, "campaign_grants_missing", "grant_id", _issue),
    Rollout("units", OF_UNITS, "assignments_behind", "workspace_id", _assign),
)
