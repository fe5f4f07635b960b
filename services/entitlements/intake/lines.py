"""A row as the usage it stands for."""

from __future__ import annotations

from dataclasses import dataclass

from entitlements.domain.commands import RecordUsageBatch
from entitlements.domain.ids import derived_id
from entitlements.domain.values import UsageLine
from entitlements.intake.rows import Row
from entitlements.ledger.caller import new_id


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a row stands for: one request, which may be refused, and its bytes, which have been sent already."""

    source: str
    request_key: str = "api_calls"
    bytes_key: str = "bandwidth_bytes"

    def command(self, row: Row, pool_id: str, *, in_backfill: bool) -> RecordUsageBatch:
        """The usage of one row. A pool in backfill decides it at the row's instant; any other pool now, and takes no other instant."""
        return RecordUsageBatch(
            command_id=new_id(),
            source=self.source,
            sequence=row.number,
            effective_at=row.occurred_at if in_backfill else None,
            groups=[{"pool_id": pool_id, "lines": self._lines(row)}],
        )

    @staticmethod
    def usage_ids(row: Row) -> tuple[str, str]:
        """The ids of the usage of a row: of its request, and of its bytes."""
        # Usage ids are one namespace in a pool, so the second line of a row needs another one.
        return row.usage_id, derived_id("bytes", row.usage_id)

    def _lines(self, row: Row) -> list[UsageLine]:
        usage_id, bytes_id = self.usage_ids(row)
        request: UsageLine = {
            "resource_key": self.request_key,
            "quantity": 1,
            "mode": "strict",
            "occurred_at": row.occurred_at_ms,
            "workspace_id": row.customer_id,
            "usage_id": usage_id,
            "subject_id": "",
        }
        if row.bytes == 0:
            return [request]
        sent: UsageLine = {
            **request,
            "resource_key": self.bytes_key,
            "quantity": row.bytes,
            "mode": "report",
            "usage_id": bytes_id,
            "subject_id": "",
        }
        return [request, sent]
