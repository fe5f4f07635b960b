"""What a Confluent registry answers, from the frozen catalogue. No I/O.

The read part of the API: subjects, versions, ids, look-up, compatibility, config and mode. Schemas are self-contained:
one look-up by id is all that a consumer needs. Subjects are named `<topic>-<record>`; a topic with one kind of record
has `<topic>-value` too. Whatever would change something is refused as in a registry whose mode
is READONLY. Paths, bodies and error codes: Confluent, "Schema Registry API Reference".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from entitlements_schemas import catalogue
from entitlements_schemas.compatibility import why_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMPATIBILITY: Final = "BACKWARD_TRANSITIVE"
MODE: Final = "READONLY"

_SUBJECT: Final = r"(?P<subject>[^/]+)"
_VERSION: Final = r"(?P<version_text>[^/]+)"
_ID: Final = r"(?P<id_text>[^/]+)"


class Answer(NamedTuple):
    """An HTTP status and the object to send as JSON; a text is sent as it is (it is JSON already)."""

    status: int
    body: Any


class Refused(Exception):
    """The registry's error body. The code's first three digits are the HTTP status."""

    def __init__(self, error_code: int, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message

    @property
    def answer(self) -> Answer:
        """The error as Confluent's clients expect it."""
        return Answer(int(str(self.error_code)[:3]), {"error_code": self.error_code, "message": self.message})


def fingerprint_of(text: Any) -> tuple[Any, str]:
    """A posted schema as an object, and its fingerprint. Raises Refused (42201) when it is no Avro schema."""
    try:
        definition = json.loads(text)
        return definition, catalogue.fingerprint(definition)
    except Exception as error:  # fastavro promises no one kind of error.
        raise Refused(42201, f"Invalid schema: {error}") from error


class Registry:
    """Answers requests. Safe to share between threads: it changes nothing."""

    def __init__(self, topic_prefix: str = "") -> None:
        catalogue.require_frozen()
        self._by_id = {entry.id: entry for entry in catalogue.entries()}
        self._subjects: dict[str, dict[int, catalogue.Entry]] = {}
        self._subjects_of: dict[str, list[str]] = {}
        by_topic = {name: subject for subject, name in catalogue.subjects_by_topic().items()}
        for entry in catalogue.entries():
            subjects = [catalogue.subject_of(entry.name, topic_prefix)]
            if entry.name in by_topic:
                subjects.append(topic_prefix + by_topic[entry.name])
            for subject in subjects:
                self._subjects.setdefault(subject, {})[entry.version] = entry
            self._subjects_of[entry.name] = subjects

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes = b"") -> Answer:
        """The answer to one request; path is decoded and starts with a slash."""
        try:
            return self._answer(method, path.rstrip("/"), query, body)
        except Refused as refused:
            return refused.answer

    def _answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
        path_is_known = False
        for known_method, pattern, handler in self._routes:
            match = re.fullmatch(pattern, path)
            if match is None:
                continue
            path_is_known = True
            if method == known_method:
                return Answer(200, handler(self, **match.groupdict(), query=query, body=body))
        if path_is_known and method in {"PUT", "POST", "DELETE"}:
            raise Refused(42205, f"This registry is in {MODE} mode.")
        raise Refused(
            405 if path_is_known else 404, "HTTP 405 Method Not Allowed" if path_is_known else "HTTP 404 Not Found"
        )

    # --- schemas -----------------------------------------------------------------------------------------------------

    def _root(self, **_: Any) -> dict[str, str]:
        return {}

    def _types(self, **_: Any) -> list[str]:
        return ["AVRO"]

    def _schemas(self, *, query: Mapping[str, str], **_: Any) -> list[dict[str, Any]]:
        return [
            _described(subject, versions[version])
            for subject, versions in sorted(self._subjects.items())
            if subject.startswith(query.get("subjectPrefix", ""))
            for version in ([max(versions)] if query.get("latestOnly") == "true" else sorted(versions))
        ]

    def _entry_of_id(self, id_text: str) -> catalogue.Entry:
        entry = self._by_id.get(_integer(id_text))
        if entry is None:
            raise Refused(40403, f"Schema {id_text} not found")
        return entry

    def _schema(self, *, id_text: str, **_: Any) -> dict[str, str]:
        return {"schema": catalogue.frozen_text(self._entry_of_id(id_text))}

    def _schema_text(self, *, id_text: str, **_: Any) -> str:
        return catalogue.frozen_text(self._entry_of_id(id_text))

    def _schema_subjects(self, *, id_text: str, **_: Any) -> list[str]:
        return self._subjects_of[self._entry_of_id(id_text).name]

    def _schema_versions(self, *, id_text: str, **_: Any) -> list[dict[str, Any]]:
        entry = self._entry_of_id(id_text)
        return [{"subject": subject, "version": entry.version} for subject in self._subjects_of[entry.name]]

    # --- subjects ----------------------------------------------------------------------------------------------------

    def _subject_names(self, *, query: Mapping[str, str], **_: Any) -> list[str]:
        return sorted(name for name in self._subjects if name.startswith(query.get("subjectPrefix", "")))

    def _versions_of(self, subject: str) -> dict[int, catalogue.Entry]:
        versions = self._subjects.get(subject)
        if versions is None:
            raise Refused(40401, f"Subject '{subject}' not found.")
        return versions

    def _versions(self, *, subject: str, **_: Any) -> list[int]:
        return sorted(self._versions_of(subject))

    def _entry_of_version(self, subject: str, version_text: str) -> catalogue.Entry:
        versions = self._versions_of(subject)
        if version_text in {"latest", "-1"}:
            return versions[max(versions)]
        version = _integer(version_text)
        if not 1 <= version < 2**31:
            raise Refused(
                42202,
                f"The specified version '{version_text}' is not a valid version id. Allowed values are between "
                f'[1, 2^31-1] and the string "latest"',
            )
        if version not in versions:
            raise Refused(40402, f"Version {version} not found.")
        return versions[version]

    def _version(self, *, subject: str, version_text: str, **_: Any) -> dict[str, Any]:
        return _described(subject, self._entry_of_version(subject, version_text))

    def _version_text(self, *, subject: str, version_text: str, **_: Any) -> str:
        return catalogue.frozen_text(self._entry_of_version(subject, version_text))

    def _referenced_by(self, *, subject: str, version_text: str, **_: Any) -> list[int]:
        self._entry_of_version(subject, version_text)
        return []  # Every schema is self-contained.

    def _look_up(self, *, subject: str, body: bytes, **_: Any) -> dict[str, Any]:
        return _described(subject, self._found(subject, body))

    def _register(self, *, subject: str, body: bytes, **_: Any) -> dict[str, Any]:
        # Serializers that register by themselves only want the id; what is here already needs no registering.
        try:
            return {"id": self._found(subject, body).id}
        except Refused as refused:
            if refused.error_code in {40401, 40403}:
                raise Refused(42205, f"Subject {subject} is in {MODE} mode") from refused
            raise

    def _found(self, subject: str, body: bytes) -> catalogue.Entry:
        versions = self._versions_of(subject)
        _, fingerprint = fingerprint_of(_posted(body))
        for entry in versions.values():
            if entry.fingerprint == fingerprint:
                return entry
        raise Refused(40403, "Schema not found")

    # --- compatibility, config, mode ---------------------------------------------------------------------------------

    def _compatible(
        self, *, subject: str, query: Mapping[str, str], body: bytes, version_text: str | None = None
    ) -> dict[str, Any]:
        versions = self._versions_of(subject)
        wanted, _ = fingerprint_of(_posted(body))
        against = versions.values() if version_text is None else [self._entry_of_version(subject, version_text)]
        problems = [
            f"version {entry.version}: {problem}"
            for entry in against
            for problem in why_unreadable(written=json.loads(catalogue.frozen_text(entry)), wanted=wanted)
        ]
        said = {"messages": problems} if query.get("verbose") == "true" else {}
        return {"is_compatible": not problems, **said}

    def _config(self, *, subject: str | None = None, **_: Any) -> dict[str, str]:
        if subject is not None:
            self._versions_of(subject)
        return {"compatibilityLevel": COMPATIBILITY}

    def _mode(self, *, subject: str | None = None, **_: Any) -> dict[str, str]:
        if subject is not None:
            self._versions_of(subject)
        return {"mode": MODE}

    # --- the table of contents -------------------------------------------------------------------------------------

    _routes: ClassVar[tuple[tuple[str, str, Callable[..., Any]], ...]] = (
        ("GET", r"", _root),
        ("GET", r"/schemas", _schemas),
        ("GET", r"/schemas/types", _types),
        ("GET", rf"/schemas/ids/{_ID}", _schema),
        ("GET", rf"/schemas/ids/{_ID}/schema", _schema_text),
        ("GET", rf"/schemas/ids/{_ID}/subjects", _schema_subjects),
        ("GET", rf"/schemas/ids/{_ID}/versions", _schema_versions),
        ("GET", r"/subjects", _subject_names),
        ("POST", rf"/subjects/{_SUBJECT}", _look_up),
        ("GET", rf"/subjects/{_SUBJECT}/versions", _versions),
        ("POST", rf"/subjects/{_SUBJECT}/versions", _register),
        ("GET", rf"/subjects/{_SUBJECT}/versions/{_VERSION}", _version),
        ("GET", rf"/subjects/{_SUBJECT}/versions/{_VERSION}/schema", _version_text),
        ("GET", rf"/subjects/{_SUBJECT}/versions/{_VERSION}/referencedby", _referenced_by),
        ("POST", rf"/compatibility/subjects/{_SUBJECT}/versions", _compatible),
        ("POST", rf"/compatibility/subjects/{_SUBJECT}/versions/{_VERSION}", _compatible),
        ("GET", r"/config", _config),
        ("GET", rf"/config/{_SUBJECT}", _config),
        ("GET", r"/mode", _mode),
        ("GET", rf"/mode/{_SUBJECT}", _mode),
    )


def _described(subject: str, entry: catalogue.Entry) -> dict[str, Any]:
    return {
        "subject": subject,
        "version": entry.version,
        "id": entry.id,
        "schemaType": "AVRO",
        "schema": catalogue.frozen_text(entry),
    }


def _integer(text: str) -> int:
    """The number; -1 when it is none, which is found nowhere."""
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else -1


def _posted(body: bytes) -> str:
    """The schema's text in a posted body. Raises Refused (42201)."""
    try:
        posted = json.loads(body)
        text, kind = posted["schema"], posted.get("schemaType", "AVRO")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused(42201, 'The body is not {"schema": "..."}.') from None
    if kind not in {None, "AVRO"} or not isinstance(text, str):
        raise Refused(42201, f"Invalid schema type {kind}: this registry supports AVRO only.")
    return text
