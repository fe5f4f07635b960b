"""Every route of the service, once: as a call, and as a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from entitlements_client.deciding import Context, CustomerView, Decision, Request
from entitlements_client.deciding.unique import new_id
from entitlements_client.transport.administering import (
    command,
    create_key,
    report_access,
    revoke_key,
)
from entitlements_client.transport.call import Call, changing, path_id, reading, without_none
from entitlements_client.transport.lists import Lists
from entitlements_client.transport.method import Method
from entitlements_client.transport.results import (
    Fetched,
    Line,
    Recorded,
    Reserved,
    changed_of,
    decision_of,
    decisions_of,
    document_of,
    fetched,
    lines_of,
    recorded_of,
    reserved_of,
)

#: Lines of usage, checks and operations in one request.
LINES_MAX: Final = 10_000


# --- Questions ---------------------------------------------------------------------------------------------------------


def ask(request: Request, consistency: str = "", *, organization: str = "") -> Call[Decision]:
    """Check a request with the service."""
    return reading("/v1/check", decision_of, body=body_of(request), consistency=consistency, organization=organization)


def body_of(request: Request) -> dict[str, Any]:
    """A request as the routes take it."""
    return without_none(
        customer_id=request.customer_id,
        resource_key=request.resource_key,
        quantity=request.quantity,
        subject_id=request.subject_id,
        action=request.action,
        context=None if request.context is None else request.context.to_document(),
    )


def check(  # noqa: PLR0913 - what a question has.
    customer_id: str,
    resource_key: str,
    quantity: int | None = None,
    *,
    subject_id: str = "",
    action: str = "",
    context: Context | None = None,
    consistency: str = "",
    organization: str = "",
) -> Call[Decision]:
    """Check whether a customer may use a resource key. quantity in the smallest unit; None: access in general.

    consistency: the token of an earlier response, which the answer then includes. organization: as in every method, for a key
    that acts for several.
    """
    request = Request(customer_id, resource_key, quantity, subject_id, action, context)
    return ask(request, consistency, organization=organization)


def check_all(requests: Sequence[Request], *, organization: str = "") -> Call[list[Decision]]:
    """Check many requests at once, at most 10,000."""
    body = {"checks": [body_of(request) for request in requests]}
    return reading("/v1/checks", decisions_of, body=body, organization=organization)


def check_each(
    customer_ids: Sequence[str],
    resource_keys: Sequence[str],
    quantity: int | None = None,
    *,
    context: Context | None = None,
    organization: str = "",
) -> Call[list[Decision]]:
    """Check each customer with each resource key, at most 10,000 pairs."""
    body = without_none(
        customer_ids=list(customer_ids),
        resource_keys=list(resource_keys),
        quantity=quantity,
        context=None if context is None else context.to_document(),
    )
    return reading("/v1/checks", decisions_of, body=body, organization=organization)


def entitlements(
    customer_id: str, *, etag: str = "", consistency: str = "", organization: str = ""
) -> Call[Fetched[CustomerView]]:
    """Everything a customer is entitled to. etag: of an earlier answer; the value is None if nothing changed."""
    path = f"/v1/customers/{path_id(customer_id)}/entitlements"
    return reading(
        path, fetched(CustomerView.from_document), etag=etag, consistency=consistency, organization=organization
    )


def entitlement(
    customer_id: str, resource_key: str, *, consistency: str = "", organization: str = ""
) -> Call[dict[str, Any]]:
    """What a customer has of one resource key: {customer_id, as_of, entitlement}."""
    path = f"/v1/customers/{path_id(customer_id)}/entitlements/{path_id(resource_key)}"
    return reading(path, document_of, consistency=consistency, organization=organization)


def remaining(
    customer_ids: Sequence[str], resource_keys: Sequence[str], *, organization: str = ""
) -> Call[list[dict[str, Any]]]:
    """What remains, for each customer with each resource key."""
    body = {"customer_ids": list(customer_ids), "resource_keys": list(resource_keys)}
    return reading(
        "/v1/remaining", lambda answer: list(answer.document()["remaining"]), body=body, organization=organization
    )


def policy_set(*, etag: str = "", organization: str = "") -> Call[Fetched[dict[str, Any]]]:
    """The organization's access policies in force, as one document."""
    return reading("/v1/policy-set", fetched(dict), etag=etag, organization=organization)


def dry_run(
    request: Request, policies: Sequence[Mapping[str, Any]] | None = None, *, organization: str = ""
) -> Call[dict[str, Any]]:
    """Dry-run access policies: the steps of a decision, with the given policies or those in force."""
    body = body_of(request) | without_none(policies=None if policies is None else list(policies))
    return reading("/v1/policies/dry-run", document_of, body=body, organization=organization)


# --- Usage -------------------------------------------------------------------------------------------------------------


def usage_line(line: Line) -> dict[str, Any]:
    """A line of usage for the routes. It gets an id if it has none, so that it counts once."""
    return {**line, "usage_id": line.get("usage_id") or new_id()}


def record_usage(line: Line, *, idempotency_key: str = "", organization: str = "") -> Call[Recorded]:
    """Record usage. Raises QuotaExceeded or NotEntitled if strict usage is refused."""
    return changing(
        "/v1/usage", recorded_of, usage_line(line), idempotency_key=idempotency_key, organization=organization
    )


def record_usage_batch(
    usage: Sequence[Line], *, idempotency_key: str = "", organization: str = ""
) -> Call[list[dict[str, Any]]]:
    """Record up to 10,000 lines. Returns what was recorded, or the problem, for each."""
    body = {"usage": [usage_line(line) for line in usage]}
    return changing("/v1/usage/batch", lines_of, body, idempotency_key=idempotency_key, organization=organization)


def send_events(
    events: Sequence[Mapping[str, Any]], *, idempotency_key: str = "", organization: str = ""
) -> Call[dict[str, Any]]:
    """Report usage as CloudEvents (at most 10,000): {accepted, refused, consistency_token}."""
    kind = {"Content-Type": "application/cloudevents-batch+json"}
    return changing(
        "/v1/events",
        changed_of,
        list(events),
        idempotency_key=idempotency_key,
        headers=kind,
        organization=organization,
    )


# --- Reservations ------------------------------------------------------------------------------------------------------


def reserve(  # noqa: PLR0913 - what a reservation has.
    customer_id: str,
    resource_key: str,
    quantity: int,
    *,
    expires_in: int,
    lease: bool = False,
    reservation_id: str = "",
    subject_id: str = "",
    idempotency_key: str = "",
    organization: str = "",
) -> Call[Reserved]:
    """Reserve a quantity for expires_in seconds. Raises QuotaExceeded, NotEntitled."""
    body = without_none(
        customer_id=customer_id,
        resource_key=resource_key,
        quantity=quantity,
        expires_in=expires_in,
        lease=lease,
        reservation_id=reservation_id or new_id(),
        subject_id=subject_id,
    )
    return changing("/v1/reservations", reserved_of, body, idempotency_key=idempotency_key, organization=organization)


def extend(
    reservation_id: str, pool_id: str, *, expires_in: int, idempotency_key: str = "", organization: str = ""
) -> Call[dict[str, Any]]:
    """Extend a reservation to expires_in seconds from now."""
    body = {"pool_id": pool_id, "expires_in": expires_in}
    return _of_reservation(reservation_id, "extend", body, idempotency_key, organization)


def commit(
    reservation_id: str,
    pool_id: str,
    quantity: int,
    *,
    final: bool = False,
    idempotency_key: str = "",
    organization: str = "",
) -> Call[dict[str, Any]]:
    """Record usage from a reservation. final: release the rest."""
    body = {"pool_id": pool_id, "quantity": quantity, "final": final}
    return _of_reservation(reservation_id, "commit", body, idempotency_key, organization)


def release(
    reservation_id: str, pool_id: str, *, idempotency_key: str = "", organization: str = ""
) -> Call[dict[str, Any]]:
    """Release a reservation unused."""
    return _of_reservation(reservation_id, "release", {"pool_id": pool_id}, idempotency_key, organization)


def _of_reservation(
    reservation_id: str, verb: str, body: Mapping[str, Any], key: str, organization: str
) -> Call[dict[str, Any]]:
    path = f"/v1/reservations/{path_id(reservation_id)}/{verb}"
    return changing(path, changed_of, body, idempotency_key=key, organization=organization)


def reservations(
    operations: Sequence[Mapping[str, Any]], *, idempotency_key: str = "", organization: str = ""
) -> Call[dict[str, Any]]:
    """Reserve, extend, commit and release in one request; each operation has its `op`."""
    body = {"operations": list(operations)}
    return changing(
        "/v1/reservations/batch", changed_of, body, idempotency_key=idempotency_key, organization=organization
    )


# --- As methods --------------------------------------------------------------------------------------------------------


class Methods(Lists):
    """Methods of both clients."""

    check = Method(check)
    check_all = Method(check_all)
    check_each = Method(check_each)
    entitlements = Method(entitlements)
    entitlement = Method(entitlement)
    remaining = Method(remaining)
    policy_set = Method(policy_set)
    dry_run = Method(dry_run)
    record_usage = Method(record_usage)
    record_usage_batch = Method(record_usage_batch)
    send_events = Method(send_events)
    reserve = Method(reserve)
    extend = Method(extend)
    commit = Method(commit)
    release = Method(release)
    reservations = Method(reservations)
    report_access = Method(report_access)
    command = Method(command)
    create_key = Method(create_key)
    revoke_key = Method(revoke_key)
