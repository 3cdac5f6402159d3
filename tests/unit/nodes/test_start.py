"""What a node does as it starts, and no more: what it imports, and what is never looked through for garbage."""

import subprocess
import sys

import pytest


def said(program: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_a_node_waits_neither_for_colours_nor_for_a_lan_that_it_does_not_look_at() -> None:
    program = """
import sys
from nodes.daemon import run_daemon
print(sorted({"rich", "zeroconf", "pydantic", "networkx", "sim"} & set(sys.modules)))
import rich.console
print(rich.console.Console.__name__)
"""
    assert said(program).splitlines() == ["[]", "Console"]


def test_rich_that_was_there_before_stays() -> None:
    program = "import sys, rich; before = rich; import nodes.logging; print(sys.modules['rich'] is before)"

    assert said(program) == "True"


@pytest.mark.parametrize("was_on", [True, False])
def test_what_stays_for_good_is_not_looked_through_and_what_comes_later_is(was_on: bool) -> None:
    program = f"""
import gc
from nodes.cli.node import for_good
gc.enable() if {was_on} else gc.disable()
with for_good():
    print(gc.isenabled(), gc.get_freeze_count())
    kept = [[]]
print(gc.isenabled(), gc.get_freeze_count() > 1_000, any(each is kept for each in gc.get_objects()))
"""
    assert said(program).splitlines() == ["False 0", f"{was_on} True False"]
