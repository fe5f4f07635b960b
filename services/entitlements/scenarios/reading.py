"""A scenario file, YAML, to what it says. Every mistake names its place: file, line and step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from entitlements.errors import RequestError
from entitlements.intake.strict import said_of
from entitlements.scenarios import files
from entitlements.scenarios.files import ScenarioFile
from entitlements.scenarios.words import short_of
from entitlements_client.deciding.refusals import shown

#: The shipped scenarios: a folder for each feature.
LIBRARY: Final = Path(__file__).with_name("library")
FILE_BYTES_MAX: Final = 1024 * 1024
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times faster, where it is there.


class ScenarioIsInvalid(RequestError):
    """Invalid scenario."""

    code = "scenario_is_invalid"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A story on a timeline, and where it stands."""

    path: Path
    written: ScenarioFile
    #: The line of each step, from 1.
    lines: list[int]

    @property
    def name(self) -> str:
        """The rule in a sentence."""
        return self.written.name or self.path.stem

    @property
    def feature(self) -> str:
        """What it is about."""
        return self.written.feature or self.path.parent.name

    def place(self, number: int) -> str:
        """File, line and number of a step; 0: what is there before the first."""
        line = self.lines[number - 1] if number else 1
        return f"{self.path}:{line}: " + (f"step {number}" if number else "setup")


def find(paths: Sequence[Path]) -> list[Path]:
    """The files of folders and files, here or in the library, with or without .yaml; none: the whole library.

    Raises ScenarioIsInvalid.
    """
    found: list[Path] = []
    for given in paths or [LIBRARY]:
        places = [place for base in (Path(), LIBRARY) for place in (base / given, base / f"{given}.yaml")]
        path = next((place for place in places if place.exists()), None)
        if path is None:
            raise ScenarioIsInvalid(
                f"No scenario, folder or feature {given}.{_near(given)} See `entitlements scenario list`."
            )
        found += sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    if not found:
        raise ScenarioIsInvalid(f"No .yaml file in {', '.join(map(str, paths))}.")
    return found


def _near(given: Path) -> str:
    """A question after the scenario or feature of the library with the nearest name; empty if none is near."""
    named = {str(path.relative_to(LIBRARY).with_suffix("")) for path in LIBRARY.rglob("*.yaml")}
    near = get_close_matches(str(given).removesuffix(".yaml"), named | {name.partition("/")[0] for name in named}, 1)
    return f" Did you mean {near[0]}?" if near else ""


def read(path: Path) -> Scenario:
    """Read one scenario. Raises ScenarioIsInvalid."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ScenarioIsInvalid(f"{path} is larger than {FILE_BYTES_MAX} bytes.")
        loader = _Loader(path.read_bytes())
        root = loader.get_single_node()
        content = None if root is None else loader.construct_document(root)
    except OSError as error:
        raise ScenarioIsInvalid(f"{path}: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ScenarioIsInvalid(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if root is None:
        raise ScenarioIsInvalid(f"{path} is empty.")
    _check_said_once(path, root, set())
    try:
        written = files.model().model_validate(content)
    except ValidationError as error:
        raise ScenarioIsInvalid(_explained(path, root, error)) from error
    assert isinstance(root, yaml.MappingNode), "what holds fields was read from a mapping"
    timeline = next(value for key, value in root.value if key.value == "timeline")
    return Scenario(path=path, written=written, lines=[step.start_mark.line + 1 for step in timeline.value])


def _check_said_once(path: Path, node: Any, visited: set[int]) -> None:
    """YAML itself would let the last of two equal fields win, and a step would be lost without a word."""
    if id(node) in visited:
        return  # An alias of what was looked at.
    visited.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise ScenarioIsInvalid(f"{path}:{key.start_mark.line + 1}: duplicate key {key.value}.")
                seen.add(key.value)
            _check_said_once(path, value, visited)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_said_once(path, value, visited)


def _explained(path: Path, root: Any, error: ValidationError) -> str:
    """The first thing that is wrong, with its place."""
    what = error.errors(include_url=False)[0]
    unknown = what.get("ctx", {}).get("word")
    line, place = _place(root, what["loc"], unknown)
    given = "" if isinstance(what["input"], dict | list) or place == "" else f", not {shown(what['input'])}"
    said = (
        f"{said_of(what).rstrip('.')}{given if what['type'] not in {'unknown_word', 'no_instant', 'missing'} else ''}"
    )
    end = "" if said.endswith("?") else "."
    return f"{path}:{line}: {place}{': ' if place else ''}{said}{end}"


def _place(root: Any, location: tuple[int | str, ...], unknown: str | None) -> tuple[int, str]:
    """Line and words of a place in the file; `unknown`: of that field there.

    What only pydantic has a name for, as a branch of a union, is passed over.
    """
    node, line, words = root, root.start_mark.line, []
    for at, part in enumerate(location):
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
            words.append(f"step {part + 1}" if location[at - 1] == "timeline" else str(part + 1))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value in {part, short_of(str(part))}:
                    node, line = value, key.start_mark.line
                    words.append(key.value)
                    break
            else:
                if at == len(location) - 1 and isinstance(part, str):
                    words.append(part)  # What is missing.
    if isinstance(node, yaml.MappingNode):
        line = next((key.start_mark.line for key, _ in node.value if key.value == unknown), line)
    place = ".".join(words).removeprefix("timeline.")
    return line + 1, place.replace(".", ": ", 1) if place.startswith("step ") else place
