"""librdkafka's properties from our settings. What correctness rests on cannot be set from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from entitlements.errors import SettingIsWrong
from entitlements.kafka.settings import KafkaSettings

#: Set by us, each for a reason of correctness, or by a setting of its own.
RESERVED: Final[dict[str, str]] = {
    "bootstrap.servers": "ENTITLEMENTS_KAFKA names the servers",
    "metadata.broker.list": "ENTITLEMENTS_KAFKA names the servers",
    "session.timeout.ms": "ENTITLEMENTS_SESSION_TIMEOUT_FOR sets it",
} | dict.fromkeys(
    (
        "acks", "allow.auto.create.topics", "auto.commit.interval.ms", "auto.offset.reset", "check.crcs",
        "delivery.timeout.ms", "enable.auto.commit", "enable.auto.offset.store", "enable.idempotence",
        "enable.partition.eof", "fetch.message.max.bytes", "group.id", "group.instance.id", "group.protocol",
        "heartbeat.interval.ms", "isolation.level", "message.max.bytes", "message.send.max.retries",
        "message.timeout.ms", "partition.assignment.strategy", "partitioner", "request.required.acks", "retries",
        "transactional.id",
    ),
    "correct decisions depend on the built-in value",
)  # fmt: skip
_MECHANISM: Final = "sasl.mechanism"
#: Ways of librdkafka to a token that need no client secret.
_OTHER_WAYS: Final = (
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.metadata.authentication.type",
)
#: The setting that gives a property, for what is said when it is missing.
_SETTINGS: Final = {
    "sasl.username": "ENTITLEMENTS_KAFKA_SASL_USERNAME",
    "sasl.password": "ENTITLEMENTS_KAFKA_SASL_PASSWORD or ENTITLEMENTS_KAFKA_SASL_PASSWORD_FILE",
    "sasl.oauthbearer.token.endpoint.url": "ENTITLEMENTS_KAFKA_OAUTH_TOKEN_URL",
    "sasl.oauthbearer.client.id": "ENTITLEMENTS_KAFKA_OAUTH_CLIENT_ID",
    "sasl.oauthbearer.client.secret": "ENTITLEMENTS_KAFKA_OAUTH_CLIENT_SECRET or .._SECRET_FILE",
}


def properties_of(settings: KafkaSettings) -> dict[str, Any]:
    """What every client of librdkafka is made with. Secret files are read here, at each call. Raises SettingIsWrong."""
    found = {"bootstrap.servers": settings.kafka} | _more(settings) | dict(_named(settings))
    _check(found)
    return found


def is_secured(settings: KafkaSettings) -> bool:
    """Whether the settings ask for TLS or SASL."""
    return str(properties_of(settings).get("security.protocol", "PLAINTEXT")).upper() != "PLAINTEXT"


def secret_of(settings: KafkaSettings, field: str) -> str | None:
    """A secret given as it is or in a file, without the line's end. Raises SettingIsWrong."""
    given: SecretStr | None = getattr(settings, field)
    path: Path | None = getattr(settings, f"{field}_file")
    name = f"ENTITLEMENTS_{field.upper()}"
    if given is not None and path is not None:
        raise SettingIsWrong(f"{name} and {name}_FILE are both set; unset one.")
    if given is not None:
        return given.get_secret_value()
    return None if path is None else _read(path, f"{name}_FILE").rstrip("\r\n")


def _more(settings: KafkaSettings) -> dict[str, Any]:
    """The properties of the file and of the JSON setting."""
    found: dict[str, str] = {}
    if settings.kafka_properties_file is not None:
        name = "ENTITLEMENTS_KAFKA_PROPERTIES_FILE"
        for number, line in enumerate(_read(settings.kafka_properties_file, name).splitlines(), 1):
            text = line.strip()
            if not text or text.startswith(("#", "!")):
                continue
            key, sign, value = text.partition("=")
            if not sign:
                raise SettingIsWrong(f"{name}: line {number} of {settings.kafka_properties_file} is not key=value.")
            found |= _allowed(key.strip(), value.strip(), name)
    for key, value in settings.kafka_properties.items():
        found |= _allowed(key, value, "ENTITLEMENTS_KAFKA_PROPERTIES")
    return found


def _allowed(key: str, value: str, source: str) -> dict[str, str]:
    if key in RESERVED:
        raise SettingIsWrong(f"{source}: remove {key}: {RESERVED[key]}.")
    return {_MECHANISM if key == "sasl.mechanisms" else key: value}


def _named(settings: KafkaSettings) -> Iterator[tuple[str, Any]]:
    """The properties that have a setting of their own."""
    if settings.kafka_security_protocol != "PLAINTEXT":
        yield "security.protocol", settings.kafka_security_protocol
    named = {
        "ssl.ca.location": settings.kafka_ssl_ca_file,
        "ssl.certificate.location": settings.kafka_ssl_certificate_file,
        "ssl.key.location": settings.kafka_ssl_key_file,
        "ssl.key.password": secret_of(settings, "kafka_ssl_key_password"),
        _MECHANISM: settings.kafka_sasl_mechanism,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": secret_of(settings, "kafka_sasl_password"),
        "sasl.oauthbearer.method": "oidc" if settings.kafka_oauth_token_url else None,
        "sasl.oauthbearer.token.endpoint.url": settings.kafka_oauth_token_url,
        "sasl.oauthbearer.client.id": settings.kafka_oauth_client_id,
        "sasl.oauthbearer.client.secret": secret_of(settings, "kafka_oauth_client_secret"),
        "sasl.oauthbearer.scope": settings.kafka_oauth_scope,
        "sasl.oauthbearer.extensions": settings.kafka_oauth_extensions,
    }
    for key, value in named.items():
        if value is not None:
            yield key, str(value)


def _check(found: dict[str, Any]) -> None:
    """What a client would find out late, or would not say in words of our settings. Raises SettingIsWrong."""
    protocol = str(found.get("security.protocol", "PLAINTEXT")).upper()
    given = next((key for key in found if key.startswith(("ssl.", "sasl."))), None)
    if protocol == "PLAINTEXT" and given is not None:
        raise SettingIsWrong(f"{given} is set without ENTITLEMENTS_KAFKA_SECURITY_PROTOCOL (such as SASL_SSL).")
    if protocol.startswith("SASL_"):
        mechanism = found.get(_MECHANISM)
        if mechanism is None:
            raise SettingIsWrong(f"{protocol} needs ENTITLEMENTS_KAFKA_SASL_MECHANISM (such as SCRAM-SHA-512).")
        for key in _needed(str(mechanism).upper(), found):
            if not found.get(key):
                raise SettingIsWrong(f"{mechanism} needs {_SETTINGS[key]}.")
    for key in ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location"):
        value = found.get(key)
        if value is not None and value != "probe" and not Path(str(value)).exists():
            raise SettingIsWrong(f"{key}: no such file: {value}.")


def _needed(mechanism: str, found: dict[str, Any]) -> tuple[str, ...]:
    if mechanism in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}:
        return ("sasl.username", "sasl.password")
    if mechanism == "OAUTHBEARER" and not any(key in found for key in _OTHER_WAYS):
        return tuple(key for key in _SETTINGS if "oauthbearer" in key)
    return ()


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SettingIsWrong(f"{name}: {path} cannot be read: {reason}.") from None


def as_text(value: Any) -> str:
    """A setting as its variable has it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict) else str(value)
