"""Is it ours? Sizes, docstrings, names, to-dos and paths, checked by reading the source.

Each rule takes a file and returns what is wrong with it as `path:line: what, and what to do`. The rules are themselves
tested at the end, on a file that breaks each of them.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("mesh", "nodes", "sim", "gossamer")

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
DOCSTRING_FROM_LINES = 6
"""A public method of fewer lines may speak for itself; modules, classes and functions may not."""

FORBIDDEN_WORDS = {"manager", "helper", "util", "data", "info", "handler"}
NAMES_GIVEN_TO_US = {"data_received", "get_extra_info"}
"""What a base class of the standard library calls its methods."""

TODO = re.compile(r"\b(TODO\b(?!\(#\d+\))|FIXME\b|XXX\b|HACK\b)")
MACHINE_PATH = re.compile(r"(?<![\w.~/$})-])/(?:work|root|tmp|home/\w+)(?![\w.-])")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Definition = FunctionNode | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """A file of the project: its path from the root, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def is_product(self) -> bool:
        return self.path.startswith(tuple(f"{package}/" for package in PACKAGES))

    def at(self, line: int, what: str) -> str:
        return f"{self.path}:{line}: {what}"


def definitions(node: ast.AST, owner: ast.AST | None = None) -> Iterator[tuple[Definition, ast.AST | None]]:
    """Every function and class below the node, each with the function or class that it stands in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield child, owner
            yield from definitions(child, child)
        elif not isinstance(child, ast.expr):  # in which none stands, and which are most of a tree
            yield from definitions(child, owner)


def lines_of(node: Definition) -> int:
    """The lines of a definition from `def` to its end, without its docstring."""
    assert node.end_lineno is not None
    lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node, clean=False) is not None:
        prose = node.body[0]
        assert prose.end_lineno is not None
        lines -= prose.end_lineno - prose.lineno + 1
    return lines


def words_of(name: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in small letters and the singular."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {word.lower().removesuffix("s") for word in words}


def decorators_of(node: Definition) -> set[str]:
    found = {ast.unparse(decorator) for decorator in node.decorator_list}
    return {name.rpartition(".")[2] for name in found}


def file_is_short(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield source.at(1, f"{lines} lines, {FILE_LINES_MAX} at most: make it a package")


def functions_are_short(source: Source) -> Iterator[str]:
    for node, _ in definitions(source.tree):
        if isinstance(node, FunctionNode) and (lines := lines_of(node)) > FUNCTION_LINES_MAX:
            yield source.at(node.lineno, f"{node.name} has {lines} lines, {FUNCTION_LINES_MAX} at most: name its parts")


def public_things_say_what_for(source: Source) -> Iterator[str]:
    if not source.is_product:
        return
    if not ast.get_docstring(source.tree):
        yield source.at(1, "a module opens with a docstring: say what it achieves and how")
    for node, owner in definitions(source.tree):
        if node.name.startswith("_") or isinstance(owner, FunctionNode) or ast.get_docstring(node):
            continue
        if isinstance(owner, ast.ClassDef) and (
            owner.name.startswith("_")
            or lines_of(node) < DOCSTRING_FROM_LINES
            or decorators_of(node) & {"overload", "override", "setter"}
        ):
            continue
        yield source.at(node.lineno, f"{node.name} is public and has no docstring: say what for")


def names_say_something(source: Source) -> Iterator[str]:
    if not source.is_product:
        return
    for part in Path(source.path).with_suffix("").parts:
        for word in sorted(words_of(part) & FORBIDDEN_WORDS):
            yield source.at(1, f"the module's name says {word!r}: name what it does")
    for node, owner in definitions(source.tree):
        is_attribute = isinstance(owner, ast.ClassDef) and decorators_of(node) & {"property", "cached_property"}
        if is_attribute or node.name in NAMES_GIVEN_TO_US:
            continue
        for word in sorted(words_of(node.name) & FORBIDDEN_WORDS):
            yield source.at(node.lineno, f"{node.name} says {word!r}: name what it does")


def todos_name_their_issue(source: Source) -> Iterator[str]:
    if not TODO.search(source.text):
        return
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and TODO.search(token.string):
            yield source.at(token.start[0], "write TODO(#12) with the number of an issue, or do it now")


def no_path_of_one_machine(source: Source) -> Iterator[str]:
    if source.path.startswith("tests/"):
        return
    for number, line in enumerate(source.text.splitlines(), start=1):
        if found := MACHINE_PATH.search(line):
            yield source.at(number, f"{found[0]} is a path of one machine: take it from the config or the environment")


Rule = Callable[[Source], Iterator[str]]
PYTHON_RULES: list[Rule] = [
    file_is_short,
    functions_are_short,
    public_things_say_what_for,
    names_say_something,
    todos_name_their_issue,
]
RULES: list[Rule] = [*PYTHON_RULES, no_path_of_one_machine]


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    """All text files that are tracked, or would be with the next `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    found = []
    for path in sorted(set(listed.split("\0")) - {""}):
        try:
            found.append(Source(path, (ROOT / path).read_text(encoding="utf-8")))
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue  # a picture; or deleted, and not yet committed as deleted
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_our_files_keep_the_rule(rule: Rule, sources: list[Source]) -> None:
    wanted = [source for source in sources if rule not in PYTHON_RULES or source.path.endswith(".py")]
    assert wanted, "no file found: the test looks in the wrong place"

    broken = [complaint for source in wanted for complaint in rule(source)]

    assert not broken, "\n" + "\n".join(broken)


LONG_BODY = "    x = 1\n" * FUNCTION_LINES_MAX
BROKEN: list[tuple[Rule, str, str, int]] = [
    (file_is_short, "mesh/a.py", "x = 1\n" * (FILE_LINES_MAX + 1), 1),
    (functions_are_short, "mesh/a.py", f"x = 1\ndef f():\n{LONG_BODY}", 2),
    (public_things_say_what_for, "mesh/a.py", "x = 1\n", 1),
    (public_things_say_what_for, "mesh/a.py", "'''Doc.'''\ndef f(): pass\n", 2),
    (public_things_say_what_for, "mesh/a.py", "'''Doc.'''\nclass C: pass\n", 2),
    (public_things_say_what_for, "mesh/a.py", "'''Doc.'''\nclass C:\n '''Doc.'''\n def f():\n" + "  x = 1\n" * 6, 4),
    (names_say_something, "mesh/utils.py", "x = 1\n", 1),
    (names_say_something, "mesh/a.py", "x = 1\nclass LinkManager: pass\n", 2),
    (names_say_something, "mesh/a.py", "x = 1\nclass C:\n def load_data(self): pass\n", 3),
    (todos_name_their_issue, "mesh/a.py", "x = 1\ny = 2  # TODO: later\n", 2),
    (todos_name_their_issue, "mesh/a.py", "x = 1\ny = 2  # FIXME\n", 2),
    (no_path_of_one_machine, "docs/a.md", "see\n`/home/ana`\n", 2),
    (no_path_of_one_machine, "Makefile", "x:\n\tcd /tmp && ls\n", 2),
]
SOUND: list[tuple[Rule, str, str]] = [
    (functions_are_short, "mesh/a.py", f"def f():\n    '''Doc.\n{LONG_BODY}'''\n"),
    (public_things_say_what_for, "mesh/a.py", "'''Doc.'''\nclass C:\n '''Doc.'''\n def f(): pass\n"),
    (public_things_say_what_for, "mesh/a.py", "'''Doc.'''\ndef _f():\n def g(): pass\n"),
    (public_things_say_what_for, "tests/a.py", "def test_f(): pass\n"),
    (names_say_something, "mesh/a.py", "class C:\n @property\n def data(self): pass\n"),
    (names_say_something, "mesh/database.py", "class Metadata: pass\ndef update(): pass\n"),
    (names_say_something, "mesh/a.py", "data = 1\n"),
    (todos_name_their_issue, "mesh/a.py", "x = 1  # TODO(#12) measure\n"),
    (no_path_of_one_machine, "docs/a.md", "http://example.org/work/ and ../work and framework/work\n"),
]


@pytest.mark.parametrize(("rule", "path", "text", "line"), BROKEN)
def test_rule_finds_what_breaks_it(rule: Rule, path: str, text: str, line: int) -> None:
    found = list(rule(Source(path, text)))

    assert [complaint.partition(": ")[0] for complaint in found] == [f"{path}:{line}"]


@pytest.mark.parametrize(("rule", "path", "text"), SOUND)
def test_rule_lets_sound_code_be(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text))) == []
