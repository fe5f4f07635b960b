"""What it costs to ask "may this customer use this feature?" in process: by us and by peers in their local modes, in one run.

1,000 customers, half of them on a plan that has the feature, are asked for in turn. Everybody has all of it in memory, the policies
compiled or parsed beforehand wherever there is a way to, and gives the right answer: that is asserted before it is timed. Ours is the
whole call that an application makes: the customer's view is found and is fresh enough, the decision says why, how fresh it is and by which
policies, and one of a hundred is noted for the access log.

The second question is decided by ten policies of four conditions each: nine of them fail at their last condition. Where somebody has rules of a
flag instead of policies, it is ten rules. A peer gets the context in the form that it takes, made beforehand; we too.
"""

from __future__ import annotations

import gc
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from bench.place import Place
from entitlements_client import Entitlements, Local, Sampling, Service
from entitlements_client.asking.following import Heard
from entitlements_client.asking.memory import Known, KnownPolicies
from entitlements_client.deciding import NO_POLICIES, Context, CustomerView, PolicySet

CUSTOMERS: Final = 1_000
#: Questions that are timed together, because reading the clock costs as much as one.
TOGETHER: Final = 100
BATCHES: Final = 300
FEATURE, MANY = "premium_analytics", "export"
TIERS: Final = ("pro", "enterprise")
REGION, AGENT, SEATS = "EU", "shop/2.1", 50
#: Policy n asks for more seats than this: the last one is content with those there are.
SEATS_OVER: Final = (*range(100, 109), 10)

#: Asks one of the two questions about the customer of a number.
Ask = Callable[[int], bool]


def measure(place: Place) -> dict[str, float]:
    """Microseconds a question, the median of batches."""
    found: dict[str, float] = {}
    for name, made in (
        ("local", _ours),
        ("unleash", _unleash),
        ("launchdarkly", _launchdarkly),
        ("casbin", _casbin),
        ("cedar", _cedar),
    ):
        place.say(f"asks {name}")
        with made() as (one, ten):
            found[f"{name}_check_us"] = _median(one, place)
            found[f"{name}_check_ten_policies_us"] = _median(ten, place)
    return found


def _median(ask: Ask, place: Place) -> float:
    for number in range(CUSTOMERS):
        assert ask(number) is (number % 2 == 0), f"the answer for customer {number} is wrong"
    batches = [
        range(at * TOGETHER % CUSTOMERS, at * TOGETHER % CUSTOMERS + TOGETHER) for at in range(place.sized(BATCHES))
    ]
    costs = []
    gc.collect()
    for batch in batches:
        began = time.perf_counter_ns()
        for number in batch:
            ask(number)
        costs.append((time.perf_counter_ns() - began) / TOGETHER / 1_000)
    return statistics.median(costs)


def _tier(number: int) -> str:
    return TIERS[number // 2 % 2] if number % 2 == 0 else "free"


@contextmanager
def _ours() -> Iterator[tuple[Ask, Ask]]:
    held = {
        "allowed": True,
        "reason_code": "allowed",
        "valid_until": "2100-01-01T00:00:00Z",
        "contributions": [{"provision_id": "sub", "source": "subscription"}],
    }
    views = {
        f"customer-{number}": CustomerView.from_document(
            {
                "customer_id": f"customer-{number}",
                "as_of": {"position": "0:17", "lag_ms": 3},
                "subscription": {"tier": _tier(number), "status": "active"},
                "entitlements": {FEATURE: held} if number % 2 == 0 else {},
            }
        )
        for number in range(CUSTOMERS)
    }
    policies = PolicySet.compile({"policies": [_policy(at, over) for at, over in enumerate(SEATS_OVER)]})
    context = Context(customer={"region": REGION}, client={"user_agent": AGENT}, metadata={"seats": SEATS})
    customers = list(views)
    with _an_application(views, NO_POLICIES) as first, _an_application(views, policies) as second:
        yield (
            lambda number: first.check(customers[number], FEATURE).allowed,
            lambda number: second.check(customers[number], MANY, context=context).allowed,
        )


@contextmanager
def _an_application(views: dict[str, CustomerView], policies: PolicySet) -> Iterator[Entitlements]:
    """What an application holds that follows the stream of changes, as if it had just heard of it; nobody is asked."""
    now = time.monotonic()
    way, nowhere = Local(bound=3_600.0, refresh=3_600.0), Service("http://127.0.0.1:1", "ent_bench_bench")
    with Entitlements(nowhere, way, access_log=Sampling(refused=0.01)) as entitlements:
        freshness, memory = entitlements._freshness, entitlements._asking.memory  # noqa: SLF001 - what the stream would have told.
        assert isinstance(freshness, Heard)
        freshness.heard_at = now
        memory.keep_policies(KnownPolicies(policies, "", now))
        for view in views.values():
            assert memory.keep(Known(view, "", now))
        yield entitlements


def _policy(at: int, over: int) -> dict[str, Any]:
    return {
        "policy_id": f"policy-{at}",
        "effect": "ALLOW",
        "priority": -at,
        "resource_keys": [MANY],
        "conditions": [
            {"field": "subscription.tier", "operator": "in_set", "value": list(TIERS)},
            {"field": "customer.region", "operator": "equals", "value": REGION},
            {"field": "client.user_agent", "operator": "starts_with", "value": "shop/"},
            {"field": "metadata.seats", "operator": "greater_than", "value": over},
        ],
    }


@contextmanager
def _unleash() -> Iterator[tuple[Ask, Ask]]:
    from UnleashClient import UnleashClient
    from UnleashClient.cache import FileCache

    def constraint(name: str, operator: str, **value: Any) -> dict[str, Any]:
        return {"contextName": name, "operator": operator, "inverted": False, "caseInsensitive": False} | value

    def strategy(*constraints: dict[str, Any]) -> dict[str, Any]:
        return {"name": "default", "parameters": {}, "constraints": list(constraints)}

    tier = constraint("tier", "IN", values=list(TIERS))
    many = [
        strategy(
            tier,
            constraint("region", "IN", values=[REGION]),
            constraint("agent", "STR_STARTS_WITH", values=["shop/"]),
            constraint("seats", "NUM_GT", value=str(over)),
        )
        for over in SEATS_OVER
    ]
    features = [
        {"name": name, "type": "release", "enabled": True, "strategies": strategies}
        for name, strategies in ((FEATURE, [strategy(tier)]), (MANY, many))
    ]
    # Its scheduler says with every call that nothing is to be fetched.
    logging.getLogger("UnleashClient").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        cache = FileCache("bench", directory=folder)
        cache.bootstrap_from_dict({"version": 2, "features": features})
        client = UnleashClient(
            "http://127.0.0.1:1",
            "bench",
            cache=cache,
            disable_metrics=True,
            disable_registration=True,
            refresh_interval=86_400,
        )
        client.initialize_client(fetch_toggles=False)
        contexts = [
            {
                "userId": f"customer-{number}",
                "properties": {"tier": _tier(number), "region": REGION, "agent": AGENT, "seats": str(SEATS)},
            }
            for number in range(CUSTOMERS)
        ]
        try:
            yield (
                lambda number: client.is_enabled(FEATURE, contexts[number]),
                lambda number: client.is_enabled(MANY, contexts[number]),
            )
        finally:
            client.destroy()


@contextmanager
def _launchdarkly() -> Iterator[tuple[Ask, Ask]]:
    from ldclient import Context as Customer
    from ldclient.client import LDClient
    from ldclient.config import Config

    def clause(attribute: str, op: str, *values: Any) -> dict[str, Any]:
        return {"attribute": attribute, "op": op, "values": list(values), "contextKind": "user"}

    def flag(key: str, rules: list[list[dict[str, Any]]]) -> dict[str, Any]:
        made = [{"id": str(at), "variation": 0, "clauses": clauses} for at, clauses in enumerate(rules)]
        shape = {"key": key, "version": 1, "on": True, "variations": [True, False], "fallthrough": {"variation": 1}}
        return shape | {"offVariation": 1, "rules": made, "targets": [], "prerequisites": [], "salt": "s"}

    tier = clause("tier", "in", *TIERS)
    many = [
        [
            tier,
            clause("region", "in", REGION),
            clause("agent", "startsWith", "shop/"),
            clause("seats", "greaterThan", over),
        ]
        for over in SEATS_OVER
    ]
    flags = {"flags": {FEATURE: flag(FEATURE, [[tier]]), MANY: flag(MANY, many)}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        from ldclient.integrations import Files

        json.dump(flags, file)
        file.flush()
        source = Files.new_data_source(paths=[file.name])
        client = LDClient(Config("bench", update_processor_class=source, send_events=False, diagnostic_opt_out=True))
        customers = [
            Customer.builder(f"customer-{number}")
            .set("tier", _tier(number))
            .set("region", REGION)
            .set("agent", AGENT)
            .set("seats", SEATS)
            .build()
            for number in range(CUSTOMERS)
        ]
        try:
            yield (
                lambda number: client.variation(FEATURE, customers[number], default=False),
                lambda number: client.variation(MANY, customers[number], default=False),
            )
        finally:
            client.close()


_ROLES: Final = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && r.act == p.act && g(r.sub, p.sub)
"""
_RULES: Final = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = rule, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && r.act == p.act && eval(p.rule)
"""


class _Customer:
    """Casbin reads attributes."""

    def __init__(self, number: int) -> None:
        self.tier, self.region, self.agent, self.seats = _tier(number), REGION, AGENT, SEATS


@contextmanager
def _casbin() -> Iterator[tuple[Ask, Ask]]:
    import casbin

    roles = casbin.Enforcer(casbin.Enforcer.new_model(text=_ROLES))
    roles.add_policies([[tier, FEATURE, "use"] for tier in TIERS])
    roles.add_grouping_policies([[f"customer-{number}", _tier(number)] for number in range(CUSTOMERS)])
    rules = casbin.Enforcer(casbin.Enforcer.new_model(text=_RULES))
    for over in SEATS_OVER:
        rule = f"(r.sub.tier == 'pro' || r.sub.tier == 'enterprise') && r.sub.region == 'EU' && keyMatch(r.sub.agent, 'shop/*') && r.sub.seats > {over}"
        rules.add_policy(rule, MANY, "use")
    customers = [_Customer(number) for number in range(CUSTOMERS)]
    yield (
        lambda number: roles.enforce(f"customer-{number}", FEATURE, "use"),
        lambda number: rules.enforce(customers[number], MANY, "use"),
    )


@contextmanager
def _cedar() -> Iterator[tuple[Ask, Ask]]:
    import cedarpy

    tiers = ", ".join(f'Tier::"{tier}"' for tier in TIERS)
    one = "".join(
        f'permit(principal in Tier::"{tier}", action == Action::"use", resource == Key::"{FEATURE}");' for tier in TIERS
    )
    ten = "".join(
        f'permit(principal, action == Action::"use", resource == Key::"{MANY}") when {{ principal in [{tiers}] && context.region == "{REGION}" '
        f'&& context.agent like "shop/*" && context.seats > {over} }};'
        for over in SEATS_OVER
    )
    policies = cedarpy.PolicySet.from_str(one + ten)
    entities = [{"uid": {"type": "Tier", "id": tier}, "attrs": {}, "parents": []} for tier in (*TIERS, "free")]
    entities += [
        {
            "uid": {"type": "Customer", "id": str(number)},
            "attrs": {},
            "parents": [{"type": "Tier", "id": _tier(number)}],
        }
        for number in range(CUSTOMERS)
    ]
    known = cedarpy.Entities.from_json_str(json.dumps(entities))

    def asked(number: int, key: str) -> dict[str, Any]:
        context = {"region": REGION, "agent": AGENT, "seats": SEATS} if key == MANY else {}
        return {
            "principal": f'Customer::"{number}"',
            "action": 'Action::"use"',
            "resource": f'Key::"{key}"',
            "context": context,
        }

    requests = {key: [asked(number, key) for number in range(CUSTOMERS)] for key in (FEATURE, MANY)}
    yield (
        lambda number: bool(cedarpy.is_authorized(requests[FEATURE][number], policies, known).allowed),
        lambda number: bool(cedarpy.is_authorized(requests[MANY][number], policies, known).allowed),
    )
