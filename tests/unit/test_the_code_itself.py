"""Rules about the source that no tool of ours checks."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    ROOT / "services/entitlements",
    ROOT / "projections/entitlements_projections",
    ROOT / "schemas/entitlements_schemas",
]
# The part of the standard library that can neither look at the clock, nor throw dice, nor do input or output.
PURE = {
    "__future__", "abc", "array", "bisect", "calendar", "collections", "contextlib", "dataclasses", "datetime", "decimal", "enum",
    "functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "re", "string", "types", "typing",
}  # fmt: skip
OURS = {"entitlements.domain", "eventsourcing.domain", "whenever"}  # whenever: calendar arithmetic, told the instant.
REGISTRY_HOSTS = re.compile(
    r"pypi\.org|pythonhosted\.org|repo\d?\.maven|maven\.org|registry\.npmjs|registry\.yarnpkg|crates\.io", re.IGNORECASE
)


def imported_modules(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
    return found


def test_the_domain_imports_only_what_cannot_look_outside() -> None:
    foreign = {
        f"{file.relative_to(ROOT)}: {module}"
        for file in (ROOT / "services/entitlements/domain").rglob("*.py")
        for module in imported_modules(file)
        if module.split(".")[0] not in PURE and ".".join(module.split(".")[:2]) not in OURS
    }
    assert not foreign


def test_the_domain_asks_no_clock() -> None:
    asked = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in (ROOT / "services/entitlements/domain").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}
        and isinstance(node.value, ast.Name) and node.value.id in {"datetime", "date"}
    ]  # fmt: skip
    assert not asked


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_package_says_what_it_is(package: Path) -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in package.rglob("*.py")
        if file.read_text().strip() and ast.get_docstring(ast.parse(file.read_text())) is None
    ]
    assert not silent


def test_no_lock_file_names_a_package_registry() -> None:
    locks = [*ROOT.glob("requirements*.txt"), ROOT / "services/entitlements/local/kafka.lock", ROOT / "pyproject.toml"]
    named = {lock.name: REGISTRY_HOSTS.findall(lock.read_text()) for lock in locks}
    assert not any(named.values()), named


def test_every_pinned_requirement_has_a_hash() -> None:
    for lock in ROOT.glob("requirements*.txt"):
        entries = re.split(r"\n(?=\S)", lock.read_text())
        without = [entry for entry in entries if not entry.startswith("#") and "--hash=sha256:" not in entry]
        assert without == []
