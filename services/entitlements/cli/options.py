"""Options that many commands share, and the way examples are shown in their help."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Annotated, Final

import typer

_WAYS: Final = "Common options"
_EXAMPLE_CHARACTERS_MAX: Final = 70

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of tables.", rich_help_panel=_WAYS)
]


def a_folder(given: str | Path) -> Path:
    """Any folder, but none without a name: that is the current one, where the variable of a script is not set."""
    if not str(given).strip():
        raise typer.BadParameter("The name of the folder is empty.")
    return Path(given)


Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="ENTITLEMENTS_DATA",
        parser=a_folder,
        metavar="PATH",
        help="Data folder of `entitlements up`, used to find its servers. Environment variables take precedence.",
        rich_help_panel=_WAYS,
    ),
]
Actor = Annotated[
    str,
    typer.Option(
        "--actor", help="Who makes the change (default: current user).", show_default=False, rich_help_panel=_WAYS
    ),
]
NamedActor = Annotated[str, typer.Option("--actor", help="Who makes the change, for the audit trail.")]
Key = Annotated[
    str,
    typer.Option(
        "--idempotency-key",
        help="Retries with the same key take effect once and get the original answer.",
        show_default=False,
        rich_help_panel=_WAYS,
    ),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the read models.", rich_help_panel=_WAYS)]
EffectiveAt = Annotated[
    str,
    typer.Option(
        "--effective-at",
        help="For a pool in backfill: decide at this time, such as 2026-01-31T12:00:00Z.",
        show_default=False,
        rich_help_panel=_WAYS,
    ),
]
#: The organization of commands that name none.
ORGANIZATION_VARIABLE: Final = "ENTITLEMENTS_ORGANIZATION"
OrganizationId = Annotated[
    str,
    typer.Option(
        "--organization", "-o", envvar=ORGANIZATION_VARIABLE, help="Id of the organization.", show_default=False
    ),
]
Organization = Annotated[
    str,
    typer.Option(
        "--organization",
        "-o",
        envvar=ORGANIZATION_VARIABLE,
        help="The customer's organization; required only if several organizations have a customer with this id.",
        show_default=False,
    ),
]
PoolId = Annotated[str, typer.Argument(metavar="POOL", help="Id of the pool.", show_default=False)]
SetId = Annotated[str, typer.Argument(metavar="SET", help="Id of the entitlement set.", show_default=False)]
ProvisionId = Annotated[str, typer.Argument(metavar="PROVISION", help="Id of the provision.", show_default=False)]
CustomerId = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Id of the customer.", show_default=False)]
ResourceKey = Annotated[
    str, typer.Argument(metavar="KEY", help="The resource key, such as api_calls.", show_default=False)
]
Quantity = Annotated[
    str,
    typer.Argument(metavar="QUANTITY", help="Quantity, an integer in the key's smallest unit.", show_default=False),
]
Reason = Annotated[str, typer.Option("--reason", help="Reason, for the audit trail.", show_default=False)]

FOLDER: Final = Path(".entitlements")


def example(*lines: str) -> str:
    """The end of a command's help."""
    return "\n".join(["[bold]Example[/bold]", *(f"$ {_bare(folded(line))}" for line in lines)])


def folded(line: str) -> str:
    """A command line that fits 80 columns: it goes on, between options or fields, after a backslash."""
    folded, *parts = re.split(r" (?=--|\w+=)", line)
    width = len(folded)
    for part in parts:
        if width + len(part) > _EXAMPLE_CHARACTERS_MAX:
            folded, width = f"{folded} \\\n   ", 3
        folded, width = f"{folded} {part}", width + len(part) + 1
    return folded


def group(sentence: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(help=prose(sentence), no_args_is_help=True, rich_markup_mode="rich", add_completion=False)


def prose(text: str) -> str:
    """Help whose paragraphs fold to the width of the terminal; those that begin with two spaces, examples, stay as they are.

    Of markup it may have [bold]; every other bracket is one to see. Comments of examples are dimmed.
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        _example(part) if part.startswith("  ") else _bare(" ".join(part.split())) for part in paragraphs
    )


def _bare(text: str) -> str:
    return re.sub(r"\[(?!/?bold\])", r"\\[", text)


def _example(text: str) -> str:
    return re.sub(r"(?m)(?<=\s)(# .*)$", r"[dim]\1[/dim]", _bare(text))
