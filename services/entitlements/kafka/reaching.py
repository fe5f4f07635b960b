"""Asks a broker what stands in the way: no address, no TLS, no credentials. librdkafka itself would only say that time is up."""

from __future__ import annotations

import logging
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from confluent_kafka import KafkaError, KafkaException, Producer

from entitlements.errors import EntitlementsError, ServerIsAway, SettingIsWrong
from entitlements.kafka.properties import is_secured, properties_of
from entitlements.kafka.settings import KafkaSettings
from entitlements.redacting import without_secrets

#: Seconds for a connection, and for the first answer; each further question may take twice as long, up to the last.
CONNECT_WITHIN_FOR: Final = 1.0
ANSWER_WITHIN_FOR: Final = 0.3
ANSWER_WITHIN_FOR_MAX: Final = 5.0
#: Where librdkafka says which of its threads and connections it was, and in which state for how long.
_PARTICULARS: Final = re.compile(r"^\S*?://?\S+?: |^\S+?/\S+?: | \(after \d+ms in state [A-Z_-]+.*?\)")
#: What librdkafka guesses when a broker hangs up during the handshake.
_NO_TLS: Final = "PLAINTEXT broker listener"
_silent: Final = logging.getLogger("entitlements.kafka.reaching")
_silent.addFilter(lambda _: False)


class KafkaRefuses(EntitlementsError):
    """Kafka rejected the credentials, or a TLS connection failed."""

    code = "kafka_refuses"


class Broker:
    """Asks for topics, and hears what the client only mentions beside."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Raises SettingIsWrong: the client knows no such property, or no such value."""
        self._addresses = without_secrets(settings.kafka)
        self._has_secrets = "@" in settings.kafka
        self._heard: list[KafkaError] = []
        properties = properties_of(settings)
        more: dict[str, Any] = {"error_cb": self._heard.append, "logger": _silent, "reconnect.backoff.max.ms": 1_000}
        try:
            self._client = Producer(properties | more)
        except KafkaException as error:
            raise SettingIsWrong(f"Kafka client configuration: {error.args[0].str()}.") from error

    def topics(self, within_for: float) -> dict[str, int]:
        """The number of partitions of every topic that we may see. Raises KafkaRefuses, ServerIsAway."""
        until, answer_for = time.monotonic() + within_for, ANSWER_WITHIN_FOR
        self._heard.clear()
        while True:
            try:
                found = self._client.list_topics(timeout=answer_for).topics
            except KafkaException as error:
                self._client.poll(0)
                self._raise_refusal()
                if time.monotonic() >= until:
                    raise ServerIsAway(f"Kafka at {self._addresses}: {self._reason(error)}") from error
                answer_for = min(2 * answer_for, ANSWER_WITHIN_FOR_MAX)
            else:
                return {name: len(topic.partitions) for name, topic in found.items()}

    def _raise_refusal(self) -> None:
        for error in self._heard:
            if error.code() in {KafkaError._AUTHENTICATION, KafkaError._SSL}:
                raise KafkaRefuses(f"Kafka at {self._addresses}: {_plain(error.str())}. {_advice(error)}")
        if sum(_NO_TLS in error.str() for error in self._heard) > 1:  # Once may be a broker that stops.
            raise KafkaRefuses(
                f"Kafka at {self._addresses}: TLS handshake failed; does it speak TLS? "
                "See ENTITLEMENTS_KAFKA_SECURITY_PROTOCOL."
            )

    def _reason(self, error: KafkaException) -> str:
        """What was heard of one broker says more than that all are down."""
        heard = [each for each in self._heard if each.code() != KafkaError._ALL_BROKERS_DOWN]
        if not heard and error.args[0].code() == KafkaError._TRANSPORT:
            return "no response. If it requires TLS or SASL, set ENTITLEMENTS_KAFKA_SECURITY_PROTOCOL."
        found = (heard or [error.args[0]])[-1]
        # Its text repeats the address as librdkafka takes it: a comma in a password divides it, and both halves are hosts.
        return f"{_plain((KafkaError(found.code()) if self._has_secrets else found).str())}."


def _advice(error: KafkaError) -> str:
    if error.code() == KafkaError._SSL:
        return "Check ENTITLEMENTS_KAFKA_SECURITY_PROTOCOL and ENTITLEMENTS_KAFKA_SSL_CA_FILE."
    if "OAUTHBEARER token" in error.str():
        return "Check ENTITLEMENTS_KAFKA_OAUTH_TOKEN_URL, _CLIENT_ID and _CLIENT_SECRET."
    return "Check ENTITLEMENTS_KAFKA_SASL_USERNAME and its password."


def _plain(text: str) -> str:
    while (shorter := _PARTICULARS.sub("", text)) != text:
        text = shorter
    return text.rstrip(".")


def require_kafka(settings: KafkaSettings) -> None:
    """Raises ServerIsAway when no address can be connected to, sooner than Kafka's client would say so; KafkaRefuses."""
    connect(settings)
    if is_secured(settings):
        Broker(settings).topics(ANSWER_WITHIN_FOR_MAX)


def connect(settings: KafkaSettings) -> None:
    """Open a connection to one of the addresses and close it. Raises ServerIsAway, with each address and its reason."""
    addresses = [address.strip() for address in settings.kafka.split(",")]
    with ThreadPoolExecutor(len(addresses)) as threads:
        reasons = list(threads.map(_why_not, addresses))
    if all(reasons):
        shown = [address.strip() for address in without_secrets(settings.kafka).split(",")]
        # Fewer: there was a comma in a password.
        raise ServerIsAway(f"Kafka at {'; '.join(f'{at}: {why}' for at, why in zip(shown, reasons, strict=False))}.")


def _why_not(address: str) -> str:
    try:
        parts = urlsplit(f"//{address}")
        socket.create_connection((parts.hostname or "", parts.port or 9092), timeout=CONNECT_WITHIN_FOR).close()
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:
        return str(error)
    return ""
