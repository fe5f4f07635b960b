"""What reaches Kafka's clients of the settings, and what is said when they cannot be right."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from entitlements.changes.credentials import credentials_of
from entitlements.errors import SettingIsWrong
from entitlements.kafka.properties import RESERVED, properties_of
from entitlements.ledger import clients
from entitlements.settings import Settings
from entitlements.wiring import addresses

SCRAM: dict[str, Any] = {
    "kafka": "b:9092",
    "kafka_security_protocol": "SASL_SSL",
    "kafka_sasl_mechanism": "SCRAM-SHA-512",
    "kafka_sasl_username": "app",
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ENTITLEMENTS_")]:
        monkeypatch.delenv(name)


def test_a_password_comes_from_its_file_without_the_end_of_the_line(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(" two words \n")
    found = properties_of(Settings(**SCRAM, kafka_sasl_password_file=tmp_path / "password"))
    assert found == {
        "bootstrap.servers": "b:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "app",
        "sasl.password": " two words ",
    }


def test_the_file_a_provider_hands_out_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text(
        "# cloud\nsecurity.protocol=SASL_SSL\nsasl.mechanisms=PLAIN\nsasl.username=key\nsasl.password=se=cret==\n\nclient.id=x\n"
    )
    found = properties_of(Settings(kafka_properties_file=file, kafka_properties={"client.id": "y"}))
    assert (found["sasl.mechanism"], found["sasl.password"], found["client.id"]) == ("PLAIN", "se=cret==", "y")
    credentials: Any = credentials_of(Settings(kafka_properties_file=file))
    assert (credentials.username, credentials.password, credentials.ssl_context.check_hostname) == (
        "key",
        "se=cret==",
        True,
    )


@pytest.mark.parametrize("key", RESERVED)
def test_what_correctness_rests_on_cannot_be_set(key: str) -> None:
    with pytest.raises(SettingIsWrong, match=rf"ENTITLEMENTS_KAFKA_PROPERTIES: remove {key}"):
        properties_of(Settings(kafka_properties={key: "1"}))


def test_other_properties_reach_the_clients() -> None:
    found = clients.common(Settings(kafka_properties={"reconnect.backoff.max.ms": "77", "client.rack": "a"}))
    assert (found["reconnect.backoff.max.ms"], found["client.rack"]) == ("77", "a")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kafka_security_protocol": "SASL_SSL"}, "SASL_SSL needs ENTITLEMENTS_KAFKA_SASL_MECHANISM"),
        (SCRAM, "SCRAM-SHA-512 needs ENTITLEMENTS_KAFKA_SASL_PASSWORD or"),
        (SCRAM | {"kafka_sasl_mechanism": "OAUTHBEARER"}, "OAUTHBEARER needs ENTITLEMENTS_KAFKA_OAUTH_TOKEN_URL"),
        ({"kafka_sasl_username": "app"}, "sasl.username is set without ENTITLEMENTS_KAFKA_SECURITY_PROTOCOL"),
        (SCRAM | {"kafka_sasl_password_file": "/nowhere"}, "ENTITLEMENTS_KAFKA_SASL_PASSWORD_FILE: /nowhere cannot be"),
        (SCRAM | {"kafka_sasl_password_file": "/x", "kafka_sasl_password": "y"}, "are both set"),
        ({"kafka_security_protocol": "SSL", "kafka_ssl_ca_file": "/nowhere"}, "ssl.ca.location: no such file"),
    ],
)
def test_what_cannot_be_right_is_said_by_the_name_of_its_setting(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingIsWrong, match=said):
        properties_of(Settings(**settings))


def test_the_changes_worker_says_what_it_cannot_follow() -> None:
    settings = Settings(**SCRAM, kafka_sasl_password="x", kafka_properties={"ssl.keystore.location": "k.p12"})
    with pytest.raises(SettingIsWrong, match=r"`changes` does not support ssl\.keystore\.location"):
        credentials_of(settings)
    assert credentials_of(Settings()) is None


def test_secrets_reach_our_processes_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(**SCRAM, kafka_sasl_password="hush", kafka_properties={"sasl.x": "hush"})
    assert "hush" not in repr(settings.kafka_sasl_password) + str(settings.kafka_sasl_password)
    addresses.write(tmp_path, settings)
    written = (tmp_path / "addresses.json").read_text()
    assert "hush" not in written
    assert json.loads(written)["kafka_sasl_username"] == "app"
    assert addresses.settings_at(tmp_path).kafka_security_protocol == "SASL_SSL"
    for name, value in addresses.environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
