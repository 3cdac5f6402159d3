"""The documents hold: links lead somewhere, generated pages are current, examples parse, and named things are there."""

import ast
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from gossamer.command import VERBS, command
from gossamer.docs import PAGES, REFERENCE

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
TEST_PATH = re.compile(r"`((?:tests|mesh|nodes|sim|gossamer|bench)/[\w/.-]+)`")

per_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def anchors(text: str) -> set[str]:
    """What a link to a part of a page may name: its headings as GitHub writes them, and explicit anchors."""
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in HEADING.findall(text)}
    return slugs | set(re.findall(r'<a id="([^"]+)"', text))


def without_code(text: str) -> str:
    return FENCE.sub("", text)


def blocks(path: Path, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(path.read_text(encoding="utf-8")) if name == language]


@per_document
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(path: Path) -> None:
    broken = []
    for link in LINK.findall(without_code(path.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        if not found.exists() or (anchor and anchor not in anchors(found.read_text(encoding="utf-8"))):
            broken.append(link)

    assert broken == []


@per_document
def test_every_file_that_a_document_names_is_there(path: Path) -> None:
    missing = [name for name in TEST_PATH.findall(path.read_text(encoding="utf-8")) if not (ROOT / name).exists()]

    assert missing == []


@per_document
def test_python_examples_compile(path: Path) -> None:
    for block in blocks(path, "python"):
        compile(block, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@per_document
def test_shell_examples_parse_and_call_verbs_as_they_are(path: Path) -> None:
    for block in blocks(path, "sh"):
        parsed = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)
        assert parsed.returncode == 0, f"{parsed.stderr}\n{block}"
        plain = re.sub(r'"\$\([^)]*\)"', "SOMETHING", block.replace("\\\n", " "))
        for call in re.findall(r"(?:^|\|\|? *)gossamer ([^|\n]*)", plain, re.MULTILINE):
            assert_parses(shlex.split(re.sub(r"[<>].*", "", call), comments=True))


def assert_parses(words: list[str]) -> None:
    """A verb takes these words, as far as click knows without running it."""
    if words[0].startswith("-"):
        return
    verb = VERBS.get(words[0])
    assert verb is not None and verb.is_built(), words
    context = click.Context(command, info_name="gossamer", auto_envvar_prefix="GOSSAMER")
    found, rest = command.get_command(context, words[0]), words[1:]
    while isinstance(found, click.Group):
        found, rest = found.commands[rest[0]], rest[1:]
    assert found is not None
    found.make_context(words[0], rest, parent=context)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_comes_from_the_code_is_current(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_the_map_names_every_page() -> None:
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in LINK.findall(text)}

    pages = {path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "decisions"}
    assert pages - {ROOT / "docs" / "README.md"} <= linked


def test_decisions_are_numbered_once() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]

    assert len(numbers) == len(set(numbers))


def test_the_changelog_names_the_bug_of_every_regression() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    names = sorted(path.stem for path in (ROOT / "tests" / "regressions").glob("*.toml"))

    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "docs" / "decisions" / "0001-dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.match(r"[\w-]+", line) for line in wanted]

    assert [name[0] for name in names if name and f"| `{name[0]}`" not in text] == []


def test_the_tests_of_links_and_anchors_notice_what_is_broken() -> None:
    text = "# A head, with `code`\n[a](b.md#c) and ```\n"

    assert LINK.findall(text) == ["b.md#c"]
    assert anchors(text) == {"a-head-with-code"}
