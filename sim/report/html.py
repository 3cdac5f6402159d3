"""Markup that is escaped by its type: `tag` escapes every string that is not `Html` already."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Literal

VOID = frozenset({"br", "col", "input", "meta"})
CONTROLS = {
    **{code: "\ufffd" for code in (*range(32), *range(0x7F, 0xA0)) if code not in (9, 10)},
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)), "\ufffd"),
}
"""What a name may hold and a page may not: controls, marks that turn the direction of text, halves of characters."""


class Html(str):
    """Text that is markup, and safe."""

    __slots__ = ()


def text(value: object) -> Html:
    """Anything, as it may stand in an element or in an attribute."""
    return value if isinstance(value, Html) else Html(escape(str(value).translate(CONTROLS)))


def join(*parts: object) -> Html:
    """Parts behind one another; those that are no markup are escaped."""
    return Html("".join(map(text, parts)))


def tag(name: str, /, *inside: object, **attributes: object) -> Html:
    """An element. `stroke_width=1` is `stroke-width="1"`; True is an attribute without a value, None is none."""
    said = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        said.append(f" {label}" if value is True else f' {label}="{escape(str(value).translate(CONTROLS))}"')
    opened = f"<{name}{''.join(said)}>"
    return Html(opened if name in VOID else f"{opened}{join(*inside)}</{name}>")


def table(
    heads: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    caption: str = "",
    numbers: tuple[int, ...] = (),
    alone: Literal["", "first", "last"] = "",
) -> Html:
    """A table; the columns whose numbers are named are figures, and stand at the right.

    On a narrow screen the first or the last cell of each row can have a line `alone`, and the others share one: what is long
    neither pushes figures out of sight nor is pushed.
    """

    def cell(kind: str, column: int, value: object) -> Html:
        scope = "col" if kind == "th" else None
        return tag(kind, value, class_="n" if column in numbers else None, scope=scope)

    head = tag("tr", *(cell("th", column, value) for column, value in enumerate(heads)))
    body = [tag("tr", *(cell("td", column, value) for column, value in enumerate(row))) for row in rows]
    named = tag("caption", caption) if caption else ""
    shown = tag("table", named, tag("thead", head), tag("tbody", *body))
    if not alone:
        return tag("div", shown, class_="wide", tabindex="0")
    return tag("div", shown, class_=f"wide {alone}-alone", style=f"--beside:{len(heads) - 1}", tabindex="0")
