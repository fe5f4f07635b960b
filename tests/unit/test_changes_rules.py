from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements.changes import codec, pools, workspaces
from entitlements.changes.facts import (
    Cause,
    Customer,
    Fact,
    Held,
    Narrowing,
    OrganizationIsUnknown,
    PoolEvent,
    PoolIsTooLarge,
    Position,
)
from entitlements.changes.pools import PoolRow
from entitlements.changes.workspaces import Change, WorkspaceRow

FEATURE = {"limit": None, "soft_limit": None, "hard_limit": None, "period": None}


def event(name: str, pool: str = "p1", *, at: int = 1, **record: Any) -> PoolEvent:
    cause = Cause(f"pool/{pool}/{at}", pool, 1_000 + at, 0, Position(at, 0))
    return PoolEvent(name, {"originator_id": pool, **record}, cause)


def quota(limit: int) -> dict[str, Any]:
    return {"limit": limit, "soft_limit": None, "hard_limit": limit, "period": "day"}


def conferred(values: dict[str, dict[str, Any] | None], pool: str = "p1", *, at: int = 1) -> PoolEvent:
    changes = [
        {"resource_key": key, "entitlement_type": "quota" if value and value["period"] else "boolean", "after": value}
        for key, value in values.items()
    ]
    return event("EntitlementsChanged", pool, at=at, changes=changes)


def assigned(workspace: str, pool: str = "p1", *, at: int = 1) -> PoolEvent:
    return event("WorkspaceAssigned", pool, at=at, workspace_id=workspace, role="primary")


def unassigned(workspace: str, pool: str = "p1", *, at: int = 1) -> PoolEvent:
    return event("WorkspaceUnassigned", pool, at=at, workspace_id=workspace)


#: Whose pools are; the others are of acme.
ORGANIZATIONS = {"r1": "rival", "r2": "rival"}


def opened(pool: str, *, at: int = 0) -> PoolEvent:
    return event("PoolOpened", pool, at=at, organization_id=ORGANIZATIONS.get(pool, "acme"))


class Both:
    """Both steps in a row, through the bytes of rows and facts, as they are between two batches. Pools are opened first."""

    def __init__(self) -> None:
        self.pools: dict[str, bytes] = {}
        self.workspaces: dict[Customer, bytes] = {}
        self.facts: list[bytes] = []

    def take(self, happened: PoolEvent) -> list[Change]:
        pool = happened.cause.pool_id
        if pool not in self.pools and happened.name != "PoolOpened":
            assert self.take(opened(pool)) == []
        row = codec.pool_from_bytes(self.pools.get(pool))
        facts = pools.facts_of(row, happened)
        pools.take_in(row, happened)
        self.pools[pool] = codec.pool_to_bytes(row)
        return [change for fact in facts for change in self.tell(codec.fact_to_bytes(fact))]

    def tell(self, said: bytes) -> list[Change]:
        offset = len(self.facts)
        self.facts.append(said)
        return self.read(said, offset)

    def read(self, said: bytes, offset: int) -> list[Change]:
        fact = codec.fact_from_bytes(said)
        row = codec.workspace_from_bytes(self.workspaces.get(fact.customer))
        changes = workspaces.changes_of(row, fact, offset)
        workspaces.take_in(row, fact, offset)
        self.workspaces[fact.customer] = codec.workspace_to_bytes(row)
        return changes


def after(*history: PoolEvent) -> Both:
    both = Both()
    for happened in history:
        both.take(happened)
    return both


def named(changes: Iterable[Change]) -> list[tuple[str, str, str]]:
    return [(change.name, change.record["customer_id"], change.record["resource_key"]) for change in changes]


# --- granted, revoked, changed ---------------------------------------------------------------------------------------


def test_a_workspace_is_granted_what_its_pool_comes_to_have() -> None:
    [change] = after(assigned("w1", at=1)).take(conferred({"calls": quota(50)}, at=2))
    assert change.name == "EntitlementGranted"
    assert change.public_type == "entitlement.granted"
    assert change.record == {
        "change_id": workspaces.change_id("pool/p1/2", Customer("acme", "w1"), "calls", "entitlement.granted"),
        "organization_id": "acme",
        "customer_id": "w1",
        "resource_key": "calls",
        "entitlement_type": "quota",
        "before": None,
        "after": quota(50),
        "effective_at": 1_002,
        "pool_id": "p1",
        "cause_event_id": "pool/p1/2",
        "ledger_partition": 0,
        "ledger_offset": 2,
    }


def test_a_workspace_is_granted_what_the_pool_has_when_it_is_assigned_and_loses_it_when_it_is_not() -> None:
    both = after(conferred({"calls": quota(50), "sso": FEATURE}, at=1))
    assert named(both.take(assigned("w1", at=2))) == [
        ("EntitlementGranted", "w1", "calls"),
        ("EntitlementGranted", "w1", "sso"),
    ]
    gone = both.take(unassigned("w1", at=3))
    assert named(gone) == [("EntitlementRevoked", "w1", "calls"), ("EntitlementRevoked", "w1", "sso")]
    assert (gone[0].record["before"], gone[0].record["after"]) == (quota(50), None)


def test_another_amount_is_a_change_for_every_workspace_of_the_pool() -> None:
    both = after(assigned("w1", at=1), assigned("w2", at=2), conferred({"calls": quota(50)}, at=3))
    changes = both.take(conferred({"calls": quota(70)}, at=4))
    assert named(changes) == [("EntitlementChanged", "w1", "calls"), ("EntitlementChanged", "w2", "calls")]
    assert (changes[0].record["before"], changes[0].record["after"]) == (quota(50), quota(70))


def test_contributions_alone_change_nothing_for_a_customer() -> None:
    assert (
        after(assigned("w1", at=1), conferred({"calls": quota(50)}, at=2)).take(conferred({"calls": quota(50)}, at=3))
        == []
    )


def test_what_comes_from_a_second_pool_is_changed_and_revoked_only_with_the_last() -> None:
    both = after(assigned("w1", "p1", at=1), assigned("w1", "p2", at=2), conferred({"sso": FEATURE}, "p1", at=3))
    assert named(both.take(conferred({"sso": FEATURE}, "p2", at=4))) == [("EntitlementChanged", "w1", "sso")]
    [less] = both.take(conferred({"sso": None}, "p1", at=5))
    assert (less.name, less.record["before"], less.record["after"]) == ("EntitlementChanged", FEATURE, None)
    assert named(both.take(conferred({"sso": None}, "p2", at=6))) == [("EntitlementRevoked", "w1", "sso")]


def test_another_role_changes_nothing() -> None:
    both = after(assigned("w1", at=1), conferred({"sso": FEATURE}, at=2))
    assert both.take(event("WorkspaceAssigned", at=3, workspace_id="w1", role="secondary")) == []


def test_a_closed_pool_takes_what_was_left() -> None:
    both = after(assigned("w1", at=1), conferred({"sso": FEATURE}, at=2))
    assert named(both.take(event("PoolClosed", at=3))) == [("EntitlementRevoked", "w1", "sso")]
    assert both.take(conferred({"sso": None}, at=4)) == []


# --- two organizations, each with a customer of the same id ------------------------------------------------------------


def of_both(changes: Iterable[Change]) -> list[tuple[str, str, str]]:
    return [(change.name, change.record["organization_id"], change.record["customer_id"]) for change in changes]


BOTH_HAVE_W1 = (assigned("w1", "p1", at=1), assigned("w1", "r1", at=2))


def test_what_one_organization_grants_and_revokes_is_granted_and_revoked_whatever_another_has() -> None:
    both = after(*BOTH_HAVE_W1)
    assert of_both(both.take(conferred({"sso": FEATURE}, "p1", at=3))) == [("EntitlementGranted", "acme", "w1")]
    assert of_both(both.take(conferred({"sso": FEATURE}, "r1", at=4))) == [("EntitlementGranted", "rival", "w1")]
    assert of_both(both.take(conferred({"sso": None}, "p1", at=5))) == [("EntitlementRevoked", "acme", "w1")]
    assert of_both(both.take(conferred({"sso": None}, "r1", at=6))) == [("EntitlementRevoked", "rival", "w1")]


def test_what_one_organization_changes_is_changed_from_what_it_had_itself() -> None:
    both = after(*BOTH_HAVE_W1, conferred({"calls": quota(50)}, "p1", at=3), conferred({"calls": quota(9)}, "r1", at=4))
    [change] = both.take(conferred({"calls": quota(70)}, "r1", at=5))
    assert of_both([change]) == [("EntitlementChanged", "rival", "w1")]
    assert (change.record["before"], change.record["after"]) == (quota(9), quota(70))
    [less] = both.take(overridden("w1", amount=20, at=6))
    assert (of_both([less]), less.record["after"]["limit"]) == ([("EntitlementChanged", "acme", "w1")], 20)


@pytest.mark.parametrize("name", ["QuotaWarned", "QuotaExceeded", "ExceededWithdrawn", "QuotaReset"])
@pytest.mark.parametrize("workspace", ["", "w1"])
def test_what_happens_to_a_quota_is_told_to_the_customers_of_its_pools_organization(name: str, workspace: str) -> None:
    both = after(*BOTH_HAVE_W1)
    happened = event(name, "r1", at=3, **EXCEEDED, soft_limit=40, workspace_id=workspace)
    assert of_both(both.take(happened)) == [(name, "rival", "w1")]


def test_the_ids_of_changes_differ_by_organization_however_ids_are_cut() -> None:
    ids = {
        workspaces.change_id("pool/p1/2", Customer(organization, workspace), "calls", "entitlement.granted")
        for organization, workspace in [("acme", "w1"), ("rival", "w1"), ("acm", "ew1"), ("acmew", "1"), ("", "acmew1")]
    }
    assert len(ids) == 5


def test_of_a_pool_whose_opening_was_never_read_nothing_is_said_of_anybody() -> None:
    row = PoolRow(values={"sso": Held("boolean", None, None, None, None)})
    before = codec.pool_to_bytes(row)
    with pytest.raises(OrganizationIsUnknown):
        pools.facts_of(row, assigned("w1"))
    assert codec.pool_to_bytes(row) == before


# --- quotas ----------------------------------------------------------------------------------------------------------

EXCEEDED = {"resource_key": "calls", "period_start": 1, "period_end": 2, "limit": 50, "consumed": 50, "requested": 1}


def test_exceeded_goes_to_the_workspace_whose_usage_it_was() -> None:
    both = after(assigned("w1", at=1), assigned("w2", at=2))
    [change] = both.take(event("QuotaExceeded", at=3, **EXCEEDED, workspace_id="w2"))
    assert (change.name, change.public_type) == ("QuotaExceeded", "quota.exceeded")
    assert change.record["customer_id"] == "w2"
    assert {key: change.record[key] for key in EXCEEDED} == EXCEEDED


def test_exceeded_by_nobody_in_particular_goes_to_everyone_who_shares_the_pool() -> None:
    both = after(assigned("w1", at=1), assigned("w2", at=2))
    changes = both.take(event("QuotaExceeded", at=3, **EXCEEDED, workspace_id=""))
    assert named(changes) == [("QuotaExceeded", "w1", "calls"), ("QuotaExceeded", "w2", "calls")]


@pytest.mark.parametrize("name", ["QuotaWarned", "QuotaReset"])
def test_warnings_and_resets_go_to_everyone_when_nobody_is_named(name: str) -> None:
    both = after(assigned("w1", at=1), assigned("w2", at=2), unassigned("w1", at=3))
    more = {"soft_limit": 40} if name == "QuotaWarned" else {}
    changes = both.take(event(name, at=4, resource_key="calls", period_start=1, period_end=2, consumed=45, **more))
    assert named(changes) == [(name, "w2", "calls")]


def test_what_a_correction_withdraws_goes_to_everyone_who_shares_the_pool() -> None:
    both = after(assigned("w1", at=1), assigned("w2", at=2))
    withdrawn = {"resource_key": "calls", "period_start": 1, "period_end": 2, "limit": 50, "consumed": 12}
    changes = both.take(event("ExceededWithdrawn", at=3, **withdrawn))
    assert named(changes) == [("ExceededWithdrawn", "w1", "calls"), ("ExceededWithdrawn", "w2", "calls")]
    assert changes[0].public_type == "quota.exceeded_withdrawn"
    assert {key: changes[0].record[key] for key in withdrawn} == withdrawn
    assert changes[0].record["change_id"] == workspaces.change_id(
        "pool/p1/3", Customer("acme", "w1"), "calls", "quota.exceeded_withdrawn"
    )


# --- overrides of one workspace --------------------------------------------------------------------------------------


def overridden(workspace: str, *, at: int, key: str = "calls", name: str = "o", **said: Any) -> PoolEvent:
    said = {"allowed": True, "amount": None} | said
    return event("OverrideSet", at=at, override_id=name, workspace_id=workspace, resource_key=key, **said)


def over(name: str = "o", *, at: int, by: str = "OverrideCleared") -> PoolEvent:
    return event(by, at=at, override_id=name)


TWO_WITH_CALLS = (assigned("w1", at=1), assigned("w2", at=2), conferred({"calls": quota(50), "sso": FEATURE}, at=3))


@pytest.mark.parametrize("by", ["OverrideCleared", "OverrideExpired"])
def test_a_key_taken_from_one_workspace_is_revoked_for_it_alone_and_granted_again_at_the_end(by: str) -> None:
    both = after(*TWO_WITH_CALLS)
    [taken] = both.take(overridden("w1", key="sso", allowed=False, at=4))
    assert (taken.name, taken.record["customer_id"]) == ("EntitlementRevoked", "w1")
    assert (taken.record["before"], taken.record["after"]) == (FEATURE, None)
    assert taken.record["change_id"] == workspaces.change_id(
        "pool/p1/4", Customer("acme", "w1"), "sso", "entitlement.revoked"
    )
    assert named(both.take(over(at=5, by=by))) == [("EntitlementGranted", "w1", "sso")]


def test_an_amount_for_one_workspace_is_what_it_has_but_never_more_than_its_pool_has() -> None:
    both = after(*TWO_WITH_CALLS)
    [less] = both.take(overridden("w1", amount=20, at=4))
    assert (less.name, less.record["before"], less.record["after"]) == ("EntitlementChanged", quota(50), quota(20))
    assert both.take(overridden("w2", amount=80, name="p", at=5)) == []
    more = both.take(conferred({"calls": quota(100)}, at=6))
    assert [(change.record["customer_id"], change.record["after"]) for change in more] == [("w2", quota(80))]


def test_of_several_overrides_of_one_workspace_the_newest_holds() -> None:
    both = after(*TWO_WITH_CALLS, overridden("w1", amount=20, at=4), overridden("w1", amount=30, name="newer", at=5))
    assert both.take(over("o", at=6)) == []
    [back] = both.take(over("newer", at=7))
    assert (back.record["before"], back.record["after"]) == (quota(30), quota(50))


def test_an_override_waits_for_the_workspace_and_for_the_key() -> None:
    both = after(overridden("w1", allowed=False, at=1), conferred({"calls": quota(50)}, at=2))
    assert both.take(assigned("w1", at=3)) == []
    assert named(both.take(over(at=4))) == [("EntitlementGranted", "w1", "calls")]
    both.take(overridden("w1", key="sso", allowed=False, at=5))
    assert both.take(conferred({"sso": FEATURE}, at=6)) == []


def test_an_override_of_the_whole_pool_is_told_by_what_the_pool_has_then() -> None:
    both = after(*TWO_WITH_CALLS)
    assert both.take(overridden("", amount=7, at=4)) == []
    assert len(both.take(conferred({"calls": quota(7)}, at=5))) == 2
    assert both.take(over(at=6)) == []


# --- repeats ---------------------------------------------------------------------------------------------------------


def test_an_event_read_again_says_nothing_new() -> None:
    history = [assigned("w1", at=1), conferred({"sso": FEATURE}, at=2), unassigned("w1", at=3)]
    both = after(*history)
    assert [change for happened in history for change in both.take(happened)] == []


def test_facts_written_twice_change_a_customer_once() -> None:
    both = after(assigned("w1", at=1), conferred({"sso": FEATURE}, at=2), unassigned("w1", at=3))
    assert [change for said in list(both.facts) for change in both.tell(said)] == []


def test_a_change_has_the_same_id_whenever_it_is_found_and_no_other_has_it() -> None:
    happened = [assigned("w1", at=1), assigned("w2", at=2)]
    conferring = conferred({"sso": FEATURE, "calls": quota(1)}, at=3)
    ids = [change.record["change_id"] for change in after(*happened).take(conferring)]
    assert ids == [change.record["change_id"] for change in after(*happened).take(conferring)]
    assert len(set(ids)) == 4


# --- what cannot be handled ------------------------------------------------------------------------------------------


def test_an_event_that_cannot_be_handled_leaves_the_row_as_it_was() -> None:
    row = PoolRow(organization_id="acme", workspaces=dict.fromkeys(f"w{number}" for number in range(25_000)))
    before = codec.pool_to_bytes(row)
    with pytest.raises(PoolIsTooLarge):
        pools.facts_of(row, assigned("one too many"))
    with pytest.raises(KeyError):
        pools.facts_of(row, event("QuotaReset", resource_key="calls"))
    assert codec.pool_to_bytes(row) == before


def test_the_largest_rows_fit_one_kafka_record() -> None:
    widest = "\U0001f600" * 128
    held = Held("boolean", 2**53, 2**53, 2**53, "month")
    of_a_pool = PoolRow(
        Position(2**62, 2**31),
        widest,
        {f"{n}{widest}": None for n in range(25_000)},
        {f"{n}{widest}": held for n in range(2_000)},
        {f"{n}{widest}": Narrowing(widest, widest, allowed=True, amount=2**53) for n in range(500)},
    )
    of_a_workspace = WorkspaceRow(2**62, {}, {f"{n}{widest}": {f"{n}{widest}": held} for n in range(10_000)})
    assert len(codec.pool_to_bytes(of_a_pool)) < 16 * 1024 * 1024
    assert len(codec.workspace_to_bytes(of_a_workspace)) < 16 * 1024 * 1024


@pytest.mark.parametrize(
    "value", [None, b"", b"null", b"[]", b"{}", b"\x00\x00", b'{"format": 1}', b'{"format": 2, "ledger": 3}']
)
def test_what_is_no_fact_is_named_so(value: bytes | None) -> None:
    with pytest.raises(codec.NotAFact):
        codec.fact_from_bytes(value)


# --- whatever happens ------------------------------------------------------------------------------------------------

POOLS, WORKSPACES, KEYS = ["p1", "p2", "r1", "r2"], ["w1", "w2", "w3"], ["k1", "k2"]
CUSTOMERS = [(organization, workspace) for organization in ("acme", "rival") for workspace in WORKSPACES]
happenings = st.one_of(
    st.tuples(st.just("assign"), st.sampled_from(POOLS), st.sampled_from(WORKSPACES)),
    st.tuples(st.just("unassign"), st.sampled_from(POOLS), st.sampled_from(WORKSPACES)),
    st.tuples(
        st.just("confer"),
        st.sampled_from(POOLS),
        st.dictionaries(st.sampled_from(KEYS), st.one_of(st.none(), st.integers(1, 3).map(quota)), min_size=1),
    ),
    st.tuples(st.just("close"), st.sampled_from(POOLS), st.none()),
    st.tuples(
        st.just("override"),
        st.sampled_from(POOLS),
        st.tuples(
            st.sampled_from(["o1", "o2"]),
            st.sampled_from(["", *WORKSPACES]),
            st.sampled_from(KEYS),
            st.booleans(),
            st.one_of(st.none(), st.integers(0, 3)),
        ),
    ),
    st.tuples(st.just("over"), st.sampled_from(POOLS), st.sampled_from(["o1", "o2"])),
    st.tuples(st.just("again"), st.integers(0, 5), st.integers(0, 5)),
)


def played(history: list[tuple[str, Any, Any]]) -> Iterator[tuple[PoolEvent | None, list[Change]]]:
    """The changes after each event; `again` reads a few events and facts once more, as after a crash."""
    both, events, in_force = Both(), list[PoolEvent](), set[tuple[str, str]]()
    for what, which, detail in history:
        at = len(events) + 1
        if what == "again":
            repeated = [change for happened in events[-which:] for change in both.take(happened)] if which else []
            repeated += [change for said in list(both.facts)[-detail:] for change in both.tell(said)] if detail else []
            yield None, repeated
            continue
        if what == "assign":
            made = assigned(detail, which, at=at)
        elif what == "unassign":
            made = unassigned(detail, which, at=at)
        elif what == "confer":
            made = conferred(detail, which, at=at)
        elif what == "override":
            if (which, detail[0]) in in_force:
                continue  # The ledger refuses an id that is in use.
            in_force.add((which, detail[0]))
            fields = dict(
                zip(("override_id", "workspace_id", "resource_key", "allowed", "amount"), detail, strict=True)
            )
            made = event("OverrideSet", which, at=at, **fields)
        elif what == "over":
            in_force.discard((which, detail))
            made = event("OverrideCleared", which, at=at, override_id=detail)
        else:
            made = event("PoolClosed", which, at=at)
        events.append(made)
        yield made, both.take(made)


class Model:
    """What every workspace has, straight from the meaning of the events."""

    def __init__(self) -> None:
        self.members: dict[str, set[str]] = {pool: set() for pool in POOLS}
        self.values: dict[str, dict[str, Any]] = {pool: {} for pool in POOLS}
        self.overrides: dict[str, dict[str, Any]] = {pool: {} for pool in POOLS}

    def take(self, happened: PoolEvent) -> None:
        pool, record = happened.cause.pool_id, happened.record
        if happened.name == "WorkspaceAssigned":
            self.members[pool].add(str(record["workspace_id"]))
        elif happened.name == "WorkspaceUnassigned":
            self.members[pool].discard(str(record["workspace_id"]))
        elif happened.name == "PoolClosed":
            self.values[pool] = {}
        elif happened.name == "OverrideSet":
            self.overrides[pool].pop(record["override_id"], None)
            self.overrides[pool][str(record["override_id"])] = record
        elif happened.name == "OverrideCleared":
            self.overrides[pool].pop(record["override_id"], None)
        else:
            changes: Any = record["changes"]
            self.values[pool].update({change["resource_key"]: change["after"] for change in changes})

    def pools_of(self, organization: str, workspace: str, key: str) -> dict[str, Any]:
        return {
            pool: value
            for pool in POOLS
            if ORGANIZATIONS.get(pool, "acme") == organization
            and workspace in self.members[pool]
            and (value := self.value_of(pool, workspace, key)) is not None
        }

    def value_of(self, pool: str, workspace: str, key: str) -> Any:
        value = self.values[pool].get(key)
        for said in reversed(self.overrides[pool].values()):
            if value is not None and (said["workspace_id"], said["resource_key"]) == (workspace, key):
                if not said["allowed"]:
                    return None
                return value if said["amount"] is None else quota(min(said["amount"], value["limit"]))
        return value


@settings(max_examples=300, deadline=None)
@given(st.lists(happenings, max_size=40))
def test_folding_the_changes_of_any_history_gives_what_each_customer_has_from_any_pool(
    history: list[tuple[str, Any, Any]],
) -> None:
    model = Model()
    told: dict[tuple[str, str, str], dict[str, Any]] = {}
    has: set[tuple[str, str, str]] = set()
    ids: set[str] = set()
    for happened, changes in played(history):
        if happened is None:
            assert changes == []
            continue
        model.take(happened)
        for change in changes:
            record = change.record
            place = record["organization_id"], record["customer_id"], record["resource_key"]
            assert (place in has) == (change.name != "EntitlementGranted"), "granted and revoked alternate"
            if change.name == "EntitlementGranted":
                has.add(place)
            elif change.name == "EntitlementRevoked":
                has.discard(place)
            pools_told = told.setdefault(place, {})
            assert pools_told.get(record["pool_id"]) == record["before"]
            if record["after"] is None:
                del pools_told[record["pool_id"]]
            else:
                pools_told[record["pool_id"]] = record["after"]
            assert record["change_id"] not in ids
            ids.add(record["change_id"])
        for organization, workspace in CUSTOMERS:
            for key in KEYS:
                there = model.pools_of(organization, workspace, key)
                assert ((organization, workspace, key) in has) == bool(there)
                assert told.get((organization, workspace, key), {}) == there


def test_a_row_of_a_pool_survives_its_bytes() -> None:
    row = PoolRow(Position(3, 4), "acme", {"w": None}, {"k": Held("quota", 1, None, 2, "day")})
    row.overrides["o"] = Narrowing("w", "k", allowed=True, amount=None)
    assert codec.pool_from_bytes(codec.pool_to_bytes(row)) == row


def test_a_fact_survives_its_bytes() -> None:
    cause, values = Cause("pool/p/1", "p", 5, 3, Position(7, 8)), {"k": Held("quota", 1, None, 2, "day"), "l": None}
    fact = Fact(cause, Customer("acme", "w"), values)
    assert codec.fact_from_bytes(codec.fact_to_bytes(fact)) == fact
