"""A CSV file of requests: one row is one request of one customer, in the order of time."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from entitlements.errors import RequestError
from entitlements.intake.instants import occurred_ms
from entitlements.intake.strict import Digits, Id, Instant, NewId, said_of
from entitlements.intake.synonyms import advice_on_file
from entitlements.settings import QUANTITY_MAX
from entitlements_client.deciding.refusals import shown

COLUMNS: Final = ("usage_id", "occurred_at", "customer_id", "bytes")
_GZIP: Final = b"\x1f\x8b"


class FileIsInvalid(RequestError):
    """Invalid usage file."""

    code = "file_is_invalid"


class Row(BaseModel):
    """One request: who, when, and how many bytes were answered; 0 is none."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    number: int
    usage_id: NewId
    occurred_at: Instant
    customer_id: Id
    bytes: Annotated[Digits, Field(ge=0, le=QUANTITY_MAX), BeforeValidator(lambda text: text or 0)]

    @property
    def occurred_at_ms(self) -> int:
        """The instant as lines have it."""
        return occurred_ms(self.occurred_at)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What is in a file that was checked to its end."""

    rows: int
    customers: list[str]
    #: The earliest instant; aware UTC.
    begins_at: datetime
    #: SHA-256 of the bytes as they lie in the file, in hex: the same file is the same source.
    digest: str


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a CSV file, plain or gzipped. Raises FileIsInvalid, naming the line."""
    with _opened(path) as file:
        reader = csv.DictReader(file, strict=True)
        try:
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise FileIsInvalid(f"{path} has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}.")
            for number, record in enumerate(reader, 1):
                yield _row(path, reader.line_num, number, record)
        except (csv.Error, UnicodeDecodeError, EOFError, OSError) as error:
            raise FileIsInvalid(f"{path}, after line {reader.line_num}: {error}.") from error


def check(path: Path) -> Summary:
    """Read a file to its end. Raises FileIsInvalid: then nothing of it has been sent yet."""
    count, customers, begins_at = 0, dict[str, None](), datetime.max.replace(tzinfo=UTC)
    for row in read_rows(path):
        count += 1
        customers[row.customer_id] = None
        begins_at = min(begins_at, row.occurred_at)
    if count == 0:
        raise FileIsInvalid(f"{path} has no rows.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Summary(rows=count, customers=list(customers), begins_at=begins_at, digest=digest)


def _row(path: Path, line: int, number: int, record: dict[str, Any]) -> Row:
    try:
        return Row.model_validate(record | {"number": number})
    except ValidationError as error:
        what = error.errors(include_url=False)[0]
        column = ".".join(map(str, what["loc"]))
        raise FileIsInvalid(f"{path}, line {line}, {column} {said_of(what)}, not {shown(what['input'])}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open("rb") as file:
            is_gzipped = file.read(2) == _GZIP
            file.seek(0)
            plain = gzip.GzipFile(fileobj=file) if is_gzipped else file
            with io.TextIOWrapper(plain, encoding="utf-8-sig", newline="") as text:
                yield text
    except OSError as error:
        invalid = FileIsInvalid(f"{path}: {error.strerror or error}.")
        invalid.advice = advice_on_file(path)  # type: ignore[attr-defined]
        raise invalid from error
