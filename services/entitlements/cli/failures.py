"""Every expected error as "code: sentence" and what to do, and an exit status."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass, field, replace
from typing import Any, Final

from entitlements.advice import ADVICE
from entitlements.cli.output import visible
from entitlements.errors import EntitlementsError, InvalidRequest, RequestError, SettingIsWrong

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
#: The code of a command line that cannot be read. People see it as `error`: a command is named `usage`.
USAGE_ERROR: Final = "usage_error"

#: What to do by a command of this program, by code; of all others `entitlements.advice` says what to do.
_BY_COMMAND: Final[dict[str, str]] = {
    "server_is_away": "Start one with `entitlements up`, or set ENTITLEMENTS_KAFKA and ENTITLEMENTS_POSTGRES.",
    "topics_are_missing": "Run `entitlements topics`.",
    "tables_are_missing": "Run `entitlements migrate`.",
    "rights_are_missing": "Let an administrator of Postgres run the statements, or see what `entitlements migrate` lists.",
    "unknown_pool": "Open it with `entitlements pool open`.",
    "unknown_set": "Define it with `entitlements set define FILE`.",
    "unknown_key": "Define it with `entitlements key define`, and add it to a plan of the pool.",
    "unknown_parent": "Define it first with `entitlements set define FILE`.",
    "unknown_policy": "See `entitlements policy list`.",
    "unknown_api_key": "See `entitlements api-key list`.",
    "unknown_organization": "Check the id. `entitlements pool open` creates an organization with its first pool.",
    "unknown_customer": "Assign it with `entitlements assign POOL CUSTOMER`.",
    "ambiguous_customer": "Add --organization, or set ENTITLEMENTS_ORGANIZATION.",
    "customer_is_not_assigned": "Assign it with `entitlements assign POOL CUSTOMER`.",
    "not_entitled": "Add a plan that includes it with `entitlements provision add`.",
    "ladder_is_occupied": "Change the plan with `entitlements send ChangePlan`, or end it with `entitlements provision end`.",
    "unknown_rung": "See `entitlements ladder show`, or add the rung with `entitlements ladder define`.",
    "unknown_ladder": "See `entitlements ladder list`.",
    "no_billing_period": "Use `entitlements provision end --when TIME`, or add provisions with --billing-period.",
    "effective_at_not_allowed": "Omit --effective-at.",
    "provision_suspended": "Resume it with `entitlements provision resume`.",
    "pool_is_suspended": "Resume it with `entitlements pool resume`.",
    "pool_already_exists": "Use another id, or see `entitlements pool show`.",
    "not_reached_yet": "Check that a projector runs: `entitlements run projector`.",
    "not_ready_yet": "See the logs of the processes.",
    "package_is_missing": "Install what `pip check` lists.",
}


class Refused(Exception):
    """The command was refused."""

    def __init__(self, code: str, message: str, advice: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        #: What to do in this case, if that is not what to do in any.
        self.advice = advice
        self.facts = facts


class InvalidValue(InvalidRequest):
    """Invalid value."""

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

    def lines(self, width: int | None) -> str:
        """As people read it: one line in a file or pipe (no width), else folded between words, with the advice on lines of its own."""
        said = visible(f"{'error' if self.code == USAGE_ERROR else self.code}: {self.sentence}")
        if width is None:
            return f"{said} {self.advice}".rstrip()
        parts = [part for part in (said, visible(self.advice)) if part]
        return "\n".join(textwrap.fill(part, width, break_long_words=False, break_on_hyphens=False) for part in parts)

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"code": self.code, "message": self.sentence, "advice": self.advice} | self.facts


def explained(error: Exception) -> Failure | None:
    """What an error means to whoever gave the command; None: a bug of ours."""
    if isinstance(error, Refused):
        failure = _failure(error.code, str(error), facts=error.facts)
        return replace(failure, advice=error.advice) if error.advice else failure
    if isinstance(error, EntitlementsError):
        invalid = isinstance(error, RequestError) and not error.code.startswith("unknown_")
        invalid = invalid or isinstance(error, SettingIsWrong)
        facts = getattr(error, "facts", {})
        failure = _failure(error.code, str(error), USAGE if invalid else FAILED, facts)
        advice = getattr(error, "advice", "")
        return replace(failure, advice=advice) if advice else failure
    if isinstance(error, ModuleNotFoundError):
        return _of_packages(error)
    return _of_domain(error) or _of_kafka(error) or _of_postgres(error) or _of_wire(error) or _of_settings(error)


def _failure(code: str, sentence: str, status: int = FAILED, facts: dict[str, Any] | None = None) -> Failure:
    sentence = " ".join(sentence.split()).rstrip(".")
    return Failure(
        code,
        sentence if sentence.endswith(("?", "!")) else f"{sentence}.",
        _BY_COMMAND.get(code, ADVICE.get(code, "")),
        status,
        facts or {},
    )


def _of_packages(error: ModuleNotFoundError) -> Failure | None:
    """A package that we depend on was uninstalled; a module of ours that is not there is a bug."""
    missing = (error.name or "").partition(".")[0]
    if not missing or missing in {"entitlements", "entitlements_projections", "entitlements_schemas"}:
        return None
    return _failure("package_is_missing", f"The Python package `{missing}` is not installed.")


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
        return _failure("topics_are_missing", f"Kafka has no such topic: {what.str()}")
    return _failure("server_is_away", f"Kafka error: {what.str()}")


def _of_postgres(error: Exception) -> Failure | None:
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.Error):
        return None
    if isinstance(error, (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)):
        return _failure("tables_are_missing", str(TablesAreMissing()))
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return _failure("rights_are_missing", f"The role of the service lacks rights in Postgres: {error}")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return _failure("server_is_away", f"Postgres is unreachable: {error}")
    return None


def _of_settings(error: Exception) -> Failure | None:
    pydantic, settings = sys.modules.get("pydantic"), sys.modules.get("pydantic_settings")
    of_a_field = pydantic is not None and isinstance(error, pydantic.ValidationError) and error.title == "Settings"
    if not of_a_field and (settings is None or not isinstance(error, settings.SettingsError)):
        return None
    from entitlements.wiring.environment import why_wrong

    wrong = why_wrong(error)  # type: ignore[arg-type]  # One of the two, or we are not here.
    return _failure(wrong.code, str(wrong), USAGE)


def _of_wire(error: Exception) -> Failure | None:
    schemas = sys.modules.get("entitlements_schemas")
    if schemas is not None and isinstance(error, schemas.NotEncodable):
        return _failure("invalid_request", str(error), USAGE)
    return None
