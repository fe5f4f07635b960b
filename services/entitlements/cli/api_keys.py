"""`entitlements api-key`: who may ask the service, in the name of which organization, for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from entitlements.cli import output
from entitlements.cli.listing import Shown, Status, list_command, one_of, organization_of
from entitlements.cli.options import FOLDER, Actor, AsJson, Data, NoWait, OrganizationId, example, group, prose
from entitlements.cli.session import Session, envelope, report, session

if TYPE_CHECKING:
    from entitlements.domain.governance_commands import CreateApiKey

api_keys = group("API keys: credentials for the HTTP API, with scopes.")

_KEYS: Final = Shown(
    what="API keys",
    columns={
        "Key": "key_id",
        "Status": "status",
        "Unit": "unit_id",
        "Expires": lambda row: min(filter(None, (row["expires_at"], row["revoked_at"])), default=None),
        "~Scopes": lambda row: ", ".join(row["scopes"]),
        "~Acts for": lambda row: _whom(row["act_for"]) if row["act_for"] else "",
        "~Name": "name",
    },
)

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="Id of the key: the part after ent_.", show_default=False)]

_CREATE_HELP = """
Create an API key for an organization. The secret is printed once and cannot be shown again.

Requests send it as `Authorization: Bearer ent_...`. It has no access to other organizations.

[bold]Scopes[/bold]

  read        check access, read usage and changes
  use         record usage, reserve, lease
  administer  send all commands: pools, provisions, policies, keys
  audit       read the access log

With --act-for one key serves many organizations, for example a billing system. Each request names its organization in the header
`Entitlements-Organization`. Without --organization the key belongs to the operator's organization. Only this command creates such keys,
not the API.

To rotate a key, create the new one with --rotate: it gets the name, scopes and rate limit of the old key. Both work until the
--overlap ends.
"""


@api_keys.command(
    "create",
    help=prose(_CREATE_HELP),
    epilog=example(
        "entitlements api-key create --organization acme --name shop --scope read --scope use",
        "entitlements api-key create --organization acme --scope read --expires 90d",
        "entitlements api-key create --organization acme --rotate 3kTfq09sXa2B --overlap 24h",
        "entitlements api-key create --act-for all --scope read --scope use --scope administer --name billing",
        "entitlements api-key create --act-for acme,globex --scope read --scope use",
        "entitlements api-key create --organization acme --unit emea --scope read --scope use",
    ),
)
def create(
    organization: Annotated[
        str,
        typer.Option(
            "--organization",
            "-o",
            help="Id of the organization (with --act-for default: the operator's).",
            show_default=False,
        ),
    ] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="Scope: read, use, administer or audit. Repeatable (default: read)."),
    ] = None,
    act_for: Annotated[
        str,
        typer.Option(
            "--act-for",
            metavar="all|ORG,ORG",
            help="Organizations the key can act for: all, or acme,globex.",
            show_default=False,
        ),
    ] = "",
    unit: Annotated[
        str,
        typer.Option(help="Limit the key to customers of this unit and the units below it.", show_default=False),
    ] = "",
    name: Annotated[str, typer.Option(help="Display name (default: the id).", show_default=False)] = "",
    expires: Annotated[
        str,
        typer.Option(help="Expiry: after 90d or 12h, or at 2027-01-01T00:00:00Z (default: never).", show_default=False),
    ] = "",
    requests_per_s: Annotated[
        int | None,
        typer.Option(help="Rate limit in requests per second (default: the service's).", show_default=False),
    ] = None,
    rotate: Annotated[str, typer.Option(help="Id of the key to replace.", show_default=False)] = "",
    overlap: Annotated[str, typer.Option(help="How long the replaced key still works: 24h, 30m, 0s.")] = "24h",
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Make an API key and print it, once."""
    from entitlements.cli import values
    from entitlements.cli.failures import InvalidValue
    from entitlements.domain.governance_commands import CreateApiKey, RevokeApiKey
    from entitlements.intake.api_keys import new_api_key

    rotate = values.key_id_of(rotate) if rotate else ""
    expires_at, overlap_for = values.instant_or_after(expires), values.duration(overlap)
    made = new_api_key()
    with session(data) as opened:
        if act_for and not organization:
            organization = opened.settings.operator_organization
        if not organization:
            raise InvalidValue("usage", "No organization is given.", "Add --organization ORG, or --act-for.")
        organization_id = values.id_of("organization", organization)
        before = _key(opened, organization_id, rotate) if rotate else {}
        acts_for = _organizations(act_for) if act_for else before.get("act_for", [])
        command = CreateApiKey(
            **envelope(actor, ""),
            organization_id=organization_id,
            key_id=made.key_id,
            secret_sha256=made.secret_sha256,
            name=name or before.get("name", ""),
            scopes=_scopes(scope or before.get("scopes", ["read"])),
            act_for=[] if acts_for == "all" else acts_for,
            acts_for_all=acts_for == "all",
            unit_id=unit or before.get("unit_id", ""),
            expires_at=expires_at,
            requests_per_s=before.get("requests_per_s") if requests_per_s is None else requests_per_s,
        )
        done = opened.do(
            command,
            wait=not no_wait,
            retry="Check `entitlements api-key list` before you retry: a retry creates another key.",
        )
        old: dict[str, Any] = {}
        if rotate:
            revoke_at = values.now() + overlap_for
            reason = f"replaced by {made.key_id}"
            opened.do(
                RevokeApiKey(
                    **envelope(actor, ""),
                    organization_id=organization_id,
                    key_id=rotate,
                    revoke_at=revoke_at,
                    reason=reason,
                ),
                wait=not no_wait,
                retry=f"Revoke {rotate} with `entitlements api-key revoke`.",
            )
            old = {"rotated": rotate, "counts_until": revoke_at}
    facts = {"organization_id": organization_id, **_told(command), **old}
    if as_json:
        output.document(done.document(api_key=made.token, **facts))
        return
    output.plain(made.token + "\n")
    whom = f", for {_whom(acts_for)}" if acts_for else ""
    whom = f", limited to customers of unit {command.unit_id}" if command.unit_id else whom
    output.note(
        f"Created key {made.key_id} of {organization_id} with scopes: {', '.join(command.scopes)}{whom}. Store it safely: it is not shown again."
    )
    if old:
        output.note(f"Key {rotate} works until {output.text(old['counts_until'])}.")


def _told(command: CreateApiKey) -> dict[str, Any]:
    names = ("key_id", "name", "scopes", "unit_id", "expires_at", "requests_per_s")
    return {name: getattr(command, name) for name in names} | {
        "act_for": "all" if command.acts_for_all else command.act_for
    }


def _organizations(given: str) -> Any:
    """The organizations that are named, or "all". Raises InvalidValue."""
    from entitlements.cli import values
    from entitlements.cli.failures import InvalidValue

    if given.strip() == "all":
        return "all"
    named = {values.id_of("organization", each.strip()) for each in given.split(",")}
    if "all" in named:
        raise InvalidValue(
            "invalid_request",
            "--act-for all cannot be combined with other organizations.",
            "Write --act-for all, or --act-for acme,globex.",
        )
    return sorted(named)


def _whom(act_for: Any) -> str:
    return "all organizations" if act_for == "all" else ", ".join(act_for)


def _scopes(given: list[str]) -> Any:
    """Scopes that there are, each once. Raises InvalidValue."""
    from typing import get_args

    from entitlements.cli.failures import InvalidValue
    from entitlements.domain.values import ApiScope

    known = get_args(ApiScope)
    for scope in given:
        if scope not in known:
            raise InvalidValue("invalid_scope", f"No such scope: {scope}.", f"Scopes are {', '.join(known)}.")
    return [scope for scope in known if scope in given]


def _key(opened: Session, organization_id: str, key_id: str) -> dict[str, Any]:
    """A key of an organization. Raises Refused."""
    from entitlements.cli.failures import Refused
    from entitlements_projections.reading import access

    for row in access.api_keys_of(opened.database, organization_id):
        if row["key_id"] == key_id:
            return row
    raise Refused("unknown_api_key", f"Organization {organization_id} has no API key {key_id}.")


@list_command(api_keys, "API_KEYS", _KEYS, epilog=example("entitlements api-key list --organization acme"))
def list_(
    organization: OrganizationId,
    status: Status = "",
) -> dict[str, Any]:
    """List the API keys of an organization, newest first, without their secrets. Status: active, expired or revoked."""
    return {
        "organization_id": organization_of(organization),
        "status": one_of(status, "--status", "active", "expired", "revoked"),
    }


@api_keys.command(
    "revoke",
    epilog=example(
        "entitlements api-key revoke 3kTfq09sXa2B --organization acme --reason 'it was in a log'",
        "entitlements api-key revoke 3kTfq09sXa2B --organization acme --at 24h",
    ),
)
def revoke(
    key_id: KeyId,
    organization: OrganizationId,
    at: Annotated[
        str,
        typer.Option(
            "--at", help="When to revoke it: after 24h, or at 2027-01-01T00:00:00Z (default: now).", show_default=False
        ),
    ] = "",
    reason: Annotated[str, typer.Option(help="Reason, for the audit trail.", show_default=False)] = "",
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Revoke an API key permanently. API processes may accept it for a few more seconds."""
    from entitlements.cli import values
    from entitlements.domain.governance_commands import RevokeApiKey

    command = RevokeApiKey(
        **envelope(actor, ""),
        organization_id=values.id_of("organization", organization),
        key_id=values.key_id_of(key_id),
        revoke_at=values.instant_or_after(at),
        reason=reason,
    )
    with session(data) as opened:
        done = opened.do(command, wait=not no_wait)
        when = f"works until {output.text(command.revoke_at)}" if command.revoke_at else "is revoked"
        report(
            done, f"Key {output.strong(key_id)} {when}.", as_json=as_json, key_id=key_id, revoke_at=command.revoke_at
        )
