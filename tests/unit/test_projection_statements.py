"""Every SQL file of the projections is one named and described statement, and is used."""

import re
from pathlib import Path

import pytest

import entitlements_projections
from entitlements_projections.migrations import known_migrations
from entitlements_projections.reporting import SCHEMA, VIEWS
from entitlements_projections.statements import statement
from entitlements_projections.writing import READ_MODELS

HERE = Path(entitlements_projections.__file__).parent
FILES = sorted(path for path in HERE.rglob("*.sql") if path.parent.name not in {"migrations", "views"})
VIEWS_THERE = sorted((HERE / "reporting" / "views").glob("*.sql"))
CODE = "\n".join(path.read_text() for path in HERE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_statement_is_named_for_its_file_and_says_what_it_is_for(file: Path) -> None:
    name, described, *body = file.read_text().splitlines()
    assert name == f"-- {file.stem} --"
    assert described.startswith("-- ")
    assert described.endswith(".")
    code = "\n".join(line.partition("--")[0] for line in body).strip()
    assert code.endswith(";")
    assert code.count(";") == 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_no_statement_names_a_schema(file: Path) -> None:
    assert "entitlements." not in file.read_text()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_statement_is_used(file: Path) -> None:
    staged = {f"stage_{table}" for model in READ_MODELS for table in model.staged}
    assert f'"{file.stem}"' in CODE or file.stem in staged


def test_no_process_waits_for_an_advisory_lock() -> None:
    """Everybody who can connect may hold each of them, readers too."""
    services = HERE.parents[1] / "services"
    sources = [path for root in (HERE, services) for path in root.rglob("*") if path.suffix in {".py", ".sql"}]
    found = {path.name for path in sources if "pg_advisory" in path.read_text()}
    assert found == {"0009_usage.sql"}, "migration 0024 replaces its function"


def test_every_view_of_analysts_is_made() -> None:
    assert {file.stem for file in VIEWS_THERE} == set(VIEWS)


@pytest.mark.parametrize("file", VIEWS_THERE, ids=lambda file: file.stem)
def test_a_view_of_analysts_says_what_it_is_for_and_is_in_their_schema(file: Path) -> None:
    described, *body = file.read_text().splitlines()
    assert described.startswith("-- ")
    assert described.endswith(".")
    code = "\n".join(body)
    made = re.findall(r"^create or replace (?:view|function) (\S+?)(?:\(| as$)", code, re.MULTILINE)
    assert [f"{SCHEMA}.{file.stem}"] == made or (
        file.stem == "functions" and all(name.startswith(f"{SCHEMA}.") for name in made)
    )
    assert "drop " not in code, "other people's views may read it"


def test_every_read_model_stands_in_a_folder_of_its_own() -> None:
    for model in READ_MODELS:
        assert model.__module__ == f"entitlements_projections.{model.folder}"


def test_an_unknown_statement_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        statement("grants", "no_such_statement")


def test_migrations_are_numbered_without_gaps() -> None:
    numbers = [int(name.partition("_")[0]) for name in known_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
