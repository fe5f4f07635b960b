"""What readers of interfaces meet is in plain words: the OpenAPI document, Avro records, comments in the database,
and the public classes of the client.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

from tests.plain_words import given_up_in

import entitlements_client
from entitlements.api.app import create
from entitlements_projections.migrations import known_migrations
from entitlements_schemas.sources import sources

#: A comment of a migration: on what, and its text, in one literal or several.
COMMENT: Final = re.compile(r"^comment on (\w+ [\w.]+)[^;']* is\s+((?:'(?:[^']|'')*'\s*)+);", re.MULTILINE)
#: Commands say workspace in their names and fields; texts of the API say customer.
WORKSPACE: Final = re.compile(r"\bworkspaces?\b", re.IGNORECASE)
TEXTS: Final = ("description", "summary", "title", "doc")
#: Values of fields, whose docstrings are Python's.
BUILT_IN: Final = (bool, int, float, str, tuple, list, dict, type(None))


def texts_of(node: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a document, with its place. Fields that are called like a text are none."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in TEXTS and isinstance(value, str):
                yield f"{at}/{name}", value
            yield from texts_of(value, f"{at}/{name}")
    elif isinstance(node, list):
        for place, value in enumerate(node):
            named = value.get("name", place) if isinstance(value, dict) else place
            yield from texts_of(value, f"{at}/{named}")


def comments() -> dict[str, str]:
    """The comments in the database: the newest migration has the last word."""
    found = {}
    for text in known_migrations().values():
        for on, literals in COMMENT.findall(text):
            found[on] = " ".join("".join(re.findall(r"'((?:[^']|'')*)'", literals)).replace("''", "'").split())
    return found


def given_up(texts: Iterator[tuple[str, str]]) -> list[str]:
    return [f"{at}: {words} in {text!r}" for at, text in texts if (words := given_up_in(text, one_line=True))]


def test_the_openapi_document_is_in_plain_words() -> None:
    document = create(SimpleNamespace()).openapi()  # type: ignore[arg-type]
    texts = list(texts_of(document))
    assert len(texts) > 1_500
    assert not given_up(iter(texts))
    about = document["info"]["description"]
    said = [f"{at}: {text}" for at, text in texts if WORKSPACE.search(re.sub(r"`[^`]*`", "", text)) and text != about]
    assert not said, "it is a customer; the document explains the other word once"


def test_every_avro_record_is_in_plain_words() -> None:
    texts = [text for name, schema in sources().items() for text in texts_of(schema, name)]
    assert len(texts) > 1_500
    assert not given_up(iter(texts))


def test_every_comment_in_the_database_is_in_plain_words() -> None:
    found = comments()
    assert len(found) > 400
    assert len(found) >= len(
        set(re.findall(r"^comment on (\w+ [\w.]+)", "\n".join(known_migrations().values()), re.MULTILINE))
    )
    assert not given_up(iter(found.items()))


def test_the_public_classes_of_the_client_are_in_plain_words() -> None:
    texts = []
    for name in sorted(set(entitlements_client.__all__) - {"EntitlementsError"}):  # Errors have a test of their own.
        kind = getattr(entitlements_client, name)
        texts.append((name, inspect.getdoc(kind) or ""))
        for called, method in inspect.getmembers(kind):
            if not called.startswith("_") and not isinstance(method, BUILT_IN) and (text := inspect.getdoc(method)):
                texts.append((f"{name}.{called}", text))
    assert len(texts) > 100
    assert not given_up(iter(texts))
