"""Looks our schemas up in a registry that an installation has already, and registers those it does not know.

Every frozen version is needed, not only the newest: the topics hold records of all of them.
"""

from __future__ import annotations

import logging
import ssl
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from entitlements.errors import EntitlementsError, ServerIsAway, SettingIsWrong
from entitlements.registry.answers import COMPATIBILITY
from entitlements_schemas import catalogue

#: Seconds for one request, and for all attempts at it.
REQUEST_MAX_FOR: Final = 10.0
TRY_FOR: Final = 30.0

_UNKNOWN_SUBJECT: Final = 40401
_UNKNOWN_SCHEMA: Final = 40403

_log = logging.getLogger(__name__)


class RegistryRefuses(EntitlementsError):
    """The schema registry rejected the schemas."""

    code = "registry_refuses"


def ids_at(
    url: str,
    topic_prefix: str = "",
    *,
    ca_file: Path | None = None,
    credentials: tuple[str, str] | None = None,
    try_for: float = TRY_FOR,
) -> dict[tuple[str, int], int]:
    """The registry's id of every frozen version, by (full name, version). What it does not know is registered.

    url may hold user and password; credentials are the same apart from it. ca_file: the certificates that are trusted, in place
    of those of this machine. Repeating it changes nothing. try_for: seconds to go on while it does not answer.
    Raises ServerIsAway, or RegistryRefuses when it is read-only, incompatible or not allowed; SettingIsWrong.
    """
    try:
        trusted = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingIsWrong(f"ENTITLEMENTS_REGISTRY_CA_FILE: {ca_file} cannot be used: {error}.") from error
    with httpx.Client(base_url=url.rstrip("/"), timeout=REQUEST_MAX_FOR, verify=trusted, auth=credentials) as client:
        registry = _External(client, time.monotonic() + try_for)
        return {
            (entry.name, entry.version): registry.id_of(entry, catalogue.subject_of(entry.name, topic_prefix))
            for entry in catalogue.entries()
        }


class _External:
    def __init__(self, client: httpx.Client, give_up_at: float) -> None:
        self._client = client
        self._give_up_at = give_up_at

    def id_of(self, entry: catalogue.Entry, subject: str) -> int:
        """The id of one version; it is registered when the registry does not know it."""
        body = {"schema": catalogue.frozen_text(entry)}
        path = f"/subjects/{quote(subject, safe='')}"
        answer = self._request("POST", path, body)
        if answer.is_success:
            return int(answer.json()["id"])
        if _error_code(answer) not in {_UNKNOWN_SUBJECT, _UNKNOWN_SCHEMA}:
            raise _refused(subject, answer)
        if entry.version == 1:
            self._set_compatibility(subject)
        answer = self._request("POST", f"{path}/versions", body)
        if not answer.is_success:
            raise _refused(subject, answer)
        _log.info("registry: registered %s version %d", subject, entry.version)
        return int(answer.json()["id"])

    def _set_compatibility(self, subject: str) -> None:
        path = f"/config/{quote(subject, safe='')}"
        answer = self._request("PUT", path, {"compatibility": COMPATIBILITY})
        if not answer.is_success:
            # Who runs the registry may keep this right to himself; our own freeze checks compatibility anyway.
            _log.warning("registry: could not set the compatibility level of %s: %s", subject, answer.text)

    def _request(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        """One answer. Every request is safe to repeat; the pause doubles from 0.1 s to 2 s."""
        pause = 0.1
        while True:
            try:
                answer = self._client.request(method, path, json=body)
                if answer.status_code < 500 and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                    return answer
                trouble = f"HTTP {answer.status_code}"
            except httpx.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
            if time.monotonic() + pause > self._give_up_at:
                # The address without user and password.
                raise ServerIsAway(f"Schema registry {self._client.base_url.copy_with(userinfo=b'')}: {trouble}")
            time.sleep(pause)
            pause = min(2 * pause, 2.0)


def _error_code(answer: httpx.Response) -> int | None:
    try:
        return int(answer.json()["error_code"])
    except (ValueError, KeyError, TypeError):
        return None


def _refused(subject: str, answer: httpx.Response) -> RegistryRefuses:
    return RegistryRefuses(f"{subject}: HTTP {answer.status_code}: {answer.text[:500]}")
