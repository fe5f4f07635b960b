"""The API as a process: what it writes, and when it does not start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

from entitlements import testing
from entitlements.wiring import addresses


def ended(service: Any, status: int, **settings: Any) -> str:
    """What an API with some settings of its own says as it ends with a status."""
    variables = addresses.environment_of(service.settings.model_copy(update=settings))
    process = [sys.executable, "-m", "entitlements.wiring", "api"]
    done = subprocess.run(process, check=False, env=os.environ | variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == status
    return done.stderr


def test_another_installation_at_the_same_address_does_not_start(service: Any) -> None:
    """It would be asked every other question, and answer from its own read models."""
    said = ended(service, 1, topic_prefix=testing.unique_prefix())
    assert "address_is_taken" in said
    assert re.search(r"python\S* \(process \d+\) listens there", said)
    assert "ENTITLEMENTS_API_PORT" in said
    assert "Traceback" not in said


def test_rules_of_the_access_log_that_nobody_understands_are_said_before_it_serves(service: Any) -> None:
    said = ended(service, 2, access_log="{", api_port=0)
    assert "access_log_rules_are_wrong" in said
    assert "serving at" not in said


def test_every_line_it_writes_is_a_message_of_ours(service: Any) -> None:
    [log] = [program.log for program in service.supervisor.programs if program.name == "api"]
    lines = log.read_text().splitlines()
    assert [line for line in lines if not re.match(r"at=\S+Z level=\w+ process=api ", line)] == []
    assert any(f'message="serving at {service.url}, workers: 1"' in line for line in lines)
