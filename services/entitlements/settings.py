"""Every setting of every process, in one place, read from `ENTITLEMENTS_*` variables."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

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


class Settings(KafkaSettings):
    """Where the servers are and how the topics are named."""

    model_config = SettingsConfigDict(env_prefix="ENTITLEMENTS_", extra="ignore", frozen=True)

    postgres: str = Field(
        default="postgresql://127.0.0.1/entitlements", description="Connection URL of the read models."
    )
    registry_url: str | None = Field(
        default=None, description="A Confluent compatible registry; none: the bundled schema ids."
    )
    registry_ca_file: Path | None = Field(
        default=None, description="PEM file with the certificates trusted for it; none: those this machine trusts."
    )
    registry_username: str | None = Field(default=None, description="User, or API key, for that registry.")
    registry_password: SecretStr | None = Field(default=None, description="Its password, or API secret.")
    registry_password_file: Path | None = Field(default=None, description="File with that password.")
    registry_host: str = Field(default="127.0.0.1", description="Where our own registry listens.")
    registry_port: int = Field(default=8081, description="Port of our own registry; 0: any free one.")
    installation: str = Field(
        default="", description="Id of the installation: its API and its registry name it when they are asked."
    )
    topic_prefix: str = Field(
        default="", description="Set before every topic name and consumer group, to keep installations apart."
    )
    partitions: int = Field(
        default=6, ge=1, description="Partitions of every keyed topic. Never change it for a topic that exists."
    )
    replication_factor: int = Field(default=1, ge=1)
    answer_timeout_for: float = Field(
        default=10.0, gt=0, description="Seconds a caller waits before it hears outcome_unknown."
    )
    session_timeout_for: float = Field(
        default=10.0, ge=1, description="Seconds after which a silent engine or publisher is replaced."
    )
    api_host: str = Field(default="127.0.0.1", description="Where the HTTP API listens.")
    api_port: int = Field(default=8080, description="Port of the HTTP API; 0: any free one.")
    api_workers: int = Field(default=1, ge=1, description="Processes that serve the HTTP API.")
    api_streams_max: int = Field(
        default=1_000, ge=1, description="Streams of changes that an organization may have open at each worker."
    )
    api_streams_total_max: int = Field(
        default=4_000,
        ge=1,
        description="Streams of changes that all organizations together may have open at each worker.",
    )
    api_connections_max: int = Field(
        default=10_000,
        ge=16,
        description="TCP connections that each worker holds open; more wait. At least twice as many as streams.",
    )
    api_idle_for: float = Field(
        default=10.0,
        ge=0.1,
        description="Seconds after which a silent connection is closed: between requests, or before a request's headers are complete.",
    )
    api_requests_max: int = Field(
        default=1_000, ge=1, description="Requests of an organization under way at each worker, its streams apart."
    )
    operator_organization: str = Field(
        default="operator",
        description="The organization of whoever runs the installation: its keys define the catalogue, and no other key acts for it.",
    )
    replicas: str = Field(
        default="",
        description="Connection URLs of Postgres' streaming replicas for reads, comma separated; none: the primary.",
    )
    replica_lag_for: float = Field(
        default=1.0, gt=0.2, description="Seconds by which a replica that is read may be behind, at most."
    )
    cache_size: int = Field(
        default=10_000, ge=0, description="Customers whose views a process keeps in memory; 0: none."
    )
    cache_ttl_for: float = Field(default=2.0, gt=0, description="Seconds for which a process keeps a view.")
    cache_features_ttl_for: float = Field(
        default=10.0,
        ge=0,
        description="Seconds for which such a view still tells of features, if longer: usage changes none of them.",
    )
    cache_behind_ttl_for: float = Field(
        default=0.5, ge=0, description="Seconds for which it does while news from Kafka are late; 0: not at all."
    )
    valkey: str | None = Field(
        default=None,
        pattern="^(valkeys?|rediss?|unix)://",
        description="The shared cache: valkey://, redis:// or unix:// address of a server; none: no such level.",
    )
    valkey_ttl_for: float = Field(default=10.0, gt=0, description="Seconds for which the shared cache keeps a view.")
    http_client_ttl_for: int = Field(
        default=0, ge=0, description="Seconds for which whoever asks over HTTP may keep a view without asking again."
    )
    http_shared_ttl_for: int = Field(
        default=0,
        ge=0,
        description="Seconds for which a cache before the service may, one that looks answers up by Authorization; 0: none may.",
    )
    http_stale_for: int = Field(
        default=0, ge=0, description="Seconds after that in which it may still be given out while a new one is fetched."
    )
    http_purge: str = Field(
        default="", description="URLs of caches before the service that take PURGE with Surrogate-Key, comma separated."
    )
    publish_usage: bool = Field(default=True, description="Unfold metering into entitlements.usage.")
    access_log: str = Field(
        default="",
        description="What is logged of each key and for how long, as JSON; see entitlements.access.log.rules.",
    )

    # --- What operators see --------------------------------------------------------------------------------------------
    operations_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="First port for /healthz, /readyz and /metrics of a process; none: off.",
    )
    operations_host: str = Field(default="127.0.0.1", description="Where that port listens.")
    ready_lag_for_max: float = Field(
        default=30.0,
        gt=0,
        description="Seconds that the read models may be behind the ledger in a process that is ready.",
    )

    # --- Who may ask the API -------------------------------------------------------------------------------------------
    key_requests_per_s: float = Field(
        default=5_000.0,
        gt=0,
        description="Requests a second of an API key that names no rate, in each process of the API.",
    )
    key_body_bytes_max: int = Field(default=16 * 1024 * 1024, gt=0, description="Bytes of a request's body at most.")
    oidc_issuer: str | None = Field(
        default=None,
        description="Issuer whose bearer tokens are taken, as their claim iss says it; none: API keys only.",
    )
    oidc_audience: str = Field(default="entitlements", description="What the claim aud of a bearer token must name.")
    oidc_jwks_url: str | None = Field(
        default=None, description="Where the issuer's keys are; none: where its openid-configuration says."
    )
    oidc_organization_claim: str = Field(
        default="organization_id", description="Claim that names the organization; dots lead into nested claims."
    )
    oidc_scope_claim: str = Field(default="scope", description="Claim with the scopes: a text with blanks, or a list.")
    oidc_act_for_claim: str | None = Field(
        default=None,
        description='Claim with the organizations that a token may act for: a list, or "all"; none: no token may.',
    )
    oidc_scope_prefix: str = Field(
        default="entitlements:", description="What our scopes begin with in a bearer token: entitlements:read."
    )

    @model_validator(mode="after")
    def _leaves_room_beside_streams(self) -> Self:
        """Streams keep their connections for hours; requests need some too."""
        if self.api_connections_max < 2 * self.api_streams_total_max:
            raise ValueError("api_connections_max must be at least twice api_streams_total_max")
        return self

    @field_validator("postgres")
    @classmethod
    def _leads_to_postgres(cls, value: str) -> str:
        """Otherwise each process would name another reason, and none of them the setting."""
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

        try:
            conninfo_to_dict(value)
        except ProgrammingError:  # What it says repeats the password.
            raise ValueError("this is no connection URL such as postgresql://host/database") from None
        return value

    def topic(self, name: str) -> str:
        """The full name of one of our topics, such as `ledger` or `commands`."""
        return f"{self.topic_prefix}entitlements.{name}"

    def group(self, name: str) -> str:
        """The full name of one of our consumer groups, such as `engine`."""
        return f"{self.topic_prefix}entitlements-{name}"
