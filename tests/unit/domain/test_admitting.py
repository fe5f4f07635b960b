"""Access policies and API keys: versions, repeats, what is bounded, and keys that overlap while they are exchanged."""

import hashlib
import json
from typing import Any

import pytest
from specification import Happens, days, given

from entitlements.domain import admitting
from entitlements.domain.errors import (
    ActForNotAllowed,
    ApiKeyAlreadyExists,
    ApiKeyIsOver,
    InvalidCommand,
    InvalidId,
    InvalidInstant,
    InvalidPolicy,
    TooManyApiKeys,
    TooManyPolicies,
    UnknownUnit,
)
from entitlements.examples import NOON
from entitlements.examples_of_governance import (
    create_api_key,
    define_access_policy,
    define_unit,
    remove_unit,
    retire_access_policy,
    revoke_api_key,
)


def document(**said: Any) -> str:
    return json.dumps({"policy_id": "beta", "effect": "ALLOW"} | said, sort_keys=True, separators=(",", ":"))


def test_every_change_is_another_version_of_the_policy_and_of_all_together() -> None:
    story = given(define_access_policy(), define_access_policy("other"))
    story.when(define_access_policy(priority=2)).then(
        Happens("AccessPolicyDefined", {"policy_version": 2, "policies_version": 3, "priority": 2, "actor": "alice"})
    )
    story.when(retire_access_policy(reason="it was tried")).then(
        Happens("AccessPolicyRetired", {"policy_version": 3, "policies_version": 4, "reason": "it was tried"})
    )
    story.when(define_access_policy(priority=2)).then(
        Happens("AccessPolicyDefined", {"policy_version": 4, "policies_version": 5})
    )


def test_an_organization_need_not_have_units_to_have_policies_and_keys() -> None:
    given().when(define_access_policy()).then(Happens("AccessPolicyDefined", {"originator_version": 1}))
    given().when(create_api_key()).then(Happens("ApiKeyCreated", {"originator_version": 1}))
    given(create_api_key()).when(define_unit()).then(Happens("UnitDefined", {}))


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "7", '{"policy_id": "beta"}', document(policy_id="other"), document(effect="DENY"), document(priority=3),
        document(priority="0"), document(x=float("nan")), document(x="\0"), document(x="\ud800"), document()[:-1] + ',"effect":"ALLOW"}',
        document(x="x" * admitting.DOCUMENT_CHARACTERS_MAX), "[" * 20_000, '{"policy_id":"beta","effect":"ALLOW","x":1e999}',
    ],
)  # fmt: skip
def test_a_document_is_one_object_in_canonical_json_that_says_what_the_command_says(text: str) -> None:
    given().when(define_access_policy(document=text)).refused(InvalidPolicy)


def test_policies_are_bounded_and_those_that_are_retired_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admitting, "POLICIES_MAX", 2)
    monkeypatch.setattr(admitting, "POLICIES_EVER_MAX", 3)
    two = [define_access_policy("a"), define_access_policy("b")]
    given(two).when(define_access_policy("c")).refused(TooManyPolicies)
    given(two).when(define_access_policy("b", priority=1)).then(Happens("AccessPolicyDefined", {"policy_version": 2}))
    three = [*two, retire_access_policy("a"), define_access_policy("c")]
    given(three).when(define_access_policy("a")).refused(TooManyPolicies)
    given(three, retire_access_policy("b")).when(define_access_policy("d")).refused(TooManyPolicies)


def test_the_documents_of_all_policies_that_count_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(define_access_policy("a").document)
    monkeypatch.setattr(admitting, "DOCUMENTS_CHARACTERS_MAX", 2 * size)
    both = define_access_policy("a"), define_access_policy("b")
    given(*both).when(define_access_policy("c")).refused(TooManyPolicies)
    given(*both).when(define_access_policy("b", priority=2)).refused(TooManyPolicies)
    given(*both).when(define_access_policy("b")).then()
    given(*both, retire_access_policy("b")).when(define_access_policy("c")).then(Happens("AccessPolicyDefined", {}))


def test_a_key_is_made_once_whatever_becomes_of_it() -> None:
    revoked = [create_api_key(), revoke_api_key()]
    given(create_api_key()).when(create_api_key()).then_nothing()
    given(revoked).when(create_api_key()).refused(ApiKeyIsOver)
    given(revoked).when(create_api_key(secret_sha256="0" * 64)).refused(ApiKeyAlreadyExists)


def test_a_key_that_is_exchanged_counts_beside_the_new_one_until_it_is_revoked() -> None:
    story = given(create_api_key()).when(revoke_api_key(revoke_at=NOON + days(1)))
    story.then(Happens("ApiKeyRevoked", {"revoke_at": NOON + days(1)}))
    story.when(revoke_api_key(revoke_at=NOON + days(2))).then_nothing()
    story.when(revoke_api_key(revoke_at=NOON - days(2))).then(Happens("ApiKeyRevoked", {"revoke_at": NOON}))
    story.when(revoke_api_key()).then_nothing()


@pytest.mark.parametrize(
    "facts",
    [
        {"scopes": []}, {"scopes": ["read", "read"]},
        {"scopes": ["everything"]}, {"secret_sha256": "secret"}, {"secret_sha256": hashlib.sha256(b"x").hexdigest().upper()},
        {"requests_per_s": 0}, {"requests_per_s": 10**7}, {"name": "n" * 129},
        {"act_for": ["acme"], "acts_for_all": True},
        {"act_for": [f"org-{each}" for each in range(admitting.ACT_FOR_MAX + 1)]},
        {"unit_id": "emea", "acts_for_all": True}, {"unit_id": "emea", "act_for": ["acme"]},
        {"unit_id": "emea", "scopes": ["administer"]}, {"unit_id": "emea", "scopes": ["read", "audit"]},
    ],
)  # fmt: skip
def test_a_key_has_an_id_a_hash_and_scopes_that_can_be_meant(facts: dict[str, Any]) -> None:
    given().when(create_api_key(**facts)).refused(InvalidCommand)


KEY = "ent_3kTfq09sXa2B_" + "s" * 43


@pytest.mark.parametrize("key_id", ["short", "with_underscore", "k" * 65, "ключключ", "", KEY])
def test_what_is_no_id_of_a_key_is_refused_and_not_repeated(key_id: str) -> None:
    for command in (create_api_key(key_id=key_id), revoke_api_key(key_id=key_id)):
        refused = given().when(command)
        refused.refused(InvalidId)
        assert not key_id or key_id not in str(refused.refusal)


def test_scopes_are_a_set_told_in_one_order() -> None:
    story = given().when(create_api_key(scopes=["audit", "read"]))
    story.then(Happens("ApiKeyCreated", {"scopes": ["read", "audit"]}))
    story.when(create_api_key(scopes=["read", "audit"])).then_nothing()


@pytest.mark.parametrize("organization", ["", "x" * 129, "a\0"])
def test_organizations_that_a_key_acts_for_have_ids(organization: str) -> None:
    given().when(create_api_key(act_for=["acme", organization])).refused(InvalidId)


@pytest.mark.parametrize("whom", [{"act_for": ["acme", "globex"]}, {"acts_for_all": True}])
def test_the_operator_alone_gives_act_for_and_no_key_hands_it_on(whom: dict[str, Any]) -> None:
    made = Happens("ApiKeyCreated", {"act_for": whom.get("act_for", []), "acts_for_all": "acts_for_all" in whom})
    story = given().when(create_api_key(**whom))
    story.then(made)
    story.when(create_api_key(**whom)).then_nothing()
    story.when(create_api_key()).refused(ApiKeyAlreadyExists)
    # In an organization's name it is whoever has a key of it: the operator's too, and whoever acts for it.
    given().when(create_api_key(caller_organization_id="org-1", **whom)).refused(ActForNotAllowed)
    given(create_api_key()).when(create_api_key(caller_organization_id="org-1", **whom)).refused(ActForNotAllowed)


def test_whom_a_key_acts_for_is_a_set_told_in_one_order() -> None:
    story = given().when(create_api_key(act_for=["globex", "acme", "globex"]))
    story.then(Happens("ApiKeyCreated", {"act_for": ["acme", "globex"]}))
    story.when(create_api_key(act_for=["acme", "globex"])).then_nothing()


def test_a_key_is_bound_to_a_unit_that_there_is() -> None:
    given().when(create_api_key(unit_id="emea")).refused(UnknownUnit)
    given(define_unit("emea"), remove_unit("emea")).when(create_api_key(unit_id="emea")).refused(UnknownUnit)
    story = given(define_unit("emea")).when(create_api_key(unit_id="emea", caller_organization_id="org-1"))
    story.then(Happens("ApiKeyCreated", {"unit_id": "emea"}))
    story.when(create_api_key()).refused(ApiKeyAlreadyExists)


def test_a_key_does_not_expire_before_it_is_made() -> None:
    given().when(create_api_key(expires_at=NOON)).refused(InvalidInstant)


def test_keys_are_bounded_and_those_that_count_no_more_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admitting, "API_KEYS_MAX", 1)
    monkeypatch.setattr(admitting, "API_KEYS_EVER_MAX", 2)
    given(create_api_key("aaaaaaaa")).when(create_api_key("bbbbbbbb")).refused(TooManyApiKeys)
    exchanged = [
        create_api_key("aaaaaaaa"),
        revoke_api_key("aaaaaaaa"),
        create_api_key("bbbbbbbb"),
        revoke_api_key("bbbbbbbb"),
    ]
    given(exchanged[:2]).when(create_api_key("bbbbbbbb")).then(Happens("ApiKeyCreated", {}))
    given(exchanged).when(create_api_key("cccccccc")).refused(TooManyApiKeys)
