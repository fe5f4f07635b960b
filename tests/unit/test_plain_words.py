"""Texts that people meet at the command line and in operation use the plain words of the field (tests/plain_words.py)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from tests.plain_words import given_up_in
from typer.main import get_command

from entitlements.advice import ADVICE
from entitlements.cli import explaining
from entitlements.cli.app import app
from entitlements.cli.failures import _BY_COMMAND
from entitlements.ledger.records import COMMANDS
from entitlements.operations import cache_counts, metrics
from entitlements.scenarios.reading import LIBRARY
from entitlements.settings import Settings

ROOT = Path(__file__).parents[2]

#: Code that people run or that runs for them. What only we run is not in it.
CODE = [
    file
    for folder in ("services", "projections", "schemas", "clients")
    for file in sorted((ROOT / folder).rglob("*.py"))
]
#: Modules in which every sentence is printed for somebody.
PRINTED = [
    file
    for file in CODE
    if {"cli", "demo", "local", "scenarios", "wiring", "deciding", "intake"} & set(file.relative_to(ROOT).parts)
]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def found(places: Iterator[tuple[str, str]]) -> list[str]:
    """The places whose text has a given-up word, with the words. There are some texts at all, or the test sees nothing."""
    texts = list(places)
    assert len(texts) > 5
    return [
        f"{place}: {', '.join(words)}: {text}" for place, text in texts if (words := given_up_in(text, one_line=True))
    ]


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def nodes(files: list[Path]) -> Iterator[tuple[str, ast.AST]]:
    for file in files:
        name = file.relative_to(ROOT)  # Once: it takes longer than a node, and there are a million of them.
        for node in ast.walk(parsed(file)):
            yield f"{name}:{getattr(node, 'lineno', 0)}", node


def texts(node: ast.AST) -> Iterator[str]:
    """The sentences of an expression, with {} for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]
        for part in node.values:
            yield from texts(part)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def commands(command: Any, path: str = "entitlements") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{path} {name}")


def test_help_of_every_command_and_option() -> None:
    def places() -> Iterator[tuple[str, str]]:
        for path, command in commands(get_command(app)):
            yield path, command.help or ""
            yield f"{path} (epilog)", command.epilog or ""
            for parameter in command.params:
                yield f"{path} {parameter.name}", getattr(parameter, "help", None) or ""

    assert not found(places())


def test_what_send_explains() -> None:
    """The sentence of each command and of each of its fields."""

    def places() -> Iterator[tuple[str, str]]:
        for name, kind in COMMANDS.items():
            yield name, explaining._about(kind)
            yield from ((f"{name} {row[0]}", row[3]) for row in explaining._rows(kind))

    assert not found(places())


def test_what_the_command_line_and_the_processes_print() -> None:
    def places() -> Iterator[tuple[str, str]]:
        for file in PRINTED:
            documentation = {
                id(node.value) for node in ast.walk(parsed(file)) if isinstance(node, ast.Expr)
            }  # Docstrings.
            for place, node in nodes([file]):
                if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in documentation:
                    for text in texts(node):
                        if " " in text.strip():
                            yield place, text

    assert not found(places())


def _is_code(line: ast.stmt) -> bool:
    targets = line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
    named = any(isinstance(target, ast.Name) and target.id == "code" for target in targets)
    return named and isinstance(line.value, ast.Constant)  # type: ignore[attr-defined]


def test_sentences_of_errors() -> None:
    """The docstring of an error is its message; a code makes a class one that people meet."""

    def places() -> Iterator[tuple[str, str]]:
        for place, node in nodes(CODE):
            if isinstance(node, ast.ClassDef) and any(map(_is_code, node.body)):
                yield place, (ast.get_docstring(node) or "").splitlines()[0]

    assert not found(places())


def test_what_is_raised() -> None:
    def places() -> Iterator[tuple[str, str]]:
        for place, node in nodes(CODE):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                for argument in [*node.exc.args, *(keyword.value for keyword in node.exc.keywords)]:
                    for text in texts(argument):
                        if " " in text:  # Else a code or the name of a field.
                            yield place, text

    assert not found(places())


def test_advice() -> None:
    assert not found(iter([*ADVICE.items(), *_BY_COMMAND.items()]))


def test_log_lines() -> None:
    def places() -> Iterator[tuple[str, str]]:
        for place, node in nodes(CODE):
            if (
                not isinstance(node, ast.Call)
                or not isinstance(node.func, ast.Attribute)
                or node.func.attr not in LEVELS
            ):
                continue
            if "log" in ast.unparse(node.func.value):
                yield from ((place, text) for argument in node.args for text in texts(argument))

    assert not found(places())


def test_metrics() -> None:
    declared = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    found_by_name = [(each._name, each._documentation) for each in declared]
    assert not found(iter([*found_by_name, (cache_counts.NAME, cache_counts.MEANING)]))


def test_settings() -> None:
    assert not found((name, field.description or "") for name, field in Settings.model_fields.items())


def test_names_of_scenarios() -> None:
    """`entitlements scenario list` and `run` print them."""
    files = sorted(LIBRARY.rglob("*.yaml"))
    assert not found((file.name, yaml.safe_load(file.read_text()).get("name", "")) for file in files)


def test_alerts() -> None:
    """Each has a summary, the text that somebody gets at night."""
    (group,) = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())["groups"]
    assert not found((rule["alert"], rule["annotations"]["summary"]) for rule in group["rules"])


@pytest.mark.parametrize("text", ["Nothing confers it.", "Whoever asks", "told\n  so", "It is no id."])
def test_a_word_that_comes_back_is_found(text: str) -> None:
    assert given_up_in(text, one_line=True)


@pytest.mark.parametrize("text", ["Run `entitlements said`.", "There is no such pool.", "It is no longer open."])
def test_plain_words_are_left_alone(text: str) -> None:
    assert not given_up_in(text, one_line=True)


def test_an_organization_has_one_name() -> None:
    """In code, schemas, SQL and files too: who owns pools was called by another word here and there."""
    suffixes = {".py", ".avsc", ".sql", ".yaml", ".yml", ".toml", ".md", ".vcl", ".service", ".env"}
    folders = ("services", "projections", "schemas", "clients", "tests", "bench", "deploy", "docs")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in suffixes]
    word = re.compile("ten" + r"an(t|cy)", re.IGNORECASE)
    beside_the_list = [file for file in files if file.name != "plain_words.py" and word.search(file.read_text())]
    assert not [str(file.relative_to(ROOT)) for file in beside_the_list if "node_modules" not in file.parts]
