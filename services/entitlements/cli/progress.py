"""`entitlements progress`: how far the reconciler is with new set versions and campaigns."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer

from entitlements.cli import output
from entitlements.cli.options import FOLDER, AsJson, Data, example
from entitlements.cli.session import Session, session

EXAMPLE: Final = example("entitlements progress pro --watch")
_LOOK_EVERY_FOR: Final = 0.2


def progress(
    set_id: Annotated[str, typer.Argument(metavar="SET", help="Id of an entitlement set (default: all).")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Wait until all provisions are up to date.")] = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Show the rollout of new set versions and campaigns.

    Provisions that follow their set get each new version. Pinned provisions keep theirs.
    """
    with session(data) as opened:
        _require_set(opened, set_id)
        if watch:
            _watch(opened, set_id)
        found = _found(opened, set_id)
    if as_json:
        output.document(found)
        return
    output.table(
        ("Set", ">Latest", ">Following", ">Up to date", ">Behind", ">Pinned"),
        [
            (
                row["set_id"],
                row["set_version"],
                row["following"],
                row["done"],
                row["following"] - row["done"],
                row["pinned"],
            )
            for row in found["sets"]
        ],
    )
    if found["campaigns"]:
        output.table(
            ("Campaign", "Active", "From", "Until", ">Pools", ">Granted", ">To revoke"),
            [
                (
                    row["campaign_id"], "yes" if row["is_active"] else "no", row["starts_at"], row["ends_at"],
                    row["pools"], row["conferred"], row["left_over"],
                )
                for row in found["campaigns"]
            ],
        )  # fmt: skip


def _require_set(opened: Session, set_id: str) -> None:
    """Raises UnknownSet: a set is named that nobody has defined."""
    from entitlements.errors import UnknownSet
    from entitlements_projections import reading

    if set_id and reading.entitlement_set(opened.database, set_id, None) is None:
        raise UnknownSet(f"{set_id}.")


def _found(opened: Session, set_id: str) -> dict[str, list[dict[str, Any]]]:
    from entitlements_projections import reading

    sets = reading.progress_of_revisions(opened.database, set_id or None)
    return {"sets": sets, "campaigns": [] if set_id else reading.progress_of_campaigns(opened.database)}


def _watch(opened: Session, set_id: str) -> None:
    """A progress bar until every follower is up to date."""
    with output.progress(f"Rolling out {set_id or 'all sets'}") as tell:
        while True:
            rows = _found(opened, set_id)["sets"]
            done, following = sum(row["done"] for row in rows), sum(row["following"] for row in rows)
            tell(done, following)
            if done >= following:
                return
            time.sleep(_LOOK_EVERY_FOR)
