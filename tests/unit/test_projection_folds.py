"""How events change rows, without a database."""

from datetime import UTC, datetime
from typing import Any

from entitlements.ledger.publisher import INTERNAL
from entitlements.ledger.records import aggregate_type_of
from entitlements_projections.bearing import may_be_borne
from entitlements_projections.grants import Grants
from entitlements_projections.numeric_entitlement_usage import NumericEntitlementUsage
from entitlements_projections.numeric_entitlements import NumericEntitlements
from entitlements_projections.pool_ondemand_config import PoolOndemandConfig
from entitlements_projections.pool_provision_ladders import PoolProvisionLadders
from entitlements_projections.read_model import POOL_EVENTS, FoldedRows, with_instants
from entitlements_projections.resource_keys import ResourceKeys
from entitlements_projections.usage_events import UsageEvents
from entitlements_projections.writing import READ_MODELS
from entitlements_schemas import names

AT = datetime(2026, 11, 21, tzinfo=UTC)


def event(version: int, **fields: Any) -> dict[str, Any]:
    return {"originator_id": "pool", "originator_version": version, "timestamp": AT, **fields}


def folded(model: FoldedRows, *happened: tuple[str, dict[str, Any]]) -> dict[Any, Any]:
    """The rows after these events, as the model's write would leave them on an empty table."""
    rows: dict[Any, Any] = {}
    for name, fact in happened:
        for key, step in model.facts(name, fact):
            row = step(rows.get(key))
            if row is not None:
                rows[key] = row
    return rows


def changed(version: int, entitlement_type: str, after: dict[str, Any] | None) -> tuple[str, dict[str, Any]]:
    change = {
        "resource_key": "api_calls",
        "entitlement_type": entitlement_type,
        "before": None,
        "after": after,
        "stacking": "sum",
    }
    return "EntitlementsChanged", event(
        version,
        changes=[change | {"contributions": [], "uncounted": 0, "period": "day" if after is None else after["period"]}],
    )


def value(limit: int | None, period: str | None) -> dict[str, Any]:
    terms = {"anchored": False, "grace_for": 0, "credit_key": None, "override_id": ""}
    terms |= {"credit_rate": 0, "credit_per": 1}
    return {"limit": limit, "soft_limit": None, "hard_limit": limit, "period": period, **terms}


def test_a_quota_that_is_lost_and_regained_goes_on_counting() -> None:
    rows = folded(
        NumericEntitlements(),
        changed(2, "quota", value(9, "day")),
        changed(3, "quota", None),
        changed(7, "quota", value(5, "day")),
    )
    row = rows["pool", "api_calls"]
    assert (row["held"], row["effective_limit"], row["counts_from"]) == (True, 5, 2)


def test_a_quota_of_another_period_counts_anew() -> None:
    rows = folded(NumericEntitlements(), changed(2, "quota", value(9, "day")), changed(3, "quota", value(9, "month")))
    assert rows["pool", "api_calls"]["counts_from"] == 3


def test_a_quota_that_was_a_feature_in_between_counts_anew() -> None:
    rows = folded(
        NumericEntitlements(),
        changed(2, "quota", value(9, "day")),
        changed(3, "boolean", value(None, None)),
        changed(4, "quota", value(9, "day")),
    )
    assert rows["pool", "api_calls"]["counts_from"] == 4


def test_a_limit_that_is_lost_is_not_unlimited() -> None:
    rows = folded(NumericEntitlements(), changed(2, "limit", value(None, None)), changed(3, "limit", None))
    assert rows["pool", "api_calls"]["held"] is False


def rated(limit: int, rate: int) -> dict[str, Any]:
    return value(limit, "day") | {"credit_key": "credits", "credit_rate": rate}


def borne(version: int, bearer: str, quantity: int, charge: int, **part: Any) -> tuple[str, dict[str, Any]]:
    parts = [{"bearer": bearer, "quantity": quantity, "charge": charge} | part]
    line = {"resource_key": "api_calls", "late": False, "details": {"parts": parts}}
    return "UsageRecorded", event(version, lines=[line])


def test_what_credits_bear_adds_up_until_the_reset_or_another_rate() -> None:
    begins = ("EntitlementsChanged", event(2, changes=[change(None, rated(9, 3))]))
    same = ("EntitlementsChanged", event(4, changes=[change(rated(9, 3), rated(5, 3))]))
    other = ("EntitlementsChanged", event(5, changes=[change(rated(5, 3), rated(5, 2))]))
    reset = event(6, resource_key="api_calls", contributions=[], owed=[], manual=False, anchor_at=None)
    history = [begins, borne(3, "credit", 4, 6), same, borne(4, "credit", 1, 2, repriced=True)]
    assert credits_of(*history) == (4, 6)
    assert credits_of(*history, other) == (0, 0)
    assert credits_of(*history, ("QuotaReset", reset)) == (0, 0)


def change(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    told = {
        "resource_key": "api_calls",
        "entitlement_type": "quota",
        "stacking": "sum",
        "contributions": [],
        "period": None if after is None else after["period"],
        "uncounted": 0,
    }
    return told | {"before": before, "after": after}


def credits_of(*happened: tuple[str, dict[str, Any]]) -> tuple[int, int]:
    row = folded(NumericEntitlements(), *happened)["pool", "api_calls"]
    return row["credit_quantity"], row["credit_units"]


def test_what_was_spent_stays_spent_at_another_price_and_rounding_begins_anew() -> None:
    configured = event(2, resource_key="api_calls", enabled=True, payer="", currency="", unit_price=7, price_per=3)
    configured |= {"spending_cap": 100, "alert_at": [], "actor": "ops"}
    again = configured | {"originator_version": 4, "unit_price": 8}
    history = [("OnDemandConfigured", configured), borne(3, "on_demand", 4, 10)]
    (row,) = folded(PoolOndemandConfig(), *history).values()
    assert (row["spent"], row["bought"], row["charged"]) == (10, 4, 10)
    (row,) = folded(PoolOndemandConfig(), *history, ("OnDemandConfigured", again)).values()
    assert (row["spent"], row["bought"], row["charged"]) == (10, 0, 0)
    (row,) = folded(PoolOndemandConfig(), *history, ("QuotaReset", event(5, resource_key="api_calls"))).values()
    assert row["spent"] == 0


def test_overage_that_is_preserved_begins_the_next_period() -> None:
    preserved = event(
        3, resource_key="api_calls", contributions=[], owed=[{"quantity": 4}], manual=False, anchor_at=None
    )
    rows = folded(NumericEntitlements(), changed(2, "quota", value(9, "day")), ("QuotaReset", preserved))
    assert (rows["pool", "api_calls"]["begins_with"], rows["pool", "api_calls"]["counts_from"]) == (4, 3)


def test_a_provision_without_a_ladder_has_no_place_on_one() -> None:
    scheduled = event(2, provision_id="p", ladder=None, rung=None)
    assert not folded(
        PoolProvisionLadders(), ("ProvisionScheduled", scheduled), ("ProvisionStarted", event(3, provision_id="p"))
    )


def test_a_grant_that_was_revoked_is_not_ended_once_more_by_its_provision() -> None:
    issued = event(2, grant_id="g", reason="sorry", actor="ann", starts_at=AT, ends_at=None)
    revoked = event(3, grant_id="g", reason="mistake", actor="bob")
    ended = event(4, provision_id="g", reason="revoked", actor="bob")
    (row,) = folded(Grants(), ("GrantIssued", issued), ("GrantRevoked", revoked), ("ProvisionEnded", ended)).values()
    assert (row["status"], row["reason"], row["over_reason"], row["over_actor"]) == (
        "revoked",
        "sorry",
        "mistake",
        "bob",
    )


def test_the_end_of_a_bought_provision_makes_no_grant() -> None:
    assert not folded(Grants(), ("ProvisionEnded", event(4, provision_id="p", reason="expired", actor="")))


def test_many_totals_of_one_period_are_one_row_with_the_newest() -> None:
    model = NumericEntitlementUsage()
    for version, consumed in ((2, 10), (3, 25)):
        total = {"resource_key": "api_calls", "period_start": 0, "period_end": 86_400_000, "consumed": consumed}
        model.take("UsageRecorded", event(version, totals=[total]))
    model.take("QuotaWarned", event(4, resource_key="api_calls", period_start=0, period_end=86_400_000, consumed=25))
    assert model._totals == {("pool", "api_calls", 0, 86_400_000): [25, None, None, AT, None, AT, 4]}


def test_what_is_given_back_is_a_line_of_its_own() -> None:
    model = UsageEvents()
    model.take("UsageReleased", event(5, resource_key="seats", quantity=2, workspace_id="ws", total={}))
    assert model._rows == [
        ("pool", 5, 0, AT, 0, AT, "seats", -2, 0, "release", False, "ws", "", "", "", "included", "", 0, "")
    ]


def test_a_key_that_is_only_used_is_not_described() -> None:
    model = ResourceKeys()
    model.take("EntitlementsChanged", event(2, changes=[{"resource_key": "seats"}]))
    assert (model._used, model._defined) == ({"seats"}, {})


def test_only_absent_instants_stay_absent() -> None:
    plain = {"timestamp": 86_400_000, "starts_at": 0, "ends_at": None, "quantity": 7}
    assert with_instants(plain) == {
        "timestamp": datetime(1970, 1, 2, tzinfo=UTC),
        "starts_at": datetime(1970, 1, 1, tzinfo=UTC),
        "ends_at": None,
        "quantity": 7,
    }


def test_every_event_of_the_contract_is_known_here() -> None:
    known = {name.rpartition(".")[2] for name in names("events")}
    assert known >= POOL_EVENTS
    assert {name for name in known if aggregate_type_of(name) == "pool"} == POOL_EVENTS
    # That other aggregates than pools remember an answer changes no row.
    assert set().union(*(model.events for model in READ_MODELS)) == known - INTERNAL | {
        "AnswerRemembered",
        "PeriodsClosed",
    }


def test_usage_without_details_concerns_nobody_who_else_bears_it() -> None:
    """The writer does not show it to models that fold rows: those that take usage look for its parts only."""
    assert {model for model in READ_MODELS if "UsageRecorded" in model.events and not model.plain} == {
        NumericEntitlements, PoolOndemandConfig,
    }  # fmt: skip
    plain_line = {"resource_key": "calls", "details": None, "late": True, "overage": 3}
    usage = event(1, lines=[plain_line], totals=[{"resource_key": "calls", "period_start": 0}])
    assert not may_be_borne("UsageRecorded", usage)
    for model in (NumericEntitlements(), PoolOndemandConfig()):
        assert list(model.facts("UsageRecorded", usage)) == []
    details = {"parts": [], "counted_in": 0}
    assert may_be_borne("UsageRecorded", usage | {"lines": [plain_line, plain_line | {"details": details}]})
    assert may_be_borne("UsageCorrected", event(1))
