"""What a customer has answers first; what policies add to it, and what they never do."""

import pytest
from asking import NOW, a_policy, a_quota, a_view, ask, code_of, compiled, held

from entitlements_client.deciding import CustomerView, Decision, Request, decide

GRANTS = a_policy("grants", "ALLOW", priority=5)
DENIES = a_policy("denies", "DENY")


def test_a_feature_that_is_had_may_be_used() -> None:
    assert code_of(a_view({"f": held()})) == "allowed"


def test_a_key_that_nobody_knows_is_not_entitled() -> None:
    decision = ask(a_view(), key="never_heard_of")
    assert (decision.allowed, decision.reason_code) == (False, "not_entitled")


@pytest.mark.parametrize(
    ("remaining", "quantity", "code"),
    [(5, None, "allowed"), (5, 5, "allowed"), (5, 6, "quota_exceeded"), (0, 1, "quota_exceeded"), (0, None, "quota_exceeded"), (None, 2**53, "allowed")],
)  # fmt: skip
def test_a_quantity_above_what_is_left_does_not_fit(remaining: int | None, quantity: int | None, code: str) -> None:
    assert code_of(a_view({"f": a_quota(remaining)}), quantity=quantity) == code


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"min_role": "editor"}, "role_is_too_low"),
        ({"constraints": {"geographic_restrictions": ["EU"]}}, "country_unknown"),
        ({"min_role": "editor", "reason_code": "provision_suspended"}, "provision_suspended"),
    ],
)
@pytest.mark.parametrize("quantity", [None, 1])
def test_who_may_not_use_a_key_at_all_is_told_so_before_it_is_used_up(
    limits: dict[str, object], code: str, quantity: int | None
) -> None:
    view = a_view({"f": a_quota(0, **limits)}, members={"eve": "viewer"})
    assert code_of(view, subject_id="eve", quantity=quantity) == code


@pytest.mark.parametrize("quantity", [0, -1, 2**53 + 1, True, 1.0, "3", [], float("nan")])
def test_a_quantity_that_cannot_be_meant_is_refused_and_no_policy_allows_it(quantity: object) -> None:
    assert code_of(a_view({"f": held()}), GRANTS, quantity=quantity) == "invalid_quantity"


def test_a_feature_is_had_in_any_quantity() -> None:
    assert code_of(a_view({"f": held()}), quantity=1000) == "allowed"


def test_deny_takes_away_what_is_had_and_says_so_of_what_is_not() -> None:
    assert code_of(a_view({"f": held()}), DENIES) == "policy_denied"
    assert code_of(a_view(), DENIES) == "policy_denied"
    assert code_of(a_view({"f": a_quota(3)}), DENIES, quantity=1) == "policy_denied"


def test_allow_grants_a_feature_that_nothing_confers() -> None:
    assert code_of(a_view(), GRANTS) == "policy_allowed"
    assert code_of(a_view({"f": held(allowed=False, reason_code="not_entitled")}), GRANTS) == "policy_allowed"


@pytest.mark.parametrize(
    "entry",
    [
        a_quota(0),
        a_quota(0, reason_code="not_entitled"),
        a_quota(0, reason_code="member_cap_reached"),
        held(allowed=False, reason_code="overridden"),
        held(allowed=False, reason_code="denied"),
        held(allowed=False, reason_code="pool_is_suspended"),
        held(allowed=False, reason_code="provision_suspended"),
        held(allowed=False, reason_code="pool_is_closed"),
        held(constraints={"geographic_restrictions": ["EU"]}),
        held(constraints={"end_date": "2020-01-01T00:00:00Z"}),
        held(min_role="admin"),
    ],
)
def test_allow_lifts_nothing_but_not_entitled_of_a_feature(entry: dict[str, object]) -> None:
    view = a_view({"f": entry}, members={"ann": "viewer"})
    without = code_of(view, subject_id="ann")
    decision = ask(view, GRANTS, subject_id="ann")
    assert (decision.allowed, decision.reason_code) == (False, without)


def test_allow_grants_no_quantity_of_a_key_that_the_customer_has_not() -> None:
    assert code_of(a_view(), GRANTS, quantity=1) == "not_entitled"


def test_allow_grants_no_key_that_is_a_number_whoever_has_it() -> None:
    for view in (a_view(), a_view({"f": held(allowed=False, reason_code="not_entitled")})):
        decision = decide(view, compiled(GRANTS, metered_keys=["f"]), Request("c1", "f"), NOW)
        assert decision.reason_code == "not_entitled"


def test_policies_about_other_keys_cost_nothing() -> None:
    other = [
        a_policy(f"p{n}", conditions=[{"field": f"metadata.m{n}", "operator": "exists"}], resource_keys=["g"])
        for n in range(900)
    ]
    policies = compiled(*other, GRANTS)
    program = policies.program("f")
    assert program is not None
    assert (len(program.policies), len(program.reads)) == (1, 0)


def test_the_higher_priority_wins_and_deny_wins_a_tie() -> None:
    assert code_of(a_view(), GRANTS, DENIES) == "policy_allowed"
    assert code_of(a_view(), a_policy("a", "ALLOW", priority=5), a_policy("z", "DENY", priority=5)) == "policy_denied"
    assert code_of(a_view(), a_policy("a", "ALLOW", priority=-2), a_policy("z", "DENY", priority=-1)) == "policy_denied"


def test_a_policy_is_about_the_keys_and_actions_it_names() -> None:
    policy = a_policy(resource_keys=["premium_*", "exact"], actions=["export"])
    answers = {
        key: ask(a_view(), policy, key=key, action="export").allowed
        for key in ("premium_x", "exact", "exactly", "premium")
    }
    assert answers == {"premium_x": True, "exact": True, "exactly": False, "premium": False}
    assert code_of(a_view(), policy, key="exact", action="read") == "not_entitled"
    assert code_of(a_view(), policy, key="exact") == "not_entitled"
    assert ask(a_view(), policy, key="exact", context={"resource": {"action": "export"}}).allowed


def test_a_disabled_policy_does_nothing() -> None:
    assert code_of(a_view({"f": held()}), a_policy(effect="DENY", enabled=False)) == "allowed"


def test_all_that_hold_are_told_the_winner_first() -> None:
    decision = ask(
        a_view(), DENIES, a_policy("other", conditions=[{"field": "metadata.x", "operator": "exists"}]), GRANTS
    )
    assert [one["policy_id"] for one in decision.matched_policies] == ["grants", "denies"]
    assert (decision.policy_version, decision.matched_policies[0]["priority"]) == (3, 5)


def test_a_subject_without_the_role_is_refused_and_nobody_in_particular_is_not() -> None:
    view = a_view({"f": held(min_role="editor")}, members={"ann": "admin", "bob": "viewer"})
    assert [code_of(view, subject_id=who) for who in ("ann", "bob", "eve", "")] == [
        "allowed",
        "role_is_too_low",
        "role_is_too_low",
        "allowed",
    ]


def test_a_member_whom_the_view_does_not_tell_is_a_question_for_the_service() -> None:
    view = a_view({"f": held(min_role="editor"), "g": held()}, members={"ann": "admin"}, members_complete=False)
    told = {who: ask(view, subject_id=who).needs_service for who in ("ann", "eve")}
    assert told == {"ann": "", "eve": "members_incomplete"}
    by_role = a_policy(effect="DENY", conditions=[{"field": "subject.role", "operator": "equals", "value": "viewer"}])
    assert ask(view, by_role, key="g", subject_id="eve").needs_service == "members_incomplete"
    assert ask(view, by_role, key="g", subject_id="ann").needs_service == ""


def test_a_subject_with_caps_of_its_own_is_a_question_for_the_service() -> None:
    view = a_view({"f": a_quota(10, has_subject_caps=True)})
    assert ask(view, subject_id="ann").needs_service == "subject_caps"
    assert ask(view).needs_service == ""


def test_what_has_become_due_is_a_question_for_the_service() -> None:
    view = a_view({"f": held(valid_until="2026-06-16T12:00:00Z")})
    assert [ask(view, now=at).needs_service for at in (NOW - 0.001, NOW)] == ["", "valid_until_over"]


@pytest.mark.parametrize(
    ("context", "code"),
    [
        ({"client": {"location": "DE"}}, "allowed"),
        ({"client": {"location": "DE-BE"}}, "allowed"),
        ({"customer": {"country": "FR"}}, "allowed"),
        ({"client": {"location": "US"}, "customer": {"country": "FR"}}, "country_not_allowed"),
        ({"client": {"location": "Berlin"}, "customer": {"country": "FR"}}, "country_unknown"),
        ({"client": {"location": 7}}, "country_unknown"),
        ({}, "country_unknown"),
        (None, "country_unknown"),
    ],
)
def test_a_key_of_one_region_is_used_there_only(context: dict[str, object] | None, code: str) -> None:
    view = a_view({"f": held(constraints={"geographic_restrictions": ["EU"]})})
    assert code_of(view, context=context) == code


def test_a_key_may_be_used_from_its_first_instant_through_its_last_second() -> None:
    view = a_view({"f": held(constraints={"start_date": "2026-06-16T12:00:00Z", "end_date": "2026-06-16T12:00:00Z"})})
    codes = [code_of(view, now=at) for at in (NOW - 0.001, NOW, NOW + 0.999, NOW + 1)]
    assert codes == ["not_yet_valid", "allowed", "allowed", "no_longer_valid"]


def test_a_key_that_may_not_be_used_grants_nothing() -> None:
    child = held(constraints={"geographic_restrictions": ["US"]})
    view = a_view({"child": child, "f": held(reason_code="inherited", inherited_path=["child", "f"])})
    assert code_of(view, context={"client": {"location": "US"}}) == "inherited"
    assert code_of(view, context={"client": {"location": "DE"}}) == "country_not_allowed"


def test_a_decision_says_why_and_how_fresh_it_is_and_survives_json() -> None:
    contributions = [{"provision_id": "s1", "amount": 10}]
    view = a_view(
        {"f": a_quota(4, limit=10, consumed=6, pool_id="p1", contributions=contributions)},
        as_of={"position": "0:9", "lag_ms": 12},
    )
    decision = ask(view, GRANTS, quantity=5)
    document = decision.to_document()
    assert document["sentence"] == "5 of f requested, 4 remaining."
    assert document["as_of"] == {"position": "0:9", "decided_at": None, "read_at": "", "lag_ms": 12}
    assert (document["remaining"], document["contributions"], document["decided_at"]) == (
        4,
        contributions,
        "2026-06-16T12:00:00Z",
    )
    assert document["decision_id"] == decision.decision_id
    assert Decision.from_document(document).to_document() == document
    assert Decision.from_document(document, "CACHED").source == "CACHED"


def test_the_reason_of_the_policy_is_in_the_sentence() -> None:
    decision = ask(a_view(), a_policy("no_weekends", "DENY", reason="support is closed"))
    assert decision.sentence == "Policy no_weekends denies f: support is closed."


def test_a_view_survives_json() -> None:
    view = a_view(
        {"f": held(constraints={"geographic_restrictions": ["EU"]}, inherited_path=["g", "f"]), "q": a_quota(3)},
        subscription={"set_id": "pro"}, members={"ann": "admin"}, members_complete=False,
    )  # fmt: skip
    assert CustomerView.from_document(view.to_document()).to_document() == view.to_document()


@pytest.mark.parametrize("odd", [None, 7, [], {}, "", b"x", object()])
def test_no_value_of_a_caller_raises(odd: object) -> None:
    policy = a_policy(actions=["a"], conditions=[{"field": "subject.role", "operator": "exists"}])
    view = a_view(
        {"f": held(min_role="admin", constraints={"geographic_restrictions": ["EU"]})}, members_complete=False
    )
    for name in ("customer_id", "resource_key", "quantity", "subject_id", "action", "context"):
        request = Request("c1", "f", context=None)
        setattr(request, name, odd)
        decision = decide(view, compiled(policy), request, NOW)
        assert isinstance(decision.allowed, bool)
        assert isinstance(decision.to_document()["sentence"], str)
