"""Every process and the command line on a Kafka that demands TLS and SASL: a command, usage and the change that follows."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from tests.secure_kafka import LIFE_FOR, SecureKafka, a_secure_kafka
from tests.serving import OPERATOR, PROCESSES, Service, a_service

from entitlements.changes.credentials import credentials_of
from entitlements.cli.running import run
from entitlements.errors import ServerIsAway
from entitlements.kafka.reaching import Broker, KafkaRefuses, require_kafka
from entitlements.settings import Settings
from entitlements.wiring import addresses

QUOTA = {"resource_key": "calls", "rule_type": "quota", "amount": 10, "period": "lifetime", "stacking": "sum"}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    with a_secure_kafka(tmp_path_factory.mktemp("secured")) as running:
        yield running


def ask(client: httpx.Client, path: str, **body: object) -> httpx.Response:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    return answer


def walk(service: Service) -> None:
    """From a definition to the change that a consumer hears."""
    with service.client(OPERATOR) as operator, service.client("acme") as acme:
        ask(operator, "/v1/commands/DefineResourceKey", resource_key="calls", name="Calls", data_type="integer")
        plan = {"set_id": "free", "name": "Free", "ladder": "plans", "rung": 1, "rules": [QUOTA]}
        defined = ask(operator, "/v1/commands/DefineEntitlementSet", **plan)
        acme.headers["entitlements-consistency"] = defined.headers["entitlements-consistency"]
        ask(acme, "/v1/commands/OpenPool", pool_id="p")
        ask(acme, "/v1/commands/ProvisionPool", pool_id="p", provision_id="plan", source="subscription", set_id="free")
        with acme.stream("GET", "/v1/changes", timeout=30) as stream:
            heard = (json.loads(line[5:]) for line in stream.iter_lines() if line.startswith("data:"))
            next(heard)  # The hello: from here on nothing is missed.
            ask(acme, "/v1/commands/AssignWorkspace", pool_id="p", workspace_id="ws", role="primary")
            used = ask(acme, "/v1/usage", customer_id="ws", resource_key="calls", quantity=10)
            assert next(heard)["type"] == "entitlement.granted"
        headers = {"entitlements-consistency": used.headers["entitlements-consistency"]}
        checked = acme.post("/v1/check", json={"customer_id": "ws", "resource_key": "calls"}, headers=headers)
        assert checked.json()["allowed"] is False, checked.text


WRONG = {"kafka_sasl_password_file": None, "kafka_sasl_password": "wrong"}


@pytest.mark.parametrize(
    ("mechanism", "changed", "said"),
    [
        ("PLAIN", WRONG, r"Invalid username or password.*ENTITLEMENTS_KAFKA_SASL_USERNAME"),
        ("SCRAM-SHA-512", WRONG, r"invalid credentials.*ENTITLEMENTS_KAFKA_SASL_USERNAME"),
        ("OAUTHBEARER", {"kafka_oauth_client_secret": "wrong"}, r"invalid_client.*ENTITLEMENTS_KAFKA_OAUTH_"),
        ("PLAIN", {"kafka_ssl_ca_file": None}, r"certificate verify failed.*ENTITLEMENTS_KAFKA_SSL_CA_FILE"),
    ],
)
def test_what_the_broker_does_not_take_is_said_with_its_setting(
    secured: SecureKafka, mechanism: str, changed: dict[str, Any], said: str
) -> None:
    settings = Settings(kafka=secured.address, **(secured.settings(mechanism) | changed))
    with pytest.raises(KafkaRefuses, match=said):
        require_kafka(settings)


def test_a_client_certificate_lets_both_kinds_of_clients_in(secured: SecureKafka) -> None:
    settings = Settings(
        kafka=secured.mutual_address, kafka_security_protocol="SSL", kafka_ssl_ca_file=secured.ca_file,
        kafka_ssl_certificate_file=secured.client_file, kafka_ssl_key_file=secured.client_file,
    )  # fmt: skip
    Broker(settings).topics(5.0)

    async def connect_by_aiokafka() -> None:
        auth = credentials_to_aiokafka_auth(credentials_of(settings))
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka, **auth):
            pass

    asyncio.run(connect_by_aiokafka())
    without = settings.model_copy(update={"kafka_ssl_certificate_file": None, "kafka_ssl_key_file": None})
    with pytest.raises((KafkaRefuses, ServerIsAway)):
        Broker(without).topics(1.0)


def test_a_token_is_kept_until_most_of_its_life_is_over(secured: SecureKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    extended = {"kafka_oauth_extensions": "logicalCluster=lkc-1,identityPoolId=pool-1"}
    credentials: Any = credentials_of(Settings(kafka=secured.address, **secured.settings("OAUTHBEARER"), **extended))
    tokens = credentials.oauth_cb
    assert tokens.extensions() == {"logicalCluster": "lkc-1", "identityPoolId": "pool-1"}
    before = secured.tokens.asked
    first = asyncio.run(tokens.token())
    assert (asyncio.run(tokens.token()), secured.tokens.asked) == (first, before + 1)
    later = time.monotonic() + 0.9 * LIFE_FOR
    monkeypatch.setattr("entitlements.changes.credentials.time.monotonic", lambda: later)
    asyncio.run(tokens.token())
    assert secured.tokens.asked == before + 2


def test_without_tls_and_sasl_the_missing_setting_is_named(secured: SecureKafka) -> None:
    with pytest.raises(ServerIsAway, match="ENTITLEMENTS_KAFKA_SECURITY_PROTOCOL"):
        Broker(Settings(kafka=secured.address)).topics(1.0)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"])
def test_a_whole_installation_works_through_tls_and_sasl(
    mechanism: str, secured: SecureKafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    before = secured.tokens.asked
    with a_service(secured.address, database, tmp_path, PROCESSES, **secured.settings(mechanism)) as service:
        walk(service)
        for name, value in addresses.environment_of(service.settings).items():
            monkeypatch.setenv(name, value)
        assert run(["pool", "open", f"p{secrets.token_hex(4)}", "--organization", "acme", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["visible"]
    assert (secured.tokens.asked > before) == (mechanism == "OAUTHBEARER")
