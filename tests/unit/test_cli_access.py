"""`entitlements policy` and `entitlements api-key` without servers: what is refused beforehand, and the dry run."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from entitlements.cli.running import run
from entitlements.intake.api_keys import new_api_key

POLICY = {
    "policy_id": "beta",
    "effect": "ALLOW",
    "priority": 3,
    "resource_keys": ["beta_*"],
    "conditions": [
        {"field": "customer.region", "operator": "equals", "value": "EU"},
        {"any": [{"field": "metadata.age", "operator": "greater_than", "value": 17}, {"not": {"field": "subject.id", "operator": "exists"}}]},
    ],
}  # fmt: skip
ASKED = {"customer_id": "ws-1", "resource_key": "beta_search", "context": {"customer": {"region": "EU"}}}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENTITLEMENTS_KAFKA", "127.0.0.1:1")
    monkeypatch.setenv("ENTITLEMENTS_POSTGRES", "postgresql://somebody:secret@127.0.0.1:2/things")
    (tmp_path / "policy.json").write_text(json.dumps(POLICY))
    (tmp_path / "asked.yaml").write_text(json.dumps(ASKED))
    return tmp_path


def test_a_dry_run_prints_what_every_condition_came_to(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "test", "policy.json", "--context", "asked.yaml"]) == 0
    shown = capsys.readouterr().out
    for line in (
        '✓ customer.region equals "EU"  actual "EU"',
        "? metadata.age greater_than 17  actual missing",
        "✓ not",
        "✗ subject.id exists  actual missing",
        "4 Conflict resolution  beta (ALLOW, priority 3): the only policy whose conditions hold",
        "5 Decision  allowed (policy_allowed): Policy beta allows beta_search.",
    ):
        assert line in shown, shown


def test_a_dry_run_is_the_same_as_a_document(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "asked.yaml").write_text("customer_id: c\nresource_key: other\nnow: 2026-06-16T12:00:00Z\n")
    assert run(["policy", "test", "policy.json", "--context", "asked.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["context"]["now"] == "2026-06-16T12:00:00Z"
    assert told["matching"][0]["why_not"] == "resource_key"
    assert told["decision"]["reason_code"] == "not_entitled"


@pytest.mark.parametrize(
    "wrong", [{"customer": "x"}, {"resource_key": None, "customer_id": None}, {"now": "soon"}, {"context": "x"}]
)
def test_a_context_that_is_invalid_is_refused(
    wrong: dict[str, Any], files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {name: value for name, value in (ASKED | wrong).items() if value is not None}
    (files / "asked.yaml").write_text(json.dumps(content))
    assert run(["policy", "test", "policy.json", "--context", "asked.yaml"]) == 2
    assert capsys.readouterr().err.startswith("invalid_request: Invalid context. asked.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["policy", "define", "bad.json", "-o", "acme"],
        ["policy", "test", "bad.json", "--context", "asked.yaml"],
        ["send", "DefineAccessPolicy", "organization_id=acme", "policy_id=beta", "effect=ALLOW", "document='{\"policy_id\":\"beta\"}'"],
    ],
)  # fmt: skip
def test_a_policy_that_is_invalid_is_sent_nowhere(
    arguments: list[str], files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "bad.json").write_text(json.dumps({"policy_id": "beta", "effect": "PERHAPS"}))
    assert run([*arguments, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["mistake"], error["path"]) == ("invalid_policy", "invalid_effect", "policy.effect")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["api-key", "create", "-o", "acme", "--scope", "everything"], "invalid_scope"),
        (["api-key", "create", "-o", "acme", "--expires", "soon"], "invalid_instant"),
        (["api-key", "create", "-o", "acme", "--expires", "3y"], "invalid_instant"),
        (["api-key", "create", "-o", "acme", "--overlap", "a day"], "invalid_request"),
        (["api-key", "revoke", "3kTfq09sXa2B", "-o", "acme", "--at", "yesterday"], "invalid_instant"),
        (["api-key", "revoke", "k", "-o", "acme"], "invalid_id"),
        (["api-key", "create", "-o", "acme", "--rotate", "../k"], "invalid_id"),
        (["api-key", "create"], "usage"),
        (["api-key", "create", "--act-for", "acme,,globex"], "invalid_id"),
        (["api-key", "create", "--act-for", "all,acme"], "invalid_request"),
        (["api-key", "create", "--act-for", "acme, all"], "invalid_request"),
        (["api-key", "create", "--act-for", ""], "usage"),
    ],
)
@pytest.mark.usefixtures("files")
def test_what_is_invalid_of_a_key_is_refused_beforehand(
    arguments: list[str], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().err.startswith(f"{code}: ")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("before", [["api-key", "revoke"], ["api-key", "create", "--rotate"]])
def test_a_key_given_as_its_id_is_refused_and_not_repeated(
    before: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "s" * 43
    assert run([*before, f"ent_3kTfq09sXa2B_{secret}", "-o", "acme"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("invalid_id: This is the API key itself, not its id.")
    assert secret not in said


def test_a_new_key_is_like_no_other_and_its_hash_is_that_of_its_secret() -> None:
    keys = [new_api_key() for _ in range(200)]
    assert len({key.key_id for key in keys}) == len({key.secret for key in keys}) == 200
    assert all(re.fullmatch(r"ent_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}", key.token) for key in keys)
    assert all(re.fullmatch(r"[0-9a-f]{64}", key.secret_sha256) and key.secret not in key.secret_sha256 for key in keys)
