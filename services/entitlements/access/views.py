"""The view of a customer: all that it has, of every key, as one document; decisions are made from it (entitlements_client.deciding).

Each entry is the domain's own strict decision about one unit (checking.py), so that a view and `entitlements check` agree. What time
alone changes is bounded by `valid_until`: whoever holds a view longer must not believe the entry any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from entitlements.access.caching.documents import exactly
from entitlements.access.checking import (
    ALLOWED,
    KeyFacts,
    PoolAnswer,
    answer_of,
    deciding_overrides,
    which_decides,
)
from entitlements.access.endings import Endings, rests_on
from entitlements.access.standing import Row
from entitlements.domain.errors import NotEntitled, PoolIsClosed, ProvisionIsSuspended
from entitlements.domain.key_inheritance import Said, granted, granted_but_for_suspensions
from entitlements.domain.overflow import asks_the_next
from entitlements.domain.values import Constraints
from entitlements_projections import reading
from entitlements_projections.reading.views import MEMBERS_MAX, Gathered, gather

if TYPE_CHECKING:
    from entitlements_projections.database import Connection

#: How a view is borrowed a connection: `psycopg_pool.ConnectionPool.connection` is one.
Connections = Callable[[], AbstractContextManager["Connection"]]
#: Customers that one statement reads.
AT_ONCE_MAX: Final = 500
#: Why a feature is not had by what is said of it alone: another one may grant it all the same.
_OF_ITSELF: Final = frozenset({NotEntitled.code, "overridden", "denied"})
_NUMBERS: Final = ("soft_limit", "hard_limit", "consumed", "owed", "reserved", "period")


class PostgresViews:
    """Views made from the read models (a ViewSource). wait_for: seconds that a position may be waited for."""

    def __init__(
        self, connections: Connections, wait_for: float = 5.0, lag: Callable[[], float | None] = lambda: None
    ) -> None:
        """lag: seconds by which the read models are behind, as far as anybody knows."""
        self._connections, self._wait_for, self._lag = connections, wait_for, lag

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        """The views of customers. Raises NotReachedYet, psycopg.OperationalError."""
        found: dict[str, bytes] = {}
        with self._connections() as connection:
            reading.wait_for_all(connection, at_least or {}, self._wait_for)
            for first in range(0, len(customer_ids), AT_ONCE_MAX):
                part = customer_ids[first : first + AT_ONCE_MAX]
                behind_for = self._lag()
                lag_ms = None if behind_for is None else round(behind_for * 1000)
                views = views_of(organization_id, part, gather(connection, organization_id, part), lag_ms)
                found |= {name: exactly(each) for name, each in views.items()}
        return found


def views_of(
    organization_id: str, customer_ids: Iterable[str], gathered: Gathered, lag_ms: int | None = None
) -> dict[str, dict[str, Any]]:
    """The views as documents, by customer. Pure. lag_ms: how far the read models are behind; None: nobody knows."""
    facts = _Facts(gathered)
    as_of = _as_of(gathered) | {"lag_ms": lag_ms}
    complete = len(gathered.members) <= MEMBERS_MAX
    return {
        customer_id: {
            "customer_id": customer_id,
            "organization_id": organization_id,
            "as_of": as_of,
            "subscription": facts.subscription_of(customer_id),
            "members": facts.members[customer_id] if complete else {},
            "members_complete": complete,
            "pools": [
                {name: pool[name] for name in ("pool_id", "role", "may_overflow", "status")}
                for pool in facts.pools.get(customer_id, ())
            ],
            "entitlements": facts.entitlements_of(customer_id),
        }
        for customer_id in customer_ids
    }


def _as_of(gathered: Gathered) -> dict[str, Any]:
    decided = [decided_at for _, decided_at in gathered.standing.values()]
    return {
        "position": ",".join(f"{partition}:{offset}" for partition, (offset, _) in sorted(gathered.standing.items())),
        "decided_at": _text(max(decided, default=None)),
        "read_at": _text(gathered.at),
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class _Facts:
    """What was gathered, by whom and what it is about."""

    def __init__(self, gathered: Gathered) -> None:
        self._graph, self._said = gathered.graph, gathered.said
        self.pools: dict[str, list[Row]] = _by(gathered.pools, "workspace_id")
        self.members: dict[str, dict[str, str]] = defaultdict(dict)
        for row in gathered.members:
            self.members[row["workspace_id"]][row["subject_id"]] = row["role"]
        self._subscriptions = {row["pool_id"]: row for row in gathered.subscriptions}
        self._min_roles = {(row["pool_id"], row["resource_key"]): row["min_role"] for row in gathered.min_roles}
        self._rows = {(r["workspace_id"], r["resource_key"], r["pool_id"]): r for r in gathered.rows}
        self._endings = Endings(gathered, self._rows)
        self._keys: dict[str, dict[str, None]] = defaultdict(dict)
        for row in gathered.rows:
            self._keys[row["workspace_id"]][row["resource_key"]] = None
        self._contributions = _by(gathered.contributions, "pool_id", "resource_key")
        self._caps = _by((row for row in gathered.caps if not row["is_of_subject"]), "workspace_id", "resource_key")
        self._capped_subjects = {
            (row["workspace_id"], row["resource_key"]) for row in gathered.caps if row["is_of_subject"]
        }
        self._overrides = _by(gathered.overrides, "workspace_id", "resource_key")

    def subscription_of(self, workspace_id: str) -> dict[str, Any] | None:
        """That of the first of its pools that has one."""
        for pool in self.pools.get(workspace_id, ()):
            row = self._subscriptions.get(pool["pool_id"])
            if row is not None:
                names = (
                    "pool_id",
                    "provision_id",
                    "source",
                    "source_id",
                    "set_version",
                    "status",
                    "quantity",
                    "ladder",
                    "rung",
                )
                instants = {"starts_at": _text(row["starts_at"]), "ends_at": _text(row["ends_at"])}
                return {"tier": row["set_id"], **{name: row[name] for name in names}, **instants}
        return None

    def entitlements_of(self, workspace_id: str) -> dict[str, dict[str, Any]]:
        """An entry for every key that its pools have or had, and for every feature that one of them grants."""
        found = {key: self._entry(workspace_id, key) for key in sorted(self._keys.get(workspace_id, ()))}
        for pool_id, said in self._said.get(workspace_id, {}).items():
            for key, answer in granted(said, self._graph).items():
                own = found.get(key)
                if answer.path and (own is None or not own["allowed"]):
                    found[key] = self._inherited(workspace_id, key, pool_id, answer.path)
            self._suspend(found, pool_id, said)
        return found

    def _suspend(self, found: dict[str, dict[str, Any]], pool_id: str, said: Mapping[str, Said]) -> None:
        """Say of features that another one would grant, if that were not suspended, that they are."""
        for key, answer in granted_but_for_suspensions(said, self._graph).items():
            entry = found.get(key)
            if answer.path and (entry is None or entry["reason_code"] in _OF_ITSELF):
                suspended = _blank(key, pool_id, ProvisionIsSuspended.code)
                found[key] = suspended | {"constraints": self._constraints(key)}

    def _entry(self, workspace_id: str, key: str) -> dict[str, Any]:
        answers, later, remaining = self._answers(workspace_id, key)
        decisive = answers[which_decides([answer.code for answer in answers])]
        row, until = decisive.row, self._endings.of_answers(workspace_id, key, answers, later)
        entry = _blank(key, decisive.pool_id, _code_of(decisive)) | {
            "constraints": self._constraints(key),
            "valid_until": _text(until.valid_until),
            "ends_at": _text(until.ends_at),
        }
        if row is None:
            return entry
        is_feature = row["entitlement_type"] == "boolean"
        return entry | {
            "entitlement_type": row["entitlement_type"],
            "limit": row["effective_limit"],
            **({} if is_feature else {name: row[name] for name in _NUMBERS}),
            "remaining": None if is_feature else remaining if row["held"] else 0,
            "period_start": _text(row["period_start"]),
            "resets_at": _text(row["resets_at"]),
            "min_role": self._min_roles.get((decisive.pool_id, key), "") if is_feature else "",
            "has_subject_caps": (workspace_id, key) in self._capped_subjects,
            "contributions": [_contribution(each, decisive.pool_id) for each in decisive.contributions],
            "rests_on": rests_on(key, decisive.pool_id, [*answers, *(one for one, raises in later if raises)]),
        }

    def _answers(
        self, workspace_id: str, key: str
    ) -> tuple[list[PoolAnswer], list[tuple[PoolAnswer, bool]], int | None]:
        """What its pools say of one unit, in order until one does not pass it on; those that more than one unit may pass on to, and of
        each whether it would take more than those before it; and the most that any of them would take at once.
        """
        answers: list[PoolAnswer] = []
        later: list[tuple[PoolAnswer, bool]] = []
        remaining: int | None = 0
        is_asked = goes_on = True
        for pool in self.pools[workspace_id]:
            answer = self._answer(workspace_id, key, pool)
            before = remaining
            if answer.row is not None and answer.left is not None and goes_on and answer.row["held"]:
                remaining = _larger(remaining, answer.remaining) if answer.allowed else remaining
            if is_asked:
                answers.append(answer)
            else:
                later.append((answer, remaining != before))
            overflows = bool(pool["may_overflow"])
            is_asked = is_asked and asks_the_next(answer.code, may_overflow=overflows)
            # A larger quantity than one may pass a pool that takes one unit.
            goes_on = goes_on and (overflows or asks_the_next(answer.code, may_overflow=overflows))
            if not goes_on:
                break
        return answers, later, remaining

    def _answer(self, workspace_id: str, key: str, pool: Row) -> PoolAnswer:
        pool_id = pool["pool_id"]
        row = self._rows.get((workspace_id, key, pool_id))
        if row is None:
            is_closed = pool["status"] == "closed"
            return PoolAnswer(pool_id=pool_id, code=PoolIsClosed.code if is_closed else NotEntitled.code)
        overrides = [*self._overrides.get(("", key), ()), *self._overrides.get((workspace_id, key), ())]
        of_workspace, of_pool = deciding_overrides(overrides, pool_id)
        facts = KeyFacts(
            row=row,
            credit=self._rows.get((workspace_id, row["credit_key"], pool_id)),
            caps=[cap for cap in self._caps.get((workspace_id, key), ()) if cap["pool_id"] == pool_id],
            of_workspace=of_workspace,
            of_pool=of_pool,
            contributions=self._contributions.get((pool_id, key), []),
        )
        return answer_of(facts, workspace_id, "", 1)

    def _inherited(self, workspace_id: str, key: str, pool_id: str, path: tuple[str, ...]) -> dict[str, Any]:
        """A feature that another one grants. Whoever decides asks the constraints of those on the way too."""
        row = self._rows.get((workspace_id, path[0], pool_id))
        contributions = [] if row is None else self._contributions.get((pool_id, path[0]), [])
        until = self._endings.of_path(workspace_id, pool_id, path)
        return _blank(key, pool_id, "inherited") | {
            "allowed": True,
            "entitlement_type": "boolean",
            "valid_until": _text(until.valid_until),
            "ends_at": _text(until.ends_at),
            "min_role": self._min_roles.get((pool_id, path[0]), ""),
            "constraints": self._constraints(key),
            "inherited_path": list(path[:-1]),
            "contributions": [_contribution(each, pool_id) for each in contributions],
        }

    def _constraints(self, key: str) -> dict[str, Any] | None:
        node = self._graph.get(key)
        return None if node is None or node.constraints is None else _document(node.constraints)


def _code_of(answer: PoolAnswer) -> str:
    """Why, where a feature is not had although something confers it: an override took it away, or a rule denies it."""
    if answer.code != NotEntitled.code or answer.row is None:
        return answer.code
    if answer.override is not None and not answer.override["allowed"]:
        return "overridden"
    is_denied = answer.row["entitlement_type"] == "boolean" and answer.row["provision_ids"]
    return "denied" if is_denied else answer.code


def _larger(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def _blank(key: str, pool_id: str | None, code: str) -> dict[str, Any]:
    none = dict.fromkeys(("limit", "soft_limit", "hard_limit", "consumed", "owed", "reserved", "remaining", "period"))
    return {
        "resource_key": key,
        "entitlement_type": "boolean",
        "allowed": code == ALLOWED,
        "reason_code": code,
        "pool_id": pool_id,
        **none,
        "period_start": None,
        "resets_at": None,
        "valid_until": None,
        "ends_at": None,
        "min_role": "",
        "constraints": None,
        "inherited_path": [],
        "has_subject_caps": False,
        "contributions": [],
        "rests_on": [],
    }


def _contribution(row: Row, pool_id: str) -> dict[str, Any]:
    return {
        "pool_id": pool_id,
        "provision_id": row["provision_id"],
        "source": row["source"],
        "source_id": row["source_id"],
        "set_id": row["set_id"],
        "set_version": row["set_version"],
        "amount": row["included_limit"],
        "ends_at": _text(row["ends_at"]),
    }


def _document(constraints: Constraints) -> dict[str, Any]:
    return {
        "geographic_restrictions": constraints.geographic_restrictions,
        "start_date": _text(constraints.start_date),
        "end_date": _text(constraints.end_date),
    }


def _by(rows: Iterable[Row], *names: str) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(row[names[0]] if len(names) == 1 else tuple(row[name] for name in names), []).append(row)
    return found
