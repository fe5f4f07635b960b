"""Which versions of which records are frozen, and under which ids. Frozen means: for ever.

frozen/catalogue.json lists name, version, id and fingerprint; frozen/<name>.<version>.avsc is the text as it was.
A fingerprint leaves documentation out, so that sentences may be mended without a new version.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import fastavro

from entitlements_schemas import sources

#: Bundled ids start here ("EN" and two more bytes), far above the ids that registries give, so that a record written
#: under a bundled id is never taken for one of a registry that an installation got later.
FIRST_ID: Final = 0x454E_0001

#: The record that is the key of entitlements.changes.
CUSTOMER_KEY: Final = "entitlements.entities.CustomerKey"

#: Folder to topic. A record with no topic has no id: it travels inside others only.
_TOPICS: Final = {
    "commands": "commands",
    "events": "events",
    "ledger": "ledger",
    "outcomes": "outcomes",
    "changes": "changes",
    "access": "access-log",
}
_OTHER_TOPICS: Final = {
    # A record's key. Its subject is named as those of values are, as Confluent's TopicRecordNameStrategy does.
    CUSTOMER_KEY: "changes",
    "entitlements.entities.Snapshot": "snapshots",
    "entitlements.entities.SnapshotChunk": "snapshots",
    "entitlements.entities.SnapshotMark": "snapshots",
    "entitlements.entities.Quarantined": "quarantine",
    "entitlements.events.UsageRecorded": "usage",
    "entitlements.events.UsageRefused": "usage",
    "entitlements.events.UsageReleased": "usage",
    "entitlements.events.AnswerRemembered": None,
    "entitlements.events.PeriodsClosed": None,
    "entitlements.events.SetAnswerRemembered": None,
    "entitlements.events.KeyAnswerRemembered": None,
    "entitlements.events.OrganizationAnswerRemembered": None,
    "entitlements.events.CampaignAnswerRemembered": None,
    "entitlements.ledger.ApiKeyCreated": None,
}


class NotFrozen(sources.SchemaError):
    """An .avsc differs from its newest frozen version: run `python -m entitlements_schemas freeze`."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"{(type(self).__doc__ or '').strip()} Concerned: {', '.join(names)}.")
        self.names = names


class Entry(NamedTuple):
    """One frozen version of one record."""

    name: str
    version: int
    id: int
    fingerprint: str


def topic_of(full_name: str) -> str | None:
    """The short name of the topic a record travels in, such as `events`; None: it travels inside others only."""
    return _OTHER_TOPICS.get(full_name, _TOPICS.get(full_name.split(".")[1]))


def travelling() -> list[str]:
    """The full names of the records that travel in a topic."""
    return [name for name in sources.names() if topic_of(name)]


def subject_of(full_name: str, topic_prefix: str = "") -> str:
    """The registry's subject: `<topic>-<record full name>`."""
    topic = topic_of(full_name)
    if topic is None:
        raise sources.SchemaError(f"{full_name} belongs to no topic.")
    return f"{topic_prefix}{sources.NAMESPACE}.{topic}-{full_name}"


@cache
def subjects_by_topic() -> dict[str, str]:
    """The subjects of TopicNameStrategy (`<topic>-value`, `<topic>-key`) to the one record that they can mean.

    Connect and Flink look for these by default. A topic with several kinds of values has none: no schema describes them all.
    """
    kinds: dict[str, list[str]] = {}
    for name in travelling():
        side = "key" if name == CUSTOMER_KEY else "value"
        kinds.setdefault(f"{sources.NAMESPACE}.{topic_of(name)}-{side}", []).append(name)
    return {subject: names[0] for subject, names in kinds.items() if len(names) == 1}


@cache
def entries() -> tuple[Entry, ...]:
    """All frozen versions, by id; the versions of one record rise."""
    listed = json.loads(files(__package__).joinpath("frozen", "catalogue.json").read_text(encoding="utf-8"))
    return tuple(Entry(**entry) for entry in listed)


@cache
def _newest() -> dict[str, Entry]:
    return {entry.name: entry for entry in entries()}


def newest(full_name: str) -> Entry:
    """The newest frozen version of a record. Raises SchemaError when there is none."""
    try:
        return _newest()[full_name]
    except KeyError:
        raise sources.SchemaError(f"{full_name} is not frozen.") from None


def frozen_text(entry: Entry) -> str:
    """The self-contained text of a frozen version, as JSON, exactly as it was frozen."""
    return files(__package__).joinpath("frozen", f"{entry.name}.{entry.version}.avsc").read_text(encoding="utf-8")


@cache
def parsed(entry: Entry, *, plain: bool = False) -> Any:
    """A frozen version as fastavro wants it; plain: without logical types."""
    written = json.loads(frozen_text(entry))
    return fastavro.parse_schema(sources.without(written, "logicalType") if plain else written)


def fingerprint(definition: Any) -> str:
    """SHA-256 in hex of a self-contained definition, whatever its spelling and documentation."""
    # fastavro spells every name out and drops what means nothing.
    spelled = sources.without(fastavro.parse_schema(definition), "doc", "__fastavro_parsed", "__named_schemas")
    return hashlib.sha256(json.dumps(spelled, sort_keys=True).encode()).hexdigest()


@cache
def unfrozen() -> tuple[str, ...]:
    """The records whose .avsc differs from the newest frozen version, or has none."""
    known = _newest()
    return tuple(
        name for name in travelling() if name not in known or known[name].fingerprint != fingerprint(sources.text(name))
    )


def require_frozen() -> None:
    """Raises NotFrozen when records would be written with a schema that nobody can look up."""
    if unfrozen():
        raise NotFrozen(list(unfrozen()))
