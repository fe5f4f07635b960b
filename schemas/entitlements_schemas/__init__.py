"""The Avro contract: one .avsc per command, event, outcome and change, their loader and their wire format.

<folder>/*.avsc   the contract and the source; a type used by two files has a file of its own in entities/
sources           finds a type and makes its text self-contained
catalogue         which versions are frozen under which ids; `python -m entitlements_schemas freeze` adds one
freezing          adds new versions to the catalogue; changes nothing in it
compatibility     may the new version read the old one?
wire              bytes on Kafka to records and back: Confluent framing
compiled          readers and writers made for one schema each
cloudevents       the headers beside them
testing           generated records for tests
"""

from entitlements_schemas.sources import CHANGE_PREFIX, EVENT_PREFIX, SchemaError, names, plain_schema, schema, text
from entitlements_schemas.wire import (
    Decoded,
    NotEncodable,
    NotFramed,
    Undecodable,
    UnknownSchemaId,
    Wire,
    WireError,
)

__all__ = [
    "CHANGE_PREFIX",
    "EVENT_PREFIX",
    "Decoded",
    "NotEncodable",
    "NotFramed",
    "SchemaError",
    "Undecodable",
    "UnknownSchemaId",
    "Wire",
    "WireError",
    "names",
    "plain_schema",
    "schema",
    "text",
]
