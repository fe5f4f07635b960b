"""One client, one key, many organizations: what is one's is never another's, and each request names its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from modelled import ModelBehindHttp, ModelService
from scripted import NO_POLICIES, Asked, Reply, Script, ScriptedService, eventually, feature, view

from entitlements_client import (
    AsyncEntitlements,
    Cached,
    Client,
    Entitlements,
    FailOpen,
    LeaseTerms,
    Local,
    Remote,
    Request,
    Sampling,
    UsageBuffer,
)
from entitlements_client.asking.organizations import Parts
from entitlements_client.errors import (
    ClientIsClosed,
    OrganizationNotAllowed,
    OrganizationRequired,
    OutsideUnit,
    UnknownOrganization,
)
from entitlements_client.frameworks.requirement import Asked as Understood
from entitlements_client.frameworks.requirement import Requirement, pass_waiting
from entitlements_client.leasing.journal import SLOT_BYTES, SUFFIX, Journal, Orphan
from entitlements_client.leasing.terms import Holding
from entitlements_client.transport import lists, methods

Serve = Callable[[Script], ScriptedService]
HEADER = "entitlements-organization"


@dataclass
class Installation:
    """Organizations that have customers of the same name; each has a feature `sso` or has not, and counts usage of its own."""

    sso: dict[str, bool] = field(default_factory=lambda: {"acme": True, "globex": False})
    usage: dict[str, dict[str, int]] = field(default_factory=dict)
    reported: dict[str, list[str]] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)
    away: set[str] = field(default_factory=set)

    def __call__(self, asked: Asked) -> Reply | None:  # noqa: PLR0911 - one for each route.
        organization = unquote(asked.headers.get(HEADER, ""))
        self.named.append(organization)
        if organization in self.away:
            return None
        if not organization:
            return 422, {"code": "organization_required", "status": 422, "detail": "Name one."}
        if organization not in self.sso:
            return 403, {"code": "organization_not_allowed", "status": 403, "detail": "Another."}
        if asked.path == "/v1/policy-set":
            return 200, NO_POLICIES, {"ETag": '"p"'}
        if asked.path == "/v1/usage/batch":
            lines = asked.body["usage"]
            counted = self.usage.setdefault(organization, {})
            counted |= {line["usage_id"]: line["quantity"] for line in lines}
            return 200, {"results": [{"status": "recorded"} for _ in lines]}
        if asked.path == "/v1/access-log":
            names = [entry["customer_id"] for entry in asked.body["decisions"]]
            self.reported.setdefault(organization, []).extend(names)
            return 200, {"accepted": len(names)}
        document = view("ws", sso=feature(allowed=self.sso[organization])) | {"organization_id": organization}
        if asked.headers.get("if-none-match") == '"same"':
            return 304, None, {"ETag": '"same"'}
        # The service tells organizations apart by the validator; a client that mixed them up would be told 304 here.
        return 200, document, {"ETag": '"same"'}


@pytest.mark.parametrize("way", [Cached(), Cached(ttl=0.0, stale_for=0.0)])
def test_what_is_known_of_one_organization_is_nothing_of_another(serve: Serve, way: Any) -> None:
    installation = Installation()
    with Entitlements(serve(installation).service(), way) as entitlements:
        for _ in range(3):
            assert entitlements.check("ws", "sso", organization="acme").allowed
            assert not entitlements.check("ws", "sso", organization="globex").allowed
        assert entitlements.for_organization("acme").check("ws", "sso").allowed
        asked = [Request("ws", "sso")] * 2
        assert [one.allowed for one in entitlements.decide_all(asked, organization="globex")] == [False, False]
        assert entitlements.for_organization("acme") is entitlements.for_organization("acme")
    assert set(installation.named) == {"acme", "globex"}


def test_asyncio_tells_them_apart_too(serve: Serve) -> None:
    async def ask(service: Any) -> list[bool]:
        async with AsyncEntitlements(service, Cached()) as entitlements:
            found = [await entitlements.check("ws", "sso", organization=name) for name in ("acme", "globex", "acme")]
            found += await entitlements.decide_all([Request("ws", "sso")], organization="globex")
            return [decision.allowed for decision in found]

    assert asyncio.run(ask(serve(Installation()).service())) == [True, False, True, False]


def test_who_names_none_or_another_is_told_so_and_no_failure_mode_answers(serve: Serve) -> None:
    with Entitlements(serve(Installation()).service(), Cached(), otherwise=FailOpen()) as entitlements:
        with pytest.raises(OrganizationRequired):
            entitlements.check("ws", "sso")
        with pytest.raises(OrganizationNotAllowed):
            entitlements.check("ws", "sso", organization="initech")
        assert entitlements.check("ws", "sso", organization="acme").allowed


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [("unknown_organization", 404, UnknownOrganization), ("outside_unit", 403, OutsideUnit)],
)
def test_errors_have_kinds_of_their_own(serve: Serve, code: str, status: int, kind: type[Exception]) -> None:
    with (
        Client(serve(lambda _: (status, {"code": code, "status": status})).service()) as client,
        pytest.raises(kind),
    ):
        client.check("ws", "sso", organization="acme")


def test_every_method_takes_an_organization_and_a_client_may_have_one_for_all(serve: Serve) -> None:
    every = vars(methods.Methods) | vars(lists.Lists)
    described = [value for name, value in every.items() if not name.startswith("_")]
    assert len(described) > 30
    assert all("organization" in inspect.signature(each.describe).parameters for each in described)
    installation = Installation({"Ünïcode / 50%": True})
    with Client(serve(installation).service()) as client:
        client.policy_set(organization="Ünïcode / 50%")
        acting = client.acting_for("Ünïcode / 50%")
        acting.policy_set()
        acting.close()  # Its connections are the client's.
        with pytest.raises(OrganizationNotAllowed):
            acting.policy_set(organization="acme")
        client.policy_set(organization="Ünïcode / 50%")
    assert installation.named == ["Ünïcode / 50%"] * 2 + ["acme", "Ünïcode / 50%"]


def test_a_service_may_be_of_one_organization(serve: Serve) -> None:
    service = replace(serve(Installation()).service(), organization="acme")
    with Entitlements(service, Cached()) as entitlements:
        assert entitlements.check("ws", "sso").allowed
        assert entitlements.for_organization("acme") is entitlements
        assert not entitlements.check("ws", "sso", organization="globex").allowed
        assert entitlements.lease("ws", "k").organization == "acme"


def test_usage_waits_in_one_file_and_is_told_to_its_organization(serve: Serve, tmp_path: Path) -> None:
    installation, path = Installation(away={"globex"}), tmp_path / "usage.sqlite"
    service = serve(installation).service(change_within=0.2)
    buffer = UsageBuffer(path)
    for organization in ("acme", "globex"):
        # The same id in two organizations is two lines.
        for quantity in (3, 4):
            line: Any = {"customer_id": "ws", "resource_key": "k", "quantity": quantity}
            buffer.add(line, usage_id="same", organization=organization)
    with Client(service) as client:
        assert not buffer.flush(client)  # What one organization is kept waiting for holds no other up.
        assert installation.usage == {"acme": {"same": 3}}
        assert (buffer.progress().waiting, bool(buffer.progress().failure)) == (1, True)
        buffer.close()
        installation.away.clear()
        later = UsageBuffer(path)
        later.flush(client)
        later.close()
    assert installation.usage == {"acme": {"same": 3}, "globex": {"same": 3}}


def test_usage_that_is_never_taken_is_put_aside_with_its_organization(serve: Serve, tmp_path: Path) -> None:
    def refuse(_: Asked) -> Reply:
        return 200, {"results": [{"status": 404, "code": "unknown_customer"}]}

    buffer = UsageBuffer(tmp_path / "usage.sqlite")
    buffer.add({"customer_id": "ws", "resource_key": "k", "quantity": 1}, organization="acme")
    with Client(serve(refuse).service()) as client:
        buffer.flush(client)
    (aside,) = buffer.aside()
    assert (aside["organization"], aside["code"]) == ("acme", "unknown_customer")
    buffer.close()


def test_decisions_are_told_to_the_access_log_of_their_organization(serve: Serve) -> None:
    installation = Installation()
    sampling = Sampling(allowed=1.0)
    with Entitlements(serve(installation).service(), Cached(), access_log=sampling) as entitlements:
        for organization in ("acme", "globex", "acme"):
            entitlements.check("ws", "sso", organization=organization)
        entitlements.check("ws", "sso", organization="acme")
    assert {name: len(told) for name, told in installation.reported.items()} == {"acme": 3, "globex": 1}


TERMS = LeaseTerms(quantity=3, term=5, margin=1.0, settle_every=0.05, unsettled_max=3)


def test_leases_are_drawn_from_their_own_organization(serve: Serve) -> None:
    quotas = {"acme": ModelService(5), "globex": ModelService(1)}
    behind = {name: ModelBehindHttp(model) for name, model in quotas.items()}
    service = serve(lambda asked: behind[asked.headers[HEADER]](asked)).service()
    with Entitlements(service, Remote(), leases=TERMS) as entitlements:
        taken = {
            name: sum(entitlements.lease("acme", "api_calls", organization=name).take().allowed for _ in range(7))
            for name in quotas
        }
        assert taken == {"acme": 5, "globex": 1}
        assert entitlements.lease("acme", "api_calls", organization="acme") is entitlements.for_organization(
            "acme"
        ).lease("acme", "api_calls")
    assert {name: model.consumed for name, model in quotas.items()} == taken


def test_what_a_killed_process_had_drawn_is_settled_with_its_organization(tmp_path: Path) -> None:
    worst = "\x01" * 128  # Six bytes each in JSON.
    journal = Journal(tmp_path)
    journal.begin(Holding("r" * 32, worst, 9, usable_until=0, renewed_at=0), worst, worst, worst)
    journal.leave()
    (orphan,) = Orphan.all_in(tmp_path)
    (left,) = orphan.holdings()
    assert (left.organization, left.customer_id, left.holding.quantity) == (worst, worst, 9)
    assert next(tmp_path.glob(f"*{SUFFIX}")).stat().st_size % SLOT_BYTES == 0
    orphan.leave()


class Part:
    """Counts how many there are."""

    alive = 0

    def __init__(self, name: str) -> None:
        self.name, self.used_at, self.is_listened_to = name, 0.0, False
        Part.alive += 1

    def stop(self) -> None:
        Part.alive -= 1


def test_no_more_organizations_are_kept_than_stated_and_those_that_somebody_hears_of_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Part, "alive", 0)
    parts = Parts(Part, 3)
    first = parts.of("heard of")
    first.is_listened_to = True
    for number in range(20):
        parts.of(str(number))
        parts.of("often")
    assert parts.of("heard of") is first
    eventually(lambda: Part.alive == 3)
    before = Part.alive
    parts.of("often")
    assert Part.alive == before
    parts.stop()
    assert Part.alive == 0
    with pytest.raises(ClientIsClosed):
        parts.of("another")


def test_whoever_holds_the_part_of_an_organization_that_was_let_go_is_answered_all_the_same(serve: Serve) -> None:
    with Entitlements(serve(Installation()).service(), Cached(), organizations_max=1) as entitlements:
        acme = entitlements.for_organization("acme")
        for _ in range(3):
            assert not entitlements.check("ws", "sso", organization="globex").allowed
            assert acme.check("ws", "sso").allowed
        assert entitlements.for_organization("acme") is not acme
        with acme:
            pass  # It is not the first one's end.
        assert entitlements.check("ws", "sso", organization="globex").source == "CACHED"
    with pytest.raises(ClientIsClosed):
        acme.check("ws", "sso")


def test_each_organization_is_followed_when_it_is_first_asked_about(serve: Serve) -> None:
    installation = Installation()
    heard: list[str] = []

    def script(asked: Asked) -> Reply | None:
        if asked.path.startswith("/v1/changes") and asked.headers.get(HEADER):
            heard.append(asked.headers[HEADER])
            return 200, lambda: iter(["id: c0:1\nevent: hello\ndata: {}\n\n"])
        return installation(asked)

    service = serve(script)
    with Entitlements(service.service(), Local(customers=["somebody"])) as entitlements:
        assert entitlements.wait_until_connected(5.0, organization="acme")
        assert not entitlements.wait_until_connected(0.05)
        follower = entitlements._follower
        assert follower is not None
        eventually(lambda: not follower._thread.is_alive())  # Without an organization there is nothing to follow.
        assert entitlements.check("ws", "sso", organization="acme").allowed
    assert set(heard) == {"acme"}
    # The customers to follow are the first organization's.
    assert not any("somebody" in asked.path for asked in service.asked if asked.headers.get(HEADER))


def test_a_view_of_a_framework_may_be_of_many_organizations(serve: Serve) -> None:
    with Entitlements(serve(Installation()).service(), Cached()) as entitlements:
        understood: Understood[dict[str, str]] = Understood(
            entitlements=entitlements,
            customer=lambda _: "ws",
            organization=lambda request: request["org"],
        )
        assert pass_waiting(Requirement(resource_key="sso"), understood, {"org": "acme"}).decision.allowed
        passed = pass_waiting(Requirement(resource_key="sso"), understood, {"org": "acme"})
        assert passed.entitlements.service.organization == "acme"
