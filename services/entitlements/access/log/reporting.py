"""Decisions that were made at the caller and are reported in batches: POST /v1/access-log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from entitlements.access.log.entries import Asker, of_report
from entitlements.access.log.writer import AccessLog
from entitlements.errors import InvalidRequest, ServerIsAway

REPORTED_MAX: Final = 10_000


class AccessLogIsFull(ServerIsAway):
    """The access log takes no more at the moment."""


def accept(log: AccessLog, asker: Asker, documents: Sequence[Any]) -> dict[str, Any]:
    """Take reported decisions; those that are not valid are told by their index, the others are logged.

    {"accepted": 2, "sampled_out": 0, "refused": [{"index": 1, "code": "invalid_request", "detail": ".."}]}

    A report that is sent again is logged once. Raises InvalidRequest when there are too many, AccessLogIsFull: send them again
    later, the caller has them and we need not drop them.
    """
    if len(documents) > REPORTED_MAX:
        raise InvalidRequest(f"{len(documents)} decisions; the maximum is {REPORTED_MAX}.")
    if not log.has_room(len(documents)):
        raise AccessLogIsFull
    now_ms = time.time_ns() // 1_000_000
    refused: list[dict[str, Any]] = []
    accepted = sampled_out = 0
    for index, told in enumerate(documents):
        key = told.get("resource_key") if isinstance(told, dict) else None
        rule = log.rules.of(key if isinstance(key, str) else "")
        try:
            entry = of_report(asker, told, now_ms, rule.keep_for_days)
        except InvalidRequest as error:
            refused.append({"index": index, "code": error.code, "detail": str(error)})
            continue
        count = rule.count(entry["decision_id"], allowed=entry["result"] == "allowed")
        if count:
            # What the client has sampled already stands for more than one, and now for more of them.
            log.report(entry | {"count": entry["count"] * count})
            accepted += 1
        else:
            sampled_out += 1
    return {"accepted": accepted, "sampled_out": sampled_out, "refused": refused}
