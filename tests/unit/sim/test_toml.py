"""TOML of strangers: every line is known, and what no file needs is refused before it costs anything."""

import time
import tomllib
from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario.reading import SHIPPED
from sim.toml import DEPTH_MAX, DIGITS_MAX, FILE_BYTES_MAX, KEY_PARTS_MAX, Place, line_of, parse, read_text

TEXT = '''\
title = "a # b = [c"  # [d]
story = """
[no] = "table"
"""
dotted . "k\\u0065y" = 1.5
many = [
  [1, 2],
  { a = 1, b = [
    "x",
  ] },
]

[one.two]
three = { four = 4 }

[[list]]
[[list]]
name = "second"
[list.below]
key = 1
'''
LINES = {
    ("title",): 1,
    ("story",): 2,
    ("dotted", "key"): 5,
    ("many",): 6,
    ("many", 0): 7,
    ("many", 0, 1): 7,
    ("many", 1): 8,
    ("many", 1, "a"): 8,
    ("many", 1, "b", 0): 9,
    ("one", "two"): 13,
    ("one", "two", "three"): 14,
    ("one", "two", "three", "four"): 14,
    ("list", 0): 16,
    ("list", 1): 17,
    ("list", 1, "name"): 18,
    ("list", 1, "below", "key"): 20,
    ("list", 1, "nothing"): 17,
    ("nothing",): 0,
}


@pytest.mark.parametrize(("place", "line"), LINES.items(), ids=str)
def test_every_table_key_and_element_has_its_line(place: Place, line: int) -> None:
    assert line_of(parse(TEXT, "a.toml")[1], place) == line


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_what_ships_is_read_as_the_standard_library_reads_it_and_each_key_has_a_line(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    tables, lines = parse(text, str(path))

    assert tables == tomllib.loads(text)
    for key in tables:
        assert text.splitlines()[(line_of(lines, (key,)) or line_of(lines, (key, 0))) - 1].lstrip("[").startswith(key)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a = 1\nb = " + "[" * 100_000, 2, f"more than {DEPTH_MAX} deep"),
        ("a = 1\nb = " + "{a=" * 100_000, 2, f"more than {DEPTH_MAX} deep"),
        ("a = 1\n" + "a." * 100_000 + "a = 1", 2, f"more than {KEY_PARTS_MAX} parts"),
        ("a = 1\n[" + "a." * 100_000 + "a]", 2, f"more than {KEY_PARTS_MAX} parts"),
        ("a = 1\nb = { " + "a." * 100_000 + "a = 1 }", 2, f"more than {KEY_PARTS_MAX} parts"),
        ("a = 1\nb = " + "9" * 5_000, 2, "a number of 5,000 characters"),
        ("a = 1\nb = [1, -0x" + "f" * DIGITS_MAX + "]", 2, f"a number of {DIGITS_MAX + 3} characters"),
        ("a = 1\nb = [", 2, "no TOML"),
        ("a = 1\nb = 'c", 2, "no TOML"),
        ('a = 1\nb = """c\n\n', 4, "no TOML"),
        ("a = 1\n]] }} ,, = . 1", 2, "no TOML"),
        ("a = 1\n\x00", 2, "no TOML"),
        ("a = 1\n[" + " " * 1_000_000 + "\n", 2, "no TOML"),
        ("a = 1\n" + '"\\' * 100_000, 2, "no TOML"),  # traced, tomllib itself takes the square of this
        ("a = 1\nb = " + '"""\\"""\\' * 20_000, 2, "no TOML"),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_what_is_beyond_a_limit_or_no_toml_is_one_error_with_its_line_and_soon(
    text: str, line: int, problem: str
) -> None:
    began_s = time.process_time()

    with pytest.raises(ScenarioError, match=problem) as caught:
        parse(text, "a.toml")

    assert caught.value.line == line
    assert time.process_time() - began_s < 5


def test_limits_are_what_they_say() -> None:
    (deep, _), (dotted, _) = (
        parse("a = " + "[" * DEPTH_MAX + "]" * DEPTH_MAX, "a.toml"),
        parse(".".join("a" * KEY_PARTS_MAX) + " = 1", "a.toml"),
    )
    assert str(deep["a"]) == "[" * DEPTH_MAX + "]" * DEPTH_MAX
    assert str(dotted).count("'a'") == KEY_PARTS_MAX
    assert parse("a = " + "9" * DIGITS_MAX, "a.toml")[0] == {"a": int("9" * DIGITS_MAX)}
    assert parse(f"{'9' * 200} = 1\nb = ['{'9' * 5_000}']", "a.toml")[0] == {"9" * 200: 1, "b": ["9" * 5_000]}


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    large, binary = tmp_path / "large", tmp_path / "binary"
    large.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    binary.write_bytes(b"abc\xff")

    for path, problem in (
        (large, "too large"),
        (binary, "not UTF-8 at byte 3"),
        (tmp_path, "it is no file"),
        (tmp_path / "none", "there is no such file"),
        (tmp_path / "a\0b", "null byte"),
        (tmp_path / ("n" * 300), "File name too long"),
    ):
        with pytest.raises(ScenarioError, match=problem):
            read_text(path, "a file")


@pytest.mark.parametrize(
    "text",
    [
        '"""\nlong\n"""',
        "'''\nlong\n'''",
        '"""\n\\""" is no end\n"""',
        '"""one " and two ""\n\n"""',
        '"""\nends with two\n"""""',
        '"\\" escaped"\n\n',
        "'\\'\n\n",
    ],
)
def test_what_stands_behind_a_string_has_its_line(text: str) -> None:
    file = f"first = {text}\nnumber = 3\n"

    tables, lines = parse(file, "a.toml")

    assert (tables["number"], lines["number",]) == (3, file.count("\n"))
    with pytest.raises(
        ScenarioError, match=rf"^a\.toml:{file.count(chr(10))}: a number of 5,000 characters; expected at most 100$"
    ):
        parse(file.replace("3", "9" * 5_000), "a.toml")


@pytest.mark.parametrize("text", ['"""', "'''", '"', "'", '"""\\', '"\\', '"""\n\\"""'])
def test_a_string_without_an_end_is_no_toml(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"^a\.toml:\d+: no TOML: "):
        parse(f"first = {text}", "a.toml")
