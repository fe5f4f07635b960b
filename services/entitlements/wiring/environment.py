"""The settings of the environment, or one sentence about what is wrong with them."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_settings import SettingsError

from entitlements.errors import SettingIsWrong
from entitlements.settings import Settings


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
    wrong = [(f"ENTITLEMENTS_{str(each['loc'][0]).upper()}", said_of(each), each["input"]) for each in error.errors()]
    # Of an address without its password.
    said = "; ".join(f'{name}: {message}, not "{str(given).rpartition("@")[2]}"' for name, message, given in wrong)
    return SettingIsWrong(f"{said}.")
