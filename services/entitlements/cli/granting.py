"""What the definition of a key adds to an answer: features that grant others, and where and when a key may be used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entitlements.cli.session import Session
    from entitlements.domain.key_inheritance import KeyAnswer


def judged(
    opened: Session, answer: dict[str, Any], pools: list[dict[str, Any]], customer: str, country: str
) -> dict[str, Any]:
    """An answer as the definition of its key has it; where the key is had and does not fit, nothing is added.

    A feature that a pool has not may be granted by one that it has; a key that is had may be constrained.
    """
    from entitlements.domain.key_inheritance import allowed
    from entitlements_projections.reading import definitions

    key, is_number = answer["resource_key"], answer["entitlement_type"] not in (None, "boolean")
    graph = definitions.keys_that_descend(opened.database, key)
    is_plain = len(graph) < 2 and all(node.constraints is None for node in graph.values())
    if is_plain or (is_number and not answer["allowed"]):
        return answer
    at = datetime.now(UTC)
    pool_ids = (
        [answer["pool_id"]] if answer["allowed"] else [pool["pool_id"] for pool in pools if pool["status"] == "open"]
    )
    said = definitions.said_of_keys(opened.database, pool_ids, customer, graph, at)
    where = country or None
    answers = [(pool_id, allowed(key, of_pool, graph, country=where, at=at)) for pool_id, of_pool in said.items()]
    granted = [(pool_id, found) for pool_id, found in answers if found.allowed]
    telling = [(pool_id, found) for pool_id, found in answers if found.reason_code != "not_entitled"]
    if not telling or (granted and granted[0][1].reason_code == "held"):
        return answer
    return answer | _told(key, *(granted or telling)[0], customer)


def _told(key: str, pool_id: str, found: KeyAnswer, customer: str) -> dict[str, Any]:
    from entitlements_client.deciding.sentences import sentence_of

    path = list(found.path[:-1])
    facts: dict[str, Any] = {"allowed": found.allowed, "reason_code": found.reason_code, "pool_id": pool_id}
    customer = customer or f"Pool {pool_id}"
    if found.allowed:
        sentence = sentence_of(found.reason_code, key=key, customer=customer, path=", ".join(path))
        return facts | {"sentence": sentence, "entitlement_type": "boolean", "inherited_from": path}
    return facts | {"sentence": sentence_of(found.reason_code, key=key, customer=customer)}
