"""Every expected error as one line, "code: sentence (what to do)", and an exit status."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import Any, Final

from entitlements.errors import EntitlementsError, InvalidRequest, RequestError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

#: What to do, by code. Codes without an entry say it in their sentence.
ADVICE: Final[dict[str, str]] = {
    "server_is_away": "start one with `entitlements up`, or set ENTITLEMENTS_KAFKA and ENTITLEMENTS_POSTGRES",
    "topics_are_missing": "run `entitlements topics`",
    "tables_are_missing": "run `entitlements migrate`",
    "unknown_pool": "open it with `entitlements pool open`",
    "unknown_set": "define it with `entitlements set define FILE`",
    "unknown_key": "define it with `entitlements key define`, and confer it on the pool by a set",
    "unknown_parent": "define it first with `entitlements set define FILE`",
    "inheritance_cycle": "leave one of these out of what another extends or inherits from",
    "parents_disagree": "let the set replace the rule, or define the parents alike",
    "unknown_policy": "see `entitlements policy list`",
    "unknown_api_key": "see `entitlements keys list`",
    "unknown_workspace": "assign it with `entitlements assign POOL WORKSPACE`",
    "ambiguous_customer": "name the organization with --organization, or set ENTITLEMENTS_ORGANIZATION",
    "workspace_is_not_assigned": "assign it with `entitlements assign POOL WORKSPACE`",
    "not_entitled": "provision a set that confers it, see `entitlements provision add --help`",
    "quota_exceeded": "use less, wait for the reset, or provision more",
    "ladder_is_occupied": "end that provision first with `entitlements provision end`",
    "unknown_rung": "see `entitlements ladder show`, or define the ladder with this rung",
    "unknown_ladder": "see `entitlements ladder list`",
    "no_billing_period": "add provisions with --billing-period, or name an instant: `entitlements provision end --when`",
    "effective_at_not_allowed": "leave --effective-at out: only a pool in backfill takes history",
    "provision_is_over": "choose another id for a new one",
    "grant_is_over": "choose another id for a new one",
    "idempotency_key_reused": "use a new key for a new request",
    "pool_is_closed": "open another pool; closing is for good",
    "provision_suspended": "resume it with `entitlements provision resume`",
    "pool_is_suspended": "resume it with `entitlements pool resume`",
    "pool_already_exists": "choose another id, or look at it with `entitlements pool show`",
    "not_reached_yet": "is the projector running? `entitlements projector`",
    "not_ready_yet": "look into the logs of the processes",
    "ledger_is_corrupt": "restore that partition from a copy; nobody reads on from here",
}


class Refused(Exception):
    """A rule said no."""

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        self.facts = facts


class InvalidValue(InvalidRequest):
    """A value cannot be meant."""

    def __init__(self, code: str, message: str, advice: str = "") -> None:
        Exception.__init__(self, message)
        self.advice = advice
        self.code = code  # type: ignore[misc]  # The codes the engine has for the same.


class TablesAreMissing(EntitlementsError):
    """The database has no tables yet."""

    code = "tables_are_missing"


@dataclass(frozen=True)
class Failure:
    """What went wrong, for people and for machines."""

    code: str
    sentence: str
    advice: str = ""
    status: int = FAILED
    facts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}" + (f" ({self.advice})" if self.advice else "")

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"code": self.code, "message": self.sentence, "advice": self.advice} | self.facts


def explained(error: Exception) -> Failure | None:
    """What an error means to whoever gave the command; None: a bug of ours."""
    if isinstance(error, Refused):
        return _failure(error.code, str(error), facts=error.facts)
    if isinstance(error, EntitlementsError):
        invalid = isinstance(error, RequestError) and not error.code.startswith("unknown_")
        facts = getattr(error, "facts", {})
        failure = _failure(error.code, str(error), USAGE if invalid else FAILED, facts)
        advice = getattr(error, "advice", "")
        return replace(failure, advice=advice) if advice else failure
    return _of_domain(error) or _of_kafka(error) or _of_postgres(error) or _of_wire(error) or _of_settings(error)


def _failure(code: str, sentence: str, status: int = FAILED, facts: dict[str, Any] | None = None) -> Failure:
    sentence = " ".join(sentence.split())
    return Failure(
        code,
        sentence if sentence.endswith((".", "?", "!")) else f"{sentence}.",
        ADVICE.get(code, ""),
        status,
        facts or {},
    )


# Of modules that were never imported nothing can have been raised, and importing them now would take its time.


def _of_domain(error: Exception) -> Failure | None:
    domain = sys.modules.get("entitlements.domain.errors")
    if domain is not None and isinstance(error, domain.CommandRefused):
        return _failure(error.code, str(error))
    return None


def _of_kafka(error: Exception) -> Failure | None:
    kafka = sys.modules.get("confluent_kafka")
    if kafka is None or not isinstance(error, kafka.KafkaException):
        return None
    what = error.args[0]
    missing = {
        kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
        kafka.KafkaError._UNKNOWN_PARTITION,
        kafka.KafkaError._UNKNOWN_TOPIC,
    }
    if what.code() in missing:
        return _failure("topics_are_missing", f"The broker does not know our topics: {what.str()}")
    return _failure("server_is_away", f"Kafka does not do what it is asked: {what.str()}")


def _of_postgres(error: Exception) -> Failure | None:
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.Error):
        return None
    if isinstance(error, (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)):
        return _failure("tables_are_missing", str(TablesAreMissing()))
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return _failure("server_is_away", f"Postgres does not answer: {error}")
    return None


def _of_settings(error: Exception) -> Failure | None:
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not isinstance(error, pydantic.ValidationError) or error.title != "Settings":
        return None
    from entitlements.intake.strict import said_of

    wrong = [(f"ENTITLEMENTS_{str(each['loc'][0]).upper()}", said_of(each), each["input"]) for each in error.errors()]
    # Of an address without its password.
    said = "; ".join(f'{name}: {message}, not "{str(given).rpartition("@")[2]}"' for name, message, given in wrong)
    return _failure("setting_is_wrong", f"The environment has a setting that cannot be meant. {said}", USAGE)


def _of_wire(error: Exception) -> Failure | None:
    schemas = sys.modules.get("entitlements_schemas")
    if schemas is not None and isinstance(error, schemas.NotEncodable):
        return _failure("invalid_request", str(error), USAGE)
    return None
