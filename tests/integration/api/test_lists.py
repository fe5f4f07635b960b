"""Lists over HTTP: one shape for all, pages both ways, filters, and nothing of anybody else."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.serving import NAMED, OPERATOR

from entitlements.api import definition_list_bodies, list_bodies
from entitlements_projections.reading.listing import LIMIT_DEFAULT, LIMIT_MAX

#: Each list with the model of its answer, what tells its rows apart, and the scope that it needs.
LISTS: dict[str, tuple[type, tuple[str, ...], str]] = {
    "/v1/pools": (list_bodies.PoolList, ("pool_id",), "read"),
    "/v1/customers": (list_bodies.CustomerList, ("customer_id",), "read"),
    "/v1/provisions": (list_bodies.ProvisionList, ("pool_id", "provision_id"), "read"),
    "/v1/grants": (list_bodies.GrantList, ("pool_id", "grant_id"), "read"),
    "/v1/usage": (list_bodies.UsageList, ("pool_id", "pool_version", "line", "part"), "read"),
    "/v1/units": (list_bodies.UnitList, ("unit_id",), "read"),
    "/v1/members": (list_bodies.MemberList, ("unit_id", "customer_id", "subject_id"), "read"),
    "/v1/policies": (definition_list_bodies.PolicyList, ("policy_id",), "read"),
    "/v1/campaigns": (definition_list_bodies.CampaignList, ("campaign_id",), "read"),
    "/v1/keys": (definition_list_bodies.ApiKeyList, ("key_id",), "administer"),
    "/v1/sets": (definition_list_bodies.SetList, ("set_id",), "read"),
    "/v1/resource-keys": (definition_list_bodies.ResourceKeyList, ("resource_key",), "read"),
}
SHARED = {"/v1/sets", "/v1/resource-keys"}
#: Of these a key that is bound to a unit sees nothing at all: others use them too.
NOT_OF_A_UNIT = {"/v1/pools", "/v1/provisions", "/v1/grants", "/v1/campaigns", "/v1/keys"}


class Furnished:
    """An organization that has three of everything."""

    def __init__(self, service: Any) -> None:
        name = secrets.token_hex(4)
        self.name, self.organization_id = name, f"org-{name}"
        self.http = service.client(self.organization_id)
        self.operator = service.client(OPERATOR)
        self.tokens: list[str] = []
        for n in range(3):
            self._furnish(f"{name}-{n}", n)
        self.headers = {"entitlements-consistency": ",".join(self.tokens)}

    def _furnish(self, one: str, n: int) -> None:
        mine, of_pool = {"organization_id": self.organization_id}, {"pool_id": f"pool-{one}"}
        above = {"parent_unit_id": f"unit-{self.name}-0"} if n == 1 else {}
        self.send("OpenPool", name=f"Pool {n}", **of_pool)
        self.send("ProvisionPool", provision_id=f"plan-{one}", source="subscription", set_id="free", **of_pool)
        self.send("IssueGrant", grant_id=f"grant-{one}", set_id="free", ladder=None, reason="trial", **of_pool)
        self.send("AssignWorkspace", workspace_id=f"ws-{one}", role="primary", **of_pool)
        self.send("DefineUnit", unit_id=f"unit-{one}", **above, **mine)
        self.send("PlaceWorkspace", unit_id=f"unit-{one}", workspace_id=f"ws-{one}", **mine)
        self.send("SetMemberRole", unit_id=f"unit-{one}", subject_id=f"ann-{one}", role="editor", **mine)
        policy = self.http.put(
            f"/v1/policies/policy-{one}", json={"effect": "DENY", "resource_keys": ["nothing"], "priority": n}
        )
        used = self.http.post(
            "/v1/usage", json={"customer_id": f"ws-{one}", "resource_key": "api_calls", "quantity": n + 1}
        )
        key = self.http.post("/v1/keys", json={"name": one, "scopes": ["read"]})
        for answer in (policy, used, key):
            self._note(answer)
        rule = {"resource_key": "seats", "rule_type": "limit", "amount": 1, "stacking": "sum"}
        body = {"set_id": f"set-{one}", "name": one, "rules": [rule]}
        self._note(self.operator.post("/v1/commands/DefineEntitlementSet", json=body))
        gift = {"campaign_id": f"gift-{one}", "set_id": "free", "ends_at": "2099-01-01T00:00:00Z", "reason": "new year"}
        self._note(self.operator.post("/v1/commands/DefineCampaign", json=gift))
        pools = {"campaign_id": f"gift-{one}", "add": [f"pool-{one}"]}
        self._note(self.operator.post("/v1/commands/ChangeCampaignPools", json=pools))

    def send(self, command: str, **fields: object) -> None:
        self._note(self.http.post(f"/v1/commands/{command}", json={k: v for k, v in fields.items() if v is not None}))

    def _note(self, answer: httpx.Response) -> None:
        assert answer.is_success, answer.text
        self.tokens.append(answer.headers["entitlements-consistency"])

    def list(self, path: str, http: httpx.Client | None = None, **query: Any) -> dict[str, Any]:
        answer = (http or self.http).get(path, params=query, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture(scope="module")
def ours(service: Any) -> Furnished:
    return Furnished(service)


@pytest.fixture(scope="module")
def theirs(service: Any) -> Furnished:
    return Furnished(service)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_walked_both_ways_and_says_what_its_document_says(ours: Furnished, path: str) -> None:
    model: Any = LISTS[path][0]
    whole = ours.list(path)
    model.model_validate_json(ours.http.get(path, headers=ours.headers).content)
    assert len(whole["items"]) >= 3
    assert whole["previous"] is None
    page, forward = ours.list(path, limit=2), []
    while True:
        assert len(page["items"]) <= 2
        forward += page["items"]
        last = page
        if page["next"] is None:
            break
        page = ours.list(path, limit=2, cursor=page["next"])
    assert forward[: len(whole["items"])] == whole["items"]
    back = last["items"][::-1]
    while last["previous"] is not None:
        last = ours.list(path, limit=2, cursor=last["previous"])
        back += last["items"][::-1]
    assert back[::-1] == forward


@pytest.mark.parametrize("path", sorted(LISTS.keys() - SHARED))
def test_a_list_shows_its_organization_and_nobody_elses(
    service: Any, ours: Furnished, theirs: Furnished, path: str
) -> None:
    everybody = service.client_with(service.key(OPERATOR, act_for="all"), ours.organization_id)
    listed = service.client_with(
        service.key("reseller", act_for=[ours.organization_id, theirs.organization_id]), ours.organization_id
    )
    for http in (ours.http, everybody, listed):
        found = ours.list(path, http, limit=LIMIT_MAX)
        assert len(found["items"]) >= 3
        assert theirs.name not in str(found)
        assert all(row.get("organization_id", ours.organization_id) == ours.organization_id for row in found["items"])
        # Whatever a filter names, and whatever a cursor was made for.
        parameters = service_parameters(service, path)
        for name, value in {"pool_id": f"pool-{theirs.name}-0", "customer_id": f"ws-{theirs.name}-0",
                            "unit_id": f"unit-{theirs.name}-0", "parent_unit_id": f"unit-{theirs.name}-0"}.items():  # fmt: skip
            if name in parameters:
                assert ours.list(path, http, **{name: value})["items"] == []
        cursor = theirs.list(path, limit=1)["next"]
        answer = http.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
    answer = everybody.get(path, headers={NAMED: theirs.organization_id} | theirs.headers)
    assert ours.name not in answer.text
    unnamed = service.client_with(service.key(OPERATOR, act_for="all")).get(path)
    assert (unnamed.status_code, unnamed.json()["code"]) == (422, "organization_required")


def service_parameters(service: Any, path: str) -> set[str]:
    document = httpx.get(f"{service.url}/openapi.json").json()
    return {each["name"] for each in document["paths"][path]["get"]["parameters"] if each.get("in") == "query"}


@pytest.mark.parametrize("path", LISTS)
def test_a_list_needs_its_scope_alone(service: Any, ours: Furnished, path: str) -> None:
    for scope in ("read", "use", "administer", "audit"):
        answer = service.client(ours.organization_id, [scope]).get(path)
        assert answer.status_code == (200 if scope == LISTS[path][2] else 403), (scope, answer.text)


@pytest.mark.parametrize("path", LISTS)
def test_a_key_of_a_unit_sees_its_unit_and_those_below_it(service: Any, ours: Furnished, path: str) -> None:
    key = service.key(ours.organization_id, ["read", "use"], unit_id=f"unit-{ours.name}-0")
    with service.client_with(key) as http:
        answer = http.get(path, headers=ours.headers)
        if path in NOT_OF_A_UNIT:
            code = "outside_unit" if LISTS[path][2] == "read" else "insufficient_scope"
            assert (answer.status_code, answer.json()["code"]) == (403, code)
            return
        rows = answer.json()["items"]
        if path in {"/v1/customers", "/v1/units", "/v1/members", "/v1/usage"}:
            assert len(rows) == 2, "its own, and the unit below"
            assert f"{ours.name}-2" not in answer.text
            outside = {
                "/v1/units": {"parent_unit_id": f"unit-{ours.name}-2"},
                "/v1/customers": {"unit_id": f"unit-{ours.name}-2"},
            }
            query = outside.get(path, {"customer_id": f"ws-{ours.name}-2"})
            assert http.get(path, params=query, headers=ours.headers).json()["items"] == []
        else:
            assert len(rows) >= 3


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/v1/pools", {"customer_id": "ws-NAME-1"}, ["pool-NAME-1"]),
        ("/v1/pools", {"status": "closed"}, []),
        ("/v1/customers", {"pool_id": "pool-NAME-1"}, ["ws-NAME-1"]),
        ("/v1/customers", {"unit_id": "unit-NAME-0"}, ["ws-NAME-0", "ws-NAME-1"]),
        ("/v1/customers", {"status": "inactive"}, []),
        ("/v1/provisions", {"pool_id": "pool-NAME-1", "source": "subscription"}, ["plan-NAME-1"]),
        ("/v1/provisions", {"customer_id": "ws-NAME-1", "source": "grant"}, ["grant-NAME-1"]),
        ("/v1/provisions", {"set_id": "no-such-set"}, []),
        ("/v1/grants", {"customer_id": "ws-NAME-2", "status": "issued"}, ["grant-NAME-2"]),
        ("/v1/grants", {"until": "2020-01-01T00:00:00Z"}, []),
        ("/v1/units", {"parent_unit_id": "unit-NAME-0"}, ["unit-NAME-1"]),
        ("/v1/members", {"subject_id": "ann-NAME-1"}, ["ann-NAME-1"]),
        ("/v1/policies", {"effect": "ALLOW"}, []),
        ("/v1/policies", {"status": "active"}, ["policy-NAME-2", "policy-NAME-1", "policy-NAME-0"]),
        ("/v1/campaigns", {"pool_id": "pool-NAME-1"}, ["gift-NAME-1"]),
        ("/v1/keys", {"status": "revoked"}, []),
        ("/v1/usage", {"customer_id": "ws-NAME-1", "resource_key": "api_calls"}, [2]),
        ("/v1/usage", {"since": "2099-01-01T00:00:00Z"}, []),
    ],
)
def test_filters(ours: Furnished, path: str, query: dict[str, str], expected: list[Any]) -> None:
    found = ours.list(path, **{name: value.replace("NAME", ours.name) for name, value in query.items()})
    column = {"/v1/usage": "quantity", "/v1/members": "subject_id"}.get(path, LISTS[path][1][-1])
    assert [row[column] for row in found["items"]] == [
        value.replace("NAME", ours.name) if isinstance(value, str) else value for value in expected
    ]


@pytest.mark.parametrize("path", [*LISTS, "/v1/access-log"])
def test_a_page_has_bounds_and_a_cursor_is_one_of_ours(ours: Furnished, path: str) -> None:
    for limit in ("0", "-1", str(LIMIT_MAX + 1), "ten", "1.5", ""):
        answer = ours.http.get(path, params={"limit": limit})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), limit
    for cursor in ("x", "e30", "", "W10", "a" * 1_999, "\0"):
        answer = ours.http.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor"), cursor
    document = ours.http.get("/openapi.json").json()["paths"][path]["get"]
    (limit,) = [each["schema"] for each in document["parameters"] if each.get("name") == "limit"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, LIMIT_MAX, LIMIT_DEFAULT)
    unknown = ours.http.get(path, params={"limits": "3"})
    assert (unknown.status_code, "did you mean limit?" in unknown.json()["detail"]) == (422, True)


def test_a_list_goes_on_from_the_longest_ids(service: Any) -> None:
    """128 characters of four bytes: the cursor is the API's own, whatever its length."""
    name = secrets.token_hex(4)
    ids = sorted("\U0001f600" * 117 + f"-{name}-{n}" for n in range(3))
    with service.client(f"org-{name}") as http:
        http.post("/v1/commands/OpenPool", json={"pool_id": f"pool-{name}"})
        for each in ids:
            http.put(f"/v1/policies/{quote(each, safe='')}", json={"effect": "DENY", "resource_keys": ["nothing"]})
            mine = {"unit_id": each, "name": "unit"}
            assert http.post("/v1/commands/DefineUnit", json=mine).is_success
            member = http.post(
                "/v1/commands/SetMemberRole", json={"unit_id": each, "subject_id": each, "role": "editor"}
            )
            customer = {
                "pool_id": f"pool-{name}",
                "workspace_id": each,
                "role": "primary" if each == ids[0] else "secondary",
            }
            assigned = http.post("/v1/commands/AssignWorkspace", json=customer)
        for answer in (member, assigned):
            assert answer.is_success, answer.text
        token = ",".join(answer.headers["entitlements-consistency"] for answer in (member, assigned))
        for path, column in (
            ("/v1/policies", "policy_id"), ("/v1/units", "unit_id"), ("/v1/members", "subject_id"), ("/v1/customers", "customer_id"),
        ):  # fmt: skip
            found: list[str] = []
            cursor: dict[str, str] = {}
            while True:
                answer = http.get(path, params={"limit": "1"} | cursor, headers={"entitlements-consistency": token})
                assert answer.status_code == 200, (path, answer.text)
                found += [row[column] for row in answer.json()["items"]]
                if answer.json()["next"] is None:
                    break
                cursor = {"cursor": answer.json()["next"]}
            assert found == ids, path


def test_a_list_of_another_filter_refuses_the_cursor(ours: Furnished) -> None:
    cursor = ours.list("/v1/pools", limit=1)["next"]
    for path, query in (("/v1/pools", {"status": "open"}), ("/v1/provisions", {}), ("/v1/customers", {})):
        answer = ours.http.get(path, params=query | {"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


def test_the_operator_sees_every_campaign_and_others_those_of_their_pools(ours: Furnished, theirs: Furnished) -> None:
    every = ours.list("/v1/campaigns", ours.operator, limit=LIMIT_MAX)["items"]
    names = {row["campaign_id"] for row in every}
    assert {f"gift-{each.name}-{n}" for each in (ours, theirs) for n in range(3)} <= names


def test_all_versions_of_a_set_are_listed_when_they_are_asked_for(service: Any, ours: Furnished) -> None:
    name = f"set-{ours.name}"
    for amount in (1, 2):
        rule = {"resource_key": "seats", "rule_type": "limit", "amount": amount, "stacking": "sum"}
        answer = ours.operator.post(
            "/v1/commands/DefineEntitlementSet", json={"set_id": name, "name": name, "rules": [rule]}
        )
        headers = {"entitlements-consistency": answer.headers["entitlements-consistency"]}

    def versions(**query: Any) -> list[int]:
        rows = ours.http.get("/v1/sets", params={"set_id": name} | query, headers=headers).json()["items"]
        return [row["set_version"] for row in rows]

    assert (versions(), versions(all_versions=True)) == ([2], [1, 2])
    assert (versions(resource_key="seats"), versions(resource_key="sso")) == ([2], [])
