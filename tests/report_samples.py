"""Small runs to write reports about, and a reader of pages that knows what a page asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from sim.heap import Play
from sim.outcome import Outcome
from sim.scenario.model import Scenario

VOID = {"br", "col", "input", "meta"}
HOSTILE = "</script></title><script>alert(1)</script><img src=x onerror='alert(2)'>\"'&\u202e"

HOSTILE_REGION = "</script><script>alert(1)</script>\"'&"
"""The same, as short as a region has to be."""


def scenario(**changes: Any) -> Scenario:
    """Ana in eu and Ben in us, an application at each; app-1 publishes three messages."""
    plain: dict[str, Any] = {
        "title": "Two nodes",
        "promise": "Both have it.",
        "duration": "3s",
        "topology": {"latency": "40ms", "node": [{"name": "ana", "region": "eu"}, {"name": "ben", "region": "us"}]},
        "client": [{"name": "app", "count": 2, "subscribe": [{"to": "#"}]}],
        "timeline": [{"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1", "count": 3}}],
    }
    return Scenario.model_validate(plain | changes)


def played(what: Scenario, seed: int = 0) -> tuple[Play, Outcome]:
    """A recorded run."""
    play = Play(what, seed, recorded=True)
    return play, play.run()


@dataclass
class Page(HTMLParser):
    """What a page consists of."""

    text: str
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    words: dict[str, list[str]] = field(default_factory=dict)
    """The text of each section by its anchor; outside of any, by the empty string."""
    open_tags: list[str] = field(default_factory=list)
    styles: str = ""
    unbalanced: list[str] = field(default_factory=list)
    _section: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.tags.append((tag, found))
        if tag == "section":
            self._section = found["id"]
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._section = ""
        if not self.open_tags or self.open_tags.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        inside = self.open_tags[-1] if self.open_tags else ""
        if inside == "style":
            self.styles += data
        elif inside != "script" and data.strip():
            self.words.setdefault(self._section, []).append(data.strip())

    def rows(self, section: str) -> str:
        """The words of a section, in one line."""
        return re.sub(r"\s+", " ", " | ".join(self.words.get(section, [])))

    def asks_for(self) -> list[str]:
        """Everything that a browser would fetch, or run, for this page."""
        found = []
        for tag, attributes in self.tags:
            for key, value in attributes.items():
                leads_out = key in (
                    "src",
                    "srcset",
                    "href",
                    "xlink:href",
                    "action",
                    "poster",
                    "data",
                    "ping",
                    "background",
                )
                if (leads_out and not value.startswith("#")) or key.startswith("on"):
                    found.append(f"{tag} {key}={value}")
                if "url(" in value and "url(#" not in value:
                    found.append(f"{tag} {key}={value}")
            if tag in ("link", "img", "iframe", "object", "embed", "base", "image", "audio", "video", "foreignobject"):
                found.append(tag)
        found += re.findall(r"@import|@font-face|url\([^#)]*\)", self.styles)
        return found
