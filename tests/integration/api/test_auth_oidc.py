"""Bearer tokens of a real issuer: RSA and elliptic keys, and an HTTP server that tells them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from entitlements.api.auth import BearerTokens, SigningKeys, oidc, signing
from entitlements.api.identity import Identity, Unauthenticated
from entitlements.errors import ServerIsAway
from entitlements.settings import Settings

RSA_KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)
CURVE = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()


def public(key_id: str, key: Any, **more: Any) -> dict[str, Any]:
    algorithms: dict[type, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm = next((a for kind, a in algorithms.items() if isinstance(key, kind)), OKPAlgorithm)
    return algorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "use": "sig"} | more


class Issuer:
    """Tells its keys over HTTP, counts how often, and hangs or fails when told so."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [public("first", RSA_KEYS[0])]
        self.asked = 0
        self.hangs_for = 0.0
        self.status = 200
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                time.sleep(issuer.hangs_for)
                known = {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"},
                    "/keys": {"keys": issuer.keys},
                }
                body = json.dumps(known[self.path]).encode()
                self.send_response(issuer.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def token(
        self, key: Any = RSA_KEYS[0], *, kid: str | None = "first", algorithm: str = "RS256", **claims: Any
    ) -> str:
        told = {
            "iss": self.url,
            "aud": "entitlements",
            "sub": "alice",
            "exp": time.time() + 600,
            "organization_id": "acme",
            "scope": "openid entitlements:read entitlements:use email",
        } | claims
        told = {name: value for name, value in told.items() if value is not None}
        return "Bearer " + jwt.encode(told, key, algorithm=algorithm, headers={} if kid is None else {"kid": kid})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with closing(Issuer()) as issuer:
        yield issuer


class Clock:
    def __init__(self) -> None:
        self.ahead_for = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_for


@pytest.fixture
def clock() -> Clock:
    return Clock()


def who(issuer: Issuer, clock: Clock | None = None, **settings: Any) -> BearerTokens:
    wanted = Settings(oidc_issuer=issuer.url, **settings)
    keys = SigningKeys(issuer.url, monotonic=(clock or Clock()).monotonic)
    return BearerTokens(keys, wanted)


def refused(tokens: BearerTokens, token: str) -> None:
    with pytest.raises((Unauthenticated, ServerIsAway)):
        tokens.identify(token)


def test_a_token_of_the_issuer_says_who_asks_for_which_organization_and_what_they_may(issuer: Issuer) -> None:
    identity = who(issuer).identify(issuer.token())
    assert isinstance(identity, Identity)
    assert (identity.organization_id, identity.actor, identity.scopes) == ("acme", "alice", {"read", "use"})


def test_claims_are_found_where_the_settings_say(issuer: Issuer) -> None:
    nested = who(issuer, oidc_organization_claim="org.id", oidc_scope_claim="roles", oidc_scope_prefix="")
    assert nested.identify(issuer.token(org={"id": "o2"}, roles=["audit", "root"])).scopes == {"audit"}
    named_by_url = who(issuer, oidc_organization_claim="https://acme.example/org")
    assert named_by_url.identify(issuer.token(**{"https://acme.example/org": "o3"})).organization_id == "o3"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1_000_000},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"sub": None},
        {"sub": "s" * 129},
        {"organization_id": None},
        {"organization_id": ""},
        {"organization_id": ["acme"]},
        {"exp": "soon"},
    ],
)
def test_a_token_that_lacks_anything_says_nothing(issuer: Issuer, claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        who(issuer).identify(issuer.token(**claims))


def test_a_clock_may_differ_a_little(issuer: Issuer) -> None:
    tokens = who(issuer)
    tokens.identify(issuer.token(exp=time.time() - oidc.LEEWAY_FOR + 10))
    tokens.identify(issuer.token(exp=10**400))  # Whatever the issuer thinks of it.
    with pytest.raises(Unauthenticated):
        tokens.identify(issuer.token(exp=time.time() - oidc.LEEWAY_FOR - 1))


def test_keys_of_other_kinds_sign_too(issuer: Issuer) -> None:
    issuer.keys += [public("curve", CURVE), public("edwards", EDWARDS)]
    tokens = who(issuer)
    assert tokens.identify(issuer.token(CURVE, kid="curve", algorithm="ES256")).actor == "alice"
    assert tokens.identify(issuer.token(EDWARDS, kid="edwards", algorithm="EdDSA")).actor == "alice"
    assert tokens.identify(issuer.token(algorithm="PS256")).actor == "alice"


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits")
def test_nothing_but_a_signature_by_a_known_key_of_its_own_kind_counts(issuer: Issuer) -> None:
    tokens = who(issuer)
    secret = "public keys are no secrets, and so no secrets are public keys"
    issuer.keys += [
        {"kty": "oct", "kid": "shared", "k": "cHVibGlj" * 8, "alg": "HS256"},
        public("weak", WEAK),
        public("encrypts", RSA_KEYS[1], use="enc"),
        public("one", RSA_KEYS[1], alg="RS512"),
    ]
    forged = [
        issuer.token(RSA_KEYS[1]),
        issuer.token(secret, algorithm="HS256"),
        issuer.token(secret, kid="shared", algorithm="HS256"),
        issuer.token(None, algorithm="none"),
        issuer.token(WEAK, kid="weak"),
        issuer.token(RSA_KEYS[1], kid="encrypts"),
        issuer.token(RSA_KEYS[1], kid="one", algorithm="RS256"),
        issuer.token(CURVE, algorithm="ES256"),
        issuer.token()[:-4] + "AAAA",
        "Bearer e30.e30.",
        "Bearer " + "a" * 100_000,
    ]
    for token in forged:
        refused(tokens, token)
    assert tokens.identify(issuer.token(RSA_KEYS[1], kid="one", algorithm="RS512")).actor == "alice"


def test_a_token_without_the_name_of_its_key_is_proven_by_the_only_one(issuer: Issuer) -> None:
    assert who(issuer).identify(issuer.token(kid=None)).actor == "alice"


def test_keys_are_fetched_once_for_many_tokens_and_a_token_is_proven_once(issuer: Issuer) -> None:
    tokens = who(issuer)
    for number in range(20):
        tokens.identify(issuer.token(jti=str(number)))
    assert issuer.asked == 2  # Where the keys are, and the keys.
    token = issuer.token()
    tokens.identify(token)
    del tokens._keys  # Whoever proved it again would need them.
    assert tokens.known(token) == tokens.identify(token)


def test_a_new_key_of_the_issuer_is_found_when_its_first_token_comes(issuer: Issuer, clock: Clock) -> None:
    tokens = who(issuer, clock)
    tokens.identify(issuer.token())
    issuer.keys = [public("second", RSA_KEYS[1])]
    clock.ahead_for += signing.LOOK_AGAIN_AFTER_FOR
    assert tokens.identify(issuer.token(RSA_KEYS[1], kid="second")).actor == "alice"
    with pytest.raises(Unauthenticated):
        tokens.identify(issuer.token(jti="signed by a key that was withdrawn"))


def test_tokens_by_unknown_keys_do_not_make_us_ask_the_issuer_again_and_again(issuer: Issuer) -> None:
    tokens = who(issuer)
    tokens.identify(issuer.token())
    for number in range(50):
        with pytest.raises(Unauthenticated):
            tokens.identify(issuer.token(RSA_KEYS[1], kid=f"made-up-{number}"))
    assert issuer.asked == 2


def test_an_issuer_that_hangs_or_fails_holds_up_nobody_whose_key_is_known(
    issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "ANSWER_WITHIN_FOR", 20.0)
    tokens = who(issuer, clock)
    tokens.identify(issuer.token())
    issuer.hangs_for, issuer.status = 4.0, 500
    clock.ahead_for += signing.FETCH_AGAIN_AFTER_FOR + 1
    token = issuer.token(kid="unknown")
    stranger = threading.Thread(target=refused, args=(tokens, token))
    stranger.start()
    began = time.monotonic()
    for number in range(20):
        assert tokens.identify(issuer.token(jti=str(number))).actor == "alice"
    assert time.monotonic() - began < 3.5
    stranger.join()


def test_an_issuer_that_was_never_heard_is_our_fault_not_the_callers(issuer: Issuer) -> None:
    issuer.status = 500
    tokens = who(issuer)
    for _ in range(2):
        with pytest.raises(ServerIsAway):
            tokens.identify(issuer.token())
    assert issuer.asked == 1  # The second is not tried: the first failed just now.
