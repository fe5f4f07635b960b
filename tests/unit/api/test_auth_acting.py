"""For whom a key may act, and what a request of it is then made for and by."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import pytest

from entitlements.api.auth.acting import acting_for, may_act_for
from entitlements.api.auth.claims import identity_by
from entitlements.api.auth.errors import OrganizationNotAllowed, OutsideUnit
from entitlements.api.auth.rates import Rates
from entitlements.api.identity import OWN, ActFor, Identity, Unauthenticated
from entitlements.api.sending import envelope
from entitlements.api.units import KNOWN_FOR, Units
from entitlements.settings import Settings

OPERATOR = "operator"


def an_identity(organization_id: str = "reseller", act_for: ActFor = OWN, **more: Any) -> Identity:
    facts = {"scopes": frozenset({"read"}), "actor": "key:k1", "requests_per_s": 1.0, "body_bytes_max": 1}
    return Identity(
        key_id="k1",
        organization_id=organization_id,
        key_organization_id=organization_id,
        act_for=act_for,
        **facts | more,
    )


@pytest.mark.parametrize(
    ("own", "act_for", "named", "may"),
    [
        ("acme", OWN, "acme", True),
        ("acme", OWN, "globex", False),
        ("acme", frozenset({"globex"}), "globex", True),
        ("acme", frozenset({"globex"}), "acme", False),
        ("acme", frozenset({"globex", "acme"}), "acme", True),
        ("acme", "all", "acme", True),
        ("acme", "all", "globex", True),
        ("acme", "all", OPERATOR, False),
        ("acme", frozenset({OPERATOR}), OPERATOR, False),
        (OPERATOR, "all", OPERATOR, True),
        (OPERATOR, "all", "acme", True),
        (OPERATOR, frozenset({"acme"}), OPERATOR, False),
        (OPERATOR, frozenset({OPERATOR}), OPERATOR, True),
        (OPERATOR, OWN, "acme", False),
        ("acme", "all", "Acme", True),
        ("acme", frozenset({"globex"}), "Globex", False),
    ],
)
def test_a_key_acts_for_those_it_lists_and_no_key_but_its_own_for_the_operator(
    own: str, act_for: ActFor, named: str, *, may: bool
) -> None:
    assert may_act_for(an_identity(own, act_for), named, OPERATOR) is may
    if not may:
        with pytest.raises(OrganizationNotAllowed):
            acting_for(an_identity(own, act_for), [named.encode()], OPERATOR)


def test_the_request_is_made_for_the_organization_and_says_by_whom() -> None:
    own = an_identity(act_for="all")
    acting = acting_for(own, [b"acme"], OPERATOR)
    assert (acting.organization_id, acting.key_organization_id) == ("acme", "reseller")
    assert envelope(acting, "key-1", "ann") | {"command_id": ""} == {
        "command_id": "",
        "actor": "key:k1@reseller for acme/ann",
        "idempotency_key": "key-1",
        "caller_organization_id": "acme",
    }
    assert envelope(acting_for(own, [b"reseller"], OPERATOR))["actor"] == "key:k1"


@pytest.mark.parametrize("organization", ["acme inc", "50%", "Ünïcode", "a/b", "%61", "🦊" * 128])
def test_any_organization_can_be_named(organization: str) -> None:
    named = quote(organization, safe="").encode()
    assert acting_for(an_identity(act_for="all"), [named], OPERATOR).organization_id == organization


def test_rates_go_by_the_organization_acted_for() -> None:
    rates = Rates(lambda: 50.0)
    own = an_identity(act_for="all")
    for organization in (b"acme", b"globex"):
        acting = acting_for(own, [organization], OPERATOR)
        assert [rates.take(acting) > 0 for _ in range(2)] == [False, True]


@pytest.mark.parametrize(
    ("claim", "act_for"),
    [
        (None, OWN),
        ("all", "all"),
        ([], OWN),
        (["acme", "globex"], frozenset({"acme", "globex"})),
        (["all"], frozenset({"all"})),
    ],
)
def test_a_token_acts_for_whom_its_claim_names_where_the_operator_trusts_its_issuer(
    claim: Any, act_for: ActFor
) -> None:
    claims = {"organization_id": "reseller", "sub": "ann", "orgs": claim}
    if claim is None:
        del claims["orgs"]
    assert identity_by(claims, Settings(oidc_act_for_claim="orgs")).act_for == act_for
    assert identity_by(claims, Settings()).act_for == OWN


@pytest.mark.parametrize("claim", ["acme", 7, {"acme": True}, [7], [""], ["x" * 129], True])
def test_a_claim_that_names_no_organizations_lets_nobody_in(claim: Any) -> None:
    with pytest.raises(Unauthenticated):
        identity_by({"organization_id": "r", "sub": "ann", "orgs": claim}, Settings(oidc_act_for_claim="orgs"))


class Tree:
    """Where customers lie, and how often somebody looked."""

    def __init__(self) -> None:
        self.now, self.looked, self.caught_up = 0.0, 0, 0
        self.inside: set[str] = {"ws-1"}
        self.arriving: set[str] = set()
        self.units = Units(self.look, self.catch_up, lambda: self.now)

    async def look(self, organization_id: str, unit_id: str, customer_ids: Iterable[str]) -> set[str]:
        assert (organization_id, unit_id) == ("reseller", "emea")
        self.looked += 1
        return self.inside & set(customer_ids)

    async def catch_up(self) -> None:
        self.caught_up += 1
        self.inside |= self.arriving

    def require(self, identity: Identity, *customer_ids: str) -> None:
        asyncio.run(self.units.require(identity, customer_ids))


def test_a_key_of_a_unit_is_for_its_customers_only_and_they_are_remembered_for_a_moment() -> None:
    tree, identity = Tree(), an_identity(unit_id="emea")
    for _ in range(3):
        tree.require(identity, "ws-1")
    assert (tree.looked, tree.caught_up) == (1, 0)
    with pytest.raises(OutsideUnit):
        tree.require(identity, "ws-1", "ws-2")
    tree.inside.clear()
    tree.now += KNOWN_FOR
    with pytest.raises(OutsideUnit):
        tree.require(identity, "ws-1")


def test_a_customer_that_was_placed_a_moment_ago_is_waited_for() -> None:
    tree = Tree()
    tree.arriving = {"ws-2"}
    tree.require(an_identity(unit_id="emea"), "ws-2")
    assert tree.caught_up == 1


def test_of_a_key_of_no_unit_nobody_looks_where_customers_lie() -> None:
    tree = Tree()
    tree.require(an_identity(), "anybody")
    assert tree.looked == 0
