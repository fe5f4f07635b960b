"""The provider behind the real OpenFeature SDK: values, reasons, errors, and events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from scripted import NO_POLICIES, Asked, Reply, Script, ScriptedService, eventually, feature, quota, view

from entitlements_client import Cached, Entitlements, FailClosed, FailOpen, Grace, Local, Remote
from entitlements_client.asking.failing import FailureMode
from entitlements_client.asking.ways import Way
from entitlements_client.deciding import CustomerView, PolicySet, Request, decide
from entitlements_client.openfeature import WITHOUT_END, EntitlementsProvider

Serve = Callable[[Script], ScriptedService]
ACME = EvaluationContext("acme")
#: What is defined: acme has neither premium nor credits.
KEYS = {"sso": "boolean", "premium": "boolean", "api_calls": "integer", "seats": "integer", "credits": "integer"}
HAS = {"sso": feature(), "api_calls": quota(7), "seats": quota(1) | {"remaining": None, "limit": None}}


def answered(body: dict[str, Any]) -> dict[str, Any]:
    """What the service answers to a question: by the client's own rules, which are the service's."""
    policies = PolicySet.compile(NO_POLICIES | {"keys": KEYS})
    found = decide(CustomerView.from_document(view(**HAS)), policies, Request.from_document(body), time.time())
    return found.to_document() | {"source": "SERVICE"}


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
        if asked.path == "/v1/policy-set":
            return 200, NO_POLICIES | {"keys": KEYS}
        if asked.path == "/v1/check":
            return 200, answered(asked.body)
        return 200, view(**HAS)

    return serve(script)


@pytest.fixture(params=[Remote(), Cached()], ids=["remote", "cached"])
def client(server: ScriptedService, request: pytest.FixtureRequest) -> Iterator[Any]:
    with Entitlements(server.service(), request.param) as entitlements:
        api.set_provider_and_wait(EntitlementsProvider(entitlements))
        yield api.get_client()
        api.clear_providers()


def test_a_feature_is_a_boolean_with_a_real_reason(client: Any) -> None:
    found = client.get_boolean_details("sso", False, ACME)
    assert (found.value, found.variant, found.error_code) == (True, "allowed", None)
    source = found.flag_metadata["source"]
    assert (source, found.reason) in {("CACHED", Reason.CACHED), ("SERVICE", Reason.TARGETING_MATCH)}
    assert found.flag_metadata["as_of"] == "0:10"
    assert client.get_boolean_details("premium", True, ACME).value is False


def test_a_boolean_can_ask_for_a_quantity(client: Any) -> None:
    asked = [EvaluationContext("acme", {"quantity": quantity}) for quantity in (7, 8)]
    found = [client.get_boolean_details("api_calls", False, context) for context in asked]
    assert [(each.value, each.variant) for each in found] == [(True, "allowed"), (False, "quota_exceeded")]


def test_what_is_left_is_an_integer(client: Any) -> None:
    assert client.get_integer_value("api_calls", -1, ACME) == 7
    assert client.get_integer_value("seats", -1, ACME) == WITHOUT_END
    assert client.get_integer_details("credits", -1, ACME).value == 0, "it is defined, and acme has none"


def test_what_is_left_is_a_number_also_where_it_is_asked_for_as_a_float(client: Any) -> None:
    found = client.get_float_details("api_calls", -0.5, ACME)
    assert (found.value, type(found.value), found.error_code) == (7.0, float, None)


def test_the_whole_decision_is_an_object(client: Any) -> None:
    found = client.get_object_value("api_calls", {}, ACME)
    assert (found["allowed"], found["remaining"], found["reason_code"]) == (True, 7, "allowed")


def deep(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = {"in": [found]}
    return found


RECURSIVE: dict[str, Any] = {}
RECURSIVE["again"] = [RECURSIVE, RECURSIVE]
DEFAULT: dict[str, Any] = {"default": True}
INVALID = ErrorCode.INVALID_CONTEXT
#: More than is left, were it understood: dropped it would be answered true.
WRONG: list[dict[str, Any]] = [
    {"quantity": "8"}, {"quantity": 8.0}, {"quantity": True}, {"quantity": [8]}, {"quantity": {"of": 8}},
    {"quantity": datetime(2026, 1, 1, tzinfo=UTC)}, {"quantity": 0}, {"quantity": -1}, {"quantity": 2**53 + 1},
    {"of": RECURSIVE}, {"of": deep(3_000)}, {"of": [1] * 1_001}, {"of": b"bytes"}, {"of": {1, 2}}, {"of": object()},
    {"subject_id": 5}, {"subject_id": 0}, {"action": ["export"]}, {"ip_address": 167772161}, {"request_id": 17},
]  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda c: c.get_integer_details("sso", -1, ACME), ErrorCode.TYPE_MISMATCH),
        (lambda c: c.get_integer_details("premium", -1, ACME), ErrorCode.TYPE_MISMATCH),
        (lambda c: c.get_integer_details("nothing", -1, ACME), ErrorCode.FLAG_NOT_FOUND),
        (lambda c: c.get_boolean_details("nothing", True, ACME), ErrorCode.FLAG_NOT_FOUND),
        (lambda c: c.get_string_details("nothing", "x", ACME), ErrorCode.FLAG_NOT_FOUND),
        (lambda c: c.get_float_details("nothing", 0.5, ACME), ErrorCode.FLAG_NOT_FOUND),
        (lambda c: c.get_object_details("nothing", DEFAULT, ACME), ErrorCode.FLAG_NOT_FOUND),
        (lambda c: c.get_string_details("api_calls", "x", ACME), ErrorCode.TYPE_MISMATCH),
        *[
            (lambda c, said=said: c.get_boolean_details("api_calls", True, EvaluationContext("acme", said)), INVALID)
            for said in WRONG
        ],
        (lambda c: c.get_string_details("sso", "x", ACME), ErrorCode.TYPE_MISMATCH),
        (lambda c: c.get_float_details("sso", 0.5, ACME), ErrorCode.TYPE_MISMATCH),
        (lambda c: c.get_boolean_details("sso", True, EvaluationContext()), ErrorCode.TARGETING_KEY_MISSING),
        (lambda c: c.get_boolean_details("sso", True, EvaluationContext("")), ErrorCode.TARGETING_KEY_MISSING),
        (lambda c: c.get_boolean_details("sso", True, EvaluationContext(cast(str, 17))), INVALID),
    ],
)
def test_what_cannot_be_answered_is_the_default_with_an_error_code(
    client: Any, ask: Any, code: ErrorCode, caplog: pytest.LogCaptureFixture
) -> None:
    found = ask(client)
    assert (found.error_code, found.reason) == (code, Reason.ERROR)
    assert [record for record in caplog.records if record.exc_info] == []
    assert found.value in (-1, "x", 0.5, True, DEFAULT)


def test_a_closed_client_is_no_provider_any_more(server: ScriptedService) -> None:
    entitlements = Entitlements(server.service(), Cached())
    api.set_provider_and_wait(EntitlementsProvider(entitlements))
    client = api.get_client()
    assert client.get_boolean_details("sso", False, ACME).value is True
    entitlements.close()
    found = client.get_boolean_details("sso", False, ACME)
    assert (found.value, found.error_code) == (False, ErrorCode.PROVIDER_NOT_READY)
    api.clear_providers()


def test_dates_in_the_context_are_texts_of_metadata_in_every_way_to_decide(
    client: Any, server: ScriptedService
) -> None:
    noon = datetime(2026, 6, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    said = {"signed_up": noon, "order": {"dates": [noon], "total": 1.5}, "naive": noon.replace(tzinfo=None)}
    found = client.get_boolean_details("sso", False, EvaluationContext("acme", said))
    assert (found.value, found.error_code) == (True, None)
    asked = [one.body["context"]["metadata"] for one in server.asked if one.path == "/v1/check"]
    assert all(
        metadata
        == {
            "signed_up": "2026-06-01T12:00:00Z",
            "order": {"dates": ["2026-06-01T12:00:00Z"], "total": 1.5},
            "naive": "2026-06-01T14:00:00",
        }
        for metadata in asked
    )


@pytest.mark.parametrize("way", [Remote(), Cached(), Local()], ids=["remote", "cached", "local"])
@pytest.mark.parametrize(
    ("mode", "value", "code"),
    [(FailOpen(), True, None), (FailClosed(), False, None), (Grace(60), None, ErrorCode.GENERAL)],
)
def test_away_is_an_error_unless_somebody_chose_what_it_means(
    serve: Serve, way: Way, mode: FailureMode, value: Any, code: ErrorCode | None
) -> None:
    service = serve(lambda _: None).service(read_within=0.05)
    with Entitlements(service, way, otherwise=mode) as entitlements:
        provider = EntitlementsProvider(entitlements)
        for default in (True, False):
            found = provider.resolve_boolean_details("sso", default, ACME)
            assert (found.value, found.error_code) == (default if value is None else value, code)
        others: list[Any] = [
            provider.resolve_integer_details("api_calls", -1, ACME),
            provider.resolve_float_details("api_calls", -1.0, ACME),
            provider.resolve_string_details("api_calls", "x", ACME),
            provider.resolve_object_details("api_calls", DEFAULT, ACME),
        ]
        assert [(each.value, each.error_code) for each in others] == [
            (default, ErrorCode.GENERAL) for default in (-1, -1.0, "x", DEFAULT)
        ]


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
