"""`entitlements changes tail`: changes as they come."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from entitlements.cli import output
from entitlements.cli.options import FOLDER, ORGANIZATION_VARIABLE, AsJson, Data, example, group
from entitlements.cli.session import session

_KIND_WIDTH: Final = 24

changes = group("Changes: entitlements granted or revoked, and limits reached, per customer.")


@changes.command(
    "tail",
    epilog=example(
        "entitlements changes tail", "entitlements changes tail --from-beginning --customer ws-1 --count 5 --json"
    ),
)
def tail(
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Start at the oldest retained change (default: new changes only).")
    ] = False,
    customer: Annotated[str, typer.Option(help="Only the changes of this customer.", show_default=False)] = "",
    organization: Annotated[
        str,
        typer.Option(
            "--organization",
            "-o",
            envvar=ORGANIZATION_VARIABLE,
            help="Only the changes of this organization's customers.",
            show_default=False,
        ),
    ] = "",
    count: Annotated[int | None, typer.Option(min=1, help="Stop after this many changes.", show_default=False)] = None,
    no_follow: Annotated[bool, typer.Option("--no-follow", help="Stop at the newest change.")] = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Stream changes: granted, revoked, changed, quota warning, exceeded, reset.

    With --json: one document with --count or --no-follow, otherwise one document per line.
    """
    bounded = count is not None or no_follow
    with session(data) as opened:
        opened.require_kafka()
        found: list[dict[str, Any]] = []
        try:
            for change in _read(opened.settings, from_beginning=from_beginning, follow=not no_follow):
                if not _is_of(change, organization, customer):
                    continue
                found.append(change if bounded else {})
                if not as_json:
                    for line in _lines(change, output.width_of(sys.stdout)):
                        output.say(line)
                elif not bounded:
                    output.line_of_json(change)
                if count is not None and len(found) >= count:
                    break
        except KeyboardInterrupt:
            if not bounded:
                return
    if as_json and bounded:
        output.document({"changes": found})


def _is_of(change: dict[str, Any], organization: str, customer: str) -> bool:
    return organization in {"", change["organization_id"]} and customer in {"", change["customer_id"]}


def _read(settings: Any, *, from_beginning: bool, follow: bool) -> Iterator[dict[str, Any]]:
    """Decoded changes, from now or from the beginning on. A repeat is passed over; what is not a valid change is named on stderr."""
    from contextlib import closing

    from confluent_kafka import TopicPartition

    from entitlements.ledger import clients
    from entitlements_schemas import Wire, WireError

    wire, topic, seen = Wire(), settings.topic("changes"), set[str]()
    with closing(clients.reader(settings)) as consumer:
        places, goals = [], {}
        for partition in range(settings.partitions):
            low, high = clients.watermarks(consumer, TopicPartition(topic, partition))
            start = low if from_beginning else high
            places.append(TopicPartition(topic, partition, start))
            if start < high:
                goals[partition] = high
        consumer.assign(places)
        while follow or goals:
            message: Any = consumer.poll(0.2)
            if message is None or message.error() is not None:
                continue
            if message.offset() + 1 >= goals.get(message.partition(), 0):
                goals.pop(message.partition(), None)
            try:
                change = wire.decode(message.value()).record
            except WireError as error:
                output.note(
                    f"{error.code}: record {message.offset()} of partition {message.partition()} is not a valid change"
                )
                continue
            if change["change_id"] in seen:
                continue
            seen.add(change["change_id"])
            kind = dict(message.headers() or ()).get("ce_type", b"").decode()
            yield {"type": kind, **change}


def _lines(change: dict[str, Any], width: int | None) -> list[str]:
    """A change in one line or, where that does not fit, in two: when and what, then whose. As markup."""
    kind = change["type"]
    colour = {
        "entitlement.granted": "green",
        "entitlement.revoked": "red",
        "quota.exceeded": "red",
        "quota.exceeded_withdrawn": "green",
        "quota.warning": "yellow",
    }
    shown = f"[{colour[kind]}]{kind:24}[/]" if kind in colour else f"{kind:24}"
    at, detail = output.text(change["effective_at"]), _detail(change)
    whose = f"{output.literal(change['organization_id'])}  {output.strong(change['customer_id'])}"
    rest = f"{whose}  {output.literal(change['resource_key'])}  {output.literal(detail)}"
    names = (change["organization_id"], change["customer_id"], change["resource_key"], detail)
    characters = len(at) + 2 + _KIND_WIDTH + 1 + sum(len(name) + 2 for name in names) - 2
    return [f"{at}  {shown} {rest}"] if width is None or characters <= width else [f"{at}  {shown}", f"  {rest}"]


def _detail(change: dict[str, Any]) -> str:
    if "after" in change:
        return f"{_value(change['before'])} -> {_value(change['after'])}"
    if "requested" in change:
        return (
            f"{change['consumed']:,} of {output.amount(change['limit'])} used, {change['requested']:,} more requested"
        )
    if "soft_limit" in change:
        return f"{change['consumed']:,} used, soft limit {change['soft_limit']:,}"
    if "limit" in change:
        return f"{change['consumed']:,} of {output.amount(change['limit'])} used after a correction"
    period = change.get("period_end")
    return f"at {output.text(period)}" if isinstance(period, datetime) else ""


def _value(value: dict[str, Any] | None) -> str:
    if value is None:
        return "none"
    limit = "included" if value["limit"] is None and value["period"] is None else output.amount(value["limit"])
    return limit + (f" / {value['period']}" if value["period"] else "")
