"""The tables of tests/openfeature_scenarios/README.md against the files: what runs, and with which words."""

from __future__ import annotations

import pytest
from tests.openfeature_scenarios import suite


@pytest.fixture(params=suite.WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_table_names_scenarios_that_there_are_and_each_once(way: str) -> None:
    everything = list(suite.every_example())
    assert len(everything) == sum(suite.how_many_in(file) for file in suite.FEATURES.glob("*.feature")) == 132
    for listed in suite.NOT_APPLICABLE:
        assert listed.reason
        assert set(listed.ways) <= set(suite.WAYS)
        assert any(listed.covers(*case, listed.ways[0] if listed.ways else way) for case in everything), listed
    for case in everything:
        assert sum(listed.covers(*case, way) for listed in suite.NOT_APPLICABLE) <= 1, case


def test_the_table_of_words_names_words_of_the_files() -> None:
    text = "".join(file.read_text() for file in suite.FEATURES.glob("*.feature"))
    assert all(f'"{word}"' in text or f"| {word} " in text for word in suite.WORDS["Remote"])


def test_most_scenarios_apply(way: str) -> None:
    applying = [c for c in suite.every_example() if not any(each.covers(*c, way) for each in suite.NOT_APPLICABLE)]
    assert len(applying) >= 66
