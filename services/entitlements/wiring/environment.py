"""The settings of the environment, or one sentence about what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from entitlements.errors import SettingIsWrong
from entitlements.settings import Settings

_PREFIX: Final = "ENTITLEMENTS_"
#: Variables that are no settings of a process: of its log, of the supervisor, of the command line and of clients.
_OTHERS: Final = (
    "LOG",
    "LOG_FORMAT",
    "SUPERVISOR",
    "RATES_MEMORY",
    "DATA",
    "ORGANIZATION",
    "URL",
    "API_KEY",
    "OPERATOR_KEY",
)


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence for each variable of ours that nothing reads: it may be a typo, and the default counts."""
    known = {*(field.upper() for field in Settings.model_fields), *_OTHERS}
    sentences = []
    for name in sorted(name.removeprefix(_PREFIX) for name in environment if name.startswith(_PREFIX)):
        if name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.8)
            meant = f"; did you mean {_PREFIX}{close[0]}?" if close else "."
            sentences.append(f"Unknown setting {_PREFIX}{name} has no effect{meant}")
    return sentences


def settings_of_the_environment() -> Settings:
    """The settings. Raises SettingIsWrong."""
    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        raise why_wrong(error) from error


def why_wrong(error: ValidationError | SettingsError) -> SettingIsWrong:
    """Which variables cannot be right, and why."""
    from entitlements.intake.strict import said_of

    if isinstance(error, SettingsError):  # It names the field, and would quote what may be a secret in its cause.
        field = str(error).partition('"')[2].partition('"')[0]
        return SettingIsWrong(f"ENTITLEMENTS_{field.upper()}: must be a JSON object.")
    return SettingIsWrong(f"{'; '.join(_wrong(said_of(each), each) for each in error.errors())}.")


def _wrong(said: str, error: ErrorDetails) -> str:
    if not error["loc"]:  # Settings that do not go together.
        return said
    # Of an address without its password.
    given = str(error["input"]).rpartition("@")[2]
    return f'{_PREFIX}{str(error["loc"][0]).upper()}: {said}, not "{given}"'
