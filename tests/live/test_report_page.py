"""A real browser opens a report: its script runs, nothing is refused and nothing is complained about.

The page's own policy forbids every request, so whatever it asked for would be a line on the console. Skipped where no
Chromium is installed; the unit tests of `sim.report` read the same page without one.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from sim.report import write_report
from tests.report_samples import HOSTILE, played, scenario

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


def test_browser_would_tell_of_a_request_and_of_a_broken_script(tmp_path: Path) -> None:
    play, outcome = played(scenario())
    page = tmp_path / "out.html"
    write_report(play, outcome, page)
    text = page.read_text(encoding="utf-8").replace("<main>", '<main><img src="picture.png"><script>alert(1)</script>')
    page.write_text(text, encoding="utf-8")

    _, console = opened(page, tmp_path / "profile")

    assert any("picture.png" in line for line in console)
    assert any("inline script" in line for line in console)
