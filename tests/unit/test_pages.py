"""The pages under docs, and what the code says of them: references resolve, tables agree with the code, words stay plain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.plain_words import given_up_in

from entitlements.changes import topics as of_changes
from entitlements.ledger.topics import TOPICS
from entitlements.scenarios.reading import LIBRARY
from entitlements_schemas import cloudevents

ROOT = Path(__file__).parents[2]
PAGES = sorted({
    *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md"), ROOT / "deploy/README.md",
    ROOT / "clients/python/README.md", ROOT / "bench/README.md", ROOT / "tests/model/README.md",
    ROOT / "services/entitlements/demo/README.md",
})  # fmt: skip
RULES = sorted((ROOT / "docs/rules").glob("*.md"))
SOURCES = [
    file
    for folder in ("services", "projections", "schemas", "clients", "tests", "bench", "deploy")
    for file in (ROOT / folder).rglob("*")
    if file.suffix in {".py", ".sql", ".avsc", ".md", ".yaml", ".yml", ".toml", ".vcl"} and file.is_file()
]
#: Files of this repository by their path, and a section of a numbered page: "docs/architecture.md 3.4".
MENTIONED = re.compile(r"\b(docs/[\w/-]+\.md)(?: (\d+(?:\.\d+)?))?")
LINK = re.compile(r"\]\(((?!https?:)[^)\s]*)\)")
HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)
FEATURES = "|".join(sorted(folder.name for folder in LIBRARY.iterdir() if folder.is_dir()))
SCENARIO = re.compile(rf"`((?:{FEATURES})/[a-z0-9-]+)`")
_DAY_MS = 86_400_000


def prose_of(page: Path) -> str:
    """The text of a page without blocks and spans of code, addresses of links and names of files."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "", text))


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in HEADING.findall(text)]
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


def test_every_mention_of_a_page_in_the_code_resolves() -> None:
    numbers = {
        page: {number.rstrip(".") for number in re.findall(r"^#+ (\d[\d.]*) ", page.read_text(), re.MULTILINE)}
        for page in (ROOT / "docs").rglob("*.md")
    }
    wrong = [
        f"{file.relative_to(ROOT)}: {path} {section}"
        for file in SOURCES
        for path, section in MENTIONED.findall(file.read_text())
        if ROOT / path not in numbers or (section and section not in numbers[ROOT / path])
    ]
    assert not wrong


def test_no_code_refers_to_a_page_outside_of_the_repository() -> None:
    outside = re.compile("DESIGN" + r" (?:section )?\d")
    assert not [str(file.relative_to(ROOT)) for file in SOURCES if outside.search(file.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_and_to_headings(page: Path) -> None:
    wrong = []
    for link in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            wrong.append(link)
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_wrapped(page: Path) -> None:
    """Tables, code and lines that are one link stay whole; all else is read at any width."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    long = [line for line in text.splitlines() if len(line) > 120 and not line.lstrip().startswith(("|", "- ["))]
    assert not long


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_use_the_plain_words_of_the_field(page: Path) -> None:
    found = given_up_in(prose_of(page))
    assert not found, f"{page.relative_to(ROOT)}: write it plainly (CONTRIBUTING.md)"


def test_a_customer_is_called_a_customer() -> None:
    """Commands, events and tables say workspace; the glossary explains it once."""
    named = [str(page.relative_to(ROOT)) for page in PAGES if re.search(r"\b[Ww]orkspaces?\b", prose_of(page))]
    assert named == ["docs/glossary.md"]


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/README.md"], ids=["README", "docs"])
def test_the_glossary_is_linked_first(page: Path) -> None:
    first = next(link for link in LINK.findall(page.read_text()) if "docs/" in link or page.parent.name == "docs")
    assert (page.parent / first).resolve() == ROOT / "docs/glossary.md"


def test_every_page_is_linked_from_the_index() -> None:
    index = ROOT / "docs/README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(index.read_text())}
    rules = {(RULES[0].parent / link).resolve() for link in LINK.findall((ROOT / "docs/rules/README.md").read_text())}
    assert set((ROOT / "docs").rglob("*.md")) - {index} <= linked | rules


def test_every_rule_has_its_example() -> None:
    without = [
        f"{page.name}: {rule.splitlines()[0]}"
        for page in RULES
        if page.name != "README.md"
        for rule in re.findall(r"^- \*\*.*?(?=^- |^$|^#|\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
        if not re.search(r"\b[Ee]xamples?\b|```|In the example", rule) and "`entitlements scenario preview" not in rule
    ]
    assert not without


def test_the_examples_that_pages_name_are_in_the_library() -> None:
    named = {name for page in RULES for name in SCENARIO.findall(page.read_text())}
    assert len(named) > 80
    assert not [name for name in named if not (LIBRARY / f"{name}.yaml").is_file()]


def test_the_table_of_topics_is_what_the_code_creates() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| [^|]+ \| ([^|]+) \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE
    )
    ours = {topic.name: _kept(topic.retention_ms, compacted=topic.compacted) for topic in TOPICS}
    for name, config in of_changes.OWN.items():
        ours[name] = _kept(int(config.get("retention.ms", -1)), compacted=config["cleanup.policy"] == "compact")
    assert dict(rows) == ours


def test_the_page_for_consumers_says_how_long_records_stay() -> None:
    table = (ROOT / "docs/consumers.md").read_text().partition("| topic |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `([\w-]+)` \|.*\| ([^|]+) \|$", table, re.MULTILINE))
    ours = {topic.name: _kept(topic.retention_ms, compacted=topic.compacted) for topic in TOPICS}
    assert rows == {name: ours[name] for name in ("changes", "events", "usage")}


def test_the_page_for_consumers_names_the_record_of_each_kind_of_change() -> None:
    table = (ROOT / "docs/consumers.md").read_text().partition("| `ce_type` |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| `(\w+)` \|", table, re.MULTILINE)
    assert {record: kind for kind, record in rows} == cloudevents.CHANGE_TYPES


def test_the_table_of_the_access_log_names_every_field_in_its_three_places() -> None:
    from entitlements.access.log.entries import ACCESS_DECIDED
    from entitlements.api.log_bodies import LoggedDecision
    from entitlements_schemas import text

    table = (ROOT / "docs/api.md").read_text().partition("| topic | API | view |")[2].partition("\n\n")[0]
    rows = [[re.findall(r"`([\w.]+)`", cell) for cell in line.split("|")[1:4]] for line in table.splitlines()[2:]]
    assert all(len(topic) == len(api) == len(view) for topic, api, view in rows)
    listed = {names[0]: names[1:] for row in rows for names in zip(*row, strict=True)}
    fields = [field["name"] for field in text(ACCESS_DECIDED)["fields"]]
    assert set(listed) <= set(fields)
    api = {listed.get(name, [name])[0].partition(".")[0] for name in fields}
    assert api == {*LoggedDecision.model_fields, "organization_id"}
    view = (ROOT / "projections/entitlements_projections/reporting/views/access_log.sql").read_text()
    columns = set(re.findall(r"column entitlements_reporting\.access_log\.(\w+)", view))
    ours = {listed.get(name, ["", name])[1] for name in fields}
    assert ours - columns == {"entitlement_type"}
    assert columns - ours == {"name", "unit", "scale", "quantity_decimal"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_one_title(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) <= 1


def test_the_page_for_consumers_names_the_subjects_of_topics_that_there_are() -> None:
    from entitlements_schemas import catalogue

    section = (ROOT / "docs/consumers.md").read_text().partition("## The registry\n")[2].partition("\n## ")[0]
    row = next(line for line in section.splitlines() if line.startswith("| `<topic>-value`"))
    assert set(re.findall(r"`(entitlements\.[\w.-]+)`", row)) == set(catalogue.subjects_by_topic())
    several = next(part for part in section.split("\n\n") if "do not exist" in part)
    named = set(re.findall(r"`(entitlements\.[\w.-]+-value)`", several))
    assert named
    assert not named & set(catalogue.subjects_by_topic())
    topics = {f"entitlements.{catalogue.topic_of(name)}-value" for name in catalogue.travelling()}
    assert named == topics - set(catalogue.subjects_by_topic()) - {
        f"entitlements.{internal}-value" for internal in ("commands", "snapshots")
    }


def _kept(retention_ms: int, *, compacted: bool) -> str:
    if compacted:
        return "compacted"
    if retention_ms == -1:
        return "forever"
    return f"{retention_ms // _DAY_MS} days" if retention_ms >= _DAY_MS else f"{retention_ms // 3_600_000} hour"


def test_the_page_of_policies_names_every_operator() -> None:
    from entitlements_client.deciding.operators import OPERATORS

    table = (ROOT / "docs/policies.md").read_text().partition("## Operators")[2].partition("`all`, `any`")[0]
    assert set(
        re.findall(r"`([a-z_]+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    ) == set(OPERATORS)


def test_the_checklists_name_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`((?:services|projections|schemas|clients|tests|docs|entities)/[^`]*)`", text))
    named = {name if name.split("/")[0] != "entities" else f"schemas/entitlements_schemas/{name}" for name in named}
    assert len(named) > 40
    assert not [name for name in named if "NAME" not in name and not (ROOT / name).exists()]


def test_the_checklists_name_what_the_code_has() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    code = "\n".join(file.read_text() for file in SOURCES if file.suffix == ".py")
    names = re.findall(r"`((?:test_)?[A-Z_]{4,}|one_of_each|test_[a-z_]+)`", text)
    assert len(names) > 8
    assert not [name for name in names if name != "NAME" and not re.search(rf"\b{name}\b", code)]
