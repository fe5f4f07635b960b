"""The stream of changes: what its lines mean. Server-sent events, without input or output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

REVOKED: Final = "entitlement.revoked"


@dataclass(frozen=True, slots=True)
class Change:
    """A change event about one customer. position: "partition:offset" of the decision in the ledger."""

    type: str
    organization_id: str
    customer_id: str
    resource_key: str
    pool_id: str
    position: str
    document: Mapping[str, Any]

    @property
    def revokes(self) -> bool:
        """Whether the customer lost the key."""
        return self.type == REVOKED

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read a change. Raises KeyError where it names no customer."""
        return cls(
            type=str(document.get("type", "")),
            organization_id=str(document.get("organization_id") or ""),
            customer_id=document["customer_id"],
            resource_key=str(document.get("resource_key") or ""),
            pool_id=str(document.get("pool_id") or ""),
            position=str(document.get("position") or ""),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of a stream. name: "change", "policies", "reset"; data: empty for an event that only says where the stream is."""

    name: str
    data: str

    def document(self) -> dict[str, Any]:
        """The data as JSON; empty where it is none."""
        try:
            found = json.loads(self.data) if self.data else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class EventLines:
    """Puts lines together to events, and remembers the place from which the stream can be resumed."""

    def __init__(self) -> None:
        #: The id of the last event that was taken in whole: what Last-Event-ID says.
        self.last_event_id = ""
        self._id: str | None = None
        self._name, self._data = "", [""][:0]

    def connected(self) -> None:
        """A new connection begins: what was half told is forgotten."""
        self._id, self._name, self._data = None, "", []

    def feed(self, line: str) -> ServerEvent | None:
        """Take one line; the event that it completes. A comment (heartbeat) completes none."""
        if not line:
            return self._complete()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self._id = value
        return None

    def _complete(self) -> ServerEvent | None:
        name, data, place = self._name, "\n".join(self._data), self._id
        self.connected()
        if place is not None:
            self.last_event_id = place
        return ServerEvent(name, data) if name or data else None
