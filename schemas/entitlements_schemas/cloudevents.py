"""The headers beside a record: CloudEvents 1.0, Kafka binding, binary mode (attributes are `ce_*` headers).

Source of the rules: cloudevents/spec, cloudevents/bindings/kafka-protocol-binding.md and cloudevents/spec.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTENT_TYPE: Final = "application/avro"

#: The public types of changes, by the short name of their record.
CHANGE_TYPES: Final = {
    "EntitlementGranted": "entitlement.granted",
    "EntitlementRevoked": "entitlement.revoked",
    "EntitlementChanged": "entitlement.changed",
    "QuotaWarned": "quota.warning",
    "QuotaExceeded": "quota.exceeded",
    "ExceededWithdrawn": "quota.exceeded_withdrawn",
    "QuotaReset": "quota.reset",
}

_FIXED: Final = [("content-type", CONTENT_TYPE.encode()), ("ce_specversion", b"1.0")]


def type_of(full_name: str) -> str:
    """The `ce_type` of a record: the public name of a change, the record's full name for everything else."""
    folder, _, short = full_name.removeprefix("entitlements.").partition(".")
    return CHANGE_TYPES[short] if folder == "changes" else full_name


def headers(
    *,
    id: str,
    type: str,
    source: str,
    time: datetime,
    subject: str = "",
    **others: str,
) -> list[tuple[str, bytes]]:
    """The headers of one record, for any Kafka client.

    time is aware and gets milliseconds; others are extension attributes: lower-case letters and digits.
    Raises ValueError for an empty id, type or source, a naive time or a bad name of an extension.
    """
    if not (id and type and source):
        raise ValueError("A CloudEvent needs an id, a type and a source.")
    if time.tzinfo is None:
        raise ValueError("The time of a CloudEvent needs a time zone.")
    instant = time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    made = [
        *_FIXED,
        ("ce_id", id.encode()),
        ("ce_type", type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", instant.encode()),
    ]
    if subject:
        made.append(("ce_subject", subject.encode()))
    for name, value in others.items():
        if not (name.isascii() and name.isalnum() and name == name.lower()):
            raise ValueError(f"{name!r} is not a valid CloudEvents attribute name.")
        made.append((f"ce_{name}", value.encode()))
    return made


def attributes(of: Iterable[tuple[str, bytes | str | None]] | None) -> dict[str, str]:
    """The CloudEvents attributes among a record's headers, without `ce_`; the last one wins. Undecodable ones are left out."""
    found: dict[str, str] = {}
    for name, value in of or ():
        if name.startswith("ce_") and value is not None:
            try:
                found[name.removeprefix("ce_")] = value if isinstance(value, str) else value.decode()
            except UnicodeDecodeError:
                continue
    return found
