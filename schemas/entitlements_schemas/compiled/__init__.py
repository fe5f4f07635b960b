"""Readers and writers made for one schema each: straight-line Python in place of fastavro's walk through the schema.

They are several times faster on usage, which there is a hundred thousand lines a second of, and they know well-formed
records only. Whatever else they meet (a truncated body, a field too many, a type that does not fit, an unusual but legal
encoding) raises some exception, and the caller takes fastavro, which decides what it is. So nothing is accepted, refused
or written here that fastavro would treat otherwise; tests hold the two against each other.

values    whole numbers, texts and bytes, both ways
code      lines of Python as they are made
writing   the code that writes the records of one schema
reading   the code that reads them
patterns  regular expressions that match the usual form of a record, for who needs few of its fields
templates  the usual form of a record as a format, for who has its fields as bytes

Instants are plain integers here, as in sources.plain_schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from entitlements_schemas.compiled.reading import Reader, ReaderCode
from entitlements_schemas.compiled.values import Unusual
from entitlements_schemas.compiled.writing import Writer, WriterCode

__all__ = ["Reader", "Unusual", "Writer", "matching_reader_of", "reader_of", "writer_of"]


def writer_of(schema: Any) -> Writer | None:
    """What writes the body of a record of a parsed plain schema; None: it has types that are not known here.

    What was made raises any exception for what it does not know.
    """
    try:
        return WriterCode().whole(schema)
    except (Unusual, KeyError):
        return None


def reader_of(schema: Any) -> Reader | None:
    """What reads a record of a parsed plain schema; None: it has types that are not known here.

    What was made raises any exception for what it does not know, or gives a position beyond the end.
    """
    return matching_reader_of(schema, {})


def matching_reader_of(schema: Any, patterns: Mapping[str, re.Pattern[bytes]]) -> Reader | None:
    """As reader_of; but records of unions that match the pattern of their full name are not read: the match stands for them."""
    try:
        return ReaderCode(patterns).whole(schema)
    except (Unusual, KeyError):
        return None
