from sim.links import IDLE_US, Links
from sim.network import Burst, Condition, Delay, Network
from sim.tape import Stream, Tape
from sim.world import World

BOTH = frozenset({("ana", "ben"), ("ben", "ana")})


def stream() -> Stream:
    return Tape().stream(b"7", "network")


def pair(network: Network | None = None) -> World:
    world = World(7, network or Network.even(20_000, 0))
    world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    world.run(1)
    return world


def links_of(world: World) -> list[int]:
    return [len(machine.links) for machine in world.machines.values()]


def test_each_shape_of_delay_has_its_base_and_its_spread() -> None:
    rng = stream()
    for shape, least, most in (
        ("uniform", 10_000, 15_000),
        ("exponential", 10_000, 60_000),
        ("pareto", 10_000, 10_000_000),
    ):
        drawn = sorted(Delay(10_000, 5_000, shape).draw(rng) for _ in range(2_000))
        assert least <= drawn[0] and drawn[-1] <= most, shape
    assert {Delay(10_000, 5_000, "constant").draw(rng), Delay(10_000).draw(rng)} == {10_000}
    assert {Delay(measured_us=(3, 5)).draw(rng) for _ in range(50)} == {3, 5}
    medians = sorted(Delay(0, 5_000, "log-normal").draw(rng) for _ in range(2_001))
    assert 4_500 < medians[1_000] < 5_500


def test_conditions_overlap_and_lifting_one_lifts_no_other() -> None:
    network = Network.even(20_000, 0)
    cut, slow = Condition(BOTH, cut=True), Condition(BOTH, extra_us=5_000, loss_ppm=10_000)
    network.impose(cut, 0)
    network.impose(slow, 10)
    network.impose(Condition(frozenset({("ana", "ben")}), cut=True), 20)

    network.lift(cut, 30)

    there, back = network.path("ana", "ben"), network.path("ben", "ana")
    assert (there.stands, back.stands, network.passes("ana", "ben")) == (True, False, False)
    assert (there.since_us, back.extra_us, back.loss_ppm) == (0, 5_000, 10_000)
    assert network.lift(cut, 40) == []


def test_a_plain_path_only_delays_and_a_lossy_one_retransmits() -> None:
    network = Network.even(20_000, 0)
    path = network.path("ana", "ben")
    assert {path.crossing_us(100, 0, stream()) for _ in range(10)} == {20_000}

    network.impose(Condition(BOTH, loss_ppm=500_000), 0)
    rng = stream()
    taken = [path.crossing_us(100, 0, rng) for _ in range(500)]

    assert min(taken) == 20_000
    assert 150 < sum(each > 20_000 for each in taken) < 350
    assert {(each - 20_000) % 90_000 for each in taken} == {0}


def test_a_bottleneck_makes_what_follows_wait() -> None:
    network = Network.even(20_000, 0)
    network.impose(Condition(BOTH, rate_bps=80_000), 0)
    path = network.path("ana", "ben")

    assert [path.crossing_us(1_000, 0, stream()) for _ in range(2)] == [120_000, 220_000]


def test_bursts_lose_runs_of_packets() -> None:
    network = Network.even(20_000, 0)
    network.impose(Condition(BOTH, burst=Burst(5_000, 50_000)), 0)
    path, rng = network.path("ana", "ben"), stream()

    taken = [path.crossing_us(100, at, rng) for at in range(0, 20_000_000, 1_000)]

    slow = [each for each in taken if each > 20_000]
    assert 3 <= len(slow) <= 40, "a burst takes one packet, behind which all others wait"
    assert max(slow) > 200_000


def test_a_cut_gives_a_link_up_after_it_was_idle_and_both_ends_hear() -> None:
    world = pair()
    assert links_of(world) == [1, 1]

    world.cut(["ana"], ["ben"])
    world.run(IDLE_US / 1e6 - 1)
    held = links_of(world)
    world.run(2)

    assert (held, links_of(world)) == ([1, 1], [0, 0])


def test_a_short_cut_is_outlived_and_what_was_lost_is_sent_again() -> None:
    world = pair()
    before = world.links.dials
    world.cut(["ana"], ["ben"])
    world.run(20)
    world.heal()
    world.run(2)

    assert world.converged()
    assert before <= world.links.dials
    assert 1 in links_of(world)


def test_after_a_silent_crash_the_far_end_keeps_its_link_until_it_is_idle() -> None:
    world = pair()
    world.crash(world.machines["ana"], silent=True)
    world.run(IDLE_US / 1e6 - 1)
    held = len(world.machines["ben"].links)
    world.run(2)

    assert (held, len(world.machines["ben"].links)) == (1, 0)


def test_a_clog_keeps_what_was_under_way_and_lets_it_go_at_once() -> None:
    world = pair()
    clog = Condition(BOTH, clog=True)
    world.impose(clog)
    world.run(10)
    pipe = next(iter(world.machines["ana"].links.values()))
    held = len(pipe.held)
    world.lift(clog)

    assert held > 0
    assert [packed for _, packed in pipe.held] == []


def test_nothing_larger_than_the_mtu_passes_and_what_follows_waits_behind_it() -> None:
    world = pair()
    pipe = next(iter(world.machines["ana"].links.values()))
    condition = Condition(BOTH, mtu_bytes=100)
    world.impose(condition)
    for size in (50, 101, 50):
        world.links.send(pipe, bytes(size))
    assert [len(packed) for _, packed in pipe.held] == [101, 50]

    world.lift(condition)

    assert [packed for _, packed in pipe.held] == []


def test_where_there_is_no_way_nobody_is_reached() -> None:
    network = Network.even(20_000, 0)
    network.closed = {("ana", "ben"), ("ben", "ana")}
    world = pair(network)
    world.run(30)

    assert links_of(world) == [0, 0]
    assert isinstance(world.links, Links) and world.links.dials > 1
