"""No password or token is in what is shown of an address, and what is shown of one leads where it led."""

from __future__ import annotations

import logging

import pytest

from entitlements.operations.logs import OneDocument, OneLine
from entitlements.redacting import without_secrets

SHOWN = {
    "postgresql://entitlements:hunter2@h:5/ext": "postgresql://entitlements@h:5/ext",
    "postgresql://entitlements@127.0.0.1:5/e": "postgresql://entitlements@127.0.0.1:5/e",
    "postgresql://u:hun/ter2@h/x": "postgresql://u@h/x",
    "postgresql://u:hun@ter2@h/x": "postgresql://u@h/x",
    "postgresql://a:1,b:2/x": "postgresql://a:1,b:2/x",
    "postgresql://h/x?user=u&password=hunter2&sslmode=require": "postgresql://h/x?user=u&sslmode=require",
    "postgresql://h/x?password=hunter2": "postgresql://h/x",
    "host=h password=hunter2 dbname=x": "host=h dbname=x",
    r"host=h password='hun\' ter2' dbname=x": "host=h dbname=x",
    "http://u:hunter2@127.0.0.1:1/": "http://127.0.0.1:1/",
    "http://hunter2@h/p,http://a:hunter2@b/?token=hunter2": "http://h/p,http://b/",
    "http://[::1]:80/x@y": "http://[::1]:80/x@y",
    "valkey://:hunter2@h:6/0": "valkey://h:6/0",
    "unix:///tmp/x.sock": "unix:///tmp/x.sock",
    "127.0.0.1:9092,[::1]:9092": "127.0.0.1:9092,[::1]:9092",
    "user:hunter2@host:1": "user@host:1",
    "a:1,user:hunter2@host:1,b:2": "a:1,user@host:1,b:2",
    "u:hun,ter2@host": "u@host",
    "Purge of http://u:hunter2@h:1/ failed: 'http://u:hunter2@h:1/'": "Purge of http://h:1/ failed: 'http://h:1/'",
    "Kafka at user:hunter2@host:1: Connection refused.": "Kafka at user@host:1: Connection refused.",
    "Customer org:alice@example.com of pool p:1": "Customer org:alice@example.com of pool p:1",
}


@pytest.mark.parametrize(("text", "shown"), SHOWN.items())
def test_an_address_is_shown_without_its_secrets_and_remains_one(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown


@pytest.mark.parametrize("formatter", [OneLine("api"), OneDocument("api")])
def test_no_log_message_has_the_password_of_an_address(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("cannot connect to kafka://user:hunter2@h:1")
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
        record = logging.LogRecord("n", 30, "", 1, "No answer of %s", ("http://u:hunter2@h/",), told)
        whole = logging.LogRecord("n", 30, "", 1, "No answer of http://u:hunter2@h/", (), None)
    line = formatter.format(record)
    assert "hunter2" not in line + formatter.format(whole)
    assert "http://h/" in line
