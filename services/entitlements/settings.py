"""Every setting of every process, in one place, read from `ENTITLEMENTS_*` variables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from entitlements.kafka.settings import KafkaSettings

#: Bounds that every reader and writer shares. Bytes unless the name says otherwise.
RECORD_BYTES_MAX: Final = 1024 * 1024
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024
LINES_PER_COMMAND_MAX: Final = 10_000
QUANTITY_MAX: Final = 2**53
ID_CHARACTERS_MAX: Final = 128
#: Header by which the probes of the API and every answer of the registry name their installation.
INSTALLATION_HEADER: Final = "Entitlements-Installation"
_HTTP_URL: Final = re.compile(r"https?://[^\s/]+\S*")


class Settings(KafkaSettings):
    """Where the servers are and how the topics are named."""

    model_config = SettingsConfigDict(env_prefix="ENTITLEMENTS_", extra="ignore", frozen=True)

    postgres: str = Field(
        default="postgresql://127.0.0.1/entitlements", description="Connection URL of the read models."
    )
    registry_url: str | None = Field(
        default=None, description="URL of a Confluent-compatible schema registry (default: the bundled schema ids)."
    )
    registry_ca_file: Path | None = Field(
        default=None, description="PEM file of trusted CA certificates (default: those of the system)."
    )
    registry_username: str | None = Field(default=None, description="User, or API key, for that registry.")
    registry_password: SecretStr | None = Field(default=None, description="Its password, or API secret.")
    registry_password_file: Path | None = Field(default=None, description="File with that password.")
    registry_host: str = Field(default="127.0.0.1", description="Listen address of the bundled registry.")
    registry_port: int = Field(
        default=8081, ge=0, le=65_535, description="Port of the bundled registry; 0: any free port."
    )
    installation: str = Field(
        default="", description="Id of the installation, returned by the API and the registry in a header."
    )
    topic_prefix: str = Field(
        default="", description="Prefix of all topic names and consumer groups, for several installations on one Kafka."
    )
    partitions: int = Field(
        default=3,
        ge=1,
        description="Partitions of every keyed topic, and engines at most. Never change it for a topic that exists.",
    )
    replication_factor: int = Field(default=1, ge=1)
    answer_timeout_for: float = Field(
        default=10.0, gt=0, description="Seconds a caller waits for a decision before outcome_unknown."
    )
    replies: Literal["direct", "kafka"] = Field(
        default="direct",
        description="How engines answer: direct: a caller on the same machine through a Unix socket, all others through Kafka; kafka: all.",
    )
    session_timeout_for: float = Field(
        default=10.0,
        ge=1,
        description="Seconds after which a silent engine, publisher, projector or access-log process is replaced.",
    )
    api_host: str = Field(default="127.0.0.1", description="Listen address of the HTTP API.")
    api_port: int = Field(default=8080, ge=0, le=65_535, description="Port of the HTTP API; 0: any free port.")
    api_workers: int = Field(default=1, ge=1, description="Processes that serve the HTTP API.")
    api_processes: int = Field(
        default=1,
        ge=1,
        description="API processes of the installation, on all machines: each allows its share of every rate limit.",
    )
    api_streams_max: int = Field(default=1_000, ge=1, description="Change streams per organization and worker.")
    api_streams_total_max: int = Field(
        default=4_000,
        ge=1,
        description="Change streams of all organizations per worker.",
    )
    api_connections_max: int = Field(
        default=10_000,
        ge=16,
        description="TCP connections per worker; more wait. At least twice api_streams_total_max.",
    )
    api_idle_for: float = Field(
        default=10.0,
        ge=0.1,
        description="Seconds after which an idle connection is closed, between requests or before the headers are complete.",
    )
    api_requests_max: int = Field(
        default=1_000, ge=1, description="Concurrent requests per organization and worker, without streams."
    )
    api_bodies_bytes_max: int = Field(
        default=128 * 1024 * 1024,
        ge=1,
        description="Bytes of request bodies that are read or answered at once, per organization and worker.",
    )
    organization_pools_max: int = Field(
        default=1_000_000,
        ge=1,
        description="Pools that an organization can open over the API, closed ones included; counted every 10 s.",
    )
    operator_organization: str = Field(
        default="operator",
        description="Organization of the platform operator: only its keys can define the catalogue, and no other key can act for it.",
    )
    replicas: str = Field(
        default="",
        description="Connection URLs of Postgres read replicas, comma separated (default: read from the primary).",
    )
    replica_lag_for: float = Field(
        default=1.0, gt=0.2, description="Maximum lag in seconds of a replica used for reads."
    )
    cache_size: int = Field(
        default=10_000, ge=0, description="Customer views cached in memory per process; 0: no cache."
    )
    cache_ttl_for: float = Field(default=2.0, gt=0, description="Seconds a view is cached in memory.")
    cache_features_ttl_for: float = Field(
        default=10.0,
        ge=0,
        description="Seconds a cached view is used for features, if longer.",
    )
    cache_behind_ttl_for: float = Field(
        default=0.5,
        ge=0,
        description="Seconds a view is cached while invalidations from Kafka are late; 0: not cached.",
    )
    valkey: str | None = Field(
        default=None,
        pattern="^(valkeys?|rediss?|unix)://",
        description="Shared cache: valkey://, redis:// or unix:// URL (default: no shared cache).",
    )
    valkey_ttl_for: float = Field(default=10.0, gt=0, description="Seconds a view is kept in the shared cache.")
    http_client_ttl_for: int = Field(default=0, ge=0, description="max-age in seconds for HTTP clients.")
    http_shared_ttl_for: int = Field(
        default=0,
        ge=0,
        description="s-maxage in seconds for a cache in front of the service that keys responses by Authorization; 0: no shared caching.",
    )
    http_stale_for: int = Field(default=0, ge=0, description="stale-while-revalidate in seconds.")
    http_purge: str = Field(
        default="",
        description="URLs of caches in front of the service that accept PURGE with Surrogate-Key, comma separated.",
    )
    publish_usage: bool = Field(default=True, description="Publish usage to entitlements.usage.")
    access_log: str = Field(
        default="",
        description="Access log rules per key and their retention, as JSON; see entitlements.access.log.rules.",
    )

    # --- What operators see --------------------------------------------------------------------------------------------
    operations_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="First port for /healthz, /readyz and /metrics (default: off).",
    )
    operations_host: str = Field(default="127.0.0.1", description="Listen address of that port.")
    ready_lag_for_max: float = Field(
        default=30.0,
        gt=0,
        description="Maximum lag of the read models in seconds for /readyz to succeed.",
    )

    # --- Who may ask the API -------------------------------------------------------------------------------------------
    key_requests_per_s: float = Field(
        default=5_000.0,
        gt=0,
        description="Default rate limit of an API key in requests per second, of all workers together.",
    )
    key_body_bytes_max: int = Field(
        default=16 * 1024 * 1024, gt=0, description="Maximum size of a request body in bytes."
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="OIDC issuer of accepted bearer tokens, equal to their iss claim (default: API keys only).",
    )
    oidc_audience: str = Field(default="entitlements", description="Required aud claim of bearer tokens.")
    oidc_jwks_url: str | None = Field(
        default=None, description="JWKS URL of the issuer (default: from its openid-configuration)."
    )
    oidc_organization_claim: str = Field(
        default="organization_id", description="Claim with the organization; dots address nested claims."
    )
    oidc_scope_claim: str = Field(
        default="scope", description="Claim with the scopes: a space-separated string, or a list."
    )
    oidc_act_for_claim: str | None = Field(
        default=None,
        description='Claim with the organizations a token can act for: a list, or "all" (default: none).',
    )
    oidc_scope_prefix: str = Field(
        default="entitlements:", description="Prefix of scopes in bearer tokens, as in entitlements:read."
    )

    @model_validator(mode="after")
    def _leaves_room_beside_streams(self) -> Self:
        """Streams keep their connections for hours; requests need some too."""
        if self.api_connections_max < 2 * self.api_streams_total_max:
            raise ValueError("api_connections_max must be at least twice api_streams_total_max")
        return self

    @field_validator("registry_url", "oidc_issuer", "oidc_jwks_url", "kafka_oauth_token_url")
    @classmethod
    def _is_an_http_url(cls, value: str | None) -> str | None:
        if value and not _HTTP_URL.fullmatch(value):
            raise ValueError("must be a URL such as https://host/path")
        return value or None

    @field_validator("postgres")
    @classmethod
    def _leads_to_postgres(cls, value: str) -> str:
        """Otherwise each process would name another reason, and none of them the setting."""
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

        try:
            conninfo_to_dict(value)
        except ProgrammingError:  # What it says repeats the password.
            raise ValueError("must be a connection URL such as postgresql://host/database") from None
        return value

    def topic(self, name: str) -> str:
        """The full name of one of our topics, such as `ledger` or `commands`."""
        return f"{self.topic_prefix}entitlements.{name}"

    def group(self, name: str) -> str:
        """The full name of one of our consumer groups, such as `engine`."""
        return f"{self.topic_prefix}entitlements-{name}"
