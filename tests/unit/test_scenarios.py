"""Scenarios: the shipped ones hold and are complete; what differs is told; whoever writes one is told what is wrong with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.cli.running import run as cli
from entitlements.ledger.publisher import INTERNAL
from entitlements.scenarios import files, reading
from entitlements.scenarios.comparing import Difference
from entitlements.scenarios.reading import LIBRARY, ScenarioIsInvalid
from entitlements.scenarios.running import run, run_file
from entitlements.scenarios.words import codes, commands, events

FILES = reading.find([])
PAGE = Path(__file__).parents[2] / "docs/scenarios.md"
#: These need another partition, or hundreds of steps.
NOT_IN_A_STORY = {
    "inheritance_too_deep", "pool_is_elsewhere", "too_many_api_keys", "too_many_assignments", "too_many_customers", "too_many_idempotency_keys", "too_many_policies",
    "too_many_pools", "too_many_provisions", "too_many_reservations", "too_many_roles", "too_many_units", "too_many_usage_ids",
}  # fmt: skip

MIN = """
sets: {s: {rules: [{key: k, type: quota, amount: 5, period: day}]}}
timeline:
  - do: {ProvisionPool: {provision: a, set: s}}
  - STEP
"""


def written(tmp_path: Path, step: str, text: str = MIN) -> Path:
    file = tmp_path / "s.yaml"
    file.write_text(text.replace("STEP", step))
    return file


def differences(file: Path) -> list[Difference]:
    return [each for deviation in run(reading.read(file)) for each in deviation.differences]


def why_invalid(file: Path) -> str:
    with pytest.raises(ScenarioIsInvalid) as refused:
        list(run(reading.read(file)))
    return str(refused.value)


# --- The library -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(LIBRARY).with_suffix("")))
def test_a_shipped_scenario_holds_and_says_what_it_is_about(path: Path) -> None:
    scenario = reading.read(path)
    assert scenario.written.name
    assert scenario.written.about.strip()
    assert scenario.feature == path.parent.name
    assert list(run(scenario)) == []


def test_there_are_at_least_sixty_and_no_two_show_the_same_rule() -> None:
    names = [reading.read(path).name for path in FILES]
    assert len(names) >= 60
    assert len(names) == len(set(names))


def _asked(steps: list[Any]) -> set[str]:
    asked = {name for step in steps if step.do is not None for name in step.do.model_fields_set}
    return asked | ({"RecordUsage"} if any(step.use for step in steps) else set())


def test_every_command_appears_in_a_shipped_scenario() -> None:
    assert {name for path in FILES for name in _asked(reading.read(path).written.timeline)} == commands().keys()


def test_every_refusal_that_a_user_can_meet_appears_in_a_shipped_scenario() -> None:
    expected = [step.expect for path in FILES for step in reading.read(path).written.timeline]
    met = {code for expect in expected for code in [*expect.refused_lines, expect.refused] if code}
    assert met == codes() - NOT_IN_A_STORY


def test_every_event_but_those_of_bookkeeping_appears_in_a_shipped_scenario() -> None:
    met = set()
    for path in FILES:
        for expect in (step.expect for step in reading.read(path).written.timeline):
            met |= {name for part in [expect, *expect.pools.values()] for event in part.events for name in event}
    assert met == events() - INTERNAL


# --- The page --------------------------------------------------------------------------------------------------------


def examples() -> list[Any]:
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]


def test_the_page_has_an_example_of_every_command_that_can_be_read() -> None:
    steps = [step for block in examples() if isinstance(block, list) for step in block]
    assert _asked(files.model().model_validate({"timeline": steps}).timeline) == commands().keys()


def test_the_scenario_of_the_page_holds(tmp_path: Path) -> None:
    for block in examples():
        if isinstance(block, dict):
            assert differences(written(tmp_path, "", json.dumps(block, default=str))) == []


def test_the_page_names_everything_that_can_be_expected() -> None:
    said = set(re.findall(r"`(\w+)`", PAGE.read_text()))
    models = [files.Expected, files.KeyExpected, files.MemberExpected, files.ProvisionExpected, files.SetExpected]
    assert {name for model in [*models, files.KeyDefinedExpected] for name in model.model_fields} <= said


def test_the_page_names_every_shipped_scenario() -> None:
    linked = dict(re.findall(r"^- \[(.*)\]\(\S*/library/(\S+)\)$", PAGE.read_text(), re.MULTILINE))
    assert linked == {reading.read(path).name: str(path.relative_to(LIBRARY)) for path in FILES}


# --- What differs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "what", "expected", "got"),
    [
        ("{expect: {keys: {k: {allowed: false}}}}", "k.allowed", False, True),
        ("{expect: {keys: {k: {limit: 6}}}}", "k.limit", 6, 5),
        ("{expect: {keys: {k: {limit: unlimited}}}}", "k.limit", "unlimited", 5),
        ("{use: {key: k, quantity: 2}, expect: {keys: {k: {consumed: 3}}}}", "k.consumed", 3, 2),
        ("{use: {key: k, quantity: 2}, expect: {keys: {k: {remaining: 2}}}}", "k.remaining", 2, 3),
        ("{expect: {keys: {k: {contributions: {a: 6}}}}}", "k.contributions", {"a": 6}, {"a": 5}),
        ("{expect: {keys: {k: {contributions: {}}}}}", "k.contributions", {}, {"a": 5}),
        ("{expect: {keys: {k: {burnt: {a: 1}}}}}", "k.burnt", {"a": 1}, {"a": 0}),
        ("{expect: {keys: {k: {resets_at: 2026-03-04}}}}", "k.resets_at", "2026-03-04T00:00:00Z", "2026-03-03T00:00:00Z"),
        ("{expect: {keys: {other: {allowed: true}}}}", "other.allowed", True, False),
        ("{expect: {workspaces: {berlin: {k: {allowed: true}}}}}", "berlin: k.allowed", True, False),
        ("{expect: {status: closed}}", "status", "closed", "open"),
        ("{expect: {provisions: {a: ended}}}", "a.status", "ended", "active"),
        ("{expect: {provisions: {b: active}}}", "b", "present", None),
        ("{expect: {pools: {pool: {keys: {k: {limit: 6}}}}}}", "pool: k.limit", 6, 5),
        ("{expect: {pools: {other: {status: open}}}}", "other: pool", "a pool", None),
        ("{expect: {sets: {s: {set_version: 2}}}}", "set s.set_version", 2, 1),
        ("{expect: {resource_keys: {k: {unit: GB}}}}", "resource key k", "present", None),
        ("{expect: {repeated: true}}", "repeated", True, False),
        ("{use: {key: k}, expect: {events: []}}", "events", [], ["UsageRecorded"]),
        ("{use: {key: k}, expect: {events: [UsageRecorded: {lines: [{quantity: 2}]}]}}", "UsageRecorded.lines.1.quantity", 2, 1),
        ("{use: {key: k}, expect: {events: [UsageRecorded: {lines: []}]}}", "UsageRecorded.lines: count", 0, 1),
        ("{use: {key: k}, expect: {events: [UsageRecorded: {timestamp: +1h}]}}", "UsageRecorded.timestamp", "+1h", "2026-03-02T12:00:00Z"),
        ("{use: {key: k}, expect: {events: [UsageRecorded: {lime: 2}]}}", "UsageRecorded.lime", 2, "no such field"),
        ("{use: {key: k, quantity: 9}, expect: {refused_lines: []}}", "refused_lines", [], ["quota_exceeded"]),
        ("{use: {key: k, quantity: 9}}", "refused_lines", [], ["quota_exceeded"]),
        ("{use: {key: k}, expect: {refused_lines: [quota_exceeded]}}", "refused_lines", ["quota_exceeded"], []),
        ("{do: {EndProvision: {provision: a}}, expect: {refused: unknown_provision}}", "refused", "unknown_provision", None),
        (
            "{do: {EndProvision: {provision: b}}}",
            "refused",
            None,
            "unknown_provision: The pool has no such provision: b.",
        ),
    ],
)  # fmt: skip
def test_a_wrong_expectation_of_each_kind_is_found(
    tmp_path: Path, step: str, what: str, expected: Any, got: Any
) -> None:
    (found,) = differences(written(tmp_path, step))
    assert (found.what, found.expected, found.got) == (what, expected, got)


def test_what_is_right_is_no_difference_and_what_is_not_said_is_not_looked_at(tmp_path: Path) -> None:
    right = "{use: {key: k, quantity: 5}, expect: {events: [UsageRecorded: {lines: [{quantity: 5}]}], keys: {k: {remaining: 0, resets_at: +12h}}}}"
    assert differences(written(tmp_path, right)) == []
    assert differences(written(tmp_path, "{use: {key: k, quantity: 5}, expect: {}}")) == []


def test_a_timeline_goes_on_after_a_difference(tmp_path: Path) -> None:
    steps = "{expect: {status: closed}}\n  - {at: +1h, expect: {status: closed}}"
    deviations = list(run(reading.read(written(tmp_path, steps))))
    assert [deviation.place.rpartition(":")[2].strip() for deviation in deviations] == ["step 2", "step 3"]
    assert [deviation.at.hour for deviation in deviations] == [12, 13]
    assert deviations[1].place.startswith(f"{tmp_path / 's.yaml'}:6:")


# --- What cannot be read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{do: {EndProvison: {}}}", "do: no such command: EndProvison; did you mean EndProvision?"),
        ("{do: {EndProvision: {provison: a}}}", "do.EndProvision: no such field: provison; did you mean provision?"),
        ("{do: {EndProvision: {provision: a, provision_id: a}}}", "duplicate key provision_id"),
        ("{do: {EndProvision: {}}}", "do.EndProvision.provision_id: is required"),
        ("{do: {EndProvision: {provision: a}, ClosePool: {}}}", "one command"),
        ("{do: {ClosePool: {}}, use: {key: k}}", "do or use"),
        ("{do: {ChangeQuantity: {provision: a, quantity: many}}}", "do.ChangeQuantity.quantity: must be an integer"),
        ("{do: {ChangeQuantity: {provision: a, quantity: '5'}}}", "do.ChangeQuantity.quantity"),
        ("{do: {ProvisionPool: {provision: b, set: nothing}}}", "no such set: nothing; defined are s"),
        ("{do: {ProvisionPool: {provision: b, set: s, set_version: 7}}}", "s has no version 7: it has 1"),
        ("{do: {ProvisionPool: {provision: b}}}", "do.ProvisionPool.set_id: is required"),
        ("{do: {ReviseProvision: {provision: b}}}", "ReviseProvision needs set, or set_version and rules"),
        ("{use: {key: k, quantity: 1.5}}", "use.quantity"),
        ("{use: [{key: k}, {quantity: 1}]}", "use.2.resource_key: is required"),
        ("{at: tomorrow}", "at: tomorrow is not a time"),
        ("{at: 2026-03-02T12:00:00}", "is not a time"),
        ("{at: -1h}", "before the previous step"),
        ("{at: +9999999w}", "days is out of range"),
        ("{at: +200000d}", "a timeline must end before 2200"),
        ("{expect: {events: [{UsageRecorded: {}, QuotaExceeded: {}}]}}", "expect.events.1: must have at most 1 entries"),
        ("{do: {CancelProvision: {provision: a}}}", "no such command: CancelProvision; did you mean EndProvision?"),
        ("{do: {CapMember: {customer: w, key: k}}}", "no such field: customer; commands call it workspace_id."),
        ("{use: {key: k, customer: w}}", "no such field: customer; commands call it workspace_id."),
        ("{use: {key: k, customer_id: w}}", "no such field: customer_id; commands call it workspace_id."),
        ("{expect: {customers: {w: {k: {remaining: 1}}}}}", "no such field: customers; commands call it workspaces."),
        ("{expekt: {}}", "no such field: expekt; did you mean expect?"),
        ("{expect: {keys: {k: {limits: 6}}}}", "expect.keys.k: no such field: limits; did you mean limit?"),
        ("{expect: {events: [UsageRecordet]}}", "no such event: UsageRecordet; did you mean UsageRecorded?"),
        ("{expect: {refused: quota_exeeded}}", "no such refusal: quota_exeeded; did you mean quota_exceeded?"),
        ("{expect: {status: shut}}", "expect.status"),
        ("just words", "must be a mapping with the fields"),
    ],
)  # fmt: skip
def test_what_is_invalid_is_said_with_its_place(tmp_path: Path, step: str, said: str) -> None:
    file = written(tmp_path, step)
    told = why_invalid(file)
    assert said in told
    assert f"{file}:5: step 2" in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("[1, 2]", "must be a mapping with the fields"),
        ("timeline: [", "is not valid YAML"),
        ("name: a\nname: b\ntimeline: []", ":2: duplicate key name"),
        ("timeline:\n  - at: +1h\n    at: +2h", ":3: duplicate key at"),
        ("name: nothing happens", "timeline: is required"),
        ("begins_at: +1d\ntimeline: []", "begins_at"),
        ("sets: {s: {rules: [{key: k, type: limit}]}}\ntimeline: []", "setup: k needs an amount"),
        ("sets: {s: {rules: []}}\ntimeline: []", "setup: s: Invalid rules"),
        ("sets: {s: {rules: [{key: k, amount: 1}]}}\ntimeline: []", "setup: k needs a type"),
        ("sets: {s: {extends: [t]}}\ntimeline: []", "setup: s: No such entitlement set"),
        ("pools: {a: {}, b: {}}\ntimeline: [{do: {ClosePool: {}}}]", "step 1: set the pool: a, b"),
        ("pools: {a: {}, b: {}}\ntimeline: [{expect: {status: open}}]", "step 1: set the pool: a, b"),
        (
            "pools: {a: {}, b: {}}\ntimeline: [{use: [{pool: a, key: k}, {pool: b, key: k}]}]",
            "a use must be in one pool",
        ),
        ("pools: {a: {}, b: {}}\ntimeline: [{use: {key: k, workspace: w}}]", "w is not assigned to any of a, b"),
        (
            (
                "pools: {a: {organization: acme}, b: {organization: rival}}\n"
                "timeline:\n"
                "  - {do: {AssignWorkspace: {pool: a, workspace: w, role: primary}}}\n"
                "  - {do: {AssignWorkspace: {pool: b, workspace: w, role: primary}}}\n"
                "  - {use: {key: k, workspace: w}}"
            ),
            "set the pool: acme, rival each have a customer w",
        ),
    ],
)
def test_a_file_that_is_invalid_says_why(tmp_path: Path, text: str, said: str) -> None:
    assert said in why_invalid(written(tmp_path, "", text))


def test_an_alias_that_holds_itself_ends(tmp_path: Path) -> None:
    assert "step 1" in why_invalid(written(tmp_path, "", "timeline: &a [*a]"))


# --- What a timeline means -------------------------------------------------------------------------------------------


def test_long_and_short_words_mean_the_same(tmp_path: Path) -> None:
    long = "{do: {SetOverride: {override_id: o, resource_key: k, pool_id: pool, amount: 9, reason: r}}, expect: {keys: {k: {limit: 9}}}}"
    assert differences(written(tmp_path, long)) == []
    assert differences(written(tmp_path, long.replace("_id", "").replace("resource_key", "key"))) == []


def test_time_passes_in_every_pool(tmp_path: Path) -> None:
    text = """
sets: {s: {rules: [{key: k, type: limit, amount: 5}]}}
pools: {a: {}, b: {}}
timeline:
  - do: {ProvisionPool: {pool: a, provision: p, set: s, ends_at: +1d}}
  - do: {ProvisionPool: {pool: b, provision: p, set: s, ends_at: +2d}}
  - at: +3d
    expect: {pools: {a: {provisions: {p: ended}}, b: {provisions: {p: {status: ended, ends_at: 2026-03-04T12:00:00Z}}}}}
"""
    assert differences(written(tmp_path, "", text)) == []


# --- The command line ------------------------------------------------------------------------------------------------


def test_run_counts_and_its_status_says_whether_one_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["scenario", "run"]) == 0
    assert capsys.readouterr().out.rstrip().endswith(f"{len(FILES)} passed, 0 failed")
    file = written(tmp_path, "{use: {key: k, quantity: 9}, expect: {keys: {k: {limit: 6}}}}")
    (tmp_path / "t.yaml").write_text("timeline: [{at: soon}]")
    assert cli(["scenario", "run", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f"{file}:5: step 2, 2026-03-02T12:00:00Z" in out
    assert re.search(r"k\.limit\n\s+expected +6\n\s+got +5\n", out)
    assert re.search(r"refused_lines\n\s+expected +\[\]\n\s+got +\[quota_exceeded\]\n", out)
    assert "soon is not a time" in out
    assert out.rstrip().endswith("0 passed, 2 failed")
    assert cli(["scenario", "run", str(tmp_path / "none.yaml")]) in {1, 2}


def test_run_tells_machines_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "{expect: {keys: {k: {limit: 6}}}}")
    assert cli(["scenario", "run", str(file), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["passed"], told["failed"]) == (0, 1)
    (deviation,) = told["scenarios"][0]["deviations"]
    assert deviation["differences"] == [{"what": "k.limit", "expected": 6, "got": 5}]


def test_a_feature_of_the_library_can_be_listed_shown_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["scenario", "run", "credits"]) == 0
    assert "AI tokens beyond the plan" in capsys.readouterr().out
    assert cli(["scenario", "list", "credits"]) == 0
    assert "credits/ai-tokens-beyond-the-plan " in capsys.readouterr().out
    assert cli(["scenario", "show", "credits/ai-tokens-beyond-the-plan"]) == 0
    text = (LIBRARY / "credits/ai-tokens-beyond-the-plan.yaml").read_text()
    assert capsys.readouterr().out == text
    assert cli(["scenario", "show", "credits/ai-tokens-beyond-the-plan.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == text
    assert cli(["scenario", "list", "credits", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["scenarios"]) == len(list((LIBRARY / "credits").iterdir()))


def test_one_that_cannot_be_read_did_not_pass(tmp_path: Path) -> None:
    outcome = run_file(written(tmp_path, "{at: soon}"))
    assert not outcome.passed
    assert "soon" in outcome.invalid


def test_a_scenario_is_named_with_or_without_its_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages print names without their ending, `scenario list` with it."""
    monkeypatch.chdir(tmp_path)
    whole = reading.find([Path("stacking/max-chooses.yaml")])
    assert reading.find([Path("stacking/max-chooses")]) == whole
    (tmp_path / "mine.yaml").write_text("timeline: []\n")
    assert reading.find([Path("mine")]) == [Path("mine.yaml")]
    assert len(reading.find([Path("stacking")])) > 1
    with pytest.raises(reading.ScenarioIsInvalid, match=r"Did you mean stacking/max-chooses\?"):
        reading.find([Path("stacking/max-choses")])


def test_usage_and_expectations_name_the_customer_alike(tmp_path: Path) -> None:
    plan = "{rules: [{key: calls, type: quota, amount: 5, period: day}]}"
    file = tmp_path / "s.yaml"
    file.write_text(
        f"sets: {{s: {plan}}}\n"
        "timeline:\n"
        "  - do: {ProvisionPool: {provision: p, set: s}}\n"
        "  - do: {AssignWorkspace: {workspace: ws-1, role: primary}}\n"
        "  - do: {CapMember: {workspace: ws-1, key: calls, amount: 3, period: day}}\n"
        "  - use: {workspace: ws-1, key: calls, quantity: 2}\n"
        "    expect: {workspaces: {ws-1: {calls: {consumed: 2, remaining: 1}}}}\n"
    )
    assert run_file(file).passed
