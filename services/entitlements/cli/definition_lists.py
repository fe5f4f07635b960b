"""`entitlements set list, key list`: what is defined, page by page."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from entitlements.cli.catalogue import sets
from entitlements.cli.keys import keys
from entitlements.cli.listing import OfKey, Shown, list_command, one_of
from entitlements.cli.options import example

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


@list_command(sets, "SETS", _SETS, epilog=example("entitlements set list --ladder plans"))
def list_sets(
    ladder: Annotated[str, typer.Option("--ladder", help="Only sets on this plan ladder.", show_default=False)] = "",
    key: OfKey = "",
    versions: Annotated[bool, typer.Option("--versions", help="All versions.")] = False,
) -> dict[str, Any]:
    """List entitlement sets by id, latest version of each."""
    return {"ladder": ladder, "resource_key": key, "newest": None if versions else True}


@list_command(keys, "RESOURCE_KEYS", _KEYS, epilog=example("entitlements key list --type boolean"))
def list_keys(
    data_type: Annotated[
        str, typer.Option("--type", help="Only keys of this type: boolean or integer.", show_default=False)
    ] = "",
) -> dict[str, Any]:
    """List resource keys."""
    return {"data_type": one_of(data_type, "--type", "boolean", "integer")}
