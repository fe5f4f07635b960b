"""What the HTTP API says to caches about a customer's view: validators, how long it may be kept, by whom, and under which names.

Pure. An answer belongs to the key that asked for it and the organization that this named: `Vary` says so to every cache, and only a cache
that is set up to look answers up by both headers may be told to share them (docs/caching.md). Sources: RFC 9110 (validators, 304), RFC 9111 (3.5: what has an
Authorization is shared only where the answer says so), RFC 5861 (stale-while-revalidate).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from entitlements.access.caching.floors import Concerned

#: The name that every answer has: what concerns everybody purges it.
EVERY_ANSWER: Final = "all"
#: Of what an answer depends on beside its address. A read that asks for a position is another question.
VARY: Final = "Authorization, Entitlements-Consistency, Entitlements-Organization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """Seconds for which an answer may be kept.

    client_for: by whoever asked. shared_for: by a cache before the service; 0: by none. stale_for: so long after that it may still be
    given out while a new one is fetched. The bound of a shared cache that hears of no invalidation is shared_for + stale_for.
    """

    client_for: int = 0
    shared_for: int = 0
    stale_for: int = 0


def etag_of(document: Mapping[str, Any]) -> str:
    """A strong validator of what a view says: of all of it but `as_of`, which is about the reading."""
    said = orjson.dumps(
        {name: value for name, value in document.items() if name != "as_of"}, option=orjson.OPT_SORT_KEYS
    )
    return f'"{base64.urlsafe_b64encode(hashlib.sha256(said).digest()[:18]).decode()}"'


def is_not_modified(if_none_match: str | None, etag: str) -> bool:
    """Whether whoever asks has this already, by the header If-None-Match: the answer is 304 then, without a body."""
    if if_none_match is None:
        return False
    known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in known or etag in known


def headers_of(
    document: Mapping[str, Any],
    lifetimes: Lifetimes,
    *,
    now: datetime,
    is_known_to_be_old: bool = False,
    news_are_late: bool = False,
) -> dict[str, str]:
    """The headers of an answer with a view, of 200 and 304 alike.

    is_known_to_be_old: something is known to have happened that it lacks (Floors), so nobody may keep it. Nor may anybody keep an
    answer past the `valid_until` of one of its entries. news_are_late: nobody would purge it in time (Floors.is_current), so that only who
    asked may keep it.
    """
    names = surrogate_keys(document["organization_id"], document["customer_id"])
    ends = [entry["valid_until"] for entry in document["entitlements"].values() if entry.get("valid_until")]
    left = min(((datetime.fromisoformat(end) - now).total_seconds() for end in ends), default=float("inf"))
    return {
        "ETag": etag_of(document),
        "Cache-Control": _cache_control(
            replace(lifetimes, shared_for=0) if news_are_late else lifetimes, 0.0 if is_known_to_be_old else left
        ),
        "Vary": VARY,
        "Surrogate-Key": " ".join(names),
    }


def surrogate_keys(organization_id: str, customer_id: str) -> tuple[str, str, str]:
    """The names under which an answer is purged: its customer's, its organization's, everybody's. They tell no id to anybody."""
    return (customer_key(organization_id, customer_id), organization_key(organization_id), EVERY_ANSWER)


def customer_key(organization_id: str, customer_id: str) -> str:
    """The name of all answers about a customer of an organization."""
    return f"c-{_short(f'{len(organization_id)}:{organization_id}{customer_id}')}"


def organization_key(organization_id: str) -> str:
    """The name of all answers to an organization."""
    return f"o-{_short(organization_id)}"


def names_of(concerned: Concerned) -> set[str]:
    """The names of the answers that something makes older: what a Purger purges."""
    if concerned.everybody:
        return {EVERY_ANSWER}
    customers = {customer_key(*customer) for customer in concerned.customers}
    return customers | {organization_key(organization_id) for organization_id in concerned.organizations}


def _short(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()[:20]


def _cache_control(lifetimes: Lifetimes, left: float) -> str:
    """left: seconds until the document says nothing any more."""
    if left < 1:
        return "no-store"
    limit = 365 * 86_400 if left == float("inf") else int(left)
    client_for = min(lifetimes.client_for, limit)
    if lifetimes.shared_for <= 0:
        stale_for = min(lifetimes.stale_for, limit - client_for)
        kept = f"private, max-age={client_for}"
        return f"{kept}, stale-while-revalidate={stale_for}" if client_for and stale_for else f"{kept}, must-revalidate"
    shared_for = min(lifetimes.shared_for, limit)
    stale_for = min(lifetimes.stale_for, limit - shared_for)
    kept = f"public, max-age={client_for}, s-maxage={shared_for}"
    return f"{kept}, stale-while-revalidate={stale_for}" if stale_for else kept
