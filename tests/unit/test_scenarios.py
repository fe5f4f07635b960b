"""The shipped scenarios hold, and whoever writes one is told what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.cli.running import run as cli
from entitlements.scenarios import reading
from entitlements.scenarios.reading import LIBRARY, ScenarioIsInvalid
from entitlements.scenarios.running import run

FILES = reading.find([])
MIN = "timeline: [{do: {ProvisionPool: {provision_id: a, set: s}}}, STEP]\nsets: {s: {rules: [{key: k, type: quota, amount: 5, period: day}]}}\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(LIBRARY).with_suffix("")))
def test_a_shipped_scenario_holds(path: Path) -> None:
    scenario = reading.read(path)
    assert scenario.about
    assert scenario.feature == path.parent.name
    assert run(scenario).differences == []


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{expect: {keys: {k: {limit: 6}}}}", "k.limit: expected 6, got 5"),
        (
            "{use: {key: k, quantity: 9}, expect: {refused_lines: []}}",
            "refused_lines: expected [], got ['quota_exceeded']",
        ),
        ("{do: {EndProvision: {provision_id: b}}}", "refused: unknown_provision"),
        ("{expect: {keys: {k: {limits: 6}}}}", "k.limits is not known"),
    ],
)
def test_what_differs_is_said(tmp_path: Path, step: str, said: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(MIN.replace("STEP", step))
    outcome = run(reading.read(file))
    assert not outcome.passed
    assert said in outcome.differences[0]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{do: {EndProvison: {}}}", "did you mean EndProvision?"),
        ("{do: {EndProvision: {provision: a}}}", "did you mean provision_id?"),
        ("{at: tomorrow}", "tomorrow is no instant"),
        ("{expekt: {}}", "did you mean expect?"),
        ("{do: {ChangeQuantity: {provision_id: a, quantity: many}}}", "ChangeQuantity.quantity"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path, step: str, said: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(MIN.replace("STEP", step))
    with pytest.raises(ScenarioIsInvalid) as refused:
        reading.read(file)
    assert said in str(refused.value)
    assert "step 2" in str(refused.value)


def test_the_command_line_counts_and_its_status_says_whether_one_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(["scenario", "run"]) == 0
    assert capsys.readouterr().out.rstrip().endswith(f"{len(FILES)} passed, 0 failed")
    file = tmp_path / "s.yaml"
    file.write_text(MIN.replace("STEP", "{expect: {keys: {k: {limit: 6}}}}"))
    assert cli(["scenario", "run", str(file)]) == 1
    assert "0 passed, 1 failed" in capsys.readouterr().out
    assert cli(["scenario", "run", str(tmp_path / "none.yaml")]) in (1, 2)
