"""Our registry over HTTP, asked by confluent-kafka's own client, by its deserializer and by a plain Avro consumer."""

from __future__ import annotations

import http.client
import json
import socket
from datetime import UTC, datetime
from io import BytesIO
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import fastavro
import httpx
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext
from tests.registries import a_registry

from entitlements import registry
from entitlements.errors import AddressIsTaken
from entitlements.registry.answers import Registry
from entitlements.settings import Settings
from entitlements_schemas import Wire, catalogue, text
from entitlements_schemas.testing import TERMS

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "entitlements.changes.EntitlementGranted"
SUBJECT = f"entitlements.changes-{NAME}"
NEWEST = catalogue.newest(NAME)
GRANTED = {
    "change_id": "c-1",
    "organization_id": "acme-inc",
    "customer_id": "w-1",
    "resource_key": "api_calls",
    "entitlement_type": "quota",
    "before": None,
    "after": {"limit": 50, "soft_limit": 40, "hard_limit": 50, "period": "day", **TERMS},
    "effective_at": datetime(2026, 3, 1, tzinfo=UTC),
    "pool_id": "p-1",
    "cause_event_id": "pool/p-1/3",
    "ledger_partition": 2,
    "ledger_offset": 17,
}
STARTED = {
    "originator_id": "p-1",
    "originator_version": 3,
    "timestamp": datetime(2026, 3, 1, tzinfo=UTC),
    "command_id": "c-1",
    "provision_id": "v-1",
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with a_registry() as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[SchemaRegistryClient]:
    # One for each test: it remembers whatever it was answered or has posted.
    with SchemaRegistryClient({"url": url, "max.retries": 0}) as made:
        yield made


@pytest.fixture(scope="module")
def http_client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url) as made:
        yield made


def value_of(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


# --- consumers -------------------------------------------------------------------------------------------------------


def test_confluents_deserializer_reads_what_we_write(client: SchemaRegistryClient) -> None:
    deserialize = AvroDeserializer(client)
    wire = Wire()
    assert deserialize(wire.encode(NAME, GRANTED), value_of("entitlements.changes")) == GRANTED
    event = wire.encode("entitlements.events.ProvisionStarted", STARTED)
    assert deserialize(event, value_of("entitlements.events")) == STARTED


def test_a_consumer_that_knows_only_the_address_reads_what_we_write(url: str) -> None:
    value = Wire().encode(NAME, GRANTED)
    schema_id = int.from_bytes(value[1:5], "big")
    found = httpx.get(f"{url}/schemas/ids/{schema_id}").json()
    schema = fastavro.parse_schema(json.loads(found["schema"]))
    assert value[0] == 0
    assert fastavro.schemaless_reader(BytesIO(value[5:]), schema, None) == GRANTED


def test_every_schema_is_self_contained_for_whoever_looks_it_up(client: SchemaRegistryClient) -> None:
    for entry in catalogue.entries():
        found = client.get_schema(entry.id)
        assert found.schema_type == "AVRO"
        assert not found.references
        assert fastavro.parse_schema(json.loads(found.schema_str))["name"] == entry.name


def test_we_read_what_confluents_serializer_writes_by_look_up(client: SchemaRegistryClient) -> None:
    serialize = AvroSerializer(
        client,
        json.dumps(text(NAME)),
        conf={
            "auto.register.schemas": False,
            "subject.name.strategy": lambda context, name: f"{context.topic}-{name}",
        },
    )
    assert Wire().decode(serialize(GRANTED, value_of("entitlements.changes"))) == (NAME, GRANTED)


def test_the_key_of_changes_has_a_subject_of_its_own_that_confluents_tools_find(client: SchemaRegistryClient) -> None:
    """TopicRecordNameStrategy names the subjects of keys and of values alike."""
    key = {"organization_id": "acme-inc", "customer_id": "w-1"}
    subject = f"entitlements.changes-{catalogue.CUSTOMER_KEY}"
    context = SerializationContext("entitlements.changes", MessageField.KEY)
    assert subject in client.get_subjects()
    conf = {
        "auto.register.schemas": False,
        "subject.name.strategy": topic_record_subject_name_strategy,
    }
    serialize = AvroSerializer(client, json.dumps(text(catalogue.CUSTOMER_KEY)), conf=conf)
    assert serialize(key, context) == Wire().encode(catalogue.CUSTOMER_KEY, key)
    assert AvroDeserializer(client)(Wire().encode(catalogue.CUSTOMER_KEY, key), context) == key
    assert client.get_latest_version(subject).schema_id == catalogue.newest(catalogue.CUSTOMER_KEY).id


def test_a_serializer_that_registers_by_itself_finds_what_is_there_already(client: SchemaRegistryClient) -> None:
    assert client.register_schema(SUBJECT, Schema(json.dumps(text(NAME)), "AVRO")) == NEWEST.id


# --- the client's whole read side ------------------------------------------------------------------------------------


def test_subjects_versions_and_ids_belong_together(client: SchemaRegistryClient) -> None:
    by_record = {catalogue.subject_of(name) for name in catalogue.travelling()}
    assert set(client.get_subjects()) == by_record | set(catalogue.subjects_by_topic())
    assert client.get_versions(SUBJECT) == list(range(1, NEWEST.version + 1))
    latest = client.get_latest_version(SUBJECT)
    assert (latest.subject, latest.version, latest.schema_id) == (SUBJECT, NEWEST.version, NEWEST.id)
    assert client.get_version(SUBJECT, NEWEST.version).schema == latest.schema
    assert client.get_subjects_by_schema_id(NEWEST.id) == [SUBJECT]
    (found,) = client.get_schema_versions(NEWEST.id)
    assert (found.subject, found.version) == (SUBJECT, NEWEST.version)
    assert client.get_schema_types() == ["AVRO"]


def test_a_topic_with_one_kind_of_record_has_the_subject_that_tools_look_for_by_default(
    client: SchemaRegistryClient,
) -> None:
    """Connect and Flink use Confluent's TopicNameStrategy unless they are told otherwise."""
    subject, name = "entitlements.access-log-value", "entitlements.access.AccessDecided"
    newest = catalogue.newest(name)
    assert client.get_versions(subject) == list(range(1, newest.version + 1))
    latest = client.get_latest_version(subject)
    assert (latest.subject, latest.version, latest.schema_id) == (subject, newest.version, newest.id)
    assert client.lookup_schema(subject, Schema(json.dumps(text(name)), "AVRO")).version == newest.version
    assert client.get_subjects_by_schema_id(newest.id) == [catalogue.subject_of(name), subject]
    assert {each.subject for each in client.get_schema_versions(newest.id)} == {catalogue.subject_of(name), subject}
    key = {"organization_id": "acme-inc", "customer_id": "w-1"}
    serialize = AvroSerializer(client, json.dumps(text(catalogue.CUSTOMER_KEY)), conf={"auto.register.schemas": False})
    context = SerializationContext("entitlements.changes", MessageField.KEY)
    assert serialize(key, context) == Wire().encode(catalogue.CUSTOMER_KEY, key)


@pytest.mark.parametrize("topic", ["changes", "events", "usage"])
def test_a_topic_with_several_kinds_has_no_such_subject(client: SchemaRegistryClient, topic: str) -> None:
    assert refusal(client.get_latest_version, f"entitlements.{topic}-value") == (404, 40401)


def test_a_look_up_finds_a_schema_however_it_is_spelled(client: SchemaRegistryClient) -> None:
    definition = text(NAME)
    definition["doc"] = "Other words."
    definition["name"] = f"{definition.pop('namespace')}.{definition['name']}"
    found = client.lookup_schema(SUBJECT, Schema(json.dumps(definition, indent=8, sort_keys=True), "AVRO"))
    assert (found.schema_id, found.version) == (NEWEST.id, NEWEST.version)


def test_config_and_mode_say_that_nothing_can_be_changed(client: SchemaRegistryClient) -> None:
    assert client.get_compatibility() == "BACKWARD_TRANSITIVE"
    assert client.get_compatibility(SUBJECT) == "BACKWARD_TRANSITIVE"
    assert client.get_global_mode() == "READONLY"
    assert client.get_mode(SUBJECT) == "READONLY"


def test_compatibility_is_told_before_anybody_writes(client: SchemaRegistryClient) -> None:
    wanted = text(NAME)
    assert client.test_compatibility(SUBJECT, Schema(json.dumps(wanted), "AVRO"))
    wanted["fields"].append({"name": "region", "type": "string"})
    assert not client.test_compatibility(SUBJECT, Schema(json.dumps(wanted), "AVRO"))
    assert not client.test_compatibility_all_versions(SUBJECT, Schema(json.dumps(wanted), "AVRO"))


def test_incompatibility_is_explained(http_client: httpx.Client) -> None:
    wanted = text(NAME)
    wanted["fields"].append({"name": "region", "type": "string"})
    path = f"/compatibility/subjects/{SUBJECT}/versions?verbose=true"
    said = http_client.post(path, json={"schema": json.dumps(wanted)}).json()
    assert said["is_compatible"] is False
    assert "region: is new and has no default" in said["messages"][0]


def test_a_topic_prefix_is_part_of_the_subjects() -> None:
    answer = Registry("eu.").answer("GET", "/subjects", {})
    assert f"eu.{SUBJECT}" in answer.body
    assert SUBJECT not in answer.body


# --- refusals --------------------------------------------------------------------------------------------------------


def refusal(call: Any, *arguments: Any) -> tuple[int, int]:
    with pytest.raises(SchemaRegistryError) as caught:
        call(*arguments)
    return caught.value.http_status_code, caught.value.error_code


def test_refusals_have_confluents_codes(client: SchemaRegistryClient) -> None:
    other = Schema('{"type": "record", "name": "Other", "fields": []}', "AVRO")
    broken = Schema('{"type": "recrod"}', "AVRO")
    unresolved = Schema('{"type": "record", "name": "Other", "fields": [{"name": "x", "type": "y.Z"}]}', "AVRO")
    assert refusal(client.get_schema, 1) == (404, 40403)
    assert refusal(client.get_schema_versions, 1) == (404, 40403)
    assert refusal(client.get_versions, "nothing") == (404, 40401)
    assert refusal(client.get_latest_version, "nothing") == (404, 40401)
    assert refusal(client.get_version, SUBJECT, 99) == (404, 40402)
    assert refusal(client.get_version, SUBJECT, "newest") == (422, 42202)
    assert refusal(client.get_version, SUBJECT, 0) == (422, 42202)
    assert refusal(client.lookup_schema, "nothing", other) == (404, 40401)
    assert refusal(client.lookup_schema, SUBJECT, other) == (404, 40403)
    assert refusal(client.lookup_schema, SUBJECT, broken) == (422, 42201)
    assert refusal(client.lookup_schema, SUBJECT, unresolved) == (422, 42201)
    assert refusal(client.register_schema, SUBJECT, other) == (422, 42205)
    assert refusal(client.register_schema, "new", other) == (422, 42205)
    assert refusal(client.delete_subject, SUBJECT) == (422, 42205)
    assert refusal(client.delete_version, SUBJECT, 1) == (422, 42205)
    assert refusal(client.set_compatibility, SUBJECT, "NONE") == (422, 42205)
    assert refusal(client.get_mode, "nothing") == (404, 40401)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", b"", 404),
        ("PATCH", "/subjects", b"", 501),
        ("POST", f"/subjects/{SUBJECT}", b"", 422),
        ("POST", f"/subjects/{SUBJECT}", b"[]", 422),
        ("POST", f"/subjects/{SUBJECT}", b"\xff", 422),
        ("POST", f"/subjects/{SUBJECT}", b'{"schema": 1}', 422),
        ("POST", f"/subjects/{SUBJECT}", b'{"schema": "\\"string\\"", "schemaType": "PROTOBUF"}', 422),
        ("POST", f"/subjects/{SUBJECT}", b'{"schema": "' + b"[" * 100_000 + b'"}', 422),
        ("GET", "/schemas/ids/99999999999999999999", b"", 404),
        ("GET", "/schemas/ids/-1", b"", 404),
        ("GET", "/schemas/ids/%00", b"", 404),
        ("GET", "/subjects/../../etc/passwd/versions", b"", 404),
    ],
)
def test_odd_requests_get_an_error_and_the_next_one_an_answer(
    http_client: httpx.Client, method: str, path: str, body: bytes, status: int
) -> None:
    assert http_client.request(method, path, content=body).status_code == status
    assert http_client.get("/schemas/types").json() == ["AVRO"]


def test_a_huge_body_is_refused_unread(url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    connection.putrequest("POST", f"/subjects/{SUBJECT}")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error_code"] == 413
    connection.close()


def test_texts_lists_and_heads_for_people_with_curl(http_client: httpx.Client) -> None:
    answer = http_client.get(f"/subjects/{SUBJECT}/versions/latest/schema")
    assert answer.headers["content-type"] == "application/vnd.schemaregistry.v1+json"
    assert answer.json() == http_client.get(f"/schemas/ids/{NEWEST.id}/schema").json() == text(NAME)
    assert http_client.get(f"/subjects/{SUBJECT}/versions/-1/referencedby").json() == []
    assert http_client.get("/").json() == {}
    listed = http_client.get("/schemas", params={"subjectPrefix": SUBJECT, "latestOnly": "true"}).json()
    assert [entry["id"] for entry in listed] == [NEWEST.id]
    assert http_client.get("/subjects", params={"subjectPrefix": SUBJECT}).json() == [SUBJECT]
    assert http_client.head("/subjects").content == b""


def test_a_taken_address_is_said_to_be_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressIsTaken, match=str(port)):
            registry.run(Settings(registry_port=port), Event())
