"""A real browser opens a report: its script runs, nothing is refused and nothing is complained about.

The page's own policy forbids every request, so whatever it asked for would be a line on the console. Skipped where no
Chromium is installed; the unit tests of `sim.report` read the same page without one.
"""

import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from sim.checkers import Breach
from sim.report import write_report
from sim.report.run import render
from tests.report_samples import HOSTILE, played, scenario

WIDTHS = (320, 360, 400, 520, 600, 660)
"""Screens, from a small telephone on, up to where tables stand as on a wide one."""
LOOK = """onload = () => document.body.replaceChildren(...[...document.querySelectorAll("iframe")].flatMap((frame) =>
  [...frame.contentDocument.querySelectorAll(".wide:has(table:not(.matrix))")].map((table) => {
    const told = document.createElement("p");
    const heads = [...table.querySelectorAll("th[scope=col]")].map((head) => head.textContent);
    told.textContent = [frame.width, table.scrollWidth <= table.clientWidth ? "fits" : "scrolls", ...heads].join(" | ");
    return told;
  })))"""
"""Opens nothing that is folded away, and tells of each table in each frame whether one must scroll sideways to read it."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
    "--dump-dom",
)

pytestmark = pytest.mark.live


def opened(page: Path, profile: Path) -> tuple[str, list[str]]:
    """What a page came to in a browser, and what the console said."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed (looked for on the PATH)")
    command = [browser, *FLAGS, f"--user-data-dir={profile}", page.as_uri()]
    found = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    return found.stdout, [line for line in found.stderr.splitlines() if "CONSOLE" in line]


def test_report_opens_without_a_complaint_and_its_script_runs(tmp_path: Path) -> None:
    cut = {"at": "500ms", "for": "1s", "partition": [["ana"], ["ben"]]}
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1", "count": 3}}
    play, outcome = played(scenario(title=HOSTILE, story=HOSTILE, timeline=[cut, say]))
    page = tmp_path / "out.html"
    write_report(play, outcome, page, HOSTILE)

    shown, console = opened(page, tmp_path / "profile")

    assert console == []
    assert '<html lang="en" class="js">' in shown
    assert "alert(1)" in shown, "a hostile title is shown as it was written"


def test_on_a_narrow_screen_every_column_of_a_run_is_in_sight(tmp_path: Path) -> None:
    regions = ("north-america-east-virginia", "asia-pacific-southeast-singapore")
    nodes = [{"name": name, "region": region} for name, region in zip(("ana", "ben"), regions, strict=True)]
    play, outcome = played(scenario(topology={"latency": "40ms", "node": nodes}))
    about = (
        "app-1/1/1 on room/1 was never shown to app-2, which had asked for it, and was owed it by all that it was told"
    )
    outcome.breaches = [Breach("nothing lost", about)]
    shown = escape(render(play, outcome))
    frames = "".join(f'<iframe width="{width}" height="900" srcdoc="{shown}"></iframe>' for width in WIDTHS)
    page = tmp_path / "frames.html"
    page.write_text(f"<!doctype html><meta charset=utf-8>{frames}<script>{LOOK}</script>", encoding="utf-8")

    told = re.findall("<p>([^<]*)</p>", opened(page, tmp_path / "profile")[0])

    for width in WIDTHS:
        assert f"{width} | fits | promise |  | looked at | what broke it" in told
        assert f"{width} | fits | from → to | deliveries | median | p90 | p99 | slowest" in told
    assert [line for line in told if "scrolls" in line] == []


def test_browser_would_tell_of_a_request_and_of_a_broken_script(tmp_path: Path) -> None:
    play, outcome = played(scenario())
    page = tmp_path / "out.html"
    write_report(play, outcome, page)
    text = page.read_text(encoding="utf-8").replace("<main>", '<main><img src="picture.png"><script>alert(1)</script>')
    page.write_text(text, encoding="utf-8")

    _, console = opened(page, tmp_path / "profile")

    assert any("picture.png" in line for line in console)
    assert any("inline script" in line for line in console)
