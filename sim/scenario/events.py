"""What can happen at a moment of a scenario: one verb, its object, and for how long.

Each field of `Event` beside `at` and `for` is a verb, and exactly one of them is set. The docstring of a verb's field is
what the catalogue of faults says of it. What an event does to a world is written in `sim.stage`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sim.plain import listed
from sim.scenario.quantities import (
    Channel,
    Count,
    Flag,
    Lasting,
    MessageSize,
    Names,
    Offset,
    OneWayTime,
    PageSize,
    Part,
    Patterns,
    Rate,
    Share,
    Since,
    Size,
    Time,
)
from sim.units import say_us

Shape = Literal["constant", "uniform", "exponential", "log-normal", "pareto", "empirical"]
Measured = Annotated[tuple[OneWayTime, ...], Field(max_length=10_000)]
"""One-way delays that somebody measured, each as likely as another."""


def check_measured(shape: Shape, measured: tuple[int, ...], beside: dict[str, object]) -> None:
    """What was measured is there exactly if a shape is made of it, and says all. Raises `ValueError`."""
    if (shape == "empirical") != bool(measured):
        found = f"{len(measured)} measured delays" if measured else "no measured delays"
        raise ValueError(f"the shape `{shape}` with {found} is not `empirical` with some, or another with none")
    given = [name for name, value in beside.items() if value]
    if measured and given:
        raise ValueError(f"measured delays beside `{given[0]}` is not measured delays alone: they say all")


Between = tuple[Names, Names]
"""Two sides; everything that runs between them, in both directions."""


class OneWay(Part):
    """Nothing goes from one side to the other; the way back is open."""

    from_: Names
    to: Names


class Flap(Part):
    """A connection that comes and goes."""

    between: Between
    up: Time = 1_000_000
    down: Time = 1_000_000
    times: int = Field(default=10, ge=1, le=10_000, strict=True)


class BurstLoss(Part):
    """Losses in bursts: how long the good and the bad state last on average, and what is lost in the bad one."""

    good: Lasting = 10_000_000
    bad: Lasting = 500_000
    loss: Share = 1_000_000


class LinkChange(Part):
    """What the paths between two sides are like."""

    between: Between
    latency: OneWayTime | None = None
    """A new one-way delay; at most an hour, as all delays."""
    jitter: OneWayTime = 0
    """Of the new delay, as is its shape."""
    shape: Shape = "uniform"
    measured: Measured = ()
    """For the shape `empirical`, instead of `latency` and `jitter`: one-way delays, each as likely as another."""
    extra: OneWayTime = 0
    """So much more, one way."""
    loss: Share = 0
    burst: BurstLoss | None = None
    duplicate: Share = 0
    reorder: Share = 0
    corrupt: Share = 0
    rate: Rate | None = None
    mtu: Size = 0
    """Nothing larger passes, as in a black hole."""

    @model_validator(mode="after")
    def _measured(self) -> Self:
        check_measured(self.shape, self.measured, {"latency": self.latency is not None, "jitter": self.jitter})
        return self


class Misdiscovery(Part):
    """Discovery says that a node is where another one is."""

    nodes: Names
    """Who is told."""
    who: str
    at: str


class CrashLoop(Part):
    """A node that dies again and again, soon after each start."""

    node: str
    every: Lasting = 200_000
    times: int = Field(default=10, ge=1, le=1_000, strict=True)


class SlowCpu(Part):
    """A node whose processor takes so many times as long."""

    nodes: Names
    factor: int = Field(default=20, ge=2, le=100_000, strict=True)


class ClockChange(Part):
    """What is wrong with the clocks of some nodes."""

    nodes: Names
    offset: Offset = 0
    """Their wall clocks leap so far ahead, or back."""
    drift_ppm: int = Field(default=0, ge=-100_000, le=100_000, strict=True)
    freeze: Flag = False


class SlowDisk(Part):
    """Disks that take so much longer for each access."""

    nodes: Names
    by: Time = 200_000


class BitRot(Part):
    """Bits that flip at rest, in so many rows."""

    nodes: Names
    rows: int = Field(default=1, ge=1, le=10_000, strict=True)


class Snapshot(Part):
    """An image of a disk, taken now or put back later under its name."""

    node: str
    name: str = "image"


class Move(Part):
    """Clients go to other gateways, in this order."""

    client: Names
    to: Names


class SubscribeTo(Part):
    """Clients begin a subscription."""

    client: Names
    to: Patterns
    """Patterns of channels."""
    since: Since = "beginning"
    """`"5s"` is 5 s before the moment of asking: what was stamped from then on. A time is for the heap engine."""
    policy: Literal["all", "drop-oldest", "latest", "disconnect"] = "all"


READINGS_MAX = 8
"""Of one client at a time."""


def check_times(since: int | None, until: int | None) -> None:
    """What is asked for of the past begins before it ends. Raises `ValueError`."""
    if since is not None and until is not None and since <= until:
        raise ValueError(
            f"since {say_us(since)} ago until {say_us(until)} ago is not a time that begins before it ends"
        )


class ReadHistory(Part):
    """Clients read the past once, page after page to its end, however many, at the cut that the first page fixes."""

    client: Names
    to: Patterns = ("#",)
    """Patterns of channels."""
    page: PageSize = 50
    """So many messages at a time."""
    backwards: Flag = False
    """The newest first."""
    since: Lasting | None = None
    """So long before the moment of asking: what was stamped from then on."""
    until: Lasting | None = None
    """So long before the moment of asking: what was stamped before then."""

    @model_validator(mode="after")
    def _times(self) -> Self:
        check_times(self.since, self.until)
        return self


class UnsubscribeFrom(Part):
    """Clients leave subscriptions."""

    client: Names
    to: Patterns
    """The patterns that they were asked for with, all of them."""


class PublishTo(Part):
    """Clients publish."""

    client: Names
    channel: Channel
    count: int = Field(default=1, ge=1, le=100_000, strict=True)
    """So many messages at once."""
    bytes_: MessageSize = 16
    copies: Count = 1
    regions: Count = 1
    ttl: Time = 0
    """How long they live; 0: as long as the node's config says."""


HostileDeed = Literal[
    "garble",
    "tamper",
    "replay",
    "withhold",
    "forget",
    "deny",
    "boast",
    "flood",
    "forge",
    "fork",
    "eclipse",
    "crowd",
    "bomb",
    "copy",
    "past",
    "future",
]


class Hostile(Part):
    """A member whose host has gone bad. What each deed is: docs/reference/faults.md."""

    node: str
    does: HostileDeed
    share: Share = 500_000
    """Of the frames that it could do it to."""


ClientDeed = Literal["bad-fields", "flood", "skip-attach", "huge", "silent", "repeat"]


REPEATS = 1_024
"""So many times a message is in one request that repeats it; the wire carries four times as many."""
FLOODS = 20
"""Of three kinds of requests, so many each time that a client floods."""
COSTS = {"repeat": REPEATS, "flood": 3 * FLOODS, "huge": 40}
"""What a deed of a client costs each time, in plain requests (measured); others cost one."""


class HostileClient(Part):
    """A client that has gone bad, at some gateways."""

    gateways: Names
    does: ClientDeed
    times: int = Field(default=20, ge=1, le=10_000, strict=True)

    @property
    def cost(self) -> int:
        """What it costs each gateway, in plain requests."""
        return self.times * COSTS.get(self.does, 1)


class Event(Part):
    """Something that happens to a world."""

    at: Time
    for_: Lasting | None = None
    """When it ends by itself; without it, it lasts until the core is healed."""

    # The network
    partition: Annotated[tuple[Names, ...], Field(min_length=2)] | None = None
    """Nothing passes between the sides; what was under way is lost."""
    clog: Annotated[tuple[Names, ...], Field(min_length=2)] | None = None
    """Nothing passes between the sides; what was under way waits."""
    one_way: OneWay | None = None
    """Nothing goes one way; the way back is open."""
    isolate: Names | None = None
    """Each of these alone: nobody reaches it."""
    ring: Names | None = None
    """Each of these reaches only its neighbors in the ring, so that everyone sees another majority."""
    swizzle: Names | None = None
    """Clog all that these have, one after another, and open them again in another order."""
    flap: Flap | None = None
    """A connection comes and goes."""
    link: LinkChange | None = None
    """Paths change: delay, loss, rate, and what else a path can be like."""
    misdiscover: Misdiscovery | None = None
    """Discovery lies: nodes are told that somebody is at another's address."""
    rebind: Names | None = None
    """The addresses of nodes change, as behind a NAT: their links go silent without a word."""
    # Nodes
    crash: Names | None = None
    """The power is cut; with `for`, it comes back."""
    restart: Names | None = None
    """The power is cut, and is back at once."""
    crash_loop: CrashLoop | None = None
    """It dies again and again."""
    pause: Names | None = None
    """A process stands still, and goes on."""
    slow_cpu: SlowCpu | None = None
    """A processor is slow."""
    drain: Names | None = None
    """A node is stopped in good order; with `for`, it is started again."""
    # Disks and clocks
    full_disk: Names | None = None
    """A disk has no room."""
    slow_disk: SlowDisk | None = None
    """A disk is slow."""
    io_error: Names | None = None
    """Appends fail with an input/output error."""
    fsync_fails: Names | None = None
    """The next fsync fails: the process ends, as after a loss of power, and is started at the end."""
    fsync_lies: Names | None = None
    """A disk says that it has kept what it has not; at the end the power fails."""
    bit_rot: BitRot | None = None
    """Bits flip at rest, where the fault atlas knows of another good copy."""
    misdirect: Names | None = None
    """A write went to the place of another row."""
    snapshot: Snapshot | None = None
    """An image of a disk is taken."""
    restore: Snapshot | None = None
    """A node is stopped, an image of its disk is put back, and it is started."""
    wipe: Names | None = None
    """A disk is lost with all that it holds; the node starts with an empty one."""
    scrub: Names | None = None
    """The store's background check comes to its end."""
    clock: ClockChange | None = None
    """Clocks are wrong."""
    # Clients
    drop_client: Names | None = None
    """Clients lose their connection."""
    offline: Names | None = None
    """Clients have no connection: a tunnel, a sleeping phone."""
    move_client: Move | None = None
    """Clients go to other gateways."""
    kill_client: Names | None = None
    """Clients' processes end, and start again with their cursors."""
    give_up: Names | None = None
    """Clients wait no more for receipts of what they have published: it stays until their node has it. On the heap engine."""
    stop_reading: Names | None = None
    """Clients take nothing any more."""
    subscribe: SubscribeTo | None = None
    """Clients begin a subscription."""
    unsubscribe: UnsubscribeFrom | None = None
    """Clients leave a subscription: nothing more is owed to them there, and nothing may be shown. On the heap engine."""
    read_history: ReadHistory | None = None
    """Clients read the past; each page is judged as it comes. Of one client at most 8 readings go on at a time; others are
    left out. On the heap engine."""
    publish: PublishTo | None = None
    """Clients publish."""
    # Those who have gone bad
    hostile: Hostile | None = None
    """A member does what no honest one does."""
    hostile_client: HostileClient | None = None
    """A client does what no honest one does."""

    @model_validator(mode="after")
    def _one_verb(self) -> Self:
        verbs = self.verbs
        if len(verbs) != 1:
            found = f"with {' and '.join(verbs)}" if verbs else "without a verb"
            raise ValueError(f"an event {found}; expected exactly one of {listed(VERBS)} (docs/reference/faults.md)")
        return self

    @property
    def verbs(self) -> list[str]:
        """The verbs that are set, as files write them."""
        return [
            name.replace("_", "-")
            for name in sorted(self.model_fields_set - {"at", "for_"})
            if getattr(self, name) is not None
        ]

    @property
    def verb(self) -> str:
        """What happens."""
        return self.verbs[0]

    @property
    def what(self) -> Any:
        """To whom, and how."""
        return getattr(self, self.verb.replace("-", "_"))


AT_ONCE = frozenset(
    (
        "misdiscover",
        "rebind",
        "restart",
        "bit-rot",
        "misdirect",
        "snapshot",
        "restore",
        "scrub",
        "drop-client",
        "move-client",
        "kill-client",
        "give-up",
        "subscribe",
        "unsubscribe",
        "read-history",
        "publish",
        "hostile-client",
    )
)
"""Verbs of what is over as soon as it is done: `for` would say nothing."""
WISHES = ("publish", "give-up", "subscribe", "unsubscribe", "read-history")
"""Verbs that are no faults: clients do these of their own accord."""
VERBS = tuple(name.replace("_", "-") for name in Event.model_fields if name not in ("at", "for_"))
DRAWN = tuple(verb for verb in VERBS if verb != "publish")
"""Verbs that a `[random]` may draw; who publishes what, its workload draws."""
