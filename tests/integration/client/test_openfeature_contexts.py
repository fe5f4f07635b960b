"""OpenFeature's scenarios of contexts: what is set at each level reaches our provider, and the nearest level wins."""

from __future__ import annotations

import pytest
from pytest_bdd import given, parsers, scenarios, then, when
from tests.openfeature_scenarios import suite
from tests.openfeature_scenarios.world import World

from entitlements_client import Entitlements

pytestmark = pytest.mark.usefixtures("way")

scenarios(str(suite.FEATURES / "contextMerging.feature"))


@given("a stable provider with retrievable context is registered")
def _(world: World, entitlements: dict[str, Entitlements], way: str) -> None:
    world.use(suite.Recording(entitlements[way]))


@given(parsers.parse('A context entry with key "{key}" and value "{value}" is added to the "{level}" level'))
def _(world: World, key: str, value: str, level: str) -> None:
    world.add(level, key, value)


@given("A table with levels of increasing precedence", target_fixture="levels")
def _(datatable: list[list[str]]) -> list[str]:
    return [level for (level,) in datatable]


@given(
    parsers.re(
        'Context entries for each level from API level down to the "(?P<last>.*)" level, with key "(?P<key>.*)" and value .*'
    )
)
def _(world: World, levels: list[str], last: str, key: str) -> None:
    for level in levels[: levels.index(last) + 1]:
        world.add(level, key, level)


@when("Some flag was evaluated")
def _(world: World) -> None:
    world.kind, world.key, world.default = "boolean", "boolean-flag", False
    assert world.evaluate().value is True


@then(parsers.parse('The merged context contains an entry with key "{key}" and value "{value}"'))
def _(world: World, key: str, value: str) -> None:
    assert world.provider.context.attributes[key] == value
