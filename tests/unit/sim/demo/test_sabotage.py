"""Sabotage: patched from outside, undone where it must be, unknown to the daemon."""

import json
import subprocess
import sys

import pytest

import sim.demo
from mesh.client.seen import Seen
from mesh.log.record import Record
from nodes.settings import keys
from sim.demo import sabotage

AGAIN = Record("room/1", "ana", 1, 1, 0, 1, 0, [], {}, b"hello", b"")
SEES = """
import json
from mesh.client.seen import Seen
from mesh.engines.delivery.twins import Twins
from mesh.engines.dissemination import Dissemination
from mesh.engines.repair import Repair
from mesh.io.store.store import Store
from mesh.log.names import NameIndex
from sim.proxy import child


def guards():
    repair = [Repair.compare, Dissemination.on_ihave]
    return [Store.append, Store.load, NameIndex.newest, Twins.unknown, Twins.others, *repair]


homes = [guard.__module__ for guard in guards()]
patched = []
child.run_child = lambda: patched.extend(g.__qualname__ for g, home in zip(guards(), homes) if g.__module__ != home)
exec({program!r})
print(json.dumps(patched))
"""


@pytest.mark.parametrize(("name", "patched"), [("fsync", 2), ("dedupe", 3), ("repair", 2)])
def test_sabotage_patches_its_own_safeguard_and_no_other(name: str, patched: int) -> None:
    program = SEES.format(program=sabotage.launcher(name))

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)

    assert len(json.loads(done.stdout)) == patched


def test_clients_forget_names_only_under_dedupe_and_only_for_as_long() -> None:
    seen = Seen()
    kept = Seen.note
    seen.note(AGAIN)

    with sabotage.in_clients("dedupe"):
        blind = seen.note(AGAIN)
    with sabotage.in_clients("fsync"):
        untouched = seen.note(AGAIN)

    assert blind == (True, True)
    assert untouched == (False, False)
    assert Seen.note is kept


def test_no_setting_of_the_daemon_turns_a_safeguard_off() -> None:
    words = {word for path in keys() for word in path.replace(".", "_").split("_")}

    assert not words & {*sabotage.SABOTAGES, "sabotage", "sync", "synchronous", "unsafe"}
    assert sim.demo.SABOTAGES == sabotage.SABOTAGES
