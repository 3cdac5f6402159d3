"""The page around the sections: its style, its script, and the policy that forbids it everything else."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files

from sim.replay import fingerprint
from sim.report.html import Html, join, tag


def page(title: str, *inside: object) -> str:
    """A whole document. What is not `Html` among its parts is escaped."""
    folder = files("sim.report")
    style = Html("\n" + (folder / "page.css").read_text(encoding="utf-8"))
    script = Html("\n" + (folder / "page.js").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", style),
    )
    made = tag(
        "footer", f"gossamer {version('gossamer')}, sources {fingerprint()}. This page asks for nothing from anywhere."
    )
    body = tag("body", tag("main", *inside, made), tag("script", script))
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _policy(script: str) -> str:
    """Only this script may run, so that a name that slipped through could not."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def section(anchor: str, title: str, *inside: object) -> Html:
    """A part of the page, which the list of contents leads to."""
    return tag("section", tag("h2", title), *inside, id=anchor, aria_label=title)


def contents(names: dict[str, str]) -> Html:
    """Where the sections are."""
    return tag("nav", *(tag("a", title, href=f"#{anchor}") for anchor, title in names.items()), aria_label="Contents")


def tiles(values: list[tuple[str, str, str]]) -> Html:
    """The figures that matter most: name, value, and a few small words."""
    each = [tag("div", tag("dt", name), tag("dd", value, " ", tag("small", small))) for name, value, small in values]
    return tag("dl", *each, class_="tiles")


def verdict(*, kept: bool | None, sentence: str) -> Html:
    """Kept or broken, in a sentence; None: it is not known, for something is missing."""
    word, look = {True: ("✓ kept", "good"), False: ("✗ broken", "bad"), None: ("○ not whole", "idle")}[kept]
    return tag("p", tag("b", word), join(sentence), class_=f"verdict {look}", role="status")
