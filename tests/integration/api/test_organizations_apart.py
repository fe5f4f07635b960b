"""Two organizations, every route, every verb: nobody sees, changes or hears of what is another's."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.faults import driving
from tests.serving import NAMED, OPERATOR

from entitlements.api.app import OPEN_PATHS

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")


def document_of(service: Any) -> dict[str, Any]:
    return dict(httpx.get(f"{service.url}/openapi.json").json())


def routes(service: Any) -> list[tuple[str, str]]:
    return [(path, verb) for path in document_of(service)["paths"] for verb in VERBS]


def operations(service: Any) -> list[tuple[str, str]]:
    """The routes that there are, each with its verbs, but those that are open to everybody."""
    paths = document_of(service)["paths"]
    return [(path, verb.upper()) for path in paths if path not in OPEN_PATHS for verb in paths[path]]


def body_for(path: str, victim: Any) -> dict[str, Any]:
    """A body that names what is the victim's wherever a body can name something."""
    names = {
        "pool_id": victim.pool_id, "customer_id": victim.customer_id, "workspace_id": victim.customer_id,
        "provision_id": "plan", "resource_key": "api_calls",
    }  # fmt: skip
    more: dict[str, Any] = {
        "AssignWorkspace": {"role": "primary"}, "UnassignWorkspace": {"workspace_id": victim.customer_id},
        "ProvisionPool": {"provision_id": "x", "source": "purchase", "set_id": "free"},
        "IssueGrant": {"grant_id": "g", "reason": "r", "set_id": "free"}, "RevokeGrant": {"grant_id": "g"},
        "ChangePlan": {"ladder": "plans", "provision_id": "x", "source": "subscription", "set_id": "free"},
        "SetOverride": {"override_id": "o", "resource_key": "sso", "allowed": False, "reason": "r"},
        "ResetUsage": {"resource_key": "api_calls", "reason": "r"},
        "AssignUnit": {"organization_id": victim.organization_id, "unit_id": "u"},
    }  # fmt: skip
    name = path.rpartition("/")[2]
    if path.startswith("/v1/commands/"):
        return {"pool_id": victim.pool_id} | more.get(name, {})
    if path == "/v1/usage":
        return {key: names[key] for key in ("pool_id", "customer_id", "resource_key")}
    return names


def calls(path: str, verb: str, victim: Any) -> tuple[str, dict[str, Any]]:
    """The address and body of a call that reaches for what is the victim's."""
    found = re.sub(
        r"\{(\w+)\}",
        lambda match: {"pool_id": victim.pool_id, "customer_id": victim.customer_id, "set_id": "free",
                       "resource_key": "api_calls", "policy_id": "secret-policy"}.get(match[1], "r-secret"),
        path,
    )  # fmt: skip
    return found, body_for(path, victim)


@pytest.fixture(scope="module")
def victim(service: Any) -> Any:
    from tests.integration.api.conftest import Account

    found = Account(service)
    assert found.http.put("/v1/policies/secret-policy", json={"effect": "ALLOW", "reason": "secret"}).is_success
    body = {"pool_id": found.pool_id, "resource_key": "api_calls", "quantity": 3, "reservation_id": "r-secret"}
    found.token = found.http.post("/v1/reservations", json=body).headers["entitlements-consistency"]
    return found


def state_of(victim: Any) -> Any:
    """All that the victim sees of itself, but when it was looked at."""
    headers = {"entitlements-consistency": victim.token}
    view = victim.http.get(f"/v1/customers/{victim.customer_id}/entitlements", headers=headers).json()
    pool = victim.http.get(f"/v1/pools/{victim.pool_id}", headers=headers).json()
    policies = victim.http.get("/v1/policy-set").json()
    keys = victim.http.get("/v1/keys").json()
    return view["entitlements"], pool, policies, keys


def attackers(service: Any, victim: Any, rival: Any) -> dict[str, httpx.Client]:
    """Everybody who may act for the rival alone in a request: what is the victim's has to be unknown to all of them."""
    listed = service.key("reseller", act_for=[rival.organization_id])
    everybody = service.key(OPERATOR, act_for="all")
    return {
        "own": rival.http,
        "own, named": service.client_with(service.key(rival.organization_id), rival.organization_id),
        "act_for list": service.client_with(listed, rival.organization_id),
        "act_for all": service.client_with(everybody, rival.organization_id),
    }


@pytest.mark.parametrize("attacker", ["own", "own, named", "act_for list", "act_for all"])
def test_no_route_shows_or_changes_what_is_anothers(service: Any, victim: Any, rival: Any, attacker: str) -> None:
    before = state_of(victim)
    client = attackers(service, victim, rival)[attacker]
    hidden = [victim.pool_id, victim.customer_id, victim.organization_id, "r-secret", "secret-policy"]
    for path, verb in routes(service):
        if path == "/v1/changes" and verb == "GET":
            continue  # test_streaming.py
        address, body = calls(path, verb, victim)
        answer = client.request(verb, address, json=None if verb in {"GET", "HEAD", "OPTIONS"} else body)
        said = answer.text
        for name in (*body.values(), *address.split("/")):  # What was asked may be said again.
            said = said.replace(str(name), "")
        assert answer.status_code < 500, (verb, path, answer.text)
        assert not any(secret in said for secret in hidden), (verb, path, answer.text)
        if answer.is_success and verb not in {"GET", "HEAD", "OPTIONS"} and victim.pool_id in json.dumps(body):
            assert path in NOT_ABOUT_POOLS, (verb, path, answer.text)
    assert state_of(victim) == before


@pytest.mark.parametrize(
    ("key", "named", "refusal"),
    [
        ({"organization_id": "rival"}, "victim", (403, "organization_not_allowed")),
        ({"organization_id": "reseller", "act_for": ["rival"]}, "victim", (403, "organization_not_allowed")),
        ({"organization_id": "reseller", "act_for": ["rival"]}, "reseller", (403, "organization_not_allowed")),
        ({"organization_id": "reseller", "act_for": "all"}, OPERATOR, (403, "organization_not_allowed")),
        ({"organization_id": "reseller", "act_for": ["victim"]}, "", (422, "organization_required")),
        ({"organization_id": OPERATOR, "act_for": "all"}, "", (422, "organization_required")),
        ({"organization_id": OPERATOR, "act_for": "all"}, "no-such-organization", (404, "unknown_organization")),
        ({"organization_id": "reseller", "act_for": ["no-such"]}, "no-such", (404, "unknown_organization")),
    ],
)
def test_no_route_is_open_to_a_key_for_an_organization_that_it_may_not_name(
    service: Any, victim: Any, rival: Any, key: dict[str, Any], named: str, refusal: tuple[int, str]
) -> None:
    ids = {"victim": victim.organization_id, "rival": rival.organization_id}
    known = {name: ids.get(value, value) if isinstance(value, str) else value for name, value in key.items()}
    if isinstance(known.get("act_for"), list):
        known["act_for"] = [ids.get(each, each) for each in known["act_for"]]
    before = state_of(victim)
    with service.client_with(service.key(**known), ids.get(named, named)) as client:
        for path, verb in [*operations(service), ("/v1/no-such-route", "GET")]:
            if refusal[0] == 404 and path == "/v1/commands/OpenPool" and verb == "POST":
                continue  # It would bring the organization into being.
            address, body = calls(path, verb, victim)
            answer = client.request(verb, address, json=None if verb == "GET" else body)
            assert (answer.status_code, answer.json()["code"]) == refusal, (verb, path, answer.text)
    assert state_of(victim) == before


def test_an_organization_is_named_once_and_as_it_is_called(service: Any, victim: Any) -> None:
    key = service.key("reseller", act_for=[victim.organization_id])
    body = {"customer_id": victim.customer_id, "resource_key": "sso"}
    for twice in ([victim.organization_id, "reseller"], ["reseller", victim.organization_id]):
        headers = [("authorization", f"Bearer {key}"), *((NAMED, each) for each in twice)]
        answer = httpx.post(f"{service.url}/v1/check", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_organization")
    with service.client_with(key, victim.organization_id.upper()) as client:
        assert client.post("/v1/check", json=body).json()["code"] == "organization_not_allowed"


def test_the_operators_key_sets_an_organization_up_from_nothing(service: Any) -> None:
    """Done, and all of it asked about at once: nothing is refused because the read models are behind."""
    key = service.key(OPERATOR, act_for="all")
    organization = f"new-{secrets.token_hex(4)} Ünlimited"
    name = quote(organization)
    with service.client_with(key, name) as http:
        pool = {"pool_id": f"pool-{secrets.token_hex(4)}"}
        customer = f"ws-{secrets.token_hex(4)}"
        assert http.get("/v1/keys").json()["code"] == "unknown_organization"
        assert http.post("/v1/commands/OpenPool", json=pool).is_success
        # The read models may not know it yet.
        made = http.post("/v1/keys", json={"scopes": ["read"]})
        assert made.json()["organization_id"] == organization
        sent = pool | {"provision_id": "plan", "source": "subscription", "set_id": "free"}
        assert http.post("/v1/commands/ProvisionPool", json=sent).is_success
        sent = pool | {"workspace_id": customer, "role": "primary"}
        token = http.post("/v1/commands/AssignWorkspace", json=sent).headers["entitlements-consistency"]
        used = http.post("/v1/usage", json={"customer_id": customer, "resource_key": "api_calls", "quantity": 7})
        assert used.is_success, used.text
        asked = {"customer_id": customer, "resource_key": "api_calls", "quantity": 93}
        token = ",".join([token, *(each.headers["entitlements-consistency"] for each in (used, made))])
        assert http.post("/v1/check", json=asked, headers={"entitlements-consistency": token}).json()["allowed"]
        assert http.get(f"/v1/pools/{pool['pool_id']}").json()["organization_id"] == organization
    own = {"authorization": f"Bearer {made.json()['key']}"}
    assert httpx.post(f"{service.url}/v1/check", json=asked, headers=own).json()["remaining"] == 93


def test_the_ledger_says_who_acted_for_whom(service: Any, victim: Any) -> None:
    """Of commands and of each line of usage, single or in a batch, taken or refused."""
    key = service.key(OPERATOR, act_for="all")
    actor = f"key:{key.split('_')[1]}@{OPERATOR} for {victim.organization_id}"
    used = {"customer_id": victim.customer_id, "resource_key": "api_calls"}
    cloud = {
        "specversion": "1.0",
        "id": "e",
        "source": "s",
        "type": "entitlements.usage",
        "subject": victim.customer_id,
    }
    with service.client_with(key, victim.organization_id) as http:
        http.post("/v1/usage", json=used | {"quantity": 1})
        http.post("/v1/usage", json=used | {"quantity": 1_000})
        cloud |= {"data": {"resource_key": "api_calls", "quantity": 2}}
        headers = {"content-type": "application/cloudevents-batch+json"}
        assert http.post("/v1/events", content=json.dumps([cloud]), headers=headers).is_success
        assert http.put("/v1/policies/by-the-operator", json={"effect": "ALLOW", "reason": "r"}).is_success
        assert http.delete("/v1/policies/by-the-operator").is_success
    victim.http.post("/v1/usage", json=used | {"quantity": 3})
    told = set()
    for event in (each for of in driving.read_ledger(service.settings, adds_up=False).events.values() for each in of):
        record = event.record
        if record["originator_id"] in {victim.pool_id, victim.organization_id}:
            told |= {(event.name, line["quantity"], record["actor"]) for line in record.get("lines", ())}
            told |= {(event.name, 0, record["actor"])} if record.get("policy_id") == "by-the-operator" else set()
    own = next(actor for name, quantity, actor in told if quantity == 3)
    assert own.startswith("key:")
    assert " for " not in own
    assert told - {("UsageRecorded", 3, own)} == {
        ("UsageRecorded", 1, actor), ("UsageRefused", 1_000, actor), ("UsageRecorded", 2, actor),
        ("AccessPolicyDefined", 0, actor), ("AccessPolicyRetired", 0, actor),
    }  # fmt: skip


@pytest.mark.parametrize("giver", ["own", "operator's own", "act_for all", "act_for list"])
def test_no_key_gives_act_for_or_widens_its_own(service: Any, victim: Any, giver: str) -> None:
    organization = victim.organization_id
    client = {
        "own": lambda: service.client(organization),
        "operator's own": lambda: service.client(OPERATOR),
        "act_for all": lambda: service.client_with(service.key(OPERATOR, act_for="all"), OPERATOR),
        "act_for list": lambda: service.client_with(service.key("reseller", act_for=[organization]), organization),
    }[giver]()
    by_hand = {"key_id": "k0123456789", "secret_sha256": "0" * 64, "scopes": ["read"]}
    with client:
        before = {each["key_id"] for each in client.get("/v1/keys").json()["items"]}
        for body in ({"act_for": "all"}, {"act_for": [organization]}, {"act_for": [organization, OPERATOR]}):
            answer = client.post("/v1/keys", json={"scopes": ["read"]} | body)
            assert (answer.status_code, answer.json()["code"]) == (403, "act_for_not_allowed"), answer.text
        for more in ({"acts_for_all": True}, {"act_for": [organization]}):
            answer = client.post("/v1/commands/CreateApiKey", json=by_hand | more)
            assert (answer.status_code, answer.json()["code"]) == (403, "act_for_not_allowed"), answer.text
        plain = client.post("/v1/keys", json={"scopes": ["read"]})
        token = plain.headers["entitlements-consistency"]
        after = client.get("/v1/keys", headers={"entitlements-consistency": token}).json()["items"]
    (new,) = [each for each in after if each["key_id"] not in before]
    assert (new["act_for"], new["unit_id"]) == ([], None)


def test_validators_and_caches_keep_organizations_apart(service: Any, victim: Any, rival: Any) -> None:
    """One key, one address, the same customer id: whatever a cache or a client has of one says nothing to the other."""
    rival.command("AssignWorkspace", workspace_id=victim.customer_id, role="primary")
    token = rival.command("EndProvision", provision_id="plan", when="now")
    key = service.key(OPERATOR, act_for="all")
    addresses = (f"/v1/customers/{victim.customer_id}/entitlements", "/v1/policy-set")
    with (
        service.client_with(key, victim.organization_id) as for_victim,
        service.client_with(key, rival.organization_id) as for_rival,
    ):
        for address in addresses:
            theirs = for_victim.get(address)
            ours = for_rival.get(address, headers={"entitlements-consistency": token})
            assert theirs.headers["etag"] != ours.headers["etag"]
            assert "Entitlements-Organization" in theirs.headers["vary"]
            known = {"if-none-match": theirs.headers["etag"]}
            assert for_victim.get(address, headers=known).status_code == 304
            answer = for_rival.get(address, headers=known)
            assert (answer.status_code, answer.json()["organization_id"]) == (200, rival.organization_id)
            assert "Entitlements-Organization" in answer.headers["vary"]
        keys = [for_one.get(addresses[0]).headers["surrogate-key"].split()[1] for for_one in (for_victim, for_rival)]
        assert len(set(keys)) == 2
        body = {"customer_id": victim.customer_id, "resource_key": "sso"}
        answers = [for_one.post("/v1/check", json=body).json()["allowed"] for for_one in [for_victim, for_rival] * 3]
        assert answers == [True, False] * 3


class Units:
    """A account with two customers in units of their own, and a key of one of them."""

    def __init__(self, service: Any, account: Any) -> None:
        self.account, self.inside, self.outside = account, f"{account.customer_id}-in", account.customer_id
        command = account.http.post
        for unit, parent in (("emea", ""), ("berlin", "emea"), ("apac", "")):
            sent = {"unit_id": unit, "parent_unit_id": parent}
            assert command("/v1/commands/DefineUnit", json=sent).is_success
        for customer, unit in ((self.inside, "berlin"), (self.outside, "apac")):
            assert command("/v1/commands/PlaceWorkspace", json={"workspace_id": customer, "unit_id": unit}).is_success
        self.token = account.command("AssignWorkspace", workspace_id=self.inside, role="primary")
        self.http = service.client_with(account.key("read", "use", unit_id="emea"))


def test_a_key_of_a_unit_reaches_its_customers_and_nobody_else(service: Any, account: Any) -> None:
    units = Units(service, account)
    pool, inside, outside = account.pool_id, units.inside, units.outside
    others = {"pool_id": pool, "resource_key": "api_calls", "quantity": 1, "reservation_id": "r-out"}
    assert account.http.post("/v1/reservations", json=others | {"customer_id": outside}).is_success
    calls_: list[tuple[str, str, Any]] = [
        ("POST", "/v1/check", {"customer_id": "WHO", "resource_key": "sso"}),
        ("POST", "/v1/checks", {"checks": [{"customer_id": "WHO", "resource_key": "sso"}]}),
        ("GET", "/v1/customers/WHO/entitlements", None),
        ("GET", "/v1/customers/WHO/entitlements/sso", None),
        ("POST", "/v1/remaining", {"customer_ids": ["WHO"], "resource_keys": ["sso"]}),
        ("POST", "/v1/usage", {"customer_id": "WHO", "resource_key": "api_calls"}),
        ("POST", "/v1/usage", {"customer_id": "WHO", "resource_key": "api_calls", "pool_id": pool}),
        ("POST", "/v1/reservations", {"customer_id": "WHO", "resource_key": "api_calls", "reservation_id": "r-WHO"}),
        ("POST", "/v1/reservations/r-WHO/extend", {"pool_id": pool, "expires_in": 60}),
        ("POST", "/v1/reservations/r-WHO/commit", {"pool_id": pool, "quantity": 1, "final": True}),
        ("POST", "/v1/access-log", {"decisions": [{"customer_id": "WHO"}]}),
    ]
    for verb, path, body in calls_:
        for customer in (inside, outside):
            name = "out" if customer == outside and "r-WHO" in path else customer
            sent = None if body is None else json.loads(json.dumps(body).replace("WHO", customer))
            answer = units.http.request(verb, path.replace("WHO", name), json=sent)
            if customer == inside:
                assert answer.is_success, (path, answer.text)
            else:
                assert (answer.status_code, answer.json()["code"]) == (403, "outside_unit"), (path, answer.text)
    refused: list[tuple[str, str, Any]] = [
        ("POST", "/v1/usage", {"pool_id": pool, "resource_key": "api_calls"}),
        ("POST", "/v1/reservations", {"pool_id": pool, "resource_key": "api_calls"}),
        ("GET", f"/v1/pools/{pool}", None),
    ]
    for verb, path, body in refused:
        answer = units.http.request(verb, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "outside_unit"), (path, answer.text)
    batch = units.http.post(
        "/v1/usage/batch",
        json={"usage": [{"customer_id": each, "resource_key": "api_calls"} for each in (inside, outside)]},
    )
    assert [each.get("code", each["status"]) for each in batch.json()["results"]] == ["recorded", "outside_unit"]
    common = {"source": "/s", "type": "t", "specversion": "1.0"}
    used = (
        {"customer_id": inside},
        {"customer_id": outside},
        {"customer_id": outside, "pool_id": pool},
        {"pool_id": pool},
    )
    events = [common | {"id": str(n), "data": {"resource_key": "api_calls"} | each} for n, each in enumerate(used)]
    kind = {"content-type": "application/cloudevents-batch+json"}
    told = units.http.post("/v1/events", content=json.dumps(events), headers=kind).json()
    assert (told["accepted"], {each["code"] for each in told["refused"]}) == (1, {"outside_unit"})
    for path, verb in routes(service):
        if (
            path != "/v1/events"
            and verb in {"POST", "PUT", "DELETE"}
            and path not in {each[1] for each in [*calls_, *refused]}
        ):
            address, sent = calls(path, verb, account)
            answer = units.http.request(verb, address, json=sent)
            assert not answer.is_success or path == "/v1/reservations/batch", (verb, path, answer.text)
    assert units.http.get("/v1/policy-set").is_success


#: Routes that answer with success although the body names a pool of somebody else: they look at the asker's own only.
NOT_ABOUT_POOLS = frozenset({"/v1/check", "/v1/policies/dry-run", "/v1/policies/{policy_id}"})


def test_a_pool_id_that_is_taken_is_no_more_than_unknown(victim: Any, rival: Any) -> None:
    answer = rival.http.post("/v1/commands/OpenPool", json={"pool_id": victim.pool_id})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_pool")


def test_the_same_customer_id_in_two_organizations_is_two_customers(victim: Any, rival: Any) -> None:
    token = rival.command("AssignWorkspace", workspace_id=victim.customer_id, role="primary")
    headers = {"entitlements-consistency": token}
    body = {"customer_id": victim.customer_id, "resource_key": "api_calls"}
    assert rival.http.post("/v1/check", json=body, headers=headers).json()["pool_id"] == rival.pool_id
    assert victim.check("api_calls")["pool_id"] == victim.pool_id
    used = rival.http.post("/v1/usage", json=body | {"quantity": 5})
    assert used.json()["pool_id"] == rival.pool_id
    token = rival.command("UnassignWorkspace", workspace_id=victim.customer_id)
    assert not rival.http.post("/v1/check", json=body, headers={"entitlements-consistency": token}).json()["allowed"]


def test_every_route_asks_who_it_is(service: Any, victim: Any) -> None:
    # One client: each would read all certificates, for eighty requests that need none.
    with httpx.Client(base_url=service.url) as client:
        for path, verb in routes(service):
            address, body = calls(path, verb, victim)
            answer = client.request(verb, address, json=None if verb == "GET" else body)
            if path in OPEN_PATHS:
                continue
            assert answer.status_code == 401, (verb, path)
        assert client.get("/v1/no-such-route").status_code == 401


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer ent_k0000000_" + "0" * 64])
def test_a_key_that_is_none_opens_nothing(service: Any, authorization: str) -> None:
    headers = {"authorization": authorization}
    answer = httpx.post(f"{service.url}/v1/check", json={"customer_id": "c", "resource_key": "k"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("scope", ["read", "use", "administer", "audit"])
def test_a_scope_opens_what_it_is_for_and_nothing_else(service: Any, victim: Any, scope: str) -> None:
    asked = {
        "read": ("POST", "/v1/check", {"customer_id": "c", "resource_key": "k"}),
        "use": ("POST", "/v1/usage", {"customer_id": "nobody", "resource_key": "k"}),
        "administer": ("POST", "/v1/commands/SuspendPool", {"pool_id": "no-such-pool"}),
        "audit": ("GET", "/v1/access-log", None),
    }
    with service.client(victim.organization_id, [scope]) as client:
        for needed, (verb, path, body) in asked.items():
            answer = client.request(verb, path, json=body)
            is_refused = answer.status_code == 403 and answer.json()["code"] == "insufficient_scope"
            assert is_refused == (needed != scope), (scope, needed, answer.text)


def test_a_key_is_made_used_and_taken_back(service: Any, victim: Any) -> None:
    made = victim.http.post("/v1/keys", json={"name": "checkout", "scopes": ["read"]})
    key, token = made.json(), made.headers["entitlements-consistency"]
    listed = victim.http.get("/v1/keys", headers={"entitlements-consistency": token}).json()["items"]
    assert key["key_id"] in [each["key_id"] for each in listed]
    assert "secret_sha256" not in json.dumps(listed)
    headers = {"authorization": f"Bearer {key['key']}"}
    asked = {"customer_id": victim.customer_id, "resource_key": "sso"}
    assert httpx.post(f"{service.url}/v1/check", json=asked, headers=headers).json()["allowed"]
    with service.client(victim.organization_id, ["administer"]) as weak:
        assert weak.post("/v1/keys", json={"scopes": ["read"]}).json()["code"] == "insufficient_scope"
        by_hand = {"key_id": "k0123456789", "secret_sha256": "0" * 64, "scopes": ["administer", "audit"]}
        answer = weak.post("/v1/commands/CreateApiKey", json=by_hand)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert victim.http.delete(f"/v1/keys/{key['key_id']}").status_code == 200


def test_a_key_works_at_once_when_it_is_answered(service: Any, victim: Any) -> None:
    asked = {"customer_id": victim.customer_id, "resource_key": "sso"}
    for n in range(5):
        made = victim.http.post("/v1/keys", json={"name": f"n-{n}", "scopes": ["read"]}).json()
        headers = {"authorization": f"Bearer {made['key']}"}
        assert httpx.post(f"{service.url}/v1/check", json=asked, headers=headers).status_code == 200


def test_a_key_where_its_id_belongs_is_written_nowhere(victim: Any) -> None:
    """Whoever mixes them up must not leave a secret in the ledger, an answer or a log."""
    made = victim.http.post("/v1/keys", json={"scopes": ["read"]}).json()
    key, secret = made["key"], made["key"].rpartition("_")[2]
    answers = [
        victim.http.delete(f"/v1/keys/{key}"),
        victim.http.post("/v1/commands/RevokeApiKey", json={"key_id": key}),
        victim.http.post(
            "/v1/commands/CreateApiKey", json={"key_id": key, "secret_sha256": "0" * 64, "scopes": ["read"]}
        ),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_id"), answer.text
        assert "this is the API key itself" in answer.json()["detail"]
        assert secret not in answer.text
    elsewhere = [
        victim.http.get("/v1/pools", params={key: "1"}),
        victim.http.post("/v1/usage", json={key: 1, "customer_id": "c", "resource_key": "k"}),
        victim.http.post("/v1/check", json={key: 1, "customer_id": "c", "resource_key": "k"}),
        victim.http.get(f"/v1/{key}"),
        victim.http.post(f"/v1/commands/{key}", json={}),
    ]
    for answer in elsewhere:
        assert answer.status_code in {404, 422}
        assert secret not in answer.text
    assert victim.http.delete(f"/v1/keys/{made['key_id']}").is_success


def test_the_catalogue_is_the_operators(account: Any) -> None:
    body = {"resource_key": "api_calls", "name": "mine", "data_type": "integer"}
    before = account.http.get("/v1/resource-keys/api_calls").json()
    answer = account.http.post("/v1/commands/DefineResourceKey", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "operator_only")
    said = "Only the operator can define the catalogue. Use an API key of the operator's organization, or one that acts for it."
    assert answer.json()["detail"] == said
    assert account.http.get("/v1/resource-keys/api_calls").json() == before


def test_the_operators_key_defines_the_catalogue_for_the_operator_alone(service: Any, account: Any) -> None:
    key = service.key(OPERATOR, act_for="all")
    body = {"resource_key": f"key-{account.pool_id}", "name": "k", "data_type": "boolean"}
    answers = {}
    for named in (OPERATOR, account.organization_id, ""):
        with service.client_with(key, named) as client:
            answer = client.post("/v1/commands/DefineResourceKey", json=body)
        answers[named] = answer.json().get("code", answer.json()["status"])
    assert answers == {OPERATOR: "accepted", account.organization_id: "operator_only", "": "organization_required"}
