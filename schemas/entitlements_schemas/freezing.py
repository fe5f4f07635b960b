"""Adds new versions to the catalogue. Nothing in it is ever changed or removed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from entitlements_schemas import catalogue, sources
from entitlements_schemas.compatibility import why_unreadable

FOLDER: Final = Path(__file__).parent / "frozen"


class Incompatible(sources.SchemaError):
    """The new version cannot read what an old one wrote (BACKWARD_TRANSITIVE)."""


def freeze(folder: Path = FOLDER) -> list[catalogue.Entry]:
    """Freeze every record that is new or changed; the new entries. Raises Incompatible and then writes nothing."""
    known = [*_listed(folder)]
    added: list[catalogue.Entry] = []
    texts: dict[catalogue.Entry, str] = {}
    next_id = max((entry.id for entry in known), default=catalogue.FIRST_ID - 1) + 1
    for name in catalogue.travelling():
        versions = [entry for entry in known if entry.name == name]
        definition = sources.text(name)
        fingerprint = catalogue.fingerprint(sources.text(name))
        if versions and versions[-1].fingerprint == fingerprint:
            continue
        for old in versions:
            problems = why_unreadable(written=json.loads(_file(folder, old).read_text("utf-8")), wanted=definition)
            if problems:
                raise Incompatible(f"{name} cannot read its version {old.version}: {'; '.join(problems)}")
        entry = catalogue.Entry(name, len(versions) + 1, next_id + len(added), fingerprint)
        added.append(entry)
        texts[entry] = json.dumps(definition, ensure_ascii=False, indent=1) + "\n"
    folder.mkdir(exist_ok=True)
    for entry, text in texts.items():
        _file(folder, entry).write_text(text, "utf-8")
    # Last: a half-done freeze leaves files that nobody knows, and the next one writes them again.
    lines = ",\n".join(json.dumps(entry._asdict()) for entry in [*known, *added])
    (folder / "catalogue.json").write_text(f"[\n{lines}\n]\n", "utf-8")
    return added


def _listed(folder: Path) -> list[catalogue.Entry]:
    file = folder / "catalogue.json"
    return [catalogue.Entry(**entry) for entry in json.loads(file.read_text("utf-8"))] if file.exists() else []


def _file(folder: Path, entry: catalogue.Entry) -> Path:
    return folder / f"{entry.name}.{entry.version}.avsc"


def main(arguments: list[str]) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m entitlements_schemas", description=__doc__)
    parser.add_argument("command", choices=["freeze"], help="freeze: add new versions, refuse incompatible ones")
    parser.parse_args(arguments)
    try:
        added = freeze()
    except sources.SchemaError as error:
        print(f"Refused: {error}")  # noqa: T201  (A command line answers on standard output.)
        return 1
    for entry in added:
        print(f"{entry.name} version {entry.version}: id {entry.id}")  # noqa: T201
    print(f"{len(added)} new versions.")  # noqa: T201
    return 0
