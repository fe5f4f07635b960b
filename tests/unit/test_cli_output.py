"""What people see: tables that fit, help that is whole, and names that steer no terminal."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.cells import cell_len
from rich.console import Console
from rich.progress import Progress
from rich.text import Text
from typer.main import get_command

from entitlements.cli import output, previewing
from entitlements.cli.app import app
from entitlements.cli.operating import _show, _tell_how_to_query
from entitlements.cli.running import run
from entitlements.demo import running as demo
from entitlements.scenarios import files, running
from entitlements.scenarios.preview import KeyOutcome, Tally
from entitlements.scenarios.reading import LIBRARY
from entitlements.scenarios.running import Outcome
from entitlements.settings import Settings
from entitlements_projections.comparing import TableComparison
from entitlements_projections.rebuild import Report

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY_ID = "3kTfq09sXa2B" * 4
COLUMNS = ("Key", "Name", "~May", "Unit", "Made", "Expires", ">Requests/s")
ROWS = [
    (KEY_ID, "shop", "read, use, administer, audit", "", AT, None, 2_000),
    ("k2", "a name of five words here", "read", "", AT, AT, None),
]


def shown(capsys: pytest.CaptureFixture[str], columns: tuple[str, ...] = COLUMNS, rows: Any = ROWS) -> str:
    output.table(columns, rows)
    return capsys.readouterr().out


def test_into_a_file_a_table_is_whole_and_nothing_is_padded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = shown(capsys).split("\n")
    assert lines[0].split() == ["Key", "Name", "May", "Unit", "Made", "Expires", "Requests/s"]
    assert re.split(r"   +", lines[2]) == [
        KEY_ID, "shop", "read, use, administer, audit", "2026-01-31T12:00:00Z", "2,000",
    ]  # fmt: skip
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [40, 80, 100, 120, 200])
def test_a_table_fits_its_width_and_breaks_no_id_or_instant(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = shown(capsys)
    assert all(value in text for value in (KEY_ID, "2026-01-31T12:00:00Z", "a name of five words here", "2,000"))
    assert all(cell_len(line) <= max(width, len("Key ") + len(KEY_ID)) for line in text.split("\n"))


def test_a_table_that_does_not_fit_loses_its_empty_columns_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("id-1", "", "x" * 60)]
    monkeypatch.setenv("COLUMNS", "80")
    assert shown(capsys, ("Id", "A wide heading, of nothing", "Value"), rows).split("\n")[0].split() == ["Id", "Value"]
    monkeypatch.setenv("COLUMNS", "60")
    assert shown(capsys, ("Id", "Nothing", "Value"), rows) == f"Id id-1\n  Value  {'x' * 60}\n\n"


def test_prose_folds_between_words_beside_what_stays_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = shown(capsys, ("Id", "~Why"), [("i" * 20, "ten words " * 8)]).split("\n")
    assert [cell_len(line) <= 60 for line in lines] == [True] * len(lines)
    assert lines[2].startswith("i" * 20 + "   ten words ten words")
    assert lines[3].startswith(" " * 23 + "words ten")


def test_a_sentence_folds_between_words_and_never_within_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    output.say(f"Pool {output.strong('p1')} is open for everybody here.")
    assert capsys.readouterr().out == "Pool p1 is open for\neverybody here.\n"
    output.say(f"Pool {output.strong('p' * 30)} is open.")
    assert capsys.readouterr().out == f"Pool {'p' * 30} is open.\n"


HOSTILE = "a\x1b[2Jb\nc\u202ed\x9b31m\u200b\u00ad\U000e0041\ufe0f\u3164é[red][/bold]"
TAMED = "a\\x1b[2Jb\\nc\\u202ed\\x9b31m\\u200b\\xad\\U000e0041\\ufe0f\\u3164é[red][/bold]"
UNSEEN = set("\x1b\x9b\u202e\u200b\u00ad\U000e0041\ufe0f\u3164\u2028")


def test_names_that_callers_chose_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("Name",), [(HOSTILE,)], title=HOSTILE)
    output.facts({"Name": HOSTILE})
    output.say(f"Pool {output.strong(HOSTILE)} is open, {output.literal(HOSTILE)}.")
    output.say(HOSTILE)
    output.note(HOSTILE)
    got = capsys.readouterr()
    assert got.out.count(TAMED) == 6
    assert not set(got.out + got.err) & UNSEEN
    output.document({"name": HOSTILE})
    written = capsys.readouterr().out
    assert json.loads(written)["name"] == HOSTILE
    assert not set(written) & UNSEEN


def test_an_error_names_what_was_typed_without_control_characters(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(["set", "example", "\x1b[2J"])
    assert "\x1b" not in capsys.readouterr().err
    for more in ([], ["--json"]):
        run(["pool", "show", HOSTILE + "\u2028", "--data", HOSTILE, "--by\x9b", *more])
        got = capsys.readouterr()
        assert not set(got.out + got.err) & UNSEEN
    assert "By" in got.out or "by" in got.out


def test_only_one_module_of_the_command_line_makes_json_or_prints() -> None:
    for file in (ROOT / "services/entitlements/cli").glob("*.py"):
        calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        assert file.name == "output.py" or not [call for call in calls if re.search(r"\bdumps?$", call)], file
        assert file.name in {"output.py", "running.py"} or "print" not in calls, file


APP: Any = get_command(app)


def helps() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def add(path: str, command: Any) -> None:
        found.append((path, command))
        for name, each in getattr(command, "commands", {}).items():
            add(f"{path} {name}".strip(), each)

    add("", APP)
    return found


HELPS = helps()


@pytest.mark.parametrize(("path", "command"), HELPS, ids=[path for path, _ in HELPS])
def test_the_examples_of_help_are_whole_at_80_columns(
    path: str, command: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*path.split(), "--help"]) == 0
    seen = capsys.readouterr().out
    assert max(cell_len(line) for line in seen.splitlines()) <= 80
    assert "[[" not in seen
    lines = {line.strip() for line in seen.splitlines()}
    for line in Text.from_markup(f"{command.help}\n{command.epilog or ''}").plain.splitlines():
        if line.startswith(("  ", "$ ")):
            assert line.strip() in lines


@pytest.mark.parametrize(("path", "command"), HELPS, ids=[path for path, _ in HELPS])
def test_the_command_lines_of_help_exist(path: str, command: Any) -> None:
    text = Text.from_markup(f"{command.help}\n{command.epilog or ''}").plain.replace("\\\n", "")
    for line in re.findall(r"\$ (?:\w+=\S+ )*entitlements(.*?)(?:#.*)?$", text, re.MULTILINE):
        words, found = shlex.split(line), APP
        while words and words[0] in getattr(found, "commands", {}):
            found = found.commands[words.pop(0)]
        assert not getattr(found, "commands", {}), line
        assert {word for word in words if word.startswith("-")} <= {name for each in found.params for name in each.opts}


def documents(*path: str) -> list[Any]:
    """The YAML examples in the help of a command, as people see them."""
    command = APP
    for name in path:
        command = command.commands[name]
    parts = Text.from_markup(command.help).plain.split("\n\n")
    return [yaml.safe_load(part) for part in parts if part.startswith("  ") and not part.startswith("  $")]


def as_file(folder: Path, document: Any) -> Path:
    (folder / "example.yaml").write_text(yaml.safe_dump(document))
    return folder / "example.yaml"


def test_the_files_that_help_shows_are_valid(tmp_path: Path) -> None:
    from entitlements.intake.definitions import read_ladder, read_set
    from entitlements.intake.key_document import read_key
    from entitlements.intake.policies import read_policies, tried_out
    from entitlements.scenarios.running import run_file

    pro, team = documents("set", "define")
    assert [read_set(as_file(tmp_path, each)).set_id for each in (pro, team)] == ["pro", "team"]
    assert team["extends"] == ["pro", {"set_id": "seats-pack", "version": 2}]
    (key,) = documents("key", "define")
    assert read_key(as_file(tmp_path, key)).inheritance_rules.inherits_from == ["basic_analytics"]  # type: ignore[union-attr]
    assert read_ladder(as_file(tmp_path, documents("ladder", "define")[0])).ladder == "plans"
    (policy,) = documents("policy", "define")
    policies = read_policies(as_file(tmp_path, policy))
    (context,) = documents("policy", "test")
    assert tried_out(policies, context, "context")["decision"]["reason_code"]
    assert run_file(as_file(tmp_path, documents("scenario")[0])).passed


@pytest.mark.parametrize(
    "arguments",
    [
        ["pool", "open", "p1.yaml", "--organization", "acme"],
        ["assign", "p1", "p1.yaml"],
        ["provision", "add", "p1", "pro", "--id", "p1.yaml"],
        ["grant", "issue", "p1", "pro", "--id", "p1.yaml", "--reason", "r", "--actor", "a"],
    ],
)
def test_the_name_of_a_file_is_no_id_of_something_new(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p1.yaml").write_text("pool_id: p1\n")
    assert run(arguments) == 2
    assert "p1.yaml is a file in this directory" in capsys.readouterr().err


def test_a_key_named_by_its_document_is_read_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["key", "define", "premium.json"]) == 2
    assert "premium.json" in capsys.readouterr().err
    Path("premium.json").write_text(
        '{"entitlement_id": "premium", "type": "feature", "data_type": "boolean", "colour": "blue"}'
    )
    assert run(["key", "define", "premium.json"]) == 2
    assert "colour" in capsys.readouterr().err


def test_how_to_reach_the_postgres_of_up_is_a_line_for_a_shell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://entitlements@127.0.0.1:5432/entitlements"
    monkeypatch.delenv("ENTITLEMENTS_POSTGRES", raising=False)
    _tell_how_to_query(Settings(postgres=url))
    line = capsys.readouterr().out.splitlines()[1].strip()
    shell = f'{line} && echo "$ENTITLEMENTS_POSTGRES" && psql --version && pg_dump --version'
    told = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[0] == url
    assert [each.split()[0] for each in told[1:]] == ["psql", "pg_dump"]
    monkeypatch.setenv("ENTITLEMENTS_POSTGRES", url)  # It may hold a password, and whoever set it knows it.
    _tell_how_to_query(Settings())
    assert capsys.readouterr().out == ""


def test_tables_that_are_behind_are_named_by_partition_and_nothing_is_said_to_match(
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = TableComparison(table="grants", rows=0, only_live=0, only_rebuilt=0)
    _show(Report(tables=[empty], offsets={1: 3}, ends={0: 10, 1: 3}, swapped=False, seconds=1.0))
    said = " ".join(capsys.readouterr().out.split())
    assert "Partition 0: compared up to frame 0 of 11: the live tables have 0 of 11 frames." in said
    assert "Partition 1" not in said
    assert "All rows match" not in said


def test_a_column_that_may_be_missing_is_the_first_to_go_and_is_there_in_blocks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns, rows = ("Pool", "?Usage id", ">Quantity"), [("acme", KEY_ID, 3)]
    for width, has_it in ((120, True), (40, False), (12, True)):
        monkeypatch.setenv("COLUMNS", str(width))
        assert (KEY_ID in shown(capsys, columns, rows)) is has_it


@pytest.mark.parametrize("sentence", ["Starting Kafka and Postgres", "Rebuilding and comparing the read models"])
def test_a_progress_bar_keeps_its_bar_and_its_time_at_80_columns(sentence: str) -> None:
    printed = StringIO()
    console = Console(file=printed, width=80, force_terminal=True, color_system=None)
    bar = Progress(*output.progress_columns(sentence, 80), console=console)
    bar.add_task(sentence, total=10_000, completed=9_999, count="9,999/10,000")
    console.print(bar.get_renderable())
    (line,) = printed.getvalue().splitlines()
    assert re.search(rf"{sentence} [━╸╺]{{8,}} 9,999/10,000 \d:\d\d:\d\d *$", line), line


def test_every_phase_of_the_demo_fits_a_line_with_its_bar() -> None:
    source = inspect.getsource(demo)
    sentences = re.findall(r'self\.phase\("[a-z ]+", f?"([^"]+)"\)|demo\.phase\("[a-z ]+", "([^"]+)"\)', source)
    assert len(sentences) == 7
    longest = max(len(one or other) for one, other in sentences)
    assert 80 - longest - output._BESIDE_BAR >= output._BAR_MIN


def test_scenarios_are_listed_one_a_line_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["scenario", "list", "stacking", "plans"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [path.stem for feature in ("stacking", "plans") for path in (LIBRARY / feature).glob("*.yaml")]
    assert len(lines) == len(names) + 3  # A heading for each feature, and how many there are.
    assert all(cell_len(line) <= 80 for line in lines)
    assert sorted(line.split()[0] for line in lines if line.startswith("  ")) == sorted(names)
    monkeypatch.delenv("COLUMNS")
    assert run(["scenario", "list", "stacking"]) == 0
    assert re.search(r"(?m)^stacking/max-chooses +\S", capsys.readouterr().out)


def test_the_time_of_one_scenario_is_not_that_of_the_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(files, "model", lambda: made.append("model"))
    monkeypatch.setattr(time, "perf_counter", lambda: made.append("clock") or 0.0)
    monkeypatch.setattr(running, "run_file", lambda path: Outcome(path=path, feature="f", name="n", deviations=[]))
    assert run(["scenario", "run", "stacking/max-chooses"]) == 0
    assert made == ["model", "clock", "clock"]
    assert "each" not in capsys.readouterr().out


def test_a_preview_names_features_groups_digits_and_says_what_its_columns_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = KeyOutcome(
        pool_id="p1", resource_key="calls", is_feature=False, held_before=True, held_after=True, limit_before=1_000, limit_after=None,
        before=Tally(refused=12_000), after=Tally(),
    )  # fmt: skip
    sso = replace(calls, resource_key="sso", is_feature=True, held_after=False, limit_before=None, before=Tally())
    previewing._tell("pro", 1, [calls, sso], {})
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "p1 calls gains 1,000 → unlimited 12,000 → 0 0 → 0" in lines
    assert "p1 sso loses included → not included 0 → 0 0 → 0" in lines
    assert any("Refused: usage denied. Overage: usage above the limit." in line for line in lines)
    assert any(line.startswith("1 pool has held pro") for line in lines)
