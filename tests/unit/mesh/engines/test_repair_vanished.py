"""Logs that have vanished here, and what peers tell of them."""

from mesh.effects import Send, SetTimer, Timer
from mesh.engines.repair import DUE, STALL
from mesh.frames import LogState, Want
from tests.engine_samples import TO_BEN, at, held, to_ben
from tests.repair_samples import desk, vector
from tests.samples import ANA, Writer


def test_a_log_that_is_gone_is_wanted_again_whole_once_a_peer_has_newer_of_it() -> None:
    ana = Writer(ANA)
    old = ana.write()
    holdings = held(old)
    holdings.forget(ana.log)
    holdings.vanishing.clear()
    repair = desk(to_ben(), holdings=holdings).engine
    same, newer = (
        LogState(ana.log, old.head.stamp, ((1, 1, b"x"),)),
        LogState(ana.log, old.head.stamp + 1, ((1, 2, b"y"),)),
    )

    outcomes = [repair.on_vector(TO_BEN, vector(same), at(1)), repair.on_vector(TO_BEN, vector(newer), at(1))]

    done = [SetTimer(Timer(STALL, (TO_BEN,)), None), SetTimer(Timer(DUE, (TO_BEN,)), 2_728_000)]
    stall = SetTimer(Timer(STALL, (TO_BEN,)), at(1 + repair.config.stall_ms).mono_us)
    assert outcomes == [done, [Send((TO_BEN,), Want(((ana.log, 1, 2),))), stall]]
