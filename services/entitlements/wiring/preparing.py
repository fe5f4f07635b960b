"""What must be there before processes start: topics and tables."""

from __future__ import annotations

import logging

from entitlements.settings import Settings

_log = logging.getLogger(__name__)


def prepare(settings: Settings) -> None:
    """Create topics and tables where they are missing. Raises TopicDiffers, ServerIsAway, MigrationError."""
    prepare_topics(settings)
    prepare_tables(settings)
    for sentence in prepare_reporting(settings):
        _log.warning(sentence)


def prepare_reporting(settings: Settings) -> list[str]:
    """Make or renew what analysts read; what is left for an administrator of Postgres to do, in sentences."""
    from entitlements_projections.reporting import install

    return install(settings.postgres)


def prepare_tables(settings: Settings) -> list[str]:
    """Bring the read models and the access log to this version; what was applied. Raises MigrationError, psycopg.OperationalError."""
    from entitlements.access.log import tables as of_access_log
    from entitlements_projections.migrations import migrate

    return [*migrate(settings.postgres), *of_access_log.migrate(settings.postgres)]


def prepare_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing, those of the changes worker too; the names created of those that others use."""
    from entitlements.changes import topics as of_changes
    from entitlements.ledger.topics import create_topics

    created = create_topics(settings)
    of_changes.create_topics(settings)
    return created


def with_free_ports(settings: Settings) -> Settings:
    """The settings with ports that are free for our registry and the HTTP API: those that are set, if they can be had."""
    from entitlements.local.folder import HOST, a_free_port
    from entitlements.local.ports import is_free

    taken: set[int] = set()
    for field in ("registry_port", "api_port"):
        port: int = getattr(settings, field)
        if not port or not is_free(port, HOST) or port in taken:
            port = a_free_port(except_for=taken)
            settings = settings.model_copy(update={field: port})
        taken.add(port)
    return settings
