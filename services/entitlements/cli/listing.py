"""What every `list` command has: its options, and how its rows are read and shown."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from entitlements.cli import output
from entitlements.cli.options import FOLDER, AsJson, Data
from entitlements.cli.session import Session, session

#: Rows of a page, unless somebody says otherwise.
ROWS: Final = 100
_PAGES: Final = "Pages"

Limit = Annotated[int, typer.Option("--limit", "-n", help="Rows per page, 1 to 1000.", rich_help_panel=_PAGES)]
All = Annotated[bool, typer.Option("--all", help="Show all rows.", rich_help_panel=_PAGES)]
Cursor = Annotated[
    str,
    typer.Option(
        "--cursor",
        help="Show another page: the `next` or `previous` value of a --json page with the same filters.",
        show_default=False,
        rich_help_panel=_PAGES,
    ),
]
Status = Annotated[str, typer.Option("--status", help="Only rows of this status.", show_default=False)]
OfPool = Annotated[str, typer.Option("--pool", "-p", help="Only of this pool.", show_default=False)]
OfCustomer = Annotated[str, typer.Option("--customer", "-c", help="Only of this customer.", show_default=False)]
OfSet = Annotated[str, typer.Option("--set", help="Only of this entitlement set.", show_default=False)]
OfKey = Annotated[str, typer.Option("--key", "-k", help="Only of this resource key.", show_default=False)]
Since = Annotated[
    str, typer.Option("--since", help="Only from this time on, or 7d for the last seven days.", show_default=False)
]
Until = Annotated[
    str, typer.Option("--until", help="Only before this time, or 7d for more than seven days ago.", show_default=False)
]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How rows are shown as a table: each column's title, and what of a row stands there. JSON has all columns."""

    #: In the plural, for people.
    what: str
    #: A title that starts with ~ is of prose, which may fold; ids and all else are shown whole.
    columns: Mapping[str, str | Callable[[dict[str, Any]], Any]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What of a list is wanted: the options that every `list` command has beside its filters."""

    limit: Limit = ROWS
    every: All = False
    cursor: Cursor = ""
    as_json: AsJson = False
    data: Data = FOLDER


#: A function of a list's own options: what they filter by. Its docstring is the help.
Filters = Callable[..., Mapping[str, Any]]


def list_command(group: typer.Typer, name: str, shown: Shown, epilog: str) -> Callable[[Filters], Filters]:
    """Declare the `list` command of a group. name: of the list in entitlements_projections.reading.lists."""

    def declare(filters: Filters) -> Filters:
        own, paging = (inspect.signature(each, eval_str=True).parameters for each in (filters, Asked))

        def run(**given: Any) -> None:
            asked = Asked(**{option: given.pop(option) for option in paging})
            show(name, shown, asked, filters(**given))

        options = [*own.values(), *(option.replace(kind=option.POSITIONAL_OR_KEYWORD) for option in paging.values())]
        run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        run.__annotations__ = {option.name: option.annotation for option in options}
        run.__doc__ = filters.__doc__
        group.command("list", epilog=epilog)(run)
        return filters

    return declare


def show(name: str, shown: Shown, asked: Asked, filters: Mapping[str, Any]) -> None:
    """Print rows of a list of the read models. Filters that are empty are none. Raises InvalidValue, InvalidCursor, UnknownOrganization."""
    from entitlements.cli.failures import InvalidValue
    from entitlements_projections.reading import lists
    from entitlements_projections.reading.listing import LIMIT_MAX, Listing, Page, every_row, page

    if not 1 <= asked.limit <= LIMIT_MAX:
        raise InvalidValue("invalid_request", f"--limit must be 1 to {LIMIT_MAX}.", "Use --all for all rows.")
    if asked.every and asked.cursor:
        raise InvalidValue("invalid_request", "--all cannot be combined with --cursor.", "Omit --cursor.")
    listing: Listing = getattr(lists, name)
    given = {key: value for key, value in filters.items() if value not in (None, "")}
    with session(asked.data) as opened:
        if asked.every:
            found = Page(items=list(every_row(opened.database, listing, given)), next=None, previous=None)
        else:
            found = page(opened.database, listing, given, limit=asked.limit, cursor=asked.cursor or None)
        if not found.items:
            _require_organization(opened, str(given.get("organization_id", "")))
    if asked.as_json:
        output.document(found.document())
        return
    if not found.items:
        output.note(f"No {shown.what}.")
        return
    cells = [[_cell(row, column) for column in shown.columns.values()] for row in found.items]
    output.table(tuple(shown.columns), cells)
    if found.next is not None:
        output.note(f"{len(cells)} {shown.what} shown, there are more. All: --all. Next page: --cursor {found.next}")


def _require_organization(opened: Session, organization_id: str) -> None:
    """A list that is empty because of a typing error is not answered as empty. Raises UnknownOrganization."""
    from entitlements.errors import UnknownOrganization
    from entitlements_projections.reading import access

    if organization_id and not access.organization_is_known(opened.database, organization_id):
        raise UnknownOrganization(f"{organization_id}.")


def _cell(row: dict[str, Any], column: str | Callable[[dict[str, Any]], Any]) -> Any:
    return row[column] if isinstance(column, str) else column(row)


def one_of(text: str, option: str, *known: str) -> str:
    """A word that is one of those known, or empty. Raises InvalidValue."""
    from entitlements.cli.failures import InvalidValue

    if text and text not in known:
        raise InvalidValue("invalid_request", f"{option} must be one of {', '.join(known)}, not {text}.")
    return text


def organization_of(text: str) -> str:
    """The organization of a list. Raises InvalidValue."""
    from entitlements.cli import values

    return values.id_of("organization", text)


def between(since: str, until: str) -> dict[str, Any]:
    """The instants that bound a list. Raises InvalidValue."""
    from entitlements.cli import values

    return {"since": values.instant_or_before(since), "until": values.instant_or_before(until)}
