"""`entitlements policy`: when a key may be used or may not, whatever was bought."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from entitlements.cli import output
from entitlements.cli.listing import Shown, list_command, organization_of
from entitlements.cli.options import FOLDER, Actor, AsJson, Data, NoWait, OrganizationId, example, group, prose
from entitlements.cli.session import Session, envelope, report, session

access_policies = group("Access policies: rules that allow or deny a key per request.")

_POLICIES: Final = Shown(
    what="policies",
    columns={
        "Policy": "policy_id",
        "Effect": "effect",
        ">Priority": "priority",
        ">Version": "policy_version",
        "Status": "status",
        "~Name": "name",
    },
)

PolicyId = Annotated[str, typer.Argument(metavar="POLICY", help="Id of the policy.", show_default=False)]

_DEFINE_HELP = """
Define access policies from a YAML or JSON file: one policy, a list, or several under `policies`. A changed policy becomes a new version.

The customer's entitlements are checked first. Of the policies that apply, the highest priority wins, and DENY wins a tie. [bold]ALLOW[/bold] grants
a feature that no entitlement decides. It never raises a quota, and never bypasses an override, a role, a country or time restriction, or a
suspended pool.

[bold]The file[/bold]

  policy_id: export_at_work
  effect: DENY               # or ALLOW
  priority: 10               # optional: higher wins (default: 0)
  resource_keys: [export_*]  # optional; * and ? are wildcards (default: all)
  actions: [download]        # optional (default: all)
  conditions:                # optional: all must be true
    - {field: customer.region, operator: equals, value: EU}
    - any:
        - {field: client.ip_address, operator: not_in_cidr, value: 10.0.0.0/8}
        - {field: subscription.tier, operator: in_set, value: [free, trial]}
    - not: {field: subject.role, operator: equals, value: admin}
  temporal:                  # optional: when it applies
    starts_at: 2026-01-01T00:00:00Z
    weekdays: [sat, sun]
    from: "18:00"            # past midnight if until is earlier
    until: "08:00"
    time_zone: Europe/Berlin
  reason: Exports leave the office network on weekdays only.

docs/policies.md has every field and operator. Test a file first with `entitlements policy test`.
"""

_TEST_HELP = """
Test a policy file: evaluate one request and print the result of every condition. Needs no server.

[bold]The context file[/bold], YAML or JSON: the request, and the customer's entitlements

  customer_id: ws-1
  resource_key: export_pdf
  action: download           # optional, like everything below
  subject_id: ann
  quantity: 3
  now: 2026-06-20T19:00:00Z
  context:
    client: {ip_address: 203.0.113.7, location: DE}
    customer: {region: EU}
    metadata: {}
  subscription: {tier: pro, status: active}
  members: {ann: editor}
  entitlement: {entitlement_type: boolean, allowed: true, reason_code: allowed}
"""


@access_policies.command(
    "define",
    help=prose(_DEFINE_HELP),
    epilog=example("entitlements policy define export_at_work.yaml --organization acme"),
)
def define(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Policy file, YAML or JSON.", show_default=False)],
    organization: OrganizationId,
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Define access policies by a file."""
    from entitlements.cli import values
    from entitlements.intake.policies import policy_command, read_policies

    documents, organization_id = read_policies(file), values.id_of("organization", organization)
    told = []
    with session(data) as opened:
        for document in documents:
            command = policy_command(document, organization_id, envelope(actor, ""))
            done = opened.do(command, wait=not no_wait)
            told.append(done.document(policy_id=command.policy_id))
            if not as_json:
                report(done, f"Policy {output.strong(command.policy_id)} is defined.", as_json=False)
    if as_json:
        output.document({"organization_id": organization_id, "policies": told})


@list_command(access_policies, "POLICIES", _POLICIES, epilog=example("entitlements policy list --organization acme"))
def list_(
    organization: OrganizationId,
    retired: Annotated[bool, typer.Option("--retired", help="Include retired policies.")] = False,
) -> dict[str, Any]:
    """List the access policies of an organization, highest precedence first."""
    return {"organization_id": organization_of(organization), "status": "" if retired else "active"}


def _all(opened: Session, organization: str) -> list[dict[str, Any]]:
    import json

    from entitlements.cli import values
    from entitlements_projections.reading import access

    found = access.access_policies(opened.database, values.id_of("organization", organization))
    return [row | {"document": json.loads(row["document"])} for row in found]


@access_policies.command("show", epilog=example("entitlements policy show export_at_work --organization acme"))
def show(policy_id: PolicyId, organization: OrganizationId, as_json: AsJson = False, data: Data = FOLDER) -> None:
    """Print an access policy as a file that can be edited and defined again."""
    import yaml

    from entitlements.cli.failures import Refused

    with session(data) as opened:
        found = {row["policy_id"]: row for row in _all(opened, organization)}.get(policy_id)
    if found is None:
        raise Refused("unknown_policy", f"Organization {organization} has no access policy {policy_id}.")
    if as_json:
        output.document(found)
        return
    state = f"retired {output.text(found['retired_at'])}" if found["retired_at"] else "counts"
    changed = f"changed {output.text(found['changed_at'])} by {found['actor'] or 'an unknown actor'}"
    output.plain(f"# Version {found['policy_version']}: {state}, {changed}.\n")
    output.plain(yaml.safe_dump(found["document"], sort_keys=False, allow_unicode=True))


@access_policies.command(
    "retire",
    epilog=example("entitlements policy retire export_at_work --organization acme --reason 'exports are open'"),
)
def retire(
    policy_id: PolicyId,
    organization: OrganizationId,
    reason: Annotated[str, typer.Option(help="Reason, for the audit trail.", show_default=False)] = "",
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Retire an access policy. It can be defined again."""
    from entitlements.cli import values
    from entitlements.domain.governance_commands import RetireAccessPolicy

    command = RetireAccessPolicy(
        **envelope(actor, ""),
        organization_id=values.id_of("organization", organization),
        policy_id=values.id_of("policy", policy_id),
        reason=reason,
    )
    with session(data) as opened:
        done = opened.do(command, wait=not no_wait)
        report(done, f"Policy {output.strong(policy_id)} is retired.", as_json=as_json, policy_id=policy_id)


@access_policies.command(
    "test",
    help=prose(_TEST_HELP),
    epilog=example("entitlements policy test export_at_work.yaml --context saturday-night.yaml"),
)
def try_out(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Policy file, YAML or JSON.", show_default=False)],
    context: Annotated[
        Path,
        typer.Option(
            "--context", "-c", help="Context file: the request, and the customer's entitlements.", show_default=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Try policies before they count."""
    from entitlements.cli.steps import show_steps
    from entitlements.intake.definitions import read_document
    from entitlements.intake.policies import read_policies, tried_out

    told = tried_out(read_policies(file), read_document(context), str(context))
    if as_json:
        output.document(told)
    else:
        show_steps(told)
