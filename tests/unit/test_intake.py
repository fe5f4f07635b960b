"""What comes in from files: definitions and rows are checked to their end, and lanes keep each pool in order."""

from __future__ import annotations

import gzip
import random
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from entitlements.domain.commands import AdvanceClock, Command
from entitlements.domain.errors import CommandRefused
from entitlements.domain.ids import derived_id
from entitlements.domain.inheritance import SetVersion, whole
from entitlements.domain.values import OwnRule, ParentSet
from entitlements.errors import OutcomeUnknown
from entitlements.examples import quota
from entitlements.intake.definitions import DefinitionIsInvalid, parse_set, read_ladder
from entitlements.intake.lanes import Lanes
from entitlements.intake.lines import Meaning
from entitlements.intake.rows import FileIsInvalid, check, read_rows
from entitlements.ledger.caller import Outcome
from entitlements.settings import Settings

HEAD = "usage_id,occurred_at,customer_id,bytes,path\n"
ROW = "u1,2015-05-17T10:05:00Z,ws-1,120,/\n"


def written(folder: Path, text: str) -> Path:
    (folder / "usage.csv").write_text(text)
    return folder / "usage.csv"


def test_rows_are_numbered_from_1_and_a_gzipped_file_reads_the_same(tmp_path: Path) -> None:
    plain = written(tmp_path, HEAD + ROW + "u2,2015-05-17T12:05:00+02:00,ws-2,,/\n")
    packed = tmp_path / "usage.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    rows = list(read_rows(plain))
    assert rows == list(read_rows(packed))
    assert [(row.number, row.customer_id, row.bytes) for row in rows] == [(1, "ws-1", 120), (2, "ws-2", 0)]
    assert rows[0].occurred_at == rows[1].occurred_at
    assert check(plain).customers == ["ws-1", "ws-2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column"),
        ("usage_id,when\n", "no column occurred_at, customer_id, bytes"),
        (HEAD, "no rows"),
        (HEAD + ROW + "u2,2015-05-17T10:05:00,ws-1,1,/\n", "line 3, occurred_at"),
        (HEAD + "u1,2015-05-17T10:05:00Z,ws-1,-1,/\n", "line 2, bytes"),
        (HEAD + "u1,2015-05-17T10:05:00Z,ws-1,1.5,/\n", "line 2, bytes"),
        (HEAD + f"u1,2015-05-17T10:05:00Z,ws-1,{2**53 + 1},/\n", "line 2, bytes"),
        (HEAD + f"u1,2015-05-17T10:05:00Z,{'w' * 129},1,/\n", "line 2, customer_id"),
        (HEAD + ",2015-05-17T10:05:00Z,ws-1,1,/\n", "line 2, usage_id"),
        (HEAD + "u1\n", "line 2, occurred_at"),
        (HEAD + 'u1,"2015\n', "after line"),
    ],
)
def test_a_bad_row_is_named_by_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(FileIsInvalid, match=said):
        check(written(tmp_path, text))


def test_a_gzipped_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress((HEAD + ROW * 1000).encode())[:-20])
    with pytest.raises(FileIsInvalid):
        check(cut)


def test_a_row_is_one_request_and_its_bytes_under_ids_of_their_own(tmp_path: Path) -> None:
    rows = list(read_rows(written(tmp_path, HEAD + ROW + "u2,2015-05-17T10:05:00Z,ws-1,0,/\n")))
    first, second = (Meaning(source="file").command(row, "p1", in_backfill=True) for row in rows)
    lines = [
        (line["resource_key"], line["quantity"], line["mode"], line["usage_id"]) for line in first.groups[0]["lines"]
    ]
    assert lines == [("api_calls", 1, "strict", "u1"), ("bandwidth_bytes", 120, "report", derived_id("bytes", "u1"))]
    assert (first.source, first.sequence, second.sequence) == ("file", 1, 2)
    assert len(second.groups[0]["lines"]) == 1
    assert first.effective_at == rows[0].occurred_at
    assert Meaning(source="file").command(rows[0], "p1", in_backfill=False).effective_at is None, "it would be refused"


def definition(**more: Any) -> dict[str, Any]:
    rule = {"resource_key": "api_calls", "rule_type": "quota", "amount": 5, "period": "day"}
    return {"set_id": "s", "rules": [rule]} | more


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "must be an object"),
        (definition(rules=[]), "at least 1"),
        ({"set_id": "s"}, "at least 1"),
        (definition(inheritance="merge"), "inheritance requires extends"),
        (definition(extends=[""]), r"extends\.0\.set_id"),
        (definition(extends=[{"set_id": "base", "version": 0}]), r"extends\.0\.version"),
        (definition(extends=["base"], inheritance="mix"), "inheritance"),
        (
            definition(extends=["base"], inheritance="replace", rules=[{"resource_key": "k", "amount": 1}]),
            "k needs a rule_type",
        ),
        (definition(rules=[{"resource_key": "k", "amount": 1}]), "k needs a rule_type"),
        (definition(ruels=[]), "ruels"),
        (definition(ladder="plans"), "both ladder and rung"),
        (definition(set_id="x" * 129), "set_id"),
        (definition(rules=[{"resource_key": "k", "rule_type": "quota", "period": "day"}]), "k needs an amount"),
        (definition(rules=[{"resource_key": "k", "rule_type": "quota", "amount": 1}]), "k needs a period"),
        (definition(rules=[{"resource_key": "k", "rule_type": "limit", "amount": 1.5}]), "amount"),
        (definition(rules=[{"resource_key": "k", "rule_type": "limit", "amount": -1}]), "amount"),
        (definition(rules=[{"resource_key": "k", "rule_type": "limit", "amount": "many"}]), "amount"),
        (definition(keys={"api_calls": {"data_type": "boolean"}}), "cannot have a quota rule"),
    ],
)
def test_a_definition_that_is_invalid_is_refused_with_its_place(content: Any, said: str) -> None:
    with pytest.raises(DefinitionIsInvalid, match=said):
        parse_set(content, "file")


def test_a_definition_may_leave_out_what_has_a_default() -> None:
    rules = [*definition()["rules"], {"resource_key": "f", "rule_type": "boolean"}]
    command = parse_set(definition(rules=rules), "file").set_command("me")
    assert [(rule.stacking, rule.hard_limit) for rule in command.rules] == [("sum", None), ("any", None)]
    assert command.name == "s"


def test_a_ladder_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "plans.yaml"
    file.write_text("{ladder: plans, rungs: [{rung: 1, name: Free}, {rung: 2, name: Pro}]}")
    command = read_ladder(file).command("me")
    assert (command.ladder, command.name, [vars(rung) for rung in command.rungs]) == (
        "plans", "plans", [{"rung": 1, "name": "Free"}, {"rung": 2, "name": "Pro"}],
    )  # fmt: skip
    file.write_text("{ladder: plans, rungs: [{rung: high, name: Free}]}")
    with pytest.raises(DefinitionIsInvalid, match=r"rungs\.0\.rung"):
        read_ladder(file)


BASE = {("base", 2): SetVersion(set_id="base", version=2, own_rules=whole([quota(amount=100, soft_limit=80)]))}


def test_a_set_that_extends_states_only_what_it_changes_and_takes_the_newest_parent() -> None:
    file = definition(extends=["base"], rules=[{"resource_key": "api_calls", "amount": "unlimited"}])
    command = parse_set(file, "file").set_command("me", BASE)
    assert command.rules == [quota(amount=None, soft_limit=80)]
    assert command.extends == [ParentSet(set_id="base", version=2)]
    assert command.own_rules == [OwnRule(rule=quota(amount=None, soft_limit=80), stated=["amount"])]
    assert (command.inheritance, command.ladder, command.rung) == ("merge", None, None)


def test_a_set_may_extend_others_and_say_nothing_itself() -> None:
    command = parse_set({"set_id": "s", "extends": [{"set_id": "base", "version": 2}]}, "file").set_command("me", BASE)
    assert (command.rules, command.own_rules) == ([quota(amount=100, soft_limit=80)], [])


def test_what_a_set_adds_need_not_say_what_it_is() -> None:
    file = {
        "set_id": "s",
        "extends": ["base"],
        "inheritance": "additive",
        "rules": [{"resource_key": "api_calls", "amount": 7}],
    }
    assert parse_set(file, "file").set_command("me", BASE).rules == [quota(amount=107, soft_limit=87)]


@pytest.mark.parametrize(("parent", "code"), [("none", "unknown_parent"), ("s", "inheritance_cycle")])
def test_parents_that_cannot_be_extended_are_refused_by_their_code(parent: str, code: str) -> None:
    known = BASE | {("s", 1): SetVersion(set_id="s", version=1, own_rules=whole([quota()]))}
    with pytest.raises(CommandRefused) as refusal:
        parse_set({"set_id": "s", "extends": [parent]}, "file").set_command("me", known)
    assert refusal.value.code == code


class Unreliable:
    """A caller whose answers come late, in any order, or not at all; the log it writes to keeps everything."""

    def __init__(self, chance: random.Random, lost: float) -> None:
        self.settings = Settings(answer_timeout_for=0.3)
        self.log: list[Command] = []
        self._chance = chance
        self._lost = lost

    def send(self, command: Command) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        if self._chance.random() < self._lost:
            if self._chance.random() < 0.5:
                future.set_exception(OutcomeUnknown())
            return future
        self.log.append(command)
        outcome = Outcome(
            command_id=command.command_id, status="accepted", repeated=False, code="", message="", aggregate_id="", version=1,
            accepted_lines=0, refused_lines=[], partition=0, frame_offset=0,
        )  # fmt: skip
        threading.Timer(self._chance.uniform(0, 0.02), future.set_result, [outcome]).start()
        return future


def test_nothing_of_a_pool_overtakes_what_was_lost() -> None:
    caller = Unreliable(random.Random(1), lost=0.1)
    commands = [AdvanceClock(command_id=str(number), pool_id=f"p{number % 7}") for number in range(200)]
    heard: list[str] = []
    lanes = Lanes(caller)  # type: ignore[arg-type]  # All that lanes use of a caller.
    lanes.run(iter(commands), lambda command, _: heard.append(command.command_id))
    assert sorted(heard, key=int) == [command.command_id for command in commands]
    assert lanes.repeats > 0
    for pool in range(7):
        in_log = [int(command.command_id) for command in caller.log if command.pool_id == f"p{pool}"]  # type: ignore[attr-defined]
        assert in_log == sorted(in_log)


def test_silence_ends_in_outcome_unknown() -> None:
    lanes = Lanes(Unreliable(random.Random(1), lost=1.0), give_up_after_for=0.5)  # type: ignore[arg-type]
    with pytest.raises(OutcomeUnknown, match="1 commands are pending"):
        lanes.run([AdvanceClock(command_id="1", pool_id="p")], lambda command, outcome: None)


def test_a_row_of_the_epoch_is_not_taken_for_one_without_an_instant(tmp_path: Path) -> None:
    text = "usage_id,occurred_at,customer_id,bytes\nu-1,1970-01-01T00:00:00Z,ws-1,\n"
    (row,) = read_rows(written(tmp_path, text))
    (line,) = Meaning(source="s").command(row, "pool", in_backfill=False).groups[0]["lines"]
    assert line["occurred_at"] < 0, "the pool refuses it"


def test_a_misspelled_field_of_a_definition_is_answered_with_the_right_one_not_with_its_value() -> None:
    rule = {"resource_key": "calls", "rule_type": "quota", "ammount": 5000, "period": "day", "stacking": "sum"}
    with pytest.raises(DefinitionIsInvalid) as refused:
        parse_set({"set_id": "pro", "name": "Pro", "rules": [rule]}, "pro.yaml")
    assert str(refused.value).endswith("pro.yaml: rules.0.ammount: is not a known field; did you mean amount?")
