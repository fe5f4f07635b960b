"""The docstring of each `__init__.py` is the map of its folder: one line names each module and package in it, and no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from entitlements_projections.writing import READ_MODELS

ROOT = Path(__file__).parents[2]
ROOTS = [
    ROOT / "services/entitlements",
    ROOT / "projections/entitlements_projections",
    ROOT / "schemas/entitlements_schemas",
    ROOT / "clients/python/entitlements_client",
]
PACKAGES = sorted(file.parent for root in ROOTS for file in root.rglob("__init__.py"))
#: "name, other   what it is": names before two blanks or more.
LINE = re.compile(r"^([\w<][\w.*/<>-]*(?:, [\w.*/<>-]+)*) {2,}\S", re.MULTILINE)
#: The map of the projections states that each read model has a folder; it need not list them.
READ_MODEL_FOLDERS = {model.folder for model in READ_MODELS}


def named_in(package: Path) -> set[str]:
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    return {name.strip().rstrip("/") for names in LINE.findall(docstring) for name in names.split(",")}


def parts_of(package: Path) -> set[str]:
    modules = {file.stem for file in package.glob("*.py")} - {"__init__", "__main__"}
    folders = {file.parent.name for file in package.glob("*/__init__.py")}
    return (modules | folders) - (READ_MODEL_FOLDERS if package.name == "entitlements_projections" else set())


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(ROOT)))
def test_a_map_names_what_is_in_its_folder(package: Path) -> None:
    assert not parts_of(package) - named_in(package), "add a line for each to the docstring of __init__.py"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(ROOT)))
def test_a_map_names_nothing_that_is_not_there(package: Path) -> None:
    there = parts_of(package) | READ_MODEL_FOLDERS | {file.name for file in package.iterdir()}
    assert not {
        name for name in named_in(package) if name not in there and not any(package.glob(name.replace("<folder>", "*")))
    }
