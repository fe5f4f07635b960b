"""The settings that say where Kafka is and how it wants to be spoken to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\s:/@\[\]]+)(:(?P<port>\d{1,5}))?")
_PORT_MAX: Final = 65_535


class KafkaSettings(BaseSettings):
    """Where Kafka is, and its TLS and SASL. A secret is given as it is or in a file, never both."""

    kafka: str = Field(default="127.0.0.1:9092", description="Bootstrap servers, comma separated.")
    kafka_security_protocol: SecurityProtocol = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
    )
    kafka_ssl_ca_file: Path | None = Field(
        default=None, description="PEM file of trusted CA certificates (default: those of the system)."
    )
    kafka_ssl_certificate_file: Path | None = Field(
        default=None, description="PEM file with the client certificate, for brokers that require one."
    )
    kafka_ssl_key_file: Path | None = Field(default=None, description="PEM file with the certificate's private key.")
    kafka_ssl_key_password: SecretStr | None = Field(default=None, description="Password of the private key.")
    kafka_ssl_key_password_file: Path | None = Field(default=None, description="File with that password.")
    kafka_sasl_mechanism: SaslMechanism | None = Field(
        default=None, description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER."
    )
    kafka_sasl_username: str | None = Field(default=None, description="User, or API key, for PLAIN and SCRAM.")
    kafka_sasl_password: SecretStr | None = Field(default=None, description="Its password, or API secret.")
    kafka_sasl_password_file: Path | None = Field(default=None, description="File with that password.")
    kafka_oauth_token_url: str | None = Field(
        default=None, description="Token endpoint of the identity provider, for OAUTHBEARER (client credentials)."
    )
    kafka_oauth_client_id: str | None = Field(default=None, description="Client id for the token endpoint.")
    kafka_oauth_client_secret: SecretStr | None = Field(default=None, description="Client secret.")
    kafka_oauth_client_secret_file: Path | None = Field(default=None, description="File with the client secret.")
    kafka_oauth_scope: str | None = Field(default=None, description="Scope to request (default: the provider's).")
    kafka_oauth_extensions: str | None = Field(
        default=None, description="SASL extensions, as key=value pairs, comma separated."
    )
    kafka_properties: dict[str, str] = Field(
        default={}, repr=False, description='Any other librdkafka properties, as JSON: {"socket.timeout.ms": "30000"}.'
    )
    kafka_properties_file: Path | None = Field(
        default=None,
        description="File with the same, one key=value per line. Settings above take precedence, then kafka_properties.",
    )

    @field_validator("kafka")
    @classmethod
    def _has_addresses(cls, value: str) -> str:
        """Kafka's client would only say that it cannot resolve something, again and again."""
        for address in value.split(","):
            found = _ADDRESS.fullmatch(address.strip())
            if found is None or int(found["port"] or 0) > _PORT_MAX:
                raise ValueError("must be host:port, without http://; several comma separated")
        return value
