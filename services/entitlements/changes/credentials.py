"""TLS and SASL for Faust, which speaks to Kafka by aiokafka: librdkafka's properties, as far as aiokafka knows them."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Any, Final

import faust
from aiokafka.abc import AbstractTokenProvider

from entitlements.errors import ServerIsAway, SettingIsWrong
from entitlements.kafka.properties import properties_of

if TYPE_CHECKING:
    from faust.types.auth import CredentialsT

    from entitlements.settings import Settings

_FOLLOWED: Final = frozenset(
    {
        "ssl.ca.location", "ssl.ca.pem", "ssl.certificate.location", "ssl.key.location", "ssl.key.password",
        "ssl.cipher.suites", "ssl.endpoint.identification.algorithm",
        "sasl.mechanism", "sasl.username", "sasl.password",
        "sasl.oauthbearer.method", "sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.client.id",
        "sasl.oauthbearer.client.secret", "sasl.oauthbearer.scope", "sasl.oauthbearer.extensions",
    }
)  # fmt: skip
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
#: A token is fetched anew when this share of its life is over: as librdkafka does.
_RENEW_AFTER: Final = 0.8
#: Seconds for one request, and the life of a token whose answer names none.
_ANSWER_FOR_MAX: Final = 10.0
_LIFE_FOR: Final = 60.0


def credentials_of(settings: Settings) -> CredentialsT | None:
    """What Faust is to show the brokers; None: nothing. Raises SettingIsWrong for what aiokafka cannot do."""
    properties = properties_of(settings)
    protocol = str(properties.get("security.protocol", "PLAINTEXT")).upper()
    if protocol == "PLAINTEXT":
        return None
    for key in properties:
        if key.startswith(("ssl.", "sasl.")) and key not in _FOLLOWED:
            raise SettingIsWrong(f"The process `changes` does not support {key}; see docs/operations.md.")
    context = ssl_context_of(properties) if protocol.endswith("SSL") else None
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    mechanism = str(properties["sasl.mechanism"]).upper()
    if mechanism not in _MECHANISMS:
        raise SettingIsWrong(f"The process `changes` does not support {mechanism}; use {', '.join(_MECHANISMS)}.")
    if mechanism == "OAUTHBEARER":
        return faust.OAuthCredentials(oauth_cb=Tokens(properties), ssl_context=context)
    return faust.SASLCredentials(
        username=properties["sasl.username"],
        password=properties["sasl.password"],
        mechanism=mechanism,
        ssl_context=context,
    )


def ssl_context_of(properties: dict[str, Any]) -> ssl.SSLContext:
    """A context that trusts and shows what librdkafka would. Raises SettingIsWrong."""
    ca = properties.get("ssl.ca.location")
    try:
        context = ssl.create_default_context(cafile=None if ca == "probe" else ca, cadata=properties.get("ssl.ca.pem"))
        if certificate := properties.get("ssl.certificate.location"):
            context.load_cert_chain(
                certificate, properties.get("ssl.key.location"), properties.get("ssl.key.password") or ""
            )
        if ciphers := properties.get("ssl.cipher.suites"):
            context.set_ciphers(ciphers)
    except (OSError, ssl.SSLError) as error:
        raise SettingIsWrong(f"ENTITLEMENTS_KAFKA_SSL_...: the certificates cannot be used: {error}.") from error
    if properties.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    if str(properties.get("enable.ssl.certificate.verification", "true")).lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Tokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types.
    """Fetches bearer tokens by client credentials, and keeps one until most of its life is over.

    Faust's consumer and producer live in different event loops: what is kept is replaced whole, and nobody waits for a lock.
    """

    def __init__(self, properties: dict[str, Any]) -> None:
        import httpx

        self._url = str(properties["sasl.oauthbearer.token.endpoint.url"])
        self._auth = httpx.BasicAuth(
            properties["sasl.oauthbearer.client.id"], properties["sasl.oauthbearer.client.secret"]
        )
        self._form = {"grant_type": "client_credentials"}
        if scope := properties.get("sasl.oauthbearer.scope"):
            self._form["scope"] = scope
        pairs = str(properties.get("sasl.oauthbearer.extensions", "")).split(",")
        self._extensions = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        self._trust = ssl.create_default_context(cafile=properties.get("https.ca.location"))
        self._kept: tuple[str, float] = ("", 0.0)

    async def token(self) -> str:
        """A token that is valid for a while. Raises ServerIsAway."""
        token, until = self._kept
        if time.monotonic() < until:
            return token
        return await asyncio.to_thread(self._fetch)

    def extensions(self) -> dict[str, str]:
        """What is sent beside the token."""
        return self._extensions

    def _fetch(self) -> str:
        import httpx

        began = time.monotonic()
        try:
            answer = httpx.post(
                self._url, data=self._form, auth=self._auth, verify=self._trust, timeout=_ANSWER_FOR_MAX
            ).raise_for_status()
            document = answer.json()
            token, life_for = str(document["access_token"]), float(document.get("expires_in") or _LIFE_FOR)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ServerIsAway(f"No token from {self._url}: {error}") from error
        self._kept = token, began + _RENEW_AFTER * life_for
        return token
