"""The end of a run: a converged mesh says nothing but heartbeats, and is still converged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.clocks.hybrid import SKEW_MAX_MS, stamp_ms
from mesh.codes import Code
from sim import proof
from sim.calm import difference
from sim.clock import WALL_MS
from sim.contract import in_vain
from sim.figures import BUSY
from sim.isolation import right_clocks
from sim.pending import unsent
from sim.units import MILLION

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from sim.heap import Play
    from sim.machine import Machine
    from sim.outcome import Outcome

CALM_US = 5 * MILLION
"""So long is waited for what was said last, and for the answer; or the longest round trip."""
DYING_US = 150 * MILLION
"""What is dead is forgotten within so long: the skew of clocks, the minute between two looks for it, and some more."""
QUIET_US = 10 * MILLION
MEETING_ROUNDS = 3
"""Round trips in which two nodes that meet have told each other all: of what they have, of what lacks, of proofs."""
FAULTS_OF_PEERS = (
    Code.FRAME_UNDECODABLE,
    Code.BATCH_INVALID,
    Code.HELLO_FORGED,
    Code.HELLO_MISSING,
    Code.CERTIFICATE_INVALID,
    Code.CREDIT_EXCEEDED,
    Code.FRAME_TOO_LARGE,
    Code.CONTROL_FLOOD,
)
"""What a node hangs up for that an honest peer never does."""


def judge_quiet(play: Play, outcome: Outcome, others: Sequence[list[str]]) -> None:
    """Let a mesh whose clients have what they wait for come to rest, and hear what it says then.

    The *others* are cut off together, outside the core, and equal; those that are not are heard as they are.
    """
    world, figures = play.world, outcome.figures
    by_us = _come_to_rest(play, outcome, others)
    answered_us = max((world.network.longest_us(*pair) for pair in world.links.sent), default=0)
    world.run_to(world.now_us + max(CALM_US, answered_us))
    sent, last = _listen(play, by_us, answered_us)
    busy = _busy(sent)
    figures.idle_frames = sum(sent.values()) / len(play.core) / (QUIET_US / MILLION)
    _nobody_honest_is_hung_up_on(play)
    _no_clock_was_dragged(play)
    if figures.converged_us < 0 or play.is_unfinished or any(_brings(play, names) for names in [play.core, *others]):
        return  # it has something to do
    play.watch.look("converges")
    if not world.converged(play.core):
        what = f"{' '.join(play.core)} had equal digests, and have them no more"
        what += in_vain(world, play.pairs, play.core)
        play.watch.broken("converges", what, *play.stage.story[-4:], *difference(world, play.core))
    play.watch.look("quiet")
    if busy:
        said = ", ".join(f"{count} {kind.removeprefix('frame/')}" for kind, count in sorted(busy.items()))
        what = f"a converged mesh with nothing to do sent {said} within {QUIET_US // MILLION} s"
        play.watch.broken("quiet", what, *last)


def _listen(play: Play, by_us: int, answered_us: int) -> tuple[dict[str, int], Iterable[str]]:
    """What is sent within some time, and the last lines of work; again while nodes meet that had no link."""
    meeting_us = max(CALM_US, MEETING_ROUNDS * answered_us)
    standing = {pair for pair, began_us in _links(play) if began_us <= play.world.now_us - meeting_us}
    sent, last = _heard(play)
    while _busy(sent) and play.world.now_us < by_us and _meet(play, standing, meeting_us):
        sent, last = _heard(play)
    return sent, last


def _links(play: Play) -> Iterable[tuple[tuple[str, str], int]]:
    """Who is linked with whom, and since when."""
    for name in play.core:
        for pipe in play.world.machines[name].links.values():
            yield (name, pipe.target.name), pipe.began_us


def _meet(play: Play, standing: Container[tuple[str, str]], meeting_us: int) -> bool:
    """Whether two nodes that had no link met so lately that what was said may have been what each has to tell the other.

    They may have equal stores long before, by way of others; of two links that cross one goes, and the other compares anew.
    """
    since_us = play.world.now_us - QUIET_US - meeting_us
    return any(began_us > since_us and pair not in standing for pair, began_us in _links(play))


def _heard(play: Play) -> tuple[dict[str, int], Iterable[str]]:
    """Let some time pass: the frames that are sent in it, by their kind, and the last of those that tell of work."""
    world = play.world
    before = dict(world.coverage)
    with proof.overheard(world, BUSY) as last:
        world.run_to(world.now_us + QUIET_US)
    sent = {kind: count - before.get(kind, 0) for kind, count in world.coverage.items() if kind.startswith("frame/")}
    return sent, last


def _busy(sent: dict[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in sent.items() if count and kind.removeprefix("frame/") in BUSY}


def _come_to_rest(play: Play, outcome: Outcome, others: Sequence[list[str]]) -> int:
    """Wait, no longer than the contract and what dies may take, until what clients brought last is everywhere.

    Return by when a mesh has to be quiet. Whoever is slow is asked again, and others beside it: what of that still waits for
    room on a link has to leave first; and what a member gone bad said to have is asked for.
    """
    world = play.world
    core = [world.machines[name] for name in play.core]
    running = [world.machines[name] for names in [play.core, *others] for name in names]
    within_us = max(map(play.within_us, [play.core, *others])) if outcome.figures.converged_us >= 0 else 0
    by_us = world.now_us + max(DYING_US, within_us)
    while world.now_us < by_us and (
        len({each.node.holdings.digest for each in core if each.node}) > 1
        or any(not world.converged(names) or _brings(play, names) for names in others)
        or any(debt.ranges.count for each in running if each.node for debt in each.node.serving.owed.values())
        or any(map(_asks_the_bad, running))
    ):
        world.run_to(world.now_us + MILLION)
    return by_us


def _asks_the_bad(machine: Machine) -> bool:
    """Whether a node waits for what a member gone bad was asked for: all that one boasted of takes a while, part after part."""
    links = machine.node.repair.partners if machine.node is not None and machine.node.started else {}
    return any(
        pipe.target.is_bad and link in links and links[link].owes_anything for link, pipe in machine.links.items()
    )


def _brings(play: Play, names: list[str]) -> bool:
    """Whether a client holds something that none of these has, and can reach one of them."""
    return unsent(play, names).positions > 0


def _no_clock_was_dragged(play: Play) -> None:
    """A stamp of the future moves nobody's clock whose own was right (lesson 21)."""
    now_us = play.world.now_us
    wall_ms = WALL_MS + now_us // 1_000
    for name in right_clocks(play.cast, play.steps or [], now_us):
        machine = play.world.machines[name]
        if machine.node is not None and stamp_ms(machine.node.clock.high) > wall_ms + SKEW_MAX_MS:
            ahead_s = stamp_ms(machine.node.clock.high) / 1_000 - wall_ms / 1_000
            what = f"{name}'s clock was dragged {ahead_s:.0f} s ahead by another's"
            turned = [line for line in play.stage.story if "clock" in line.split()[1:]]
            play.watch.broken("invariants", what, *turned[:4], f"{now_us / 1e6:.6f} s: {what}")


def _nobody_honest_is_hung_up_on(play: Play) -> None:
    """Where no member has gone bad, no node finds fault with what another says; and two nodes end with one link."""
    coverage, links = play.world.coverage, play.world.links
    if not any(label.startswith("hostile/") for label in coverage):
        for code in FAULTS_OF_PEERS:
            excused = links.misdated if code is Code.CERTIFICATE_INVALID else 0
            if coverage.get(f"hangup/{code}", 0) > excused:
                what = f"an honest node was hung up on: {code} {code.name}"
                play.watch.broken("invariants", what, *links.hung_up.get(code, ()))
    for name in play.core:
        twice = links.doubled(play.world.machines[name], play.core)
        if twice:
            play.watch.broken("quiet", f"{name} still has several links to {' '.join(twice)}")
