"""Whoever keeps what it says to have is waited for at a hole for a while, not for ever, and told of to a person."""

from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.effects import Count, Report
from mesh.types import US_PER_MS
from tests.engine_samples import TO_BEN, TO_CY, at, state, to_ben
from tests.repair_samples import CONFIG, desk, shared, vector
from tests.samples import ANA, BEN, Writer


def test_whoever_fails_too_often_to_give_what_it_claims_is_not_waited_for_and_proves_no_loss() -> None:
    repair, ana = shared()
    repair.partners[TO_CY].theirs = VersionVector()
    repair.everyone_speaks = lambda: True
    for partner in repair.partners.values():
        partner.complete()
    ben = repair.partners[TO_BEN]
    found = []
    for failed, after_ms in (0, 0), (1, CONFIG.slow_ms), (2, CONFIG.slow_ms), (3, CONFIG.slow_ms):
        ben.incomplete, ben.failing_us = failed, after_ms * US_PER_MS
        found.append((repair.can_fill(ana.log, 1, 3), repair.has_asked_everyone(0)))

    assert found == [(True, True), (True, False), (True, False), (False, False)]


def test_a_peer_is_waited_for_while_one_large_batch_may_cross_a_narrow_link() -> None:
    repair, ana = shared()
    repair.partners[TO_CY].theirs = VersionVector()
    ben = repair.partners[TO_BEN]

    def stall(at_ms: int) -> bool:
        ben.active = True
        repair.on_stall_timer(TO_BEN, at(at_ms))
        return repair.can_fill(ana.log, 1, 3)

    for first_ms in 5_000, 400_000:
        waited = [stall(first_ms + after_ms) for after_ms in (0, 10_000, 20_000, CONFIG.slow_ms - 1, CONFIG.slow_ms)]
        assert waited == [True, True, True, True, False]
        repair.on_answer(TO_BEN, ana.log, ben.owes.get(ana.log).last, 3, at(first_ms + CONFIG.slow_ms))
        assert repair.can_fill(ana.log, 1, 3)


def test_every_third_session_without_progress_is_told_to_a_person() -> None:
    ana = Writer(ANA)
    ana.write(4)
    one = desk(to_ben())
    told = []

    for session in range(1, 7):
        one.engine.on_vector(TO_BEN, vector(state(ana, (1, 4)), session=session), at())
        outcomes = one.engine.on_stall_timer(TO_BEN, at(5_000))
        assert outcomes[:3] == [*one.finished(TO_BEN, 5_000, 5_000), Count("repair_incomplete_total")]
        told.append(outcomes[3:])
        one.engine.compare(TO_BEN, at())

    alarm = [Report(Code.REPAIR_STALLED, {"peer": BEN.hex()[:16], "missing": 4})]
    assert told == [[], [], alarm, [], [], alarm]


def test_of_a_peer_that_says_nothing_and_has_nothing_that_is_missing_nobody_is_told() -> None:
    one = desk(to_ben())
    told = []

    for _ in range(3):
        one.engine.compare(TO_BEN, at())
        outcomes = one.engine.on_stall_timer(TO_BEN, at(5_000))
        told.append(outcomes == [*one.finished(TO_BEN, 5_000, 5_000), Count("repair_incomplete_total")])

    assert told == [True, True, True]
    assert one.engine.partners[TO_BEN].incomplete == 3
