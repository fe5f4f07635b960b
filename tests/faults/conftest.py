"""A broker that tests may stop, kill and look into: the shared one belongs to everybody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from entitlements.local import LocalKafka


@pytest.fixture(scope="session")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker of our own in a folder of our own. Whoever stops it restarts it."""
    folder: Path = tmp_path_factory.mktemp("kafka")
    with LocalKafka(folder, fast=True) as broker:
        yield broker
