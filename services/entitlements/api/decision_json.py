"""Decisions as JSON. Most of what one says is the same each time a customer is asked about: it is written once, and kept with the view."""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from entitlements_client.deciding import Decision, PolicySet

_BEGIN: Final = b'{"decision_id":"'
_DECIDED_AT: Final = b',"decided_at":"'


class _Written(NamedTuple):
    """What decisions by these policies and with this reason say of an entry, without their ids and instants."""

    policies: PolicySet
    reason_code: str
    allowed: bool
    middle: bytes
    end: bytes


def json_of(decision: Decision) -> bytes:
    """A decision's document."""
    entry, policies = decision.entry_alone, decision.policies
    if entry is None or policies is None:
        return orjson.dumps(decision.to_document())
    kept = entry.kept
    if (
        type(kept) is _Written
        and kept.policies is policies
        and kept.reason_code == decision.reason_code
        and kept.allowed is decision.allowed
    ):
        return b"".join(
            (_BEGIN, decision.decision_id.encode(), kept.middle, decision.decided_at_text.encode(), kept.end)
        )
    whole = orjson.dumps(decision.to_document())
    # The last one is the decision's own: nothing behind it is named so, and within a text its quotes would have backslashes.
    at = whole.rindex(_DECIDED_AT) + len(_DECIDED_AT)
    middle, end = whole[len(_BEGIN) + len(decision.decision_id) : at], whole[whole.index(b'"', at) :]
    entry.kept = _Written(policies, decision.reason_code, decision.allowed, middle, end)
    return whole
