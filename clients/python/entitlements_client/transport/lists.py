"""Lists of the service, as iterators of both clients: `for pool in client.pools(status="open")`, `async for` with AsyncClient.

Pages are asked for as their rows are wanted. Every iteration begins at the first row. `page` gives one page, for whoever shows them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Literal, ParamSpec, TypeAlias, TypedDict, cast, overload

from entitlements_client.deciding.instants import plain
from entitlements_client.transport.call import Call, reading
from entitlements_client.transport.method import Sends, SendsLater
from entitlements_client.transport.results import document_of

P = ParamSpec("P")
Row: TypeAlias = dict[str, Any]
#: An instant with a time zone, or as RFC 3339 says it.
At: TypeAlias = datetime | str | None


class Page(TypedDict):
    """Rows of a page, and the cursors of the next and previous page; None: no such page."""

    items: list[Row]
    next: str | None
    previous: str | None


class Rows:
    """A list, to be iterated."""

    def __init__(self, client: Sends, call: Call[Any]) -> None:
        self._client, self._call = client, call

    def __iter__(self) -> Iterator[Row]:
        cursor: str | None = ""
        while cursor is not None:
            found = self.page(cursor)
            yield from found["items"]
            cursor = found["next"]

    def page(self, cursor: str = "") -> Page:
        """The first page, or the one that a cursor leads to. Raises RequestError, with reason_code invalid_cursor for one of another list, organization or filter."""
        return cast("Page", self._client.send(_at(self._call, cursor)))


class AsyncRows:
    """A list, to be iterated with `async for`."""

    def __init__(self, client: SendsLater, call: Call[Any]) -> None:
        self._client, self._call = client, call

    async def __aiter__(self) -> AsyncIterator[Row]:
        cursor: str | None = ""
        while cursor is not None:
            found = await self.page(cursor)
            for row in found["items"]:
                yield row
            cursor = found["next"]

    async def page(self, cursor: str = "") -> Page:
        """As of Rows."""
        return cast("Page", await self._client.asend(_at(self._call, cursor)))


@dataclass(frozen=True)
class Listed(Generic[P]):
    """A method of both clients that lists, made of the function that describes the call of its first page."""

    describe: Callable[P, Call[Any]]

    @overload
    def __get__(self, client: Sends, owner: Any) -> Callable[P, Rows]: ...
    @overload
    def __get__(self, client: SendsLater, owner: Any) -> Callable[P, AsyncRows]: ...
    def __get__(self, client: Any, owner: Any) -> Callable[P, Any]:
        if client is None:
            return self.describe
        kind: Callable[[Any, Call[Any]], Any] = AsyncRows if hasattr(client, "asend") else Rows

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return kind(client, self.describe(*args, **kwargs))

        method.__doc__ = self.describe.__doc__
        return method


def _at(call: Call[Any], cursor: str) -> Call[Any]:
    return replace(call, query=(*call.query, ("cursor", cursor))) if cursor else call


def _list(path: str, page_size: int, consistency: str, organization: str, **filters: Any) -> Call[Any]:
    given = filters | {"limit": page_size or None}
    query = [(name, _text(value)) for name, value in given.items() if value not in (None, "", False)]
    return reading(path, document_of, query=query, consistency=consistency, organization=organization)


def _text(value: Any) -> str:
    return "true" if value is True else str(plain(value))


def pools(  # noqa: PLR0913 - each is a filter of its own.
    *, status: Literal["open", "suspended", "closed", ""] = "", customer_id: str = "", billing_account_id: str = "",
    since: At = None, until: At = None, page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Pools, newest first. page_size: rows per request, as in all lists; 0: the default of the service.

    consistency: the token of an earlier response, which the list then includes.
    """
    return _list(
        "/v1/pools", page_size, consistency, organization, status=status, customer_id=customer_id,
        billing_account_id=billing_account_id, since=since, until=until,
    )  # fmt: skip


def customers(
    *, status: Literal["active", "inactive", ""] = "", pool_id: str = "", unit_id: str = "",
    page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Customers by id; with a unit, including the units below it."""
    filters = {"status": status, "pool_id": pool_id, "unit_id": unit_id}
    return _list("/v1/customers", page_size, consistency, organization, **filters)


def provisions(  # noqa: PLR0913
    *, status: Literal["scheduled", "active", "suspended", "ended", ""] = "", pool_id: str = "", customer_id: str = "",
    set_id: str = "", set_version: int = 0, source: str = "", source_id: str = "", ladder: str = "", resource_key: str = "",
    since: At = None, until: At = None, page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Provisions, newest first."""
    return _list(
        "/v1/provisions", page_size, consistency, organization, status=status, pool_id=pool_id, customer_id=customer_id,
        set_id=set_id, set_version=set_version or None, source=source, source_id=source_id, ladder=ladder,
        resource_key=resource_key, since=since, until=until,
    )  # fmt: skip


def grants(  # noqa: PLR0913
    *, status: Literal["issued", "revoked", "expired", "ended", ""] = "", pool_id: str = "", customer_id: str = "",
    set_id: str = "", actor: str = "", since: At = None, until: At = None,
    page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Grants, newest first."""
    return _list(
        "/v1/grants", page_size, consistency, organization, status=status, pool_id=pool_id, customer_id=customer_id,
        set_id=set_id, actor=actor, since=since, until=until,
    )  # fmt: skip


def usage(  # noqa: PLR0913
    *, pool_id: str = "", customer_id: str = "", subject_id: str = "", resource_key: str = "",
    mode: Literal["strict", "report", "release", "correction", ""] = "",
    bearer: Literal["included", "credit", "on_demand", "overage", ""] = "", since: At = None, until: At = None,
    page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Lines of recorded usage by when they happened, newest first."""
    return _list(
        "/v1/usage", page_size, consistency, organization, pool_id=pool_id, customer_id=customer_id, subject_id=subject_id,
        resource_key=resource_key, mode=mode, bearer=bearer, since=since, until=until,
    )  # fmt: skip


def units(
    *, status: Literal["active", "removed", ""] = "", parent_unit_id: str = "",
    page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Units by id."""
    filters = {"status": status, "parent_unit_id": parent_unit_id}
    return _list("/v1/units", page_size, consistency, organization, **filters)


def members(
    *, unit_id: str = "", customer_id: str = "", subject_id: str = "", role: Literal["viewer", "editor", "admin", ""] = "",
    page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Roles that subjects have in units and customers."""
    filters = {"unit_id": unit_id, "customer_id": customer_id, "subject_id": subject_id, "role": role}
    return _list("/v1/members", page_size, consistency, organization, **filters)


def sets(
    *, set_id: str = "", ladder: str = "", resource_key: str = "", all_versions: bool = False,
    page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Entitlement sets by id, in their newest version or in all."""
    return _list(
        "/v1/sets", page_size, consistency, organization, set_id=set_id, ladder=ladder, resource_key=resource_key,
        all_versions=all_versions,
    )  # fmt: skip


def resource_keys(
    *, data_type: Literal["boolean", "integer", ""] = "", entitlement_type: str = "",
    page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Resource keys by key."""
    filters = {"data_type": data_type, "entitlement_type": entitlement_type}
    return _list("/v1/resource-keys", page_size, consistency, organization, **filters)


def policies(
    *, status: Literal["active", "retired", ""] = "", effect: Literal["ALLOW", "DENY", ""] = "",
    page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Access policies, highest precedence first."""
    return _list("/v1/policies", page_size, consistency, organization, status=status, effect=effect)


def campaigns(
    *, status: Literal["active", "inactive", ""] = "", set_id: str = "", pool_id: str = "",
    page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Campaigns that include a pool of the organization; all of them for the operator."""
    return _list("/v1/campaigns", page_size, consistency, organization, status=status, set_id=set_id, pool_id=pool_id)


def api_keys(
    *, status: Literal["active", "expired", "revoked", ""] = "", unit_id: str = "",
    page_size: int = 0, consistency: str = "", organization: str = "",
) -> Call[Any]:  # fmt: skip
    """API keys without their secrets, newest first."""
    return _list("/v1/keys", page_size, consistency, organization, status=status, unit_id=unit_id)


def access_log(
    *, customer_id: str = "", resource_key: str = "", result: Literal["allowed", "denied", ""] = "",
    since: At = None, until: At = None, page_size: int = 0, organization: str = "",
) -> Call[Any]:  # fmt: skip
    """Logged access decisions, newest first."""
    return _list(
        "/v1/access-log", page_size, "", organization, customer_id=customer_id, resource_key=resource_key, result=result,
        since=since, until=until,
    )  # fmt: skip


class Lists:
    """What both clients can list."""

    pools = Listed(pools)
    customers = Listed(customers)
    provisions = Listed(provisions)
    grants = Listed(grants)
    usage = Listed(usage)
    units = Listed(units)
    members = Listed(members)
    sets = Listed(sets)
    resource_keys = Listed(resource_keys)
    policies = Listed(policies)
    campaigns = Listed(campaigns)
    api_keys = Listed(api_keys)
    access_log = Listed(access_log)
