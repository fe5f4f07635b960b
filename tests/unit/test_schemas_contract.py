"""The .avsc files themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import pytest

import entitlements_schemas
from entitlements.ledger.publisher import INTERNAL
from entitlements_schemas import catalogue, names, plain_schema, schema, sources, text

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = sorted(Path(entitlements_schemas.__file__).parent.glob("*/[A-Z]*.avsc"))
BY_NAME = sorted(sources.sources())


def named_types(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for branch in node:
            yield from named_types(branch)
    elif isinstance(node, dict):
        if node["type"] in {"record", "enum", "fixed"}:
            yield node
        for part in (node.get("items"), node.get("values"), *(field["type"] for field in node.get("fields", ()))):
            yield from named_types(part)


def test_every_file_is_found_and_nothing_else() -> None:
    found = {f"entitlements.{file.parent.name}.{file.stem}" for file in FILES}
    assert found == set(sources.sources())
    assert len(names()) > 50


@pytest.mark.parametrize("name", BY_NAME)
def test_every_type_and_every_field_says_what_it_means(name: str) -> None:
    for type_ in named_types(sources.sources()[name]):
        assert len(type_.get("doc", "")) > 5, type_["name"]
        for field in type_.get("fields", ()):
            assert len(field.get("doc", "")) > 2, f"{type_['name']}.{field['name']}"


@pytest.mark.parametrize("name", BY_NAME)
def test_every_reference_resolves_within_one_self_contained_text(name: str) -> None:
    fastavro.parse_schema(json.loads(json.dumps(text(name))))
    assert schema(name)["name"] == plain_schema(name)["name"] == name


@pytest.mark.parametrize("name", BY_NAME)
def test_a_nullable_field_has_null_as_its_default(name: str) -> None:
    for type_ in named_types(sources.sources()[name]):
        for field in type_.get("fields", ()):
            if isinstance(field["type"], list) and "null" in field["type"]:
                assert field["type"][0] == "null", field["name"]
                assert field["default"] is None, field["name"]


def test_no_type_is_defined_in_two_files() -> None:
    found: dict[str, str] = {}
    for owner, source in sources.sources().items():
        for type_ in named_types(source):
            full_name = f"{type_.get('namespace') or source['namespace']}.{type_['name']}"
            assert found.setdefault(full_name, owner) == owner


def test_quantities_and_instants_are_integers_and_never_floats() -> None:
    for name in BY_NAME:
        assert '"float"' not in json.dumps(text(name)), name
        assert '"double"' not in json.dumps(text(name)), name


def test_a_frame_may_hold_every_event() -> None:
    (events,) = (
        field["type"]["items"]
        for field in sources.sources()["entitlements.ledger.Frame"]["fields"]
        if field["name"] == "events"
    )
    assert {name.replace(".ledger.", ".events.") for name in events} == set(names("events"))


@pytest.mark.parametrize("name", names("events"))
def test_every_event_names_its_aggregate_its_version_and_its_instant(name: str) -> None:
    fields = [field["name"] for field in sources.sources()[name]["fields"]]
    assert fields[:3] == ["originator_id", "originator_version", "timestamp"]


def test_names_are_those_of_one_folder_or_of_all() -> None:
    assert "entitlements.events.PoolOpened" in names("events")
    assert all(name.startswith("entitlements.events.") for name in names("events"))
    assert set(names()) >= set(names("events")) | set(names("commands"))
    assert "entitlements.entities.Period" not in names("entities"), "an enum is no record"


def test_an_unknown_name_is_refused_by_name() -> None:
    with pytest.raises(sources.SchemaError, match=r"entitlements\.events\.PoolUpdated"):
        schema("entitlements.events.PoolUpdated")


def test_a_text_is_a_copy_of_ones_own() -> None:
    text("entitlements.events.PoolOpened")["fields"].clear()
    assert text("entitlements.events.PoolOpened")["fields"]


#: What may look like a secret and is none: the SHA-256 of the document of a policy, which the event has beside.
NO_SECRET = {"entitlements.events.AccessPolicyDefined.digest"}
SECRETIVE = re.compile(r"secret|sha|digest|hash|password|token|idempotency")


@pytest.mark.parametrize("topic", ["events", "usage", "changes"])
def test_no_public_topic_has_a_field_for_a_secret_or_a_hash(topic: str) -> None:
    internal = {f"entitlements.events.{name}" for name in INTERNAL}
    public = [name for name in catalogue.travelling() if catalogue.topic_of(name) == topic and name not in internal]
    assert public
    found = {
        f"{name}.{field['name']}"
        for name in public
        for type_ in named_types(text(name))
        for field in type_.get("fields", ())
        if SECRETIVE.search(field["name"])
    }
    assert found <= NO_SECRET


# --- the catalogue ---------------------------------------------------------------------------------------------------


def test_every_record_that_travels_is_frozen_as_it_stands() -> None:
    assert catalogue.unfrozen() == ()


def test_frozen_ids_are_unique_positive_and_far_above_those_of_registries() -> None:
    ids = [entry.id for entry in catalogue.entries()]
    assert ids == list(range(catalogue.FIRST_ID, catalogue.FIRST_ID + len(ids)))
    assert max(ids) < 2**31, "Java reads a schema id as a signed integer"


def test_versions_of_a_record_rise_by_one() -> None:
    versions: dict[str, list[int]] = {}
    for entry in catalogue.entries():
        versions.setdefault(entry.name, []).append(entry.version)
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: f"{entry.name}.{entry.version}")
def test_a_frozen_text_is_what_was_frozen(entry: catalogue.Entry) -> None:
    assert catalogue.fingerprint(json.loads(catalogue.frozen_text(entry))) == entry.fingerprint


def test_a_subject_is_named_by_topic_and_record() -> None:
    assert (
        catalogue.subject_of("entitlements.events.PoolOpened") == "entitlements.events-entitlements.events.PoolOpened"
    )
    assert catalogue.subject_of("entitlements.events.UsageRecorded", "eu.") == (
        "eu.entitlements.usage-entitlements.events.UsageRecorded"
    )
    assert catalogue.topic_of("entitlements.events.AnswerRemembered") is None
    assert catalogue.topic_of("entitlements.entities.Rule") is None
    assert catalogue.topic_of("entitlements.entities.Quarantined") == "quarantine"


def test_documentation_may_be_mended_without_a_new_version() -> None:
    definition = text("entitlements.events.PoolOpened")
    before = catalogue.fingerprint(text("entitlements.events.PoolOpened"))
    definition["doc"] = definition["fields"][0]["doc"] = "Said better."
    assert catalogue.fingerprint(definition) == before


def test_a_changed_default_is_a_new_version() -> None:
    definition = text("entitlements.commands.OpenPool")
    next(field for field in definition["fields"] if field["name"] == "name")["default"] = "nameless"
    assert catalogue.fingerprint(definition) != catalogue.fingerprint(text("entitlements.commands.OpenPool"))
