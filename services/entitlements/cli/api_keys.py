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

api_keys = group("API keys: who may ask the service, in the name of which organization, for what.")

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

KeyId = Annotated[
    str, typer.Argument(metavar="KEY_ID", help="Id of the key: what stands after ent_.", show_default=False)
]

_CREATE_HELP = """
Make an API key for an organization and print it, once: nobody can see its secret again.

Whoever has it asks by `Authorization: Bearer ent_...` and sees nothing of any other organization.

[bold]Scopes[/bold]

  read        ask: may they, how much is left, what changed
  use         record usage, reserve, lease
  administer  send every command: pools, provisions, policies, keys
  audit       read the access log

[bold]act_for[/bold] is a scope of its own: with --act-for a backend or a billing service serves many organizations by one key. Each
request names its organization in the header `Entitlements-Organization`. Without --organization it is a key of the operator's
organization. Only this command gives act_for; no key can create such a key.

To exchange a key make the new one with --rotate: it gets the name, the scopes and the rate of the old one, which counts beside it for
--overlap and no longer.
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
            help="The organization. With --act-for it may be left out: the operator's.",
            show_default=False,
        ),
    ] = "",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What it may be used for, repeatable; read, if left out.")
    ] = None,
    act_for: Annotated[
        str,
        typer.Option("--act-for", metavar="all|ORG,ORG", help="Organizations that it may act for.", show_default=False),
    ] = "",
    unit: Annotated[
        str,
        typer.Option(help="Only for customers in this unit and the units below it.", show_default=False),
    ] = "",
    name: Annotated[str, typer.Option(help="Its name for people; its id, if left out.", show_default=False)] = "",
    expires: Annotated[
        str,
        typer.Option(
            help="When it ends: after 90d or 12h, or at 2027-01-01T00:00:00Z; never, if left out.", show_default=False
        ),
    ] = "",
    requests_per_s: Annotated[
        int | None,
        typer.Option(
            help="Requests it may make in a second; what the service allows everybody, if left out.", show_default=False
        ),
    ] = None,
    rotate: Annotated[str, typer.Option(help="Id of the key it takes the place of.", show_default=False)] = "",
    overlap: Annotated[str, typer.Option(help="How long that key still counts beside it: 24h, 30m, 0s.")] = "24h",
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

    expires_at, overlap_for = values.instant_or_after(expires), values.duration(overlap)
    made = new_api_key()
    with session(data) as opened:
        if act_for and not organization:
            organization = opened.settings.operator_organization
        if not organization:
            raise InvalidValue("usage", "Name the organization.", "Add --organization ORG, or --act-for.")
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
            command, wait=not no_wait, retry="Retry: it makes another key; look with `entitlements api-key list`."
        )
        old: dict[str, Any] = {}
        if rotate:
            revoke_at = values.now() + overlap_for
            reason = f"exchanged for {made.key_id}"
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
    whom = f", for customers of unit {command.unit_id}" if command.unit_id else whom
    output.note(
        f"Key {made.key_id} of {organization_id} may {', '.join(command.scopes)}{whom}. It is shown this once: keep it safe."
    )
    if old:
        output.note(f"Key {rotate} counts until {output.text(old['counts_until'])}.")


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
            "--act-for all stands for all organizations and cannot be combined with others.",
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
    raise Refused("unknown_api_key", f"The organization {organization_id} has no API key {key_id}.")


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
        str, typer.Option("--at", help="After 24h, or at 2027-01-01T00:00:00Z; now, if left out.", show_default=False)
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, in words for an auditor.", show_default=False)] = "",
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Take an API key back, for good. Processes that have just honoured it may do so for a few seconds more."""
    from entitlements.cli import values
    from entitlements.domain.governance_commands import RevokeApiKey

    command = RevokeApiKey(
        **envelope(actor, ""),
        organization_id=values.id_of("organization", organization),
        key_id=values.id_of("key", key_id),
        revoke_at=values.instant_or_after(at),
        reason=reason,
    )
    with session(data) as opened:
        done = opened.do(command, wait=not no_wait)
        when = f"counts until {output.text(command.revoke_at)}" if command.revoke_at else "is revoked"
        report(
            done, f"Key {output.strong(key_id)} {when}.", as_json=as_json, key_id=key_id, revoke_at=command.revoke_at
        )
