"""The provider behind the real OpenFeature SDK: values, reasons, errors, and events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from scripted import NO_POLICIES, Asked, Reply, Script, ScriptedService, eventually, feature, quota, view

from entitlements_client import Cached, Entitlements, FailOpen, Local, Remote
from entitlements_client.openfeature import WITHOUT_END, EntitlementsProvider

Serve = Callable[[Script], ScriptedService]
ACME = EvaluationContext("acme")


class Feed:
    """A stream of changes that tells what it is given."""

    def __init__(self) -> None:
        self.more, self.is_cut = threading.Condition(), False
        self.lines: list[str] = ["id: c0:1\nevent: hello\ndata: {}\n\n"]

    def tell(self, text: str) -> None:
        with self.more:
            self.lines.append(text)
            self.more.notify_all()

    def __call__(self) -> Iterator[str]:
        place = 0
        while not self.is_cut:
            with self.more:
                self.more.wait_for(lambda place=place: len(self.lines) > place, 0.1)
                fresh, place = self.lines[place:], len(self.lines)
            yield from fresh or [": alive\n\n"]


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def server(serve: Serve, feed: Feed) -> ScriptedService:
    def script(asked: Asked) -> Reply | None:
        if asked.path.startswith("/v1/changes"):
            return None if feed.is_cut else (200, feed)
        if asked.path == "/v1/policies":
            return 200, NO_POLICIES
        return 200, view(sso=feature(), api_calls=quota(7), seats=quota(1) | {"remaining": None, "limit": None})

    return serve(script)


@pytest.fixture
def client(server: ScriptedService) -> Iterator[Any]:
    with Entitlements(server.service(), Cached()) as entitlements:
        api.set_provider_and_wait(EntitlementsProvider(entitlements))
        yield api.get_client()
        api.clear_providers()


def test_a_feature_is_a_boolean_with_a_real_reason(client: Any) -> None:
    found = client.get_boolean_details("sso", False, ACME)
    assert (found.value, found.reason, found.variant, found.error_code) == (True, Reason.CACHED, "allowed", None)
    assert found.flag_metadata["source"] == "CACHED"
    assert found.flag_metadata["as_of"] == "0:10"
    assert client.get_boolean_details("premium", True, ACME).value is False


def test_a_boolean_can_ask_for_a_quantity(client: Any) -> None:
    asked = [EvaluationContext("acme", {"quantity": quantity}) for quantity in (7, 8)]
    found = [client.get_boolean_details("api_calls", False, context) for context in asked]
    assert [(each.value, each.variant) for each in found] == [(True, "allowed"), (False, "quota_exceeded")]


def test_what_is_left_is_an_integer(client: Any) -> None:
    assert client.get_integer_value("api_calls", -1, ACME) == 7
    assert client.get_integer_value("seats", -1, ACME) == WITHOUT_END


def test_the_whole_decision_is_an_object(client: Any) -> None:
    found = client.get_object_value("api_calls", {}, ACME)
    assert (found["allowed"], found["remaining"], found["reason_code"]) == (True, 7, "allowed")


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda c: c.get_integer_details("sso", -1, ACME), ErrorCode.TYPE_MISMATCH),
        (lambda c: c.get_integer_details("nothing", -1, ACME), ErrorCode.FLAG_NOT_FOUND),
        (lambda c: c.get_string_details("sso", "x", ACME), ErrorCode.TYPE_MISMATCH),
        (lambda c: c.get_float_details("sso", 0.5, ACME), ErrorCode.TYPE_MISMATCH),
        (lambda c: c.get_boolean_details("sso", True, EvaluationContext()), ErrorCode.TARGETING_KEY_MISSING),
    ],
)
def test_what_cannot_be_answered_is_the_default_with_an_error_code(client: Any, ask: Any, code: ErrorCode) -> None:
    found = ask(client)
    assert (found.error_code, found.reason) == (code, Reason.ERROR)
    assert found.value in {-1, "x", 0.5, True}


def test_what_the_failure_mode_answers_is_said_to_be_a_default(serve: Serve) -> None:
    service = serve(lambda _: None).service(read_within=0.1)
    with Entitlements(service, Remote(), otherwise=FailOpen()) as entitlements:
        provider = EntitlementsProvider(entitlements)
        found = provider.resolve_boolean_details("sso", False, ACME)
        assert (found.value, found.reason, found.variant) == (True, Reason.DEFAULT, "failed_open")


def test_changes_are_told_and_so_is_silence(server: ScriptedService, feed: Feed) -> None:
    told: list[Any] = []
    names: list[ProviderEvent] = []
    for event in ProviderEvent:
        api.add_handler(event, lambda details, event=event: (told.append(details), names.append(event)))
    with Entitlements(server.service(), Local(bound=1.0)) as entitlements:
        try:
            api.set_provider_and_wait(EntitlementsProvider(entitlements))
            assert ProviderEvent.PROVIDER_READY in names
            assert api.get_client().get_boolean_value("sso", False, ACME) is True
            feed.tell(
                'id: c0:2\nevent: change\ndata: {"type": "entitlement.revoked", "customer_id": "acme", "resource_key": "sso",'
                ' "pool_id": "pool", "position": "0:11"}\n\n'
            )
            eventually(lambda: ProviderEvent.PROVIDER_CONFIGURATION_CHANGED in names)
            change = told[names.index(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)]
            assert change.flags_changed == ["sso"]
            assert api.get_client().get_boolean_value("sso", True, ACME) is False
            feed.is_cut = True
            eventually(lambda: ProviderEvent.PROVIDER_STALE in names)
            assert api.get_client().get_boolean_details("api_calls", False, ACME).reason in {
                Reason.STALE,
                Reason.CACHED,
            }
            feed.is_cut = False
            silent = names.index(ProviderEvent.PROVIDER_STALE)
            eventually(lambda: ProviderEvent.PROVIDER_READY in names[silent:])
        finally:
            api.clear_providers()
