"""OpenFeature's own scenarios, against the running service, in the three ways to decide.

What does not apply: tests/openfeature_scenarios/README.md. Steps about contexts: test_openfeature_contexts.py.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider import ProviderStatus
from pytest_bdd import given, parsers, scenarios, then, when
from tests.openfeature_scenarios import suite
from tests.openfeature_scenarios.relay import Relay
from tests.openfeature_scenarios.world import Recorder, World

from entitlements.local.folder import a_free_port
from entitlements_client import Entitlements, Local

KIND = r"an? (?P<kind>[Bb]oolean|[Ss]tring|[Ii]nteger|[Ff]loat|[Oo]bject)"

pytestmark = pytest.mark.usefixtures("way")

scenarios(*(str(file) for file in suite.FEATURES.glob("*.feature") if file.stem != "contextMerging"))


# --- Providers ---


@given("a stable provider")
def _(world: World, entitlements: dict[str, Entitlements], way: str) -> None:
    world.use(suite.Recording(entitlements[way]))


@given("a not ready provider")
def _(world: World, way: str, request: pytest.FixtureRequest) -> None:
    away = Entitlements(suite.nowhere(a_free_port(except_for=set())), suite.WAYS[way])
    request.addfinalizer(away.close)
    api.set_provider(suite.Recording(away, connect_within=60.0))
    if way != "Local":
        suite.eventually(lambda: world.client.get_provider_status() is ProviderStatus.READY)


@given("a error provider")
def _(way: str, request: pytest.FixtureRequest) -> None:
    away = Entitlements(suite.nowhere(a_free_port(except_for=set())), suite.WAYS[way])
    request.addfinalizer(away.close)
    with suppress(TimeoutError):
        api.set_provider_and_wait(suite.Recording(away, connect_within=0.1))


@given("a stale provider")
def _(world: World, way: str, flags: Any, installation: Any, request: pytest.FixtureRequest) -> None:
    with Relay(installation.settings.api_host, installation.settings.api_port) as relay:
        followed = Local(bound=1.0) if way == "Local" else suite.WAYS[way]
        heard = Entitlements(replace(flags.address, url=relay.url), followed)
        request.addfinalizer(heard.close)
        world.use(suite.Recording(heard))
        suite.eventually(lambda: world.client.get_provider_status() is ProviderStatus.READY)
    if way == "Local":
        suite.eventually(lambda: world.client.get_provider_status() is not ProviderStatus.READY)


# --- What is asked ---


@given(parsers.re(rf'{KIND}-flag with key "(?P<key>.*)" and a fallback value "(?P<default>.*)"'))
def _(world: World, kind: str, key: str, default: str) -> None:
    world.kind, world.key, world.default = kind, key, suite.value_of(kind, default)


@given(parsers.re(r'a context containing a key "(?P<key>.*)", with type "(?P<kind>.*)" and with value "(?P<value>.*)"'))
def _(world: World, key: str, kind: str, value: str) -> None:
    world.context = EvaluationContext(None, {**world.context.attributes, key: suite.value_of(kind, value)})


@given(parsers.parse('a context containing a key "{key}" with null value'))
def _(world: World, key: str) -> None:
    world.context = EvaluationContext(None, {**world.context.attributes, key: None})


@given("an evaluation context with modifiable data")
def _(world: World) -> None:
    world.context = EvaluationContext(None, {"plan": {"seats": [1, 2]}, "email": suite.CUSTOMERS_EMAIL})


@given("a client with added hook")
def _(world: World) -> None:
    world.client.add_hooks([Recorder("client", world.calls)])


@given("evaluation options containing specific hooks")
def _(world: World) -> None:
    world.options.hooks += [Recorder(name, world.calls) for name in ("first", "second")]


@when("the flag was evaluated with details")
@when("the flag was evaluated with details using the evaluation options")
def _(world: World) -> None:
    world.details = world.evaluate()


@when("the flag was evaluated with details asynchronously")
def _(world: World) -> None:
    world.evaluate_beside_a_loop()


# --- What comes out ---


@then(parsers.re('the resolved details value should be "(?P<value>.*)"'))
def _(world: World, value: str) -> None:
    expected = suite.value_of(world.kind, value)
    assert (world.details.value, type(world.details.value)) == (expected, type(expected))


@then(parsers.re('the (?P<what>reason|variant) should be "(?P<word>.*)"'))
def _(world: World, what: str, word: str) -> None:
    assert getattr(world.details, what) == world.words.get(word, word)


@then(parsers.parse('the error-code should be "{code}"'))
def _(world: World, code: str) -> None:
    assert world.details.error_code == code


@then(parsers.parse('the flag key should be "{key}"'))
def _(world: World, key: str) -> None:
    assert world.details.flag_key == key


@then("the resolved metadata is empty")
def _(world: World) -> None:
    assert not world.details.flag_metadata


@then(parsers.parse('the provider status should be "{status}"'))
def _(world: World, status: str) -> None:
    assert world.client.get_provider_status().name == status


@then("the evaluation should complete without blocking")
def _(world: World) -> None:
    assert world.provider.went_on


@then("the original evaluation context should remain unmodified")
def _(world: World) -> None:
    assert world.context.attributes == {"plan": {"seats": [1, 2]}, "email": suite.CUSTOMERS_EMAIL}


@then("the evaluation details should be immutable")
def _(world: World) -> None:
    with pytest.raises(TypeError):
        world.details.flag_metadata["source"] = "another"
    assert world.details.flag_metadata["source"]


# --- Hooks ---


@then(parsers.re('the "(?P<stages>.*)" hooks? should (have been executed|be called with evaluation details)'))
def _(world: World, stages: str, datatable: Any = None) -> None:
    rows = [] if datatable is None else datatable[1:]
    for stage in stages.split(", "):
        found = [what for _, at, what in world.calls if at == stage]
        assert len(found) == 1, stage
        for kind, name, value in rows:
            expected = None if value == "null" else suite.value_of(kind, world.words.get(value, value))
            assert getattr(found[0], name) == expected, name


@then("the specified hooks should execute during evaluation")
def _(world: World) -> None:
    assert {name for name, _, _ in world.calls} == {"first", "second"}


@then("the hook order should be maintained")
def _(world: World) -> None:
    order = [(name, stage) for name, stage, _ in world.calls]
    there, back = ("first", "second"), ("second", "first")
    assert order == [
        (name, stage) for stage, names in (("before", there), ("after", back), ("finally", back)) for name in names
    ]


# --- The first suite for evaluations, which its authors keep for older SDKs ---


@when(
    parsers.re(
        rf'{KIND} flag with key "(?P<key>.*)" is evaluated with (details and )?default value "?(?P<default>[^"]*)"?'
    )
)
@when(
    parsers.re(
        r'a non-existent (?P<kind>string) flag with key "(?P<key>.*)" is evaluated with details and a fallback value "(?P<default>.*)"'
    )
)
@when(
    parsers.re(
        r'a string flag with key "(?P<key>.*)" is evaluated as an (?P<kind>integer), with details and a fallback value (?P<default>\d+)'
    )
)
def _(world: World, kind: str, key: str, default: str) -> None:
    world.kind, world.key, world.default = kind, key, suite.value_of(kind, default)
    world.details = world.evaluate()


@then(parsers.re(r'the resolved \w+ value should be "?(?P<value>[^",]*)"?'))
def _(world: World, value: str) -> None:
    assert world.details.value == suite.value_of(world.kind, value)


@then(
    parsers.re(
        r'the resolved \w+ details value should be "?(?P<value>\w+)"?, the variant should be "(?P<variant>.*)", and the reason should be "(?P<reason>.*)"'
    )
)
def _(world: World, value: str, variant: str, reason: str) -> None:
    assert world.details.value == suite.value_of(world.kind, value)
    assert (world.details.variant, world.details.reason) == (world.words[variant], world.words[reason])


@then(parsers.re(r"the default \w+ value should be returned"))
def _(world: World) -> None:
    assert world.details.value == world.default


@then(parsers.re(r'the reason should indicate an error and the error code should indicate .* with "(?P<code>.*)"'))
def _(world: World, code: str) -> None:
    assert (world.details.reason, world.details.error_code) == ("ERROR", code)


# --- Ours ---


def test_the_condition_on_the_context_is_what_decides(
    world: World, entitlements: dict[str, Entitlements], way: str
) -> None:
    """The suite asks for the same value with and without the match."""
    world.use(suite.Recording(entitlements[way]))
    asked = [EvaluationContext(None, {"email": email}) for email in (suite.CUSTOMERS_EMAIL, "ballmer@none.com")]
    found = [world.client.get_boolean_value("boolean-targeted-zero-flag", False, each) for each in asked]
    assert found == [True, False]


def test_a_date_in_the_context_is_understood(world: World, entitlements: dict[str, Entitlements], way: str) -> None:
    world.use(suite.Recording(entitlements[way]))
    signed_up = datetime(2026, 6, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    asked = EvaluationContext(None, {"signed_up": signed_up, "orders": [{"at": signed_up.replace(tzinfo=None)}]})
    found = world.client.get_boolean_details("boolean-flag", False, asked)
    assert (found.value, found.error_code) == (True, None)
