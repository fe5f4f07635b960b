"""Classes and schemas say the same, and every command, event, state and outcome survives its bytes."""

from __future__ import annotations

import ctypes
import inspect
import json
import types
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import confluent_kafka
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entitlements.domain import values
from entitlements.domain.aggregate import AggregateType, Event, from_ms, to_ms
from entitlements.domain.commands import Command
from entitlements.domain.decide import Answer, decide
from entitlements.domain.errors import CommandRefused, QuotaIsExceeded, UnknownPool
from entitlements.domain.lines import UsageAnswer
from entitlements.domain.values import OwnRule, ParentSet
from entitlements.examples import (
    NOON_MS,
    define_entitlement_set,
    define_ladder,
    define_resource_key,
    key_terms,
    line,
    open_pool,
    provision_pool,
    quota,
    record_usage,
)
from entitlements.examples_of_governance import (
    activate_campaign,
    assign_unit,
    change_campaign_pools,
    create_api_key,
    define_access_policy,
    define_campaign,
    define_unit,
    place_workspace,
    retire_access_policy,
    revoke_api_key,
    set_member_role,
)
from entitlements.examples_of_terms import one_of_each
from entitlements.ledger import outcomes
from entitlements.ledger.frames import FrameHead, Refusal, decode_events, decode_plain_events, wire, write_frame
from entitlements.ledger.partitioning import murmur2, partition_of
from entitlements.ledger.records import (
    COMMANDS,
    EVENTS,
    PRIVATE_FIELDS,
    command_from_record,
    event_from_record,
    event_to_record,
    name_in_ledger,
    name_of_command,
    shape_of,
)
from entitlements.ledger.states import StateDoesNotFit, dump_state, load_state
from entitlements_schemas import NotEncodable, names, sources
from entitlements_schemas.testing import records as generated_records

MESSAGES = EVENTS | COMMANDS
ENTITIES: dict[str, type] = {
    f"entitlements.entities.{kind.__name__}": kind
    for kind in vars(values).values()
    if inspect.isclass(kind) and (is_dataclass(kind) or is_typeddict(kind)) and kind.__module__ == values.__name__
}
GENERATED = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


# --- Every class equals its schema ---------------------------------------------------------------------------------------


def schema_of(full_name: str) -> dict[str, Any]:
    # The pool's group of lines is defined inside the batch that has it.
    if full_name == "entitlements.entities.UsageGroup":
        (groups,) = (f for f in schema_of("entitlements.commands.RecordUsageBatch")["fields"] if f["name"] == "groups")
        inner: dict[str, Any] = groups["type"]["items"]
        return inner
    return sources.sources()[full_name]


def avro_type(node: Any) -> Any:
    """A schema's type in short: nullable, list, name or primitive."""
    if isinstance(node, list):
        null, some = node
        assert null == "null"
        return ("nullable", avro_type(some))
    if isinstance(node, dict):
        if node["type"] == "array":
            return ("list", avro_type(node["items"]))
        return "instant" if node.get("logicalType") == "timestamp-millis" else node.get("name", node["type"])
    return node.rpartition(".")[2]


def avro_symbols(full_name: str, node: Any) -> list[str] | None:
    """The symbols of an enum, wherever it is defined."""
    found = (
        node if isinstance(node, dict) else sources.sources().get(node if "." in str(node) else f"{full_name}.{node}")
    )
    return found["symbols"] if isinstance(found, dict) and found.get("type") == "enum" else None


def agrees(hint: Any, node: Any, *, plain: bool) -> bool:
    """Whether a Python type is what a schema's type is read as. In typed dicts instants are milliseconds."""
    if isinstance(node, list):
        options = [option for option in get_args(hint) if option is not types.NoneType]
        is_optional = get_origin(hint) in {Union, types.UnionType} and types.NoneType in get_args(hint)
        return is_optional and len(options) == 1 and agrees(options[0], node[1], plain=plain)
    if isinstance(node, dict) and node["type"] == "array":
        return get_origin(hint) is list and agrees(get_args(hint)[0], node["items"], plain=plain)
    symbols = avro_symbols("", node)
    if symbols is not None:
        return get_origin(hint) is Literal and list(get_args(hint)) == symbols
    short = avro_type(node)
    primitive = {"string": str, "int": int, "long": int, "boolean": bool, "instant": int if plain else datetime}
    return hint is primitive[short] if short in primitive else getattr(hint, "__name__", None) == short


def schema_doc(full_name: str) -> str:
    return str(schema_of(full_name)["doc"])


@pytest.mark.parametrize("full_name", [*MESSAGES, *ENTITIES])
def test_a_class_has_the_fields_of_its_schema(full_name: str) -> None:
    kind = (MESSAGES | ENTITIES)[full_name]
    hints = get_type_hints(kind)
    stated = {field["name"]: field["type"] for field in schema_of(name_in_ledger(full_name))["fields"]}
    own = set(hints) if is_typeddict(kind) else {field.name for field in fields(kind)}
    assert own == set(stated)
    differing = [name for name, node in stated.items() if not agrees(hints[name], node, plain=is_typeddict(kind))]
    assert differing == []


@pytest.mark.parametrize("full_name", MESSAGES)
def test_a_class_says_what_its_schema_says(full_name: str) -> None:
    assert MESSAGES[full_name].__doc__ == schema_doc(full_name)


@pytest.mark.parametrize("full_name", COMMANDS)
def test_a_command_has_the_defaults_of_its_schema(full_name: str) -> None:
    kind = COMMANDS[full_name]
    stated = {field["name"]: field["default"] for field in schema_of(full_name)["fields"] if "default" in field}
    own = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    own |= {field.name: field.default_factory() for field in fields(kind) if field.default_factory is not MISSING}
    # Without its groups a batch asks for nothing; the schema does not let a sender forget them.
    own.pop("groups", None)
    assert own == stated


def test_the_symbols_of_every_enum_are_those_of_its_literal() -> None:
    for name in (
        "UsageMode",
        "DataType",
        "ProvisionSource",
        "AssignmentRole",
        "EntitlementType",
        "Stacking",
        "OverageAtReset",
        "Bearer",
        "Inheritance",
        "OverridePolicy",
    ):
        assert list(get_args(getattr(values, name))) == schema_of(f"entitlements.entities.{name}")["symbols"]


def test_every_schema_of_a_command_and_an_event_has_its_class_and_the_other_way_round() -> None:
    assert set(COMMANDS) == set(names("commands"))
    assert set(EVENTS) == set(names("events"))


# --- There and back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", one_of_each(), ids=lambda command: type(command).__name__)
def test_a_command_survives_its_bytes(command: Command) -> None:
    name = name_of_command(command)
    value = wire().encode_plain(name, shape_of(type(command)).to_record(command))
    assert command_from_record(*wire().decode_plain(value)) == command


@pytest.mark.parametrize("full_name", COMMANDS)
@given(data=st.data())
@GENERATED
def test_any_record_of_a_commands_schema_is_that_command_and_back(full_name: str, data: st.DataObject) -> None:
    record = data.draw(generated_records(full_name, plain=True))
    value = wire().encode_plain(full_name, record)
    command = command_from_record(*wire().decode_plain(value))
    assert wire().encode_plain(full_name, shape_of(type(command)).to_record(command)) == value


@pytest.mark.parametrize("full_name", EVENTS)
@given(data=st.data())
@GENERATED
def test_any_record_of_an_events_schema_is_that_event_and_back(full_name: str, data: st.DataObject) -> None:
    record = data.draw(generated_records(name_in_ledger(full_name), plain=True))
    value = a_frame([(name_in_ledger(full_name), record)])
    ((short_name, read),) = decode_plain_events(value).events
    event = event_from_record(f"entitlements.events.{short_name}", read)
    assert a_frame([event_to_record(event)]) == value
    assert [name for name, _ in decode_events(value).events] == [short_name]


def a_frame(events: list[tuple[str, dict[str, Any]]]) -> bytes:
    refusals = [Refusal(5, "c", "p", "unknown_pool", "No such pool.")]
    head = FrameHead(3, 1, 9, 7, bytes(range(32)))
    return write_frame(head, decided_at_ms=NOON_MS, engine="me", events=events, refusals=refusals)


def test_a_frame_tells_what_was_put_into_it() -> None:
    body = decode_events(a_frame([]))
    assert (body.partition, body.first_command, body.last_command, body.engine) == (3, 1, 9, "me")
    assert body.decided_at == from_ms(NOON_MS)
    assert decode_plain_events(a_frame([])).decided_at == NOON_MS
    assert body.refusals == [
        {
            "offset": 5,
            "command_id": "c",
            "aggregate_id": "p",
            "code": "unknown_pool",
            "message": "No such pool.",
        }
    ]


def test_what_is_no_command_is_no_command() -> None:
    with pytest.raises(KeyError):
        command_from_record("entitlements.events.PoolOpened", {})


@given(ms=st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_instants_and_milliseconds_are_the_same(ms: int) -> None:
    assert to_ms(from_ms(ms)) == ms


def test_instants_beyond_the_calendar_are_refused() -> None:
    with pytest.raises(OverflowError):
        from_ms(2**62)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-01-01T00:00:00"])
def test_an_instant_that_nobody_could_read_back_is_not_sent(at: str) -> None:
    """A caller would wait in vain for the outcome of a command that no engine can read."""
    command = provision_pool(ends_at=datetime.fromisoformat(at))
    with pytest.raises(NotEncodable):
        shape_of(type(command)).to_record(command)


# --- States --------------------------------------------------------------------------------------------------------------


def decided(*commands: Command) -> Any:
    aggregate: Any = None
    for command in commands:
        aggregate = decide(aggregate, command, NOON_MS).aggregate
    aggregate.take_events()
    return aggregate


STATES = {
    "pool": decided(
        open_pool(idempotency_key="k"),
        provision_pool("p"),
        record_usage(line(usage_id="u", quantity=3), line(quantity=1000)),
    ),
    "entitlement_set": decided(
        define_entitlement_set(
            "pro",
            extends=[ParentSet(set_id="free", version=3)],
            inheritance="additive",
            own_rules=[OwnRule(rule=quota(), stated=["amount"])],
        )
    ),
    "resource_key": decided(define_resource_key(data_type="boolean", terms=key_terms())),
    "organization": decided(
        define_unit(),
        place_workspace(),
        assign_unit(),
        set_member_role(),
        define_access_policy(),
        define_access_policy("old"),
        retire_access_policy("old"),
        create_api_key(),
        create_api_key("k7654321"),
        revoke_api_key("k7654321"),
    ),
    "campaign": decided(define_campaign(), change_campaign_pools(), activate_campaign()),
    "plan_ladder": decided(define_ladder(idempotency_key="k")),
}


def test_every_kind_of_aggregate_can_be_a_snapshot() -> None:
    symbols = sources.text("entitlements.entities.Snapshot")["fields"][0]["type"]["symbols"]
    assert symbols == list(get_args(AggregateType)) == ["pool", *(kind for kind in STATES if kind != "pool")]
    for kind, aggregate in STATES.items():
        record = {
            "aggregate_type": kind, "aggregate_id": aggregate.id, "version": aggregate.version, "state_format": 1,
            "state": dump_state(aggregate), "chunks": None,
        }  # fmt: skip
        assert wire().decode_plain(wire().encode_plain("entitlements.entities.Snapshot", record)).record == record


@pytest.mark.parametrize("kind", STATES)
def test_a_state_is_restored_whole(kind: Any) -> None:
    live = STATES[kind]
    restored = load_state(kind, dump_state(live))
    assert type(restored) is type(live)
    unlike = {"command_id", "recorded_by", "_pending_events"}
    assert {k: v for k, v in restored.fields().items() if k not in unlike} == {
        k: v for k, v in live.fields().items() if k not in unlike
    }
    assert dump_state(restored) == dump_state(live)


@pytest.mark.parametrize("state", [b"", b"{}", b"null", b"\x00\xff", dump_state(STATES["resource_key"])])
def test_a_state_that_does_not_fit_is_found_out(state: bytes) -> None:
    with pytest.raises(StateDoesNotFit):
        load_state("pool", state)


# --- Outcomes ------------------------------------------------------------------------------------------------------------


def outcome_of(result: dict[str, Any]) -> dict[str, Any]:
    record = {"caller": "me", "partition": 0, "frame_offset": 7, "results": [result]}
    (read,) = wire().decode_plain(wire().encode_plain(outcomes.OUTCOME, record)).record["results"]
    return dict(read)


def test_results_conform_to_the_schema_of_outcomes() -> None:
    accepted = outcome_of(outcomes.accepted("c-1", Answer(STATES["pool"], repeated=True)))
    assert accepted | {"version": 0} == {
        "command_id": "c-1", "status": "accepted", "repeated": True, "code": "", "message": "", "remaining": -1, "aggregate_id": "",
        "version": 0, "accepted_lines": 0, "refused_lines": [], "usage_ids": [],
    }  # fmt: skip
    refused = outcome_of(outcomes.refused("c-2", UnknownPool()))
    assert (refused["status"], refused["code"], refused["repeated"]) == ("refused", "unknown_pool", False)
    assert (refused["message"], refused["remaining"]) == ("No such pool.", -1)
    assert outcome_of(outcomes.refused("c-3", QuotaIsExceeded("5 are left", 5)))["remaining"] == 5


@pytest.mark.parametrize(
    ("accepted", "refused", "status", "code"),
    [(3, 0, "accepted", ""), (2, 1, "partial", "quota_exceeded"), (0, 2, "refused", "quota_exceeded")],
)
def test_usage_is_accepted_refused_or_some_of_both(accepted: int, refused: int, status: str, code: str) -> None:
    answer = UsageAnswer(accepted=accepted, refused=[(at, "quota_exceeded", 4) for at in range(refused)])
    result = outcome_of(outcomes.usage_result("c", answer, repeated=False))
    assert (result["status"], result["code"], result["accepted_lines"]) == (status, code, accepted)
    assert result["refused_lines"] == [{"index": at, "code": "quota_exceeded", "remaining": 4} for at in range(refused)]


def test_every_refusal_can_be_told_to_a_caller() -> None:
    for kind in CommandRefused.__subclasses__():
        assert outcome_of(outcomes.refused("c", kind("detail")))["code"] == kind.code


# --- Partitions ----------------------------------------------------------------------------------------------------------

#: From Kafka's own UtilsTest.testMurmur2: the Java client's answers, as signed 32 bit numbers.
JAVA = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize(("text", "hashed"), JAVA.items())
def test_murmur2_is_that_of_the_java_client(text: str, hashed: int) -> None:
    assert murmur2(text.encode()) == hashed & 0xFFFFFFFF
    assert partition_of(text, 6) == (hashed & 0x7FFFFFFF) % 6


@pytest.fixture(scope="module")
def librdkafka() -> ctypes.CDLL:
    """The C library inside confluent-kafka's wheel."""
    folder = Path(confluent_kafka.__file__).parent.parent
    found = sorted(folder.glob("confluent_kafka.libs/librdkafka-*.so*"))
    if not found:
        pytest.skip("confluent-kafka brings no librdkafka of its own here")
    for needed in sorted(folder.glob("confluent_kafka.libs/*.so*")):
        if needed not in found:
            try:
                ctypes.CDLL(str(needed), mode=ctypes.RTLD_GLOBAL)
            except OSError:
                continue  # Needs another one first, and is found by the loader itself.
    library = ctypes.CDLL(str(found[0]))
    library.rd_kafka_msg_partitioner_murmur2.restype = ctypes.c_int32
    return library


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text(min_size=1, max_size=128), partitions=st.integers(1, 1000))
def test_partitions_are_those_of_librdkafkas_murmur2_partitioner(
    librdkafka: ctypes.CDLL, key: str, partitions: int
) -> None:
    raw = key.encode()
    theirs = librdkafka.rd_kafka_msg_partitioner_murmur2(
        None, ctypes.c_char_p(raw), ctypes.c_size_t(len(raw)), ctypes.c_int32(partitions), None, None
    )
    assert partition_of(key, partitions) == theirs


def test_this_file_reads_the_schemas_that_are_shipped() -> None:
    text = (Path(sources.__file__).parent / "events" / "PoolOpened.avsc").read_text()
    assert json.loads(text)["doc"] == schema_doc("entitlements.events.PoolOpened")
    assert issubclass(EVENTS["entitlements.events.PoolOpened"], Event)


def test_what_the_ledger_has_beyond_the_published_event_is_the_hash_of_a_keys_secret_alone() -> None:
    for name in EVENTS:
        published, kept = (schema_of(each)["fields"] for each in (name, name_in_ledger(name)))
        assert [field for field in kept if field in published] == published, "the same fields in the same order"
    assert {"ApiKeyCreated": {"secret_sha256"}} == PRIVATE_FIELDS
