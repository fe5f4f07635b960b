"""Idempotency: under one key one effect and the original answer; a refusal frees the key; another body is an error."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from specification import days, given, happens, hours, pool_with, recorded, refused_line, used

from entitlements.domain.commands import Command
from entitlements.domain.errors import (
    IdempotencyKeyReused,
    InvalidCommand,
    InvalidId,
    MoreThanIsHeld,
    PoolIsClosed,
    QuotaIsExceeded,
)
from entitlements.domain.idempotency import digest_of
from entitlements.domain.pools import IDEMPOTENCY_WINDOW_FOR
from entitlements.examples import (
    NOON,
    assign_workspace,
    close_pool,
    define_entitlement_set,
    define_resource_key,
    end_provision,
    feature,
    issue_grant,
    limit,
    line,
    open_pool,
    provision_pool,
    quota,
    record_usage,
    record_usage_batch,
    release_usage,
    suspend_pool,
    unassign_workspace,
)
from entitlements.examples_of_governance import define_access_policy, define_campaign
from entitlements.examples_of_terms import one_of_each

MILLISECOND = timedelta(milliseconds=1)


def test_an_accepted_command_is_remembered_under_its_key() -> None:
    assign = assign_workspace("berlin", idempotency_key="k-1")
    (
        given(open_pool())
        .when(assign)
        .then(
            happens("WorkspaceAssigned"),
            happens("AnswerRemembered", idempotency_key="k-1", body_digest=digest_of(assign), timestamp=NOON),
        )
    )


@pytest.mark.parametrize(
    "command",
    [
        open_pool(idempotency_key="k"),
        suspend_pool(idempotency_key="k"),
        provision_pool("p-2", feature("sso"), idempotency_key="k"),
        end_provision(idempotency_key="k"),
        issue_grant("g", feature("sso"), idempotency_key="k"),
        assign_workspace("paris", idempotency_key="k"),
        unassign_workspace("paris", idempotency_key="k"),
        release_usage("seats", 2, idempotency_key="k"),
        close_pool(idempotency_key="k"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_repeat_under_the_same_key_gets_the_original_answer_and_has_no_effect(command: Command) -> None:
    story = given(pool_with(limit("seats", 5)), used("seats", 5), command)
    story.when(hours(1), command).then_repeated()


def test_a_repeat_gets_the_original_answer_though_it_would_be_refused_by_now() -> None:
    release = release_usage("seats", 2, idempotency_key="k")
    given(pool_with(limit("seats", 5)), used("seats", 2), release).when(release).then_repeated()
    assign = assign_workspace("berlin", idempotency_key="k")
    given(open_pool(), assign, close_pool()).when(assign).then_repeated()


def test_who_asks_and_waits_and_when_is_not_part_of_what_is_asked() -> None:
    (
        given(open_pool(), assign_workspace("berlin", idempotency_key="k"))
        .when(
            assign_workspace(
                "berlin",
                idempotency_key="k",
                command_id="another",
                actor="key:rotated",
                caller="me",
                effective_at=NOON - days(1),
            )
        )
        .then_repeated()
    )


@pytest.mark.parametrize(
    "other",
    [
        assign_workspace("paris", idempotency_key="k"),
        assign_workspace("berlin", role="secondary", idempotency_key="k"),
        unassign_workspace("berlin", idempotency_key="k"),
    ],
)
def test_another_body_under_the_same_key_is_refused(other: Command) -> None:
    (given(open_pool(), assign_workspace("berlin", idempotency_key="k")).when(other).refused(IdempotencyKeyReused))


def test_a_refusal_frees_the_key() -> None:
    story = given(pool_with(limit("seats", 5)), used("seats", 1))
    story.when(release_usage("seats", 2, idempotency_key="k")).refused(MoreThanIsHeld)
    story.when(release_usage("seats", 1, idempotency_key="k")).then(
        happens("UsageReleased"), happens("AnswerRemembered", idempotency_key="k")
    )


def test_a_key_is_remembered_for_its_window_and_no_longer() -> None:
    release = release_usage("seats", 1, idempotency_key="k")
    story = given(pool_with(limit("seats", 5)), used("seats", 5), release)
    story.when(IDEMPOTENCY_WINDOW_FOR - MILLISECOND, release).then_repeated()
    story.when(MILLISECOND, release).then(happens("UsageReleased"), happens("AnswerRemembered"))
    assert story.consumed("seats") == 3


def test_keys_whose_window_is_over_are_forgotten() -> None:
    story = given(open_pool(), assign_workspace("berlin", idempotency_key="old"))
    story.when(days(2), assign_workspace("paris", idempotency_key="new"))
    assert list(story.pool.answers) == ["new"]


def test_what_was_remembered_anew_is_forgotten_after_what_was_remembered_before() -> None:
    a, b, c = (
        [assign_workspace(name, idempotency_key=name), used("held", 1, usage_id=name), unassign_workspace(name)]
        for name in "abc"
    )
    story = given(pool_with(limit("held", 10)), a, hours(1), b)
    story.when(hours(23.5), a, hours(1), c)
    assert list(story.pool.answers) == list(story.pool.usage_ids) == ["a", "c"]


#: About what is no pool: a command, what it becomes with another body, and what remembers its answer.
OTHERS = [
    (define_entitlement_set, {"name": "Another"}, "SetAnswerRemembered"),
    (define_resource_key, {"name": "Another"}, "KeyAnswerRemembered"),
    (define_access_policy, {"priority": 7}, "OrganizationAnswerRemembered"),
    (define_campaign, {"priority": 7}, "CampaignAnswerRemembered"),
]


@pytest.mark.parametrize(("ask", "other", "event"), OTHERS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_late_retry_takes_nothing_newer_back_whatever_it_is_about(
    ask: Callable[..., Command], other: dict[str, Any], event: str
) -> None:
    first = ask(idempotency_key="k")
    story = given(first)
    assert type(story.history[-1]).__name__ == event
    story.when(hours(1), ask(**other)).when(first).then_repeated()
    story.when(ask(**other, idempotency_key="k")).refused(IdempotencyKeyReused)
    story.when(IDEMPOTENCY_WINDOW_FOR - hours(1) - MILLISECOND, first).then_repeated()
    story.when(MILLISECOND, first)
    assert [type(each).__name__ for each in story.happened][-1:] == [event]
    assert len(story.happened) == 2, "a new decision"


@pytest.mark.parametrize("key", ["", "x" * 129, "a\0b"])
def test_a_key_has_the_length_of_an_id(key: str) -> None:
    given(open_pool()).when(assign_workspace("berlin", idempotency_key=key)).refused(InvalidId)


def test_a_repeat_is_one_although_what_was_looked_up_for_it_has_changed_since() -> None:
    """Billing names a set; its version and rules are found by whoever sends the command."""
    found: dict[str, Any] = {"looked_up": ["set_version", "rules"], "idempotency_key": "k"}
    first = provision_pool("p", quota("calls", 10), set_version=1, **found)
    story = given(open_pool()).when(first)
    story.when(provision_pool("p", quota("calls", 20), set_version=2, **found)).then_repeated()
    story.when(provision_pool("p", quota("calls", 10), set_version=1, quantity=2, **found)).refused(
        IdempotencyKeyReused
    )
    asked_for = found | {"looked_up": ["rules"]}
    story.when(provision_pool("p", quota("calls", 20), set_version=2, **asked_for)).refused(IdempotencyKeyReused)


@pytest.mark.parametrize("command", one_of_each(), ids=lambda command: type(command).__name__)
def test_digests_of_what_is_asked_are_short_and_stable(command: Command) -> None:
    assert digest_of(command) == digest_of(command)
    assert len(digest_of(command)) == 32


# --- Lines of usage ------------------------------------------------------------------------------------------------------


def test_a_line_under_the_same_usage_id_counts_once() -> None:
    line_1 = used("api_calls", 6, usage_id="u-1")
    story = given(pool_with(quota("api_calls", 10)), line_1)
    story.when(line_1).then_repeated().lines(accepted=1, repeated=1)
    story.when(used("api_calls", 6, usage_id="u-2")).lines((0, QuotaIsExceeded, 4))


def test_a_line_may_be_repeated_within_its_own_command() -> None:
    once = line("api_calls", 6, usage_id="u-1")
    story = given(pool_with(quota("api_calls", 10))).when(record_usage(once, once)).lines(accepted=2, repeated=1)
    assert story.consumed("api_calls") == 6


@pytest.mark.parametrize(
    "other",
    [
        used("api_calls", 7, usage_id="u-1"),
        used("exports", 6, usage_id="u-1"),
        used("api_calls", 6, "report", usage_id="u-1"),
        used("api_calls", 6, usage_id="u-1", workspace_id="berlin"),
        used("api_calls", 6, usage_id="u-1", occurred_at=NOON - hours(1)),
        used("api_calls", 6, usage_id="u-1", subject_id="bob"),
    ],
)
def test_another_line_under_the_same_usage_id_is_refused(other: Command) -> None:
    (
        given(pool_with(quota("api_calls", 10), quota("exports", 10)), assign_workspace("berlin"))
        .when(used("api_calls", 6, usage_id="u-1"), other)
        .lines((0, IdempotencyKeyReused, -1))
    )


def test_a_refused_line_frees_its_usage_id() -> None:
    story = given(pool_with(quota("api_calls", 10))).when(used("api_calls", 11, usage_id="u-1"))
    story.when(used("api_calls", 10, usage_id="u-1")).then(recorded("api_calls", 10, usage_id="u-1"))


def test_a_usage_id_is_remembered_for_its_window_and_no_longer() -> None:
    once = used("held", 1, usage_id="u-1")
    story = given(pool_with(limit("held", 10)), once)
    story.when(IDEMPOTENCY_WINDOW_FOR - MILLISECOND, once).then_repeated()
    story.when(MILLISECOND, once).then(recorded("held", 1, usage_id="u-1"))
    assert story.consumed("held") == 2


def test_usage_ids_whose_window_is_over_are_forgotten() -> None:
    story = given(pool_with(limit("held", 10)), used("held", 1, usage_id="old"))
    story.when(days(2), used("held", 1, usage_id="new"))
    assert list(story.pool.usage_ids) == ["new"]


def test_a_repeated_line_gets_the_original_answer_though_it_would_be_refused_by_now() -> None:
    once = used("api_calls", 6, usage_id="u-1")
    given(pool_with(quota("api_calls", 10)), once, end_provision()).when(once).then_repeated()
    given(pool_with(quota("api_calls", 10)), once, close_pool()).when(once).then_repeated()
    given(pool_with(quota("api_calls", 10)), once).when(hours(13), once).happened_so(happens("QuotaReset"))


def test_a_new_line_under_a_known_id_is_refused_by_a_closed_pool_for_what_it_is() -> None:
    story = given(pool_with(quota("api_calls", 10)), used("api_calls", 6, usage_id="u-1"), close_pool())
    story.when(used("api_calls", 6, usage_id="u-2")).lines((0, PoolIsClosed, -1))


# --- The key of a command of usage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [record_usage, record_usage_batch])
def test_usage_under_the_same_key_counts_once(ask: type) -> None:
    keyed = ask(line("api_calls", 3), line("api_calls", 4), idempotency_key="k")
    story = given(pool_with(quota("api_calls", 10)), keyed)
    story.when(keyed).then_nothing().lines(accepted=2, repeated=2)
    assert story.consumed("api_calls") == 7


def test_under_one_key_the_lines_that_were_refused_are_free_again() -> None:
    keyed = record_usage(line("held", 4), line("held", 2), idempotency_key="k")
    story = given(pool_with(limit("held", 5))).when(keyed).lines((1, QuotaIsExceeded, 1), accepted=1)
    story.when(keyed).lines((1, QuotaIsExceeded, 1), accepted=1, repeated=1)
    story.when(release_usage("held", 4), keyed).lines(accepted=2, repeated=1)


def test_other_usage_under_the_same_key_is_refused() -> None:
    story = given(pool_with(quota("api_calls", 10)), record_usage(line("api_calls", 3), idempotency_key="k"))
    story.when(record_usage(line("api_calls", 4), idempotency_key="k")).then(
        refused_line("api_calls", code=IdempotencyKeyReused.code)
    )


def test_a_line_with_an_id_of_its_own_keeps_it_under_a_key() -> None:
    keyed = record_usage(line("api_calls", 1, usage_id="u-1"), line("api_calls", 1), idempotency_key="k" * 128)
    story = given(pool_with(quota("api_calls", 10))).when(keyed).lines(accepted=2)
    own, followed = story.pool.usage_ids
    assert own == "u-1"
    assert len(followed) <= 128


# --- Numbered batches ----------------------------------------------------------------------------------------------------


def test_a_numbered_batch_counts_once_for_ever() -> None:
    batch = record_usage_batch(line("held", 3), source="gateway", sequence=0)
    story = given(pool_with(limit("held", 100))).when(batch)
    story.then(happens("UsageRecorded", sources=[{"source": "gateway", "sequence": 0}], lines=[{"quantity": 3}]))
    story.when(days(4000), batch).then_nothing().lines(accepted=1, repeated=1)
    assert story.consumed("held") == 3


def test_a_batch_numbered_below_the_last_one_counted_already() -> None:
    story = given(pool_with(limit("held", 100)), record_usage_batch(line("held", 3), source="gateway", sequence=7))
    story.when(record_usage_batch(line("held", 3), source="gateway", sequence=6)).then_nothing()
    story.when(record_usage_batch(line("held", 3), source="gateway", sequence=9)).then(recorded("held", 3))


def test_sources_number_apart_and_batches_without_a_source_are_not_numbered() -> None:
    story = given(pool_with(limit("held", 100)), record_usage_batch(line("held", 3), source="gateway", sequence=7))
    story.when(record_usage_batch(line("held", 3), source="other", sequence=1)).then(recorded("held", 3))
    unnumbered = record_usage_batch(line("held", 3))
    story.when(unnumbered, unnumbered).then(recorded("held", 3), recorded("held", 3))


def test_a_numbered_batch_of_refused_lines_only_is_remembered_as_well() -> None:
    batch = record_usage_batch(line("held", 3), source="gateway", sequence=1)
    story = given(pool_with(limit("held", 2)))
    story.when(batch).happened_so(
        happens("UsageRefused", sources=[]), happens("QuotaExceeded"), happens("UsageRecorded", lines=[], totals=[])
    )
    story.when(batch).then_nothing()


def test_a_numbered_batch_without_any_new_line_is_remembered() -> None:
    story = given(pool_with(limit("held", 5)), used("held", 3, usage_id="u-1"))
    story.when(record_usage_batch(line("held", 3, usage_id="u-1"), source="gateway", sequence=1)).then(
        happens("UsageRecorded", lines=[], totals=[], sources=[{"source": "gateway", "sequence": 1}])
    )


def test_a_sequence_is_not_negative_and_a_source_has_the_length_of_an_id() -> None:
    story = given(pool_with(limit("held", 5)))
    story.when(record_usage_batch(line("held", 3), source="gateway", sequence=-1)).refused(InvalidCommand)
    story.when(record_usage_batch(line("held", 3), source="x" * 129, sequence=1)).refused(InvalidId)
