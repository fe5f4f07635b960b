"""Answers on their way back: one record per caller and frame, sent when the frame is known to be valid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import Producer

from entitlements.domain.decide import Answer
from entitlements.domain.errors import CommandRefused
from entitlements.domain.lines import UsageAnswer
from entitlements.ledger.frames import wire
from entitlements.ledger.partitioning import partition_of
from entitlements.ledger.replies import Replies
from entitlements.operations.tracing import Headers
from entitlements.settings import Settings

OUTCOME: Final = "entitlements.outcomes.Outcome"

Result = dict[str, Any]


def accepted(command_id: str, answer: Answer) -> Result:
    """The result of a command that was not refused; its version is set when the frame is complete."""
    usage = answer.usage
    if usage is None:
        return {"command_id": command_id, "status": "accepted", "repeated": answer.repeated}
    return usage_result(command_id, usage, repeated=answer.repeated)


def usage_result(command_id: str, usage: UsageAnswer, *, repeated: bool) -> Result:
    """The result of a command of usage: accepted, refused, or some of both."""
    result: Result = {
        "command_id": command_id,
        "status": "accepted",
        "repeated": repeated,
        "accepted_lines": usage.accepted,
    }
    if usage.usage_ids:
        result["usage_ids"] = usage.usage_ids
    if usage.refused:
        result["status"] = "partial" if usage.accepted else "refused"
        result["code"] = usage.refused[0][1]
        result["message"] = f"Refused lines: {len(usage.refused)} of {usage.accepted + len(usage.refused)}."
        result["refused_lines"] = [
            {"index": index, "code": code, "remaining": remaining} for index, code, remaining in usage.refused
        ]
    return result


def refused(command_id: str, refusal: CommandRefused) -> Result:
    """The result of a command that had no effect."""
    return {
        "command_id": command_id,
        "status": "refused",
        "code": refusal.code,
        "message": str(refusal),
        "remaining": refusal.remaining,
    }


class Outcomes:
    """Sends results to the callers that wait for them."""

    def __init__(self, settings: Settings, producer: Producer) -> None:
        self._topic = settings.topic("outcomes")
        self._partitions = settings.partitions
        self._producer = producer
        self._replies = Replies() if settings.replies == "direct" else None

    def send(
        self, partition: int, frame_offset: int, results: Iterable[tuple[str, Result]], headers: Headers | None = None
    ) -> None:
        """Send (caller, result) pairs of one frame, one record per caller. headers: the frame's, when it is traced.

        What is traced goes through Kafka, whose records have headers; all else on the short way where there is one.
        """
        by_caller: dict[str, list[Result]] = {}
        for caller, result in results:
            by_caller.setdefault(caller, []).append(result)
        for caller, of_caller in by_caller.items():
            record = {"caller": caller, "partition": partition, "frame_offset": frame_offset, "results": of_caller}
            value = wire().encode_plain(OUTCOME, record)
            if self._replies is not None and not headers and self._replies.send(caller, value):
                continue
            place = partition_of(caller, self._partitions)
            self._producer.produce(self._topic, value, key=caller, partition=place, headers=headers)

    def close(self) -> None:
        """Let go of the callers."""
        if self._replies is not None:
            self._replies.close()
