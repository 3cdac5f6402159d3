"""A log of which a member signed two histories ends at the same place for everybody, whoever was shown what, in any order."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mesh import frames as f
from mesh.clocks.hybrid import stamp_of
from mesh.effects import FrameReceived
from mesh.log.batch import NO_NAME, Batch, Epoch, agreed, contradict, epoch_statement, seal
from mesh.types import LogId, NodeId
from sim.network import Network
from sim.world import WALL_MS, World
from tests.samples import record

NAMES = ("ana", "ben", "cy")
SHOWN = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 7), st.integers(0, 4)), max_size=30)
"""Who is shown a batch, of which history, its number, and how long after (in 50 ms)."""
SIZES = st.lists(st.integers(1, 3), min_size=1, max_size=4)


def history(world: World, common: list[int], own: list[int], key: bytes, name: str) -> list[Batch]:
    """A history of a log of Eve's: batches of so many records, the first of which it shares with the other."""
    eve = world.machines["eve"].node
    assert eve is not None
    mine, signer = eve.identity, world.suite.signer(key)
    log = LogId(NodeId(mine.node), 7)
    proof = mine.signer.sign(epoch_statement(mine.mesh, mine.node, 7, signer.public))
    batches: list[Batch] = []
    position, head = 0, NO_NAME
    for number, count in enumerate((*common, *own)):
        payload = b"both" if number < len(common) else name.encode()
        records = [
            record(position + n, payload, stamp=stamp_of(WALL_MS) + position + n, publisher=f"eve-{payload.decode()}")
            for n in range(1, count + 1)
        ]
        batches.append(seal(log, position + 1, head, records, signer, Epoch(mine.node, 7, signer.public, proof)))
        position, head = batches[-1].last, batches[-1].name
    return batches


@settings(max_examples=40)
@example(  # the first proof is found behind a batch that lies on both sides of its end
    common=[1, 1, 1], left=[1, 2, 1], right=[2, 1], is_rekeyed=False, shown=[(0, 0, 4, 0), (0, 0, 5, 0), (0, 1, 4, 0)]
)
@given(st.lists(st.integers(1, 3), max_size=3), SIZES, SIZES, st.booleans(), SHOWN)
def test_all_nodes_end_with_the_same_of_a_forked_log(
    common: list[int], left: list[int], right: list[int], is_rekeyed: bool, shown: list[tuple[int, int, int, int]]
) -> None:
    world = World(3, Network.even(delay_us=10_000))
    for at, name in enumerate((*NAMES, "eve")):
        world.add(name, "eu", (*NAMES, "eve")[:at])
    world.run(1)
    keys = b"1" * 32, (b"2" if is_rekeyed else b"1") * 32
    both = history(world, common, left, keys[0], "left"), history(world, common, right, keys[1], "right")

    seen: list[Batch] = []
    for who, which, number, pause in shown:
        machine, batch = world.machines[NAMES[who]], both[which][number % len(both[which])]
        links = sorted(link for link, pipe in machine.links.items() if pipe.path.target == "eve")
        world.hear(machine, FrameReceived(links[0], f.Push(batch), batch.size))
        seen.append(batch)
        world.run(pause * 0.05)
    world.run(60)

    assert world.converged()
    nodes = [machine.node for machine in world.machines.values() if machine.node is not None]
    ends = {node.holdings.forked.get(both[0][0].log) for node in nodes}
    assert len(ends) == 1
    (end,) = ends
    contradicting = [agreed(a, b) for a in seen for b in seen if contradict(a, b)]
    if end is not None:
        assert end >= (0 if is_rekeyed else sum(common))
        assert end <= max(contradicting)
    world.check_all()
