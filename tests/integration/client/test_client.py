"""The client against the whole service on real Kafka and Postgres."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.serving import OPERATOR
from tests.standing_still import standing_still

from entitlements.domain.commands import SuspendPool
from entitlements.ledger.caller import new_id
from entitlements_client import (
    AsyncEntitlements,
    Cached,
    Client,
    Entitlements,
    FailClosed,
    LeaseTerms,
    Local,
    Remote,
    Request,
    Sampling,
    Service,
    UsageBuffer,
)
from entitlements_client.errors import (
    InsufficientScope,
    NotFound,
    OrganizationRequired,
    QuotaExceeded,
    Unauthenticated,
    UnknownReservation,
)


def eventually(holds: Any, within: float = 20.0) -> Any:
    until = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < until, "not in time"
        time.sleep(0.01)
    return found


# --- Transport ---


def test_a_decision_of_the_service_is_understood_whole(account: Any) -> None:
    found = account.client.check(account.customer_id, "api_calls", 100, consistency=account.token)
    assert (found.allowed, found.remaining, found.pool_id, found.source) == (True, 100, account.pool_id, "SERVICE")
    assert [each["provision_id"] for each in found.contributions] == ["plan"]
    many = account.client.check_each([account.customer_id, "nobody"], ["sso", "export"])
    assert [(each.customer_id == account.customer_id, each.resource_key, each.allowed) for each in many] == [
        (True, "sso", True), (True, "export", False), (False, "sso", False), (False, "export", False),
    ]  # fmt: skip


def test_what_ends_is_told_apart_from_what_resets_and_what_is_defined_from_what_is_not(account: Any) -> None:
    customer, ends_at = account.customer_id, "2100-01-01T00:00:00Z"
    account.command("CapMember", workspace_id=customer, resource_key="api_calls", amount=5, period="day")
    token = account.command("IssueGrant", grant_id="gift", set_id="extra", reason="a test", ends_at=ends_at)
    has = account.client.entitlements(customer, consistency=token).value.entitlements
    assert (has["api_calls"].valid_until is None, has["api_calls"].ends_at) == (False, None), "the day of the cap ends"
    assert (has["export"].valid_until, has["export"].ends_at) == (ends_at, ends_at)
    found = account.client.check(customer, "export", consistency=token)
    assert (found.allowed, found.ends_at) == (True, ends_at)
    told = account.client.check_each([customer, "nobody"], ["sso", "api_calls", "nothing"])
    assert [each.data_type for each in told] == ["boolean", "integer", None] * 2
    for way in (Remote(), Cached()):
        with Entitlements(account.address, way) as entitlements:
            decisions = [entitlements.check("nobody", key) for key in ("sso", "api_calls", "nothing")]
            assert [each.data_type for each in decisions] == ["boolean", "integer", None]


def test_usage_with_one_key_has_one_effect_and_a_read_with_its_token_knows_it(account: Any) -> None:
    line = {"customer_id": account.customer_id, "resource_key": "api_calls", "quantity": 7, "usage_id": "u-1"}
    recorded = [account.client.record_usage(line, idempotency_key="same") for _ in range(3)]
    assert {(each.usage_id, each.pool_id) for each in recorded} == {("u-1", account.pool_id)}
    assert account.left(recorded[0].consistency_token)["consumed"] == 7
    with pytest.raises(QuotaExceeded):
        account.client.record_usage(line | {"quantity": 94, "usage_id": "u-2"})


def test_a_batch_says_of_each_line_what_became_of_it(account: Any) -> None:
    good = {"customer_id": account.customer_id, "resource_key": "api_calls", "quantity": 2, "mode": "report"}
    results = account.client.record_usage_batch([good, good | {"customer_id": "nobody"}, good])
    assert [each.get("code") for each in results] == [None, "unknown_customer", None]


def test_a_reservation_is_extended_committed_in_parts_and_released(account: Any) -> None:
    client = account.client
    held = client.reserve(account.customer_id, "api_calls", 30, expires_in=60)
    client.extend(held.reservation_id, held.pool_id, expires_in=120)
    client.commit(held.reservation_id, held.pool_id, 5)
    token = client.commit(held.reservation_id, held.pool_id, 4)["consistency_token"]
    assert (account.left(token)["consumed"], account.left(token)["reserved"]) == (9, 21)
    token = client.release(held.reservation_id, held.pool_id)["consistency_token"]
    assert (account.left(token)["consumed"], account.left(token)["reserved"]) == (9, 0)
    with pytest.raises(UnknownReservation):
        client.commit(held.reservation_id, held.pool_id, 1)


def test_cloudevents_are_usage(account: Any) -> None:
    from entitlements_client import Client

    event = {
        "specversion": "1.0", "type": "api_calls", "source": "/tests", "id": "e-1", "subject": account.customer_id,
        "data": {"resource_key": "api_calls", "quantity": 3},
    }  # fmt: skip
    with Client(account.address) as client:
        answer = client.send_events([event, event | {"id": "e-2"}])
    assert answer["accepted"] == 2, answer
    assert account.left(answer["consistency_token"])["consumed"] == 6


def test_foreign_and_unknown_keys_are_told_apart_from_missing_scopes(account: Any, installation: Any) -> None:
    from entitlements_client import Client

    with Client(Service(installation.url, "ent_nobody_nothing")) as client, pytest.raises(Unauthenticated):
        client.check(account.customer_id, "sso")
    reader = Service(installation.url, installation.key(account.organization_id, ("read",)))
    with Client(reader) as client, pytest.raises(InsufficientScope):
        client.command("OpenPool", {"pool_id": "another"})
    with Client(Service(installation.url, installation.key("org-foreign"))) as client:
        assert not client.check(account.customer_id, "sso", consistency=account.token).allowed
        with pytest.raises(NotFound):
            client.reserve(account.customer_id, "api_calls", 1, expires_in=60)


# --- Three ways to decide ---


def test_cached_answers_by_the_service_s_own_etags(account: Any) -> None:
    with Entitlements(account.address, Cached(ttl=0.2, stale_for=5.0)) as entitlements:
        assert entitlements.check(account.customer_id, "sso").source == "CACHED"
        time.sleep(0.25)
        assert entitlements.check(account.customer_id, "sso").source == "STALE"
        eventually(lambda: entitlements.check(account.customer_id, "sso").source == "CACHED")


def test_local_follows_grants_and_revocations(account: Any) -> None:
    export = Request(account.customer_id, "export")
    with Entitlements(account.address, Local()) as entitlements:
        assert entitlements.wait_until_connected()
        assert not entitlements.decide(export).allowed
        account.command("IssueGrant", grant_id="gift", set_id="extra", reason="a test")
        assert entitlements.wait_until(export, lambda decision: decision.allowed)
        found = entitlements.decide(export)
        assert found.source in {"LOCAL", "CACHED"}
        account.command("RevokeGrant", grant_id="gift", reason="a test")
        assert entitlements.wait_until(export, lambda decision: not decision.allowed)


def test_local_answers_are_vouched_for_soon(account: Any) -> None:
    with Entitlements(account.address, Local()) as entitlements:
        assert entitlements.wait_until_connected()
        eventually(lambda: entitlements.check(account.customer_id, "sso").source == "LOCAL")
        assert entitlements.staleness_bound == 30.0


def test_local_decides_by_the_policies_and_hears_when_they_change(account: Any) -> None:
    sso = Request(account.customer_id, "sso")
    policy = {"policy_id": "no-sso", "name": "No", "effect": "DENY", "resource_keys": ["sso"]}
    with Entitlements(account.address, Local()) as entitlements:
        assert entitlements.wait_until_connected()
        assert entitlements.decide(sso).allowed
        document = json.dumps(policy, sort_keys=True, separators=(",", ":"))
        fields = {"policy_id": "no-sso", "name": "No", "effect": "DENY", "document": document}
        account.client.command("DefineAccessPolicy", {"organization_id": account.organization_id, **fields})
        assert entitlements.wait_until(sso, lambda decision: decision.reason_code == "policy_denied")


def test_a_revocation_while_the_service_is_gone_is_heard_when_it_is_back(account: Any, installation: Any) -> None:
    sso = Request(account.customer_id, "sso")
    with Entitlements(account.address, Local(bound=4.0)) as entitlements:
        assert entitlements.wait_until_connected()
        eventually(lambda: entitlements.decide(sso).source == "LOCAL")
        pid = installation.supervisor.pids()["api"]
        os.kill(pid, signal.SIGKILL)
        # Past the API, whose process is not there: the supervisor starts another.
        installation.do(SuspendPool(command_id=new_id(), pool_id=account.pool_id, reason="a test"))
        revoked_at = time.monotonic()
        while entitlements.decide(sso).allowed and entitlements.decide(sso).source != "STALE":
            assert time.monotonic() - revoked_at < 4.0 + 2.0, "the bound is over, and nothing is said to be stale"
            time.sleep(0.005)
        eventually(lambda: not entitlements.decide(sso).allowed, within=20.0)
        eventually(lambda: entitlements.decide(sso).source == "LOCAL", within=20.0)


def test_asyncio_decides_alike(account: Any) -> None:
    async def main() -> list[str]:
        async with AsyncEntitlements(account.address, Cached()) as entitlements:
            found = await asyncio.gather(*(entitlements.check(account.customer_id, "sso") for _ in range(5)))
            assert all(each.allowed for each in found)
            first = await entitlements.client.check(account.customer_id, "sso")
            return [first.source, *(each.source for each in found)]

    assert asyncio.run(main()) == ["SERVICE"] + ["CACHED"] * 5


def test_many_questions_are_one_request(account: Any) -> None:
    with Entitlements(account.address, Remote()) as entitlements:
        asked = [Request(account.customer_id, key) for key in ("sso", "export") * 500]
        found = entitlements.decide_all(asked)
    assert [each.allowed for each in found] == [True, False] * 500


# --- Leases, usage, access log ---


def test_a_strict_limit_stays_strict_with_leases(account: Any) -> None:
    terms = LeaseTerms(quantity=16, term=20, margin=2.0)
    clients = [Entitlements(account.address, Remote(), leases=terms, otherwise=FailClosed()) for _ in range(3)]
    taken: list[int] = []

    def take(entitlements: Entitlements) -> None:
        lease = entitlements.lease(account.customer_id, "api_calls")
        while lease.take(wait_for=10.0).allowed:
            taken.append(1)

    threads = [threading.Thread(target=take, args=(entitlements,)) for entitlements in clients for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for entitlements in clients:
        entitlements.close()
    left = eventually(lambda: (found := account.left()) and not found["reserved"] and found)
    assert left["consumed"] == len(taken) <= 100
    assert len(taken) >= 100 - 2 * 16, "what others held and did not use at the end is all that may be left"


def test_usage_waits_on_disk_and_is_counted_once(account: Any, tmp_path: Path) -> None:
    buffer = UsageBuffer(tmp_path / "usage.sqlite")
    for number in range(10):
        buffer.add(
            {"customer_id": account.customer_id, "resource_key": "api_calls", "quantity": 2}, usage_id=f"u-{number}"
        )
    with Entitlements(account.address, Remote(), usage=buffer) as entitlements:
        entitlements.report_usage(account.customer_id, "api_calls", 5)
        eventually(lambda: buffer.progress().waiting == 0)
        assert (buffer.progress().reported, buffer.progress().put_aside) == (11, 0)
    assert eventually(lambda: account.left()["consumed"] == 25)


def test_usage_of_a_customer_that_was_made_just_now_waits_for_the_read_models(
    account: Any, installation: Any, tmp_path: Path
) -> None:
    buffer, projector = UsageBuffer(tmp_path / "usage.sqlite"), installation.supervisor.pids()["projector"]
    with Entitlements(account.address, Remote(), usage=buffer) as entitlements:
        with standing_still(projector):
            account.command("AssignWorkspace", workspace_id="just-made", role="primary")
            entitlements.report_usage("just-made", "api_calls", 3)
            eventually(lambda: buffer.progress().failure)
            assert (buffer.progress().waiting, buffer.aside()) == (1, [])
        eventually(lambda: buffer.progress().waiting == 0)
        assert (buffer.progress().reported, buffer.aside()) == (1, [])
    assert eventually(lambda: account.left()["consumed"] == 3)


def test_local_decisions_are_told_to_the_access_log(account: Any) -> None:
    with Entitlements(account.address, Cached(), access_log=Sampling(allowed=1.0)) as entitlements:
        entitlements.check(account.customer_id, "sso")
        entitlements.check(account.customer_id, "export")
    assert entitlements._reports.told == 2, "the service took them"
    assert entitlements.dropped_reports == 0


def test_one_client_follows_many_organizations_by_the_operators_key(
    account: Any, installation: Any, tmp_path: Path
) -> None:
    """The same customer in two organizations: set up, asked, followed, leased and counted apart, by one key and one object."""
    key = installation.key(OPERATOR, act_for="all")
    address = Service(installation.url, key)
    own, other, customer = account.organization_id, f"{account.organization_id}-2", account.customer_id
    pool = {"pool_id": f"{account.pool_id}-2"}
    terms = LeaseTerms(quantity=20, unsettled_max=0)
    usage = UsageBuffer(tmp_path / "usage.sqlite")
    with Entitlements(address, Local(), usage=usage, leases=terms) as entitlements:
        client = entitlements.client
        client.command("OpenPool", pool, organization=other)
        plan = pool | {"provision_id": "plan", "source": "subscription", "set_id": "free"}
        client.command("ProvisionPool", plan, organization=other)
        assigned = client.command(
            "AssignWorkspace", pool | {"workspace_id": customer, "role": "primary"}, organization=other
        )
        client.entitlements(customer, consistency=assigned["consistency_token"], organization=other)
        for organization in (own, other):
            assert entitlements.wait_until_connected(organization=organization)
            assert entitlements.check(customer, "sso", organization=organization).allowed
        client.command("EndProvision", {**pool, "provision_id": "plan", "when": "now"}, organization=other)
        asked = Request(customer, "sso")
        assert entitlements.wait_until(asked, lambda found: not found.allowed, 10.0, organization=other) is not None
        assert entitlements.check(customer, "sso", organization=own).allowed
        assert entitlements.lease(customer, "api_calls", organization=own).take(20).allowed
        assert not entitlements.lease(customer, "api_calls", organization=other).take(1).allowed
        entitlements.report_usage(customer, "api_calls", 30, organization=own)
    # What was reported is in the ledger before this is.
    latest = account.command("AssignWorkspace", workspace_id=customer, role="primary")
    assert account.left(latest)["consumed"] == 50
    with pytest.raises(OrganizationRequired), Client(address) as asking:
        asking.check(customer, "sso")
