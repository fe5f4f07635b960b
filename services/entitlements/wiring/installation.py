"""What an installation keeps in its folder: its id, and the ports it began with. Scripts and bookmarks hold them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from entitlements.local.errors import PortIsTaken
from entitlements.local.folder import ServerFolder, a_free_port
from entitlements.local.ports import Claim, owner_of, require_host
from entitlements.settings import Settings
from entitlements.wiring.addresses import variable

#: By setting: what listens there, the setting of its host, and the option of `up` that chooses another.
_PORTS: Final = {
    "api_port": ("The HTTP API", "api_host", "--api-port"),
    "registry_port": ("The schema registry", "registry_host", "--registry-port"),
}


@contextmanager
def installation_in(folder: Path, settings: Settings) -> Iterator[Settings]:
    """The settings with the id and the ports of the installation in a folder; while the block lasts both are ours alone.

    A port of the settings that is not their default counts, then the one it began with, then the default or, where that is taken,
    any free one. Raises FolderIsInUse, FolderIsUnusable, PortIsTaken, SettingIsWrong.
    """
    kept = ServerFolder(folder)
    kept.take()
    try:
        state = kept.state()
        with ExitStack() as claims:
            found: dict[str, Any] = {"installation": state.get("installation") or secrets.token_hex(8)}
            for field in _PORTS:
                found[field] = _port(field, settings, state.get(field), claims)
            kept.remember(**found)
            yield settings.model_copy(update=found)
    finally:
        kept.give_back()


def _port(field: str, settings: Settings, kept: int | None, claims: ExitStack) -> int:
    what, host_field, option = _PORTS[field]
    host: str = getattr(settings, host_field)
    require_host(host, variable(host_field).removesuffix("_HOST"))
    chosen: int = getattr(settings, field) if field in settings.model_fields_set else 0

    def claim(port: int) -> bool:
        # The API's workers share their port among them; a place held there keeps strangers out until they listen.
        made = Claim.of(host, port, shared=field == "api_port")
        if made is not None:
            claims.callback(made.give_back)
        return made is not None

    if only := chosen or kept:
        if not claim(only):
            raise PortIsTaken(what, only, owner_of(only), option)
        return only
    any_will_do = field in settings.model_fields_set  # It is set to 0.
    port: int = a_free_port(except_for=set()) if any_will_do else Settings.model_fields[field].default
    while not claim(port):
        port = a_free_port(except_for={port})
    return port
