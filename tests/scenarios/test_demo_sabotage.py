"""The demo with a safeguard turned off has to fail, and to name what was broken. Half a minute each: `make sims FULL=1`.

`make test` runs the demo with every safeguard on; what is always tested here is that it can be told to turn one off.
"""

import json
import os
import subprocess
import sys

import pytest

from sim.demo.sabotage import SABOTAGES

BROKEN = {"fsync": "Durable before acknowledged", "dedupe": "Once", "repair": "Nothing lost"}
END_S = 120


def test_every_sabotage_has_a_promise_that_it_breaks() -> None:
    assert tuple(BROKEN) == SABOTAGES


if os.environ.get("GOSSAMER_FULL"):

    @pytest.mark.timeout(END_S)
    @pytest.mark.parametrize(("sabotage", "promise"), BROKEN.items())
    def test_demo_fails_and_names_the_promise_that_a_missing_safeguard_breaks(sabotage: str, promise: str) -> None:
        command = [
            sys.executable,
            "-c",
            "from gossamer.command import main; main()",
            "demo",
            "--seconds",
            "15",
            "--json",
            "--sabotage",
            sabotage,
        ]

        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=END_S)

        verdict = json.loads(done.stdout.splitlines()[-1])
        assert done.returncode == 1, done.stderr
        assert verdict["event"] == "verdict"
        assert verdict["broken"][0]["promise"] == promise
