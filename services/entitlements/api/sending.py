"""A command on its way: in whose name it is asked, what its outcome is as an answer."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import headers_of, json_answer, services_of, wants_no_answer
from entitlements.api.auth import identity_of
from entitlements.api.identity import Identity
from entitlements.api.problems import Problem, problem_of, refused
from entitlements.api.windows import LINES_OF_A_SLOW_COMMAND
from entitlements.domain.commands import Command, RecordUsage, RecordUsageBatch
from entitlements.errors import OutcomeUnknown
from entitlements.ledger.caller import Outcome, new_id


def envelope(identity: Identity, key: str | None = None, actor: str = "") -> dict[str, Any]:
    """What every command carries. Who it is on whose behalf a key asks is said behind the key's own name."""
    return {
        "command_id": new_id(),
        "actor": f"{identity.actor}/{actor}" if actor else identity.actor,
        "idempotency_key": key,
        "caller_organization_id": identity.organization_id,
    }


async def decided(request: Request, command: Command, partition: int | None = None) -> Outcome:
    """Send a command and wait. Raises Problem: the refusal of the command as a whole, outcome_unknown with the key to retry with."""
    try:
        outcome = await services_of(request).do(command, partition)
    except OutcomeUnknown as error:
        raise _unknown(error, command) from error
    if outcome.status == "refused" and not outcome.refused_lines:
        left = {"remaining": outcome.remaining} if outcome.remaining >= 0 else {}
        raise refused(outcome.code, outcome.message, **left)
    return outcome


def _unknown(error: OutcomeUnknown, command: Command) -> Problem:
    key = getattr(command, "batch_key", "") or command.idempotency_key
    if isinstance(command, RecordUsage):
        key = key or command.lines[0]["usage_id"]  # What makes a repeat of usage harmless.
    how = "The request had no idempotency key: check whether it took effect before you send it again."
    if key or isinstance(command, RecordUsageBatch):
        how = "Retry with the same idempotency key, or the same events: it takes effect once."
    found = problem_of(error)
    return Problem(found.code, found.detail, advice=how, idempotency_key=key)


async def answered(
    request: Request, command: Command, document: dict[str, Any], first: dict[str, Any] | None = None
) -> Response:
    """Send a command and answer with a document, the same for every repeat; with 202 and its place in the log if that is preferred.

    first: what only the answer to the command that has had the effect says.
    """
    if wants_no_answer(request):
        return await accepted(request, command)
    # What it says of one pool may take an engine as long as thousands of lines of usage.
    async with services_of(request).windows.within(identity_of(request.scope).organization_id, LINES_OF_A_SLOW_COMMAND):
        outcome = await decided(request, command)
    return json_answer(document | (first or {} if not outcome.repeated else {}), headers_of(outcome))


async def accepted(request: Request, *commands: Command, partitions: list[int] | None = None) -> Response:
    """Send commands and answer 202 when they are in the log."""
    services, sent = services_of(request), []
    for place, command in enumerate(commands):
        try:
            sent.append(await services.post(command, partitions[place] if partitions else None))
        except OutcomeUnknown as error:
            raise _unknown(error, command) from error
    document = {
        "status": "sent",
        "commands": [
            {"command_id": each.command_id, "position": {"partition": each.partition, "offset": each.offset}}
            for each in sent
        ],
    }
    headers = {"preference-applied": "respond-async"}
    return json_answer(document, headers, 202)
