"""The schema registry: ours, read-only, or one that an installation has already.

answers   what a Confluent registry answers, from the frozen catalogue; no I/O
server    serves the answers over HTTP
external  looks our schemas up in a registry at an address, or registers them there
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from entitlements.settings import Settings
    from entitlements_schemas import Wire

__all__ = ["run", "wire_for"]


def run(settings: Settings, stopping: Event, started: Callable[[str], None] | None = None) -> None:
    """Serve the registry until stopping is set; started is told its URL. It keeps nothing, so a crash loses nothing.

    Raises AddressIsTaken when it cannot listen on settings.registry_host and registry_port.
    """
    from entitlements.registry.server import serve

    serve(settings, stopping, started)


def wire_for(settings: Settings) -> Wire:
    """The wire format under the ids of settings.registry_url; without a URL under the bundled ids.

    Raises ServerIsAway when the registry does not answer, external.RegistryRefuses when it will not have our schemas.
    """
    from entitlements_schemas import Wire

    if settings.registry_url is None:
        return Wire()
    from entitlements.kafka.properties import secret_of
    from entitlements.registry.external import ids_at

    password = secret_of(settings, "registry_password")
    credentials = None if settings.registry_username is None else (settings.registry_username, password or "")
    return Wire(
        ids_at(settings.registry_url, settings.topic_prefix, ca_file=settings.registry_ca_file, credentials=credentials)
    )
