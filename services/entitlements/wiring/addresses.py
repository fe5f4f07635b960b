"""Where the servers are: the environment first, then what `entitlements up` wrote into its data folder, then defaults."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from entitlements.errors import EntitlementsError
from entitlements.kafka.properties import as_text
from entitlements.settings import Settings

_FILE: Final = "addresses.json"
#: What belongs to a server: an address given in the environment brings its own, and nothing of the file's fits it.
_OF_SERVER: Final = {
    # Secrets are never written: the second terminal has them by a file, or by its own environment.
    "kafka": (
        "kafka", "topic_prefix", "partitions", "replication_factor", "kafka_security_protocol",
        "kafka_ssl_ca_file", "kafka_ssl_certificate_file", "kafka_ssl_key_file", "kafka_ssl_key_password_file",
        "kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password_file",
        "kafka_oauth_token_url", "kafka_oauth_client_id", "kafka_oauth_client_secret_file", "kafka_oauth_scope",
        "kafka_oauth_extensions", "kafka_properties_file",
    ),
    "postgres": ("postgres",),
}  # fmt: skip


class AddressesAreUnreadable(EntitlementsError):
    """The address file of the running installation is invalid."""

    code = "addresses_are_unreadable"


class NoInstallation(EntitlementsError):
    """No installation runs in the data folder, and no server is named."""

    code = "no_installation"

    def __init__(self, message: str, advice: str) -> None:
        Exception.__init__(self, message)
        self.advice = advice


def variable(field: str) -> str:
    """The name of a setting in the environment."""
    return f"ENTITLEMENTS_{field.upper()}"


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as variables, for processes that are started with them."""
    return {variable(field): as_text(value) for field, value in settings.model_dump().items() if value is not None}


def settings_at(folder: Path) -> Settings:
    """The settings of an installation. Raises AddressesAreUnreadable."""
    known = read(folder)
    wanted: dict[str, Any] = {}
    for server, fields in _OF_SERVER.items():
        if variable(server) not in os.environ:
            wanted |= {field: known[field] for field in fields if field in known and variable(field) not in os.environ}
    return Settings(**wanted)


def require_named(folder: Path, *servers: str) -> None:
    """Raises NoInstallation: none of the servers, postgres or kafka, is named. What nobody names is never contacted."""
    known = read(folder)
    if any(server in known or os.environ.get(variable(server)) for server in servers):
        return
    shown = folder if folder.is_absolute() else f"./{folder}"
    if any(os.environ.get(variable(server)) for server in _OF_SERVER):
        missing = " and ".join(variable(server) for server in servers)
        raise NoInstallation(
            f"No installation in {shown}, and {missing} is not set.", f"Set {missing}, or give --data."
        )
    if folder.is_dir():
        raise NoInstallation(
            f"The installation in {shown} is not running.", f"Start it: `entitlements up --data {folder}`."
        )
    raise NoInstallation(
        f"No installation in {shown}.",
        "Run this in the folder of `entitlements up`, or give --data or ENTITLEMENTS_POSTGRES and ENTITLEMENTS_KAFKA.",
    )


def read(folder: Path) -> dict[str, Any]:
    """What a running installation says of itself; nothing where none runs. Raises AddressesAreUnreadable."""
    try:
        known = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AddressesAreUnreadable(f"{folder / _FILE}: {error}") from error
    return known if isinstance(known, dict) else {}


def write(folder: Path, settings: Settings, **more: object) -> None:
    """Say in a folder where the servers are and what runs; whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {field: getattr(settings, field) for fields in _OF_SERVER.values() for field in fields}
    new = folder / f"{_FILE}.new"
    new.write_text(json.dumps(known | more, indent=2, default=str) + "\n", encoding="utf-8")
    new.replace(folder / _FILE)


def remove(folder: Path) -> None:
    """The installation has stopped: its addresses lead nowhere."""
    (folder / _FILE).unlink(missing_ok=True)
