"""Freezing: what is added, what is refused, what never changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from entitlements_schemas import catalogue, freezing, sources

if TYPE_CHECKING:
    from pathlib import Path

POOL_OPENED = "entitlements.events.PoolOpened"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    freezing.freeze(tmp_path)
    return tmp_path


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The definition of PoolOpened, to be changed in place for this test."""
    definition = sources.text(POOL_OPENED)
    original = sources.text
    monkeypatch.setattr(
        sources, "text", lambda name: json.loads(json.dumps(definition)) if name == POOL_OPENED else original(name)
    )
    return definition


def listed(folder: Path) -> list[catalogue.Entry]:
    return [catalogue.Entry(**entry) for entry in json.loads((folder / "catalogue.json").read_text())]


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_everything_that_travels_is_frozen_once(folder: Path) -> None:
    assert [entry.name for entry in listed(folder)] == catalogue.travelling()
    before = contents(folder)
    assert freezing.freeze(folder) == []
    assert contents(folder) == before


def test_freezing_is_deterministic(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    freezing.freeze(other)
    assert contents(other) == contents(folder)


def test_a_compatible_change_is_a_new_version_with_the_next_id(folder: Path, changed: dict[str, list[object]]) -> None:
    before = contents(folder)
    changed["fields"].append({"name": "region", "type": "string", "doc": "Where.", "default": ""})
    (added,) = freezing.freeze(folder)
    assert (added.name, added.version) == (POOL_OPENED, 2)
    assert added.id == max(entry.id for entry in listed(folder)) == listed(folder)[-2].id + 1
    after = contents(folder)
    assert {name: after[name] for name in before if name != "catalogue.json"} == {
        name: text for name, text in before.items() if name != "catalogue.json"
    }


def test_an_incompatible_change_is_refused_and_writes_nothing(folder: Path, changed: dict[str, list[object]]) -> None:
    before = contents(folder)
    changed["fields"].append({"name": "region", "type": "string", "doc": "Where."})
    with pytest.raises(freezing.Incompatible, match="region: is new and has no default"):
        freezing.freeze(folder)
    assert contents(folder) == before


def test_every_old_version_is_held_against_the_new_one(folder: Path, changed: dict[str, list[object]]) -> None:
    changed["fields"].append({"name": "region", "type": "string", "doc": "Where.", "default": ""})
    freezing.freeze(folder)
    # Version 2 has the field, version 1 has not: without a default only the older one cannot be read.
    changed["fields"][-1] = {"name": "region", "type": "string", "doc": "Where."}
    with pytest.raises(freezing.Incompatible, match="version 1"):
        freezing.freeze(folder)


def test_the_command_says_what_it_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> list[catalogue.Entry]:
        raise freezing.Incompatible("PoolOpened cannot read its version 1")

    monkeypatch.setattr(freezing, "freeze", refuse)
    assert freezing.main(["freeze"]) == 1
    assert "Refused: PoolOpened cannot read its version 1" in capsys.readouterr().out


def test_the_command_lists_what_it_added(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(freezing, "freeze", lambda: [catalogue.Entry(POOL_OPENED, 2, 9, "")])
    assert freezing.main(["freeze"]) == 0
    assert f"{POOL_OPENED} version 2: id 9" in capsys.readouterr().out
