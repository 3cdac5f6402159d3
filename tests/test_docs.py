"""The documents hold: links lead somewhere, generated pages are current, examples parse, and named things are there."""

import ast
import re
import shlex
import subprocess
import sys
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
def test_python_examples_compile_and_what_they_import_is_there(path: Path) -> None:
    for block in blocks(path, "python"):
        tree = compile(block, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
        imports: list[ast.stmt] = [line for line in tree.body if isinstance(line, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), str(path), "exec"), {})


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


@pytest.mark.timeout(300)  # it plays the whole tutorial, beside other tests
def test_the_tutorial_shows_what_its_commands_print(tmp_path: Path) -> None:
    """All but its sweeps, which say how fast the machine was: each in its order, in a folder of their own."""
    page = ROOT / "docs" / "howto" / "simulate-your-topology.md"
    scenario = "\n".join(blocks(page, "toml"))
    (tmp_path / "shop.toml").write_text(scenario, encoding="utf-8")
    (tmp_path / "slip" / "shop.toml").parent.mkdir()
    (tmp_path / "slip" / "shop.toml").write_text(scenario.replace("[100, 400]", '["100", 400]'), encoding="utf-8")
    lines = [line for body in blocks(page, "text") + blocks(page, "sh") for line in body.splitlines()]
    commands = [line for line in lines if re.match(r"gossamer sim (topology|run|shrink|replay) \S+\.(toml|tape)", line)]
    printed = prints("gossamer sim topology shop.toml", tmp_path / "slip")

    for command_line in sorted(commands, key=page.read_text(encoding="utf-8").index):
        if "--confirm" not in command_line:
            printed += prints(command_line, tmp_path)
    printed += (tmp_path / "small.toml").read_text(encoding="utf-8").splitlines()

    told = r"gossamer sim |\s*…$|Shop: \d+ seeds|.* a second and core|$"
    assert [line for line in lines if not re.match(told, line) and line not in printed] == []


def prints(line: str, folder: Path) -> list[str]:
    """The lines that a command of ours prints."""
    words = [str(Path(sys.executable).parent / "gossamer"), *shlex.split(line, comments=True)[1:]]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    return [*done.stdout.splitlines(), *done.stderr.splitlines()]
