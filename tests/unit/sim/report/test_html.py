"""Markup: what is no `Html` is escaped, wherever it is put."""

from typing import Literal

import pytest

from sim.report.html import Html, join, table, tag, text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<b>", "&lt;b&gt;"),
        ("\"'&", "&quot;&#x27;&amp;"),
        ("</script>", "&lt;/script&gt;"),
        ("a\x00b\x1bc\u202ed\ud800e", "a\ufffdb\ufffdc\ufffdd\ufffde"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        (7, "7"),
    ],
)
def test_whatever_is_no_markup_is_escaped(given: object, expected: str) -> None:
    assert text(given) == expected
    assert tag("p", given) == f"<p>{expected}</p>"
    assert tag("p", title=given) == f'<p title="{expected}"></p>'
    assert join(given, Html("<br>")) == f"{expected}<br>"


def test_markup_is_escaped_within_an_attribute() -> None:
    assert tag("p", title=Html('"><i>')) == '<p title="&quot;&gt;&lt;i&gt;"></p>'


def test_markup_that_met_plain_text_is_plain_text() -> None:
    assert tag("p", tag("b", "x") + "<i>") == "<p>&lt;b&gt;x&lt;/b&gt;&lt;i&gt;</p>"


def test_attributes_are_written_as_markup_has_them() -> None:
    made = tag("input", class_="a", stroke_width=2, checked=True, disabled=False, id=None)

    assert made == '<input class="a" stroke-width="2" checked>'


def test_table_says_which_columns_are_figures() -> None:
    made = table(["who", "how many"], [["<ana>", 3]], numbers=(1,))

    assert made == (
        '<div class="wide" tabindex="0"><table><thead><tr><th scope="col">who</th><th class="n" scope="col">how many</th></tr>'
        '</thead><tbody><tr><td>&lt;ana&gt;</td><td class="n">3</td></tr></tbody></table></div>'
    )


@pytest.mark.parametrize("alone", ["first", "last"])
def test_table_says_which_cell_has_a_line_alone_and_how_many_share_one(alone: Literal["first", "last"]) -> None:
    made = table(["who", "how many", "why"], [], alone=alone)

    assert made.startswith(f'<div class="wide {alone}-alone" style="--beside:2" tabindex="0"><table>')
