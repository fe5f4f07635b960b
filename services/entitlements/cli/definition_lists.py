"""`entitlements set list, key list`: what is defined, page by page."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from entitlements.cli import listing
from entitlements.cli.catalogue import sets
from entitlements.cli.keys import keys
from entitlements.cli.listing import ROWS, All, Asked, Cursor, Limit, OfKey, Shown, one_of
from entitlements.cli.options import FOLDER, AsJson, Data, example

_SETS: Final = Shown(
    what="sets",
    columns={
        "Set": "set_id",
        ">Version": "set_version",
        "Ladder": lambda row: f"{row['ladder']}, rung {row['rung']}" if row["ladder"] else "",
        "~Resource keys": lambda row: ", ".join(row["resource_keys"]),
    },
)
_KEYS: Final = Shown(
    what="resource keys",
    columns={
        "Key": "resource_key",
        "Type": lambda row: row["entitlement_type"] or row["data_type"],
        "Unit": "unit",
        ">Scale": "scale",
        "~Name": "name",
    },
)


@sets.command("list", epilog=example("entitlements set list --ladder plans"))
def list_sets(
    ladder: Annotated[str, typer.Option("--ladder", help="Only of this plan ladder.", show_default=False)] = "",
    key: OfKey = "",
    versions: Annotated[bool, typer.Option("--versions", help="Every version, not the newest alone.")] = False,
    limit: Limit = ROWS,
    every: All = False,
    cursor: Cursor = "",
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """List the entitlement sets by id, each in its newest version."""
    filters = {"ladder": ladder, "resource_key": key, "newest": None if versions else True}
    asked = Asked(limit=limit, every=every, cursor=cursor, as_json=as_json, data=data)
    listing.show("SETS", _SETS, asked, filters)


@keys.command("list", epilog=example("entitlements key list --type boolean"))
def list_keys(
    data_type: Annotated[str, typer.Option("--type", help="Only: boolean or integer.", show_default=False)] = "",
    limit: Limit = ROWS,
    every: All = False,
    cursor: Cursor = "",
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """List the resource keys that are defined."""
    asked = Asked(limit=limit, every=every, cursor=cursor, as_json=as_json, data=data)
    listing.show("RESOURCE_KEYS", _KEYS, asked, {"data_type": one_of(data_type, "--type", "boolean", "integer")})
