"""Documents say what is: links lead somewhere, what they name exists, and their tables are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from documents import (
    DOCUMENTS,
    ROOT,
    SOURCES,
    anchors_of,
    codes_in,
    command_of,
    literals_of,
    name_of,
    options_of,
    prose_of,
    rows_of,
    section_of,
)
from stoppress.desk import reading, tokens
from stoppress.newsroom import errors, model, text
from stoppress.newsroom import fields as kinds
from stoppress.newsroom.events import EVENTS
from stoppress.settings import Settings
from stoppress.transport import admission
from stoppress.web import api, body
from stoppress.wire.native import CloseCode, comes_back

PROTOCOL = ROOT / "docs" / "protocol.md"
OPERATING = ROOT / "docs" / "operating.md"
TESTS = {path.stem for path in (ROOT / "tests").rglob("*.py")} | {
    name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
}

by_document = pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)


# What they name


@by_document
def test_links_lead_somewhere(path: Path) -> None:
    """Files, and the headings in them; addresses elsewhere are not ours to ask."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]+`", "", path.read_text(), flags=re.S)):
        if re.match(r"https?://", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)

    assert broken == []


@by_document
def test_the_files_it_names_are_there(path: Path) -> None:
    named = set(re.findall(r"`((?:tests|client_demo|server|docs|\.ci)/[\w./-]*)`", path.read_text()))

    assert [one for one in sorted(named) if not (ROOT / one).exists()] == []


def test_every_test_that_is_named_exists() -> None:
    """In a document, a docstring or a comment: a promise whose test is not there holds nothing."""
    missing = []
    for path in (*DOCUMENTS, *SOURCES):
        said = prose_of(path)
        files = re.findall(r"\btests/[\w/]+\.\w+", said)
        names = re.findall(r"(?<![\w./])(test_\w+)", said)
        missing += [f"{name_of(path)}: {file}" for file in files if not (ROOT / file).exists()]
        missing += [f"{name_of(path)}: {name}" for name in names if name not in TESTS]

    assert missing == []


def test_every_section_of_the_protocol_that_is_cited_is_there() -> None:
    there = set(re.findall(r"^## (\d)\. ", PROTOCOL.read_text(), re.M))
    cited = [
        (name_of(path), number)
        for path in SOURCES
        for number in re.findall(r"PROTOCOL(?:\.md)?,? (?:section )?(\d)\b", prose_of(path))
    ]

    assert len(cited) >= 15
    assert [(file, number) for file, number in cited if number not in there] == []


@by_document
def test_the_commands_it_names_exist_with_their_options(path: Path) -> None:
    """`stoppress story create SLUG --headline …`, wherever it stands in running text or a table."""
    wrong = []
    for line in re.findall(r"`stoppress ([^`]+)`", path.read_text()):
        words = line.split()
        if words[0] == "COMMAND":
            continue
        try:
            command, rest = command_of(words)
        except KeyError as missing:
            wrong.append(f"{line}: no {missing}")
            continue
        known = options_of(command)
        wrong += [f"{line}: {word}" for word in rest if re.match(r"--?[A-Za-z]", word) and word not in known]

    assert wrong == []


@by_document
def test_the_settings_it_names_exist(path: Path) -> None:
    known = {f"STOPPRESS_{entry.name.upper()}" for entry in fields(Settings)}
    others = {"STOPPRESS_URL", "STOPPRESS_TOKEN", "STOPPRESS_TEST_REQUIRE"}

    assert set(re.findall(r"\bSTOPPRESS_[A-Z_]+\b", path.read_text())) <= known | others


# Operating


@pytest.mark.parametrize("entry", fields(Settings), ids=lambda entry: entry.name)
def test_every_setting_has_its_line(entry) -> None:
    rows = {row[0]: row for row in rows_of(section_of(OPERATING, "Settings"))}

    assert rows[f"`STOPPRESS_{entry.name.upper()}`"][2] == entry.metadata["about"]


def test_no_setting_is_listed_that_is_not_there() -> None:
    listed = {row[0] for row in rows_of(section_of(OPERATING, "Settings"))}

    assert listed == {f"`STOPPRESS_{entry.name.upper()}`" for entry in fields(Settings)}


def test_the_metrics_listed_are_those_there_are() -> None:
    listed = {
        name.removesuffix("_total")
        for row in rows_of(section_of(OPERATING, "Metrics"))
        for name in codes_in(row[0])
        if name.startswith("stoppress_")
    }
    told = {name for name, *_ in _metrics()}

    assert listed == told


def _metrics() -> list[tuple[str, ...]]:
    """The families of one worker that holds one story."""
    from samples import sample, story
    from stoppress.web.metrics import families

    return [(family.name,) for family in families([sample("w1", figures={"stories": {"storm": story(1, 1, 1)}})])]


def test_the_words_quoted_for_trouble_are_in_the_code() -> None:
    """Whoever searches the page for what stands in the log must find it."""
    said = [one for path in (ROOT / "server").rglob("*.py") for one in literals_of(path)]
    quoted = [
        words for row in rows_of(section_of(OPERATING, "When something goes wrong")) for words in codes_in(row[0])
    ]
    sentences = [words for words in quoted if " " in words]

    assert len(sentences) >= 15
    assert [words for words in sentences if not any(words in one for one in said)] == []


# The protocol


def test_every_address_of_the_api_is_listed_with_its_role() -> None:
    listed: dict[str, str] = {}
    for row in rows_of(section_of(PROTOCOL, "5. Editorial API and command line")):
        if codes := [code for code in codes_in(row[0]) if re.match(r"(GET|POST|PATCH|DELETE) /api/", code)]:
            listed[codes[0]] = row[1].partition(";")[0]
    there = {
        f"{method} {path}": role
        for path, methods in api.RESOURCES.items()
        for method, (role, _) in methods.items()
        if role  # what needs none answers only that it is not there
    }

    assert listed == there


def test_every_role_is_explained() -> None:
    assert [codes_in(row[0])[0] for row in rows_of(section_of(PROTOCOL, "Roles"))] == list(tokens.ROLES)


def test_every_close_code_is_listed_and_keeps_the_rule() -> None:
    rows = rows_of(section_of(PROTOCOL, "When to reconnect"))
    told = {int(code): row[2] for row in rows for code in row[0].split(", ")}

    assert {int(code) for code in CloseCode} <= told.keys()
    for code, what in told.items():
        if code >= 4000:
            assert what.startswith("comes back" if comes_back(code) else "does not come back"), code
    assert "4400 to 4499 mean that asking again is no use" in section_of(PROTOCOL, "When to reconnect")
    assert [code for code in range(1000, 5000) if not comes_back(code)] == [*range(4400, 4500)]


def test_every_type_of_message_is_listed() -> None:
    rows = rows_of(section_of(PROTOCOL, "3. Native stream"))
    told = {name for row in rows for name in re.findall(r'"type":"([a-z.]+)"', row[0])}
    notices = {"hello", "snapshot", "resumed", "beat", "readers", "stale", "live", "bye"}

    assert len(EVENTS) == 8
    assert told == notices | EVENTS


@pytest.mark.parametrize(
    ("what", "there"),
    [
        ("Story", {*model.Story.__struct_fields__, *model.Totals.__struct_fields__, "url"}),
        ("Post", {*model.Post.__struct_fields__, "url", "label"}),
    ],
)
def test_every_field_is_listed(what: str, there: set[str]) -> None:
    section = section_of(PROTOCOL, "7. Story and post")
    table = section.partition(f"**{what}**\n")[2].partition("\n**")[0]

    assert {name for row in rows_of(table) for name in codes_in(row[0])} == there


@pytest.mark.parametrize("kind", [model.Image, model.Person, model.Correction])
def test_every_field_within_a_post_is_listed(kind: type) -> None:
    found = re.search(rf"^\*\*{kind.__name__}\*\*: (.*)", PROTOCOL.read_text(), re.M)

    assert found
    assert set(kind.__struct_fields__) <= set(codes_in(found.group(1)))  # type: ignore[attr-defined]


def test_every_error_is_listed_with_its_status_and_exit_code() -> None:
    rows = {codes_in(row[0])[0]: row for row in rows_of(section_of(PROTOCOL, "Errors"))}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]

    assert rows.keys() == {kind.code for kind in kinds} | {"request"}
    for kind in kinds:
        _, status, exit_code, _ = rows[kind.code]
        assert str(kind.status) in status.split(", ")
        assert exit_code == str(kind.exit_code)


@pytest.mark.parametrize(
    ("what", "limits"),
    [
        ("slug", [kinds.SLUG.pattern]),
        ("id", [kinds.POST_ID.pattern]),
        ("headline", [kinds.HEADLINE_CHARS]),
        ("other lines", [kinds.LINE_CHARS]),
        ("paragraphs", [kinds.NOTE_CHARS]),
        ("addresses", [kinds.URL_CHARS]),
        ("body", [kinds.BODY_BYTES // 1024]),
        ("`content_html`", [text.HTML_BYTES // 1024]),
        ("nesting", [text.NESTING]),
        ("images", [model.IMAGES]),
        ("authors", [model.PEOPLE]),
        ("a JSON body", [body.JSON_BYTES >> 20]),
        ("an import", [body.IMPORT_BYTES >> 20]),
        ("request head", [admission.HEAD_BYTES // 1024, admission.HEADERS, admission.URL_BYTES // 1024]),
    ],
)
def test_limits_are_those_of_the_code(what: str, limits: list[object]) -> None:
    (row,) = (row for row in rows_of(section_of(PROTOCOL, "Limits")) if row[0].startswith(what))

    for limit in limits:
        shown = f"{limit:,}" if isinstance(limit, int) else str(limit)
        assert re.search(rf"(?<![\d,]){re.escape(shown)}(?![\d,])", row[1]), shown


def test_the_pages_of_the_api_are_as_long_as_it_says() -> None:
    assert f"`?limit=` up to {reading.PAGE_POSTS_MAX}" in PROTOCOL.read_text()


@pytest.mark.parametrize("path", [ROOT / "README.md", PROTOCOL], ids=name_of)
def test_a_client_is_as_short_as_it_says(path: Path) -> None:
    fold = re.sub(r"/\*.*?\*/|//[^\n]*", "", (ROOT / "client_demo/assets/fold.js").read_text(), flags=re.S)
    lines = sum(1 for line in fold.splitlines() if line.strip())
    found = re.search(r"fold\s+of\s+about\s+(\d+)\s+lines", path.read_text())

    assert found
    assert abs(int(found.group(1)) - lines) <= 10
