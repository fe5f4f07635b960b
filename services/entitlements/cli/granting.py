"""What the definition of a key adds to an answer: features that grant others, and where and when a key may be used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from entitlements.cli.session import Session
    from entitlements.domain.key_inheritance import KeyAnswer

_SENTENCES: Final = {
    "denied": "{key} is denied by a rule.",
    "provision_suspended": "{key} is part of a plan that is suspended.",
    "overridden": "{key} was taken away by an administrator.",
    "country_unknown": "{blamed} may be used in some places only: say where this is (--country).",
    "country_not_allowed": "{blamed} may not be used in {country}.",
    "not_yet_valid": "{blamed} may not be used yet.",
    "no_longer_valid": "{blamed} may not be used any more.",
}


def judged(
    opened: Session, answer: dict[str, Any], pools: list[dict[str, Any]], workspace: str, country: str
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
    said = definitions.said_of_keys(opened.database, pool_ids, workspace, graph, at)
    where = country or None
    answers = [(pool_id, allowed(key, of_pool, graph, country=where, at=at)) for pool_id, of_pool in said.items()]
    granted = [(pool_id, found) for pool_id, found in answers if found.allowed]
    telling = [(pool_id, found) for pool_id, found in answers if found.reason_code != "not_entitled"]
    if not telling or (granted and granted[0][1].reason_code == "held"):
        return answer
    return answer | _told(key, *(granted or telling)[0], country)


def _told(key: str, pool_id: str, found: KeyAnswer, country: str) -> dict[str, Any]:
    path = list(found.path[:-1])
    facts: dict[str, Any] = {"allowed": found.allowed, "reason_code": found.reason_code, "pool_id": pool_id}
    if found.allowed:
        through = f" through {', '.join(path[1:])}" if path[1:] else ""
        sentence = f"{key} is granted by {path[0]}{through} ({found.policy})."
        return facts | {"sentence": sentence, "entitlement_type": "boolean", "inherited_from": path}
    blamed = f"{key}, or {', '.join(path)} that grants it," if path else key
    return facts | {"sentence": _SENTENCES[found.reason_code].format(key=key, blamed=blamed, country=country)}
