"""The five steps of a decision as people read them, with what every condition came to."""

from __future__ import annotations

from typing import Any, Final

from entitlements.cli import output

_WHY_NOT: Final = {
    "disabled": "disabled",
    "resource_key": "other keys",
    "action": "other actions",
    "temporal": "outside its schedule",
}
_MARKS: Final = {"holds": "[green]✓[/green]", "does_not_hold": "[red]✗[/red]", "cannot_be_judged": "[yellow]?[/yellow]"}


def show_steps(told: dict[str, Any]) -> None:
    """Print what explain tells (entitlements_client.deciding.explain)."""
    asked, decision = told["context"]["request"], told["decision"]
    output.say(
        f"[bold]1 Context[/bold]  {output.literal(asked['resource_key'])} for {output.literal(asked['customer_id'])} at {told['context']['now']}"
    )
    for field, value in told["context"]["fields"].items():
        output.say(
            f"    {output.literal(field)} = {output.literal(_value(value)) if value is not None else '[yellow]missing[/yellow]'}"
        )
    output.say("[bold]2 Matching[/bold]")
    for policy in told["matching"]:
        why = "applies" if policy["matches"] else f"[dim]does not apply: {_WHY_NOT[policy['why_not']]}[/dim]"
        output.say(f"    {_name(policy)} {why}")
    output.say("[bold]3 Conditions[/bold]")
    for policy in told["conditions"]:
        output.say(f"    {_MARKS['holds' if policy['holds'] else 'does_not_hold']} {_name(policy)}")
        for condition in policy["conditions"]:
            _show_condition(condition, 2)
    resolution = told["conflict_resolution"]
    winner = resolution["winner"]
    output.say(
        f"[bold]4 Conflict resolution[/bold]  {(_name(winner) + ': ') if winner else ''}{output.literal(resolution['because'])}"
    )
    answer = "[green]allowed[/green]" if decision["allowed"] else "[red]denied[/red]"
    output.say(f"[bold]5 Decision[/bold]  {answer} ({decision['reason_code']}): {output.literal(decision['sentence'])}")


def _name(policy: dict[str, Any]) -> str:
    return f"{output.literal(policy['policy_id'])} ({policy['effect']}, priority {policy['priority']})"


def _show_condition(condition: dict[str, Any], depth: int) -> None:
    mark, indent = _MARKS[condition["outcome"]], "    " * depth
    combined = next((name for name in ("all", "any", "not") if name in condition), None)
    if combined is None:
        value = "" if condition["value"] is None else f" {_value(condition['value'])}"
        found = "[yellow]missing[/yellow]" if condition["found"] is None else output.literal(_value(condition["found"]))
        output.say(
            f"{indent}{mark} {output.literal(condition['field'])} {condition['operator']}{output.literal(value)}  [dim]actual[/dim] {found}"
        )
        return
    output.say(f"{indent}{mark} {combined}")
    parts = condition[combined]
    for part in parts if isinstance(parts, list) else [parts]:
        _show_condition(part, depth + 1)


def _value(value: Any) -> str:
    return output.json_of(value)
