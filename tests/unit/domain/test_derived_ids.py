"""Ids that we derive lie in a space of their own: whatever id a caller chooses, it names what that caller means."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from specification import given, happens, hours, pool_with, used

from entitlements.domain.commands import Command
from entitlements.domain.errors import IdempotencyKeyReused, InvalidId
from entitlements.domain.ids import check_chosen, derived_id, is_derived
from entitlements.domain.pools import IDEMPOTENCY_WINDOW_FOR
from entitlements.examples import (
    NOON,
    assign_workspace,
    define_entitlement_set,
    define_resource_key,
    feature,
    issue_grant,
    limit,
    line,
    open_pool,
    provision_pool,
    quota,
    record_usage,
    record_usage_batch,
    revoke_grant,
    suspend_pool,
)
from entitlements.examples_of_governance import define_campaign, define_unit, place_workspace
from entitlements.examples_of_terms import (
    commit_reservation,
    extend_reservation,
    release_reservation,
    reserve_usage,
    reverse_usage,
)


def test_of_several_lines_under_a_key_the_first_has_it_and_the_answer_tells_the_ids_of_all() -> None:
    keyed = record_usage(line("held", 1), line("held", 1), line("held", 1, usage_id="own"), idempotency_key="job")
    story = given(pool_with(quota("held", 10))).when(keyed)
    told = list(story.pool.usage_ids)
    assert told[0] == "job"
    assert told[1].startswith("~")
    assert told[2] == "own"
    assert story.answer is not None and story.answer.usage is not None  # noqa: PT018
    assert story.answer.usage.usage_ids == told
    story.when(reverse_usage(told[1])).then(happens("UsageCorrected", corrects=told[1], adjustment=-1))


@pytest.mark.parametrize("key", ["job/1", "job#1", "job", f"{3}:job", hashlib.sha256(b"job/1").hexdigest()])
def test_no_id_that_follows_from_a_key_is_one_that_somebody_chose(key: str) -> None:
    lines = [line("held", 1) for _ in range(2)]
    story = given(pool_with(limit("held", 10)), used("held", 1, usage_id=key))
    story.when(record_usage(*lines, idempotency_key="another")).lines(accepted=2)
    assert story.consumed("held") == 3


@pytest.mark.parametrize("ask", [record_usage, record_usage_batch])
@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_lines_under_the_same_key_is_another_body(ask: Any, count: int) -> None:
    once, other = (ask(*[line("held", 1) for _ in range(n)], idempotency_key="k") for n in (2, count))
    story = given(pool_with(limit("held", 10)), once).when(other)
    assert story.consumed("held") == 2
    if ask is record_usage:
        assert isinstance(story.refusal, IdempotencyKeyReused)
    else:
        story.lines(*((at, IdempotencyKeyReused, -1) for at in range(count)), accepted=0)
    story.when(IDEMPOTENCY_WINDOW_FOR, other).lines(accepted=count)


def test_several_lines_are_another_body_than_one_that_had_their_key_for_its_id() -> None:
    story = given(pool_with(limit("held", 10)), used("held", 1, usage_id="k"))
    story.when(record_usage(line("held", 1), line("held", 1), idempotency_key="k")).refused(IdempotencyKeyReused)


def test_usage_and_another_command_have_no_key_in_common() -> None:
    keyed, assign = record_usage(line("held", 1), idempotency_key="k"), assign_workspace("berlin", idempotency_key="k")
    given(pool_with(limit("held", 10)), keyed).when(assign).refused(IdempotencyKeyReused)
    given(pool_with(limit("held", 10)), assign).when(keyed).refused(IdempotencyKeyReused)


def test_a_key_that_usage_was_recorded_under_is_no_other_commands() -> None:
    """One line is remembered under its id alone, which is the key."""
    others = (assign_workspace("berlin"), suspend_pool(), reserve_usage(1, resource_key="held"))
    pool = pool_with(quota("held", 10))
    for usage in (record_usage(line("held", 1), idempotency_key="k"), used("held", 1, usage_id="k")):
        for other in others:
            story = given(pool, usage)
            story.when(replace(other, idempotency_key="k")).refused(IdempotencyKeyReused)
            story.when(replace(other, idempotency_key="another"))
            assert story.refusal is None
    story = given(pool, reserve_usage(2, resource_key="held", reservation_id="r"))
    story.when(commit_reservation(1, reservation_id="r", usage_id="k", keep_rest=True)).when(
        replace(others[0], idempotency_key="k")
    ).refused(IdempotencyKeyReused)


def test_commands_of_one_request_are_under_its_key_in_their_order() -> None:
    def part(at: int, digest: str) -> Command:
        usage_id = "k" if at == 0 else derived_id("line", "k", at)
        return record_usage(line("held", 1, usage_id=usage_id), batch_key="k", batch_digest=digest)

    story = given(pool_with(limit("held", 10)), part(1, "a, b"), part(0, "a, b"))
    story.when(part(0, "a, b")).then_repeated()
    for at in (0, 1, 2):
        story.when(part(at, "b, a")).refused(IdempotencyKeyReused)
    story.when(assign_workspace("berlin", idempotency_key="k")).refused(IdempotencyKeyReused)
    assert story.consumed("held") == 2
    story = given(pool_with(limit("held", 10)), used("held", 1, usage_id="k"))
    story.when(part(1, "a, b")).refused(IdempotencyKeyReused)


def test_operations_on_reservations_of_one_request_are_under_its_key_in_their_order() -> None:
    def part(at: int, digest: str, command: Command) -> Command:
        return replace(command, idempotency_key=derived_id("part", "k", at), batch_key="k", batch_digest=digest)

    pool, held = pool_with(quota("api_calls", 10)), reserve_usage(4, reservation_id="r")
    commit = commit_reservation(1, reservation_id="r", usage_id="k", keep_rest=True)
    for first in (
        held, commit, extend_reservation(reservation_id="r"), release_reservation(reservation_id="r"),
    ):  # fmt: skip
        story = given(pool, *([] if first is held else [held]), part(1, "a, b", first))
        story.when(part(1, "a, b", first)).then_repeated()
        for at in (0, 1):
            story.when(part(at, "b, a", first)).refused(IdempotencyKeyReused)


def test_a_line_is_no_repeat_of_one_that_was_committed_from_a_reservation_or_named_its_instant() -> None:
    story = given(pool_with(quota("api_calls", 10)), reserve_usage(4, reservation_id="r"))
    story.when(commit_reservation(4, reservation_id="r", usage_id="u")).when(used("api_calls", 4, usage_id="u"))
    story.lines((0, IdempotencyKeyReused, -1), accepted=0)
    story = given(pool_with(quota("api_calls", 10)), used("api_calls", 4, usage_id="u", occurred_at=NOON - hours(1)))
    story.when(used("api_calls", 4, usage_id="u")).lines((0, IdempotencyKeyReused, -1), accepted=0)


def test_derived_ids_differ_wherever_one_part_ends() -> None:
    parts = [("a", "b/1"), ("a/b", "1"), ("a", "b", 1), ("a", "b", "1", ""), ("", "ab1"), ("1:a", "b1")]
    ids = {derived_id(*each) for each in parts}
    assert len(ids) == len(parts)
    assert all(is_derived(each) and len(each) == 41 for each in ids)


@pytest.mark.parametrize(
    "command",
    [
        assign_workspace("berlin", idempotency_key="~k"),
        used("held", 1, usage_id="~u"),
        record_usage_batch(line("held", 1, usage_id="~u")),
        record_usage_batch(line("held", 1), source="~s"),
        commit_reservation(usage_id="~u"),
        reserve_usage(reservation_id="~r"),
        provision_pool("~p", feature("sso")),
        issue_grant("~g", feature("sso")),
        define_campaign(campaign_id="~c"),
    ],
)
def test_a_caller_chooses_no_id_in_the_space_of_derived_ones(command: Command) -> None:
    with pytest.raises(InvalidId, match="~"):
        check_chosen(command)


@pytest.mark.parametrize(
    "command", [reverse_usage("~u"), revoke_grant("~spring#1"), commit_reservation(reservation_id="~r")]
)
def test_a_derived_id_names_what_is_there(command: Command) -> None:
    check_chosen(command)


@pytest.mark.parametrize("name", [".", ".."])
def test_an_id_that_no_path_of_a_url_can_hold_is_refused_where_it_would_be_new(name: str) -> None:
    story = given(pool_with(quota("calls", 10)))
    for command in (assign_workspace(name), reserve_usage(reservation_id=name)):
        story.when(command).refused(InvalidId)
    for command in (open_pool(pool_id=name), define_entitlement_set(name), define_resource_key(name)):
        given().when(command).refused(InvalidId)
    given(define_unit(unit_id="u")).when(place_workspace(name, unit_id="u")).refused(InvalidId)
