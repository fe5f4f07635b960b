"""A Kafka that demands TLS and SASL, with its own certificate authority, users, and an identity provider for tokens."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, ClassVar

import jwt
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from entitlements.local import LocalKafka
from entitlements.local.folder import HOST, a_free_port

USER, PASSWORD = "app", 'p=ss, "word"'
CLIENT_ID, CLIENT_SECRET, AUDIENCE = "entitlements", "s3cret", "kafka"
#: Seconds of a token's life.
LIFE_FOR = 300
_SASL = "org.apache.kafka.common.security"


@dataclass
class SecureKafka:
    """A running broker. address: of the listener that demands SASL_SSL. client_file: a client's key and certificate."""

    broker: LocalKafka
    address: str
    mutual_address: str
    """Of the listener that demands a client's certificate."""
    ca_file: Path
    client_file: Path
    password_file: Path
    tokens: Tokens

    def settings(self, mechanism: str) -> dict[str, Any]:
        """What Settings need to reach it by a mechanism."""
        common = {
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": mechanism,
            "kafka_ssl_ca_file": self.ca_file,
        }
        if mechanism == "OAUTHBEARER":
            return common | {
                "kafka_oauth_token_url": self.tokens.url,
                "kafka_oauth_client_id": CLIENT_ID,
                "kafka_oauth_client_secret": CLIENT_SECRET,
            }
        return common | {"kafka_sasl_username": USER, "kafka_sasl_password_file": self.password_file}


@dataclass
class Tokens:
    """An identity provider: its token endpoint, its key, and how often it was asked."""

    url: str = ""
    asked: int = 0
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def jwks(self) -> str:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return json.dumps({"keys": [public | {"kid": "1", "alg": "RS256", "use": "sig"}]})

    def token(self) -> str:
        now = int(time.time())
        claims = {"sub": USER, "aud": AUDIENCE, "iss": "tests", "iat": now, "exp": now + LIFE_FOR, "scope": "kafka"}
        return jwt.encode(claims, self.key, "RS256", headers={"kid": "1"})


@contextmanager
def a_secure_kafka(folder: Path) -> Iterator[SecureKafka]:
    folder.mkdir(parents=True, exist_ok=True)
    ca_file, keystore, password_file = folder / "ca.pem", folder / "broker.pem", folder / "password"
    write_certificates(ca_file, keystore)
    password_file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    with _provider() as tokens:
        (folder / "jwks.json").write_text(tokens.jwks())
        port = a_free_port(except_for=set())
        mutual = a_free_port(except_for={port})
        broker = LocalKafka(
            folder / "kafka",
            more_listeners={"SECURE": (port, "SASL_SSL"), "MUTUAL": (mutual, "SSL")},
            settings=_demands(keystore, folder / "jwks.json") | _demands_certificates(keystore, ca_file),
            jvm_flags=(f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://{folder / 'jwks.json'}",),
        )
        with broker:
            _add_scram_user(broker)
            yield SecureKafka(broker, f"{HOST}:{port}", f"{HOST}:{mutual}", ca_file, keystore, password_file, tokens)


def _demands(keystore: Path, jwks: Path) -> dict[str, object]:
    quoted = PASSWORD.replace('"', '\\"')
    own = {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        "plain.sasl.jaas.config": f'{_SASL}.plain.PlainLoginModule required user_{USER}="{quoted}";',
        "scram-sha-256.sasl.jaas.config": f"{_SASL}.scram.ScramLoginModule required;",
        "scram-sha-512.sasl.jaas.config": f"{_SASL}.scram.ScramLoginModule required;",
        "oauthbearer.sasl.jaas.config": f"{_SASL}.oauthbearer.OAuthBearerLoginModule required;",
        "oauthbearer.sasl.server.callback.handler.class": f"{_SASL}.oauthbearer.OAuthBearerValidatorCallbackHandler",
        "oauthbearer.sasl.oauthbearer.jwks.endpoint.url": f"file://{jwks}",
        "oauthbearer.sasl.oauthbearer.expected.audience": AUDIENCE,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": keystore,
    }
    return {f"listener.name.secure.{key}": value for key, value in own.items()}


def _demands_certificates(keystore: Path, ca_file: Path) -> dict[str, object]:
    own = {
        "client.auth": "required",
        "keystore.type": "PEM",
        "keystore.location": keystore,
        "truststore.type": "PEM",
        "truststore.location": ca_file,
    }
    return {f"listener.name.mutual.ssl.{key}": value for key, value in own.items()}


def _add_scram_user(broker: LocalKafka) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):  # One request cannot have both.
        info = ScramCredentialInfo(mechanism, 4096)
        for done in admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(USER, info, PASSWORD.encode())]
        ).values():
            done.result(15)


def write_certificates(ca_file: Path, keystore: Path) -> None:
    """An authority's certificate, and the key and certificate of a server at HOST that it signed."""
    authority, key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests")])
    ca_file.write_bytes(
        _certificate(issuer, issuer, authority, authority, x509.BasicConstraints(ca=True, path_length=0))
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    certificate = _certificate(subject, issuer, key, authority, names)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    keystore.write_bytes(private + certificate)


def _certificate(subject: Any, issuer: Any, key: Any, signed_by: Any, extension: x509.ExtensionType) -> bytes:
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signed_by.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return built.sign(signed_by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@contextmanager
def _provider() -> Iterator[Tokens]:
    made = Tokens()

    class Handler(BaseHTTPRequestHandler):
        tokens: ClassVar[Tokens] = made

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            scheme, _, given = self.headers.get("authorization", "").partition(" ")
            known = base64.b64decode(given).decode() == f"{CLIENT_ID}:{CLIENT_SECRET}" and scheme == "Basic"
            self.tokens.asked += 1
            good = {"access_token": made.token(), "token_type": "Bearer", "expires_in": LIFE_FOR}
            body = json.dumps(good if known else {"error": "invalid_client"}).encode()
            self.send_response(200 if known else 401)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        made.url = f"http://{HOST}:{server.server_address[1]}/token"
        try:
            yield made
        finally:
            server.shutdown()
