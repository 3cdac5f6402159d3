"""A scenario: topology, clients, workload, timeline, random faults, and what is promised. Immutable, and written in TOML.

Read `Scenario` first: it is the file. All times are microseconds, sizes bytes, shares parts per million.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mesh.certificates import NAME_TEXT_MAX
from sim.catalogue import LESSONS, ROWS
from sim.plain import listed
from sim.scenario.events import VERBS, Event, HostileDeed, Measured, Shape, check_measured, check_times
from sim.scenario.quantities import (
    NUMBER_MAX,
    PLACE,
    WHOSE,
    AllSettings,
    Channels,
    Count,
    Flag,
    Lasting,
    MessageSize,
    Names,
    NamesOrNone,
    OneWayTime,
    PageSize,
    Part,
    Pattern,
    PatternsOfMany,
    PatternsOfOne,
    Rate,
    Real,
    Settings,
    Share,
    Since,
    Time,
    Words,
    at_most,
)
from sim.units import A_TIME, TIMES_US, say_ppm, say_us

FORMAT = 1
"""The version of what a scenario file may say."""
NODES_MAX = 1_000
CLIENTS_MAX = 10_000
SPREAD_MAX = 1_024
"""What a node gives one session by default."""
SUBSCRIPTIONS_MAX = 200_000
"""Of all clients: each has a diary."""
DURATION_MAX_US = 366 * TIMES_US["d"]
"""A year of running; a month of a small mesh takes hours."""


class Group(Part):
    """Nodes that are alike: `count` of them, named `name-1`, `name-2`, …, or one named `name`."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=40)
    region: str = Field(default="eu", min_length=1, max_length=NAME_TEXT_MAX)
    count: int = Field(default=1, ge=1, le=NODES_MAX, strict=True)
    profile: Settings = Field(default_factory=dict)
    """Settings of these nodes that differ, such as `"intake.batch-bytes-max" = 4096`."""

    @field_validator("region")
    @classmethod
    def _can_be_certified(cls, region: str) -> str:
        if not region.isprintable() or " " in region:
            raise ValueError(f"{region!r} is not a region: printable characters without spaces")
        return region


class LinkSpec(Part):
    """What the paths between two sides are like from the beginning."""

    between: tuple[Names, Names]
    latency: OneWayTime | None = None
    jitter: OneWayTime = 0
    shape: Shape = "uniform"
    measured: Measured = ()
    """For the shape `empirical`, instead of `latency` and `jitter`: one-way delays, each as likely as another."""
    rate: Rate | None = None

    @model_validator(mode="after")
    def _measured(self) -> Self:
        check_measured(self.shape, self.measured, {"latency": self.latency is not None, "jitter": self.jitter})
        return self


class Topology(Part):
    """Nodes, and what lies between them."""

    node: tuple[Group, ...] = Field(min_length=1)
    link: tuple[LinkSpec, ...] = ()
    latency: OneWayTime = 20_000
    """One way, between regions where no matrix says otherwise; at most an hour, as all delays."""
    local_latency: OneWayTime = 500
    """One way, within a region."""
    jitter: OneWayTime = 2_000
    """By how much the delay between two nodes varies: at most by a quarter of it, so that what is near stays near."""
    shape: Shape = "uniform"
    measured: Measured = ()
    """For the shape `empirical`, between regions, instead of `latency` and `jitter`: one-way delays, all as likely."""
    loss: Share = 0
    rate: Rate | None = None
    matrix: str | dict[str, dict[str, Time]] | None = None
    """Round-trips between regions: a preset (`aws`, `azure`, `gcp`), a file (CSV, TOML, GML) beside the scenario, or a table
    of tables, `{ eu = { us = "90ms" }, us = {} }`."""
    links: Literal["full", "ring", "line", "star", "grid", "random", "sparse"] | tuple[tuple[str, str], ...] = "full"
    """Who is linked with whom. `sparse` draws a tree, and as often as not one link more: there are few ways around anybody."""
    degree: int = Field(default=6, ge=1, le=NODES_MAX, strict=True)
    """Links of each node, for `links = "random"` alone."""

    @model_validator(mode="after")
    def _measured(self) -> Self:
        fields = type(self).model_fields  # a tape says defaults, too
        said = {name: getattr(self, name) != fields[name].default for name in ("latency", "jitter")}
        check_measured(self.shape, self.measured, {**said, "matrix": self.matrix})
        return self


class Subscription(Part):
    """What a client hears from the beginning."""

    to: PatternsOfMany = ("#",)
    """`room/{n}/+` with `spread` stands for so many subscriptions; `{client}` for the client's own name."""
    spread: int = Field(default=1, ge=1, le=SPREAD_MAX, strict=True)
    since: Since = "beginning"
    """`"5s"` is 5 s before the moment of asking: what was stamped from then on. A time is for the heap engine."""
    policy: Literal["all", "drop-oldest", "latest", "disconnect"] = "all"

    def of(self, client: str) -> list[tuple[str, ...]]:
        """The patterns of each subscription that a client makes of it."""
        mine = [pattern.replace(WHOSE, client) for pattern in self.to]
        return [tuple(pattern.replace(PLACE, str(n)) for pattern in mine) for n in range(self.spread)]


class PastReader(Part):
    """What a client reads of the past again and again, page after page to its end, at a cut for each time."""

    to: PatternsOfOne = ("#",)
    """Patterns of channels; `{client}` stands for the client's own name."""
    every: Lasting = 2_000_000
    """At most as long as the run."""
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

    def of(self, client: str) -> tuple[str, ...]:
        """The patterns that a client reads."""
        return tuple(pattern.replace(WHOSE, client) for pattern in self.to)


Uplink = Literal["beside", "fibre", "4g", "cafe", "tunnel", "sleeping-phone"]


class ClientGroup(Part):
    """Clients that are alike. Without `gateways`, each has its nearest node first, then all others."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=40)
    count: int = Field(default=1, ge=1, le=CLIENTS_MAX, strict=True)
    at: Names | None = None
    """The nodes that they attach to in turn, first of all; by default each of `gateways`, or every node."""
    gateways: Names | None = None
    """All that they may ever attach to besides, where that is not every node."""
    uplink: Uplink = "beside"
    credit: int = Field(default=8_192, ge=2, le=NUMBER_MAX, strict=True)
    """So many messages may be on their way to it."""
    subscribe: tuple[Subscription, ...] = ()
    history: tuple[PastReader, ...] = ()
    """Each from a drawn moment on until the workload ends, however many pages a reading has; at most 8 readings of a client go
    on at a time, others are left out. On the heap engine."""


Audience = Literal["steady", "bursts", "commuters", "flash-crowd", "chat-room", "sensor-fleet", "cursor-resuming"]


class Workload(Part):
    """Who publishes what, how often. `rate` counts messages a second of all its clients together."""

    audience: Audience = "steady"
    clients: Names = ("*",)
    channels: Channels = ("room/1",)
    """`room/{n}` with `spread` stands for `room/0` to `room/(spread-1)`; without `{n}` there is no `spread`."""
    spread: int = Field(default=1, ge=1, le=100_000, strict=True)
    zipf: Flag = False
    """Channel n is 1/n as popular as the first; else all are alike."""
    rate: float = Field(default=10, gt=0, le=100_000, strict=True)
    bytes_: tuple[MessageSize, MessageSize] = (8, 64)
    copies: tuple[Count, ...] = Field(default=(1,), min_length=1)
    """Drawn for each publish."""
    regions: tuple[Count, ...] = Field(default=(1,), min_length=1)
    ttl: Time = 0
    mortal: Share = 0
    """Beside a `ttl`: so many of the messages live for it only; all of them where this is 0."""
    from_: Time = 0
    until: Time | None = None

    @field_validator("bytes_")
    @classmethod
    def _least_first(cls, sizes: tuple[int, int]) -> tuple[int, int]:
        if sizes[0] > sizes[1]:
            raise ValueError(f"{list(sizes)} is not the least and the most")
        return sizes

    @field_validator("until")
    @classmethod
    def _after_from(cls, until: int | None, seen: ValidationInfo) -> int | None:
        if until is not None and until <= seen.data.get("from_", 0):
            raise ValueError(f"{say_us(until)!r} is not after `from`, {say_us(seen.data['from_'])}")
        return until


class RandomFaults(Part):
    """Faults that are drawn: at every step one of `faults`, or none."""

    every: Lasting = 500_000
    faults: tuple[str, ...] = Field(
        default=("partition", "crash", "pause", "full-disk", "slow-disk", "bit-rot", "clock"), min_length=1
    )
    quiet: int = Field(default=10, ge=0, le=NUMBER_MAX, strict=True)
    """How many chances of doing nothing stand beside one of each fault."""
    longest: Lasting = 10_000_000
    from_: Time = 1_000_000
    subset: Flag = False
    """Each seed takes about half of the faults, so that none hides another."""
    bad: NamesOrNone = ()
    """The nodes that may go bad: whose clocks may be wrong, whose hosts hostile; any for clocks where this is empty."""
    deeds: tuple[HostileDeed, ...] = ()
    """What hostile hosts do; where this is empty, all that does something whenever it is drawn."""


class Guarantees(Part):
    """Bounds beyond the contract, which is always checked. What is not set is not bounded."""

    converge: Lasting | None = None
    """After the last fault, where that is less than the contract allows for this topology."""
    converge_late: Lasting | None = None
    """The same in place of the contract's bound, where that says nothing of what the scenario does: the story says why."""
    median: Time | None = None
    """From publish to deliver, over all messages and subscriptions."""
    p99: Time | None = None
    """The same, for all but the slowest hundredth."""
    slowest: Time | None = None
    """The same, for each of them."""
    acknowledge_p99: Time | None = None
    """From publish to the first receipt, which is that of the accepting node."""
    reach_p99: Time | None = None
    """From publish to the receipt of the level that was asked for."""
    frames_per_message: Real | None = None
    """Between nodes, without heartbeats."""
    copies_per_message: Real | None = None
    """Pushes of a batch, for each node that had to get it, once more where its disk lost it (1.0 is the floor)."""
    idle_frames: Real | None = None
    """A second and node, once all is quiet."""
    dials: int | None = Field(default=None, ge=0, le=NUMBER_MAX, strict=True)
    """Connections that nodes begin to nodes, all together."""
    logs: int | None = Field(default=None, ge=0, le=NUMBER_MAX, strict=True)
    """That any node knows at the end: those that have wholly expired are forgotten."""
    repeats: Real | None = None
    """Batches that came to a node which had them, for each that a node had to get: what links carried for nothing."""
    repair_sessions: int | None = Field(default=None, ge=0, le=NUMBER_MAX, strict=True)
    """That nodes begin, all together: what differs is found in few."""
    connects: int | None = Field(default=None, ge=0, le=NUMBER_MAX, strict=True)
    """Connections that clients begin to gateways, all together: whoever is turned away waits longer each time."""
    asks_per_message: Real | None = None
    """How often clients ask to publish, for each message: what is refused is asked for again, and not at once."""
    rows: int | None = Field(default=None, ge=0, le=NUMBER_MAX, strict=True)
    """Batches that any disk holds at the end with all that is in them: what has died is dropped."""
    names: int | None = Field(default=None, ge=0, le=NUMBER_MAX, strict=True)
    """Lives of publishers that any node knows at the end: those of whom nothing lives any more are forgotten."""
    unavailable: Time | None = None
    """The longest that a publisher waited for its first receipt."""
    isolated: Flag = False
    """The faults hurt those whom they name: the same run is played without them, and of the clients that none names, those
    at other nodes may be slower by 20 % at the 99th percentile, those at the same node twice as slow. On the heap engine."""
    slowest_on: dict[Pattern, Time] = Field(default_factory=dict, json_schema_extra={"additionalProperties": False})
    """The same as `slowest` for the channels that a pattern means. On the heap engine."""
    see: tuple[str, ...] = ()
    """What must have happened, in the words of coverage, so that a scenario cannot pass by doing nothing."""
    never: tuple[str, ...] = ()
    """What must not have happened, in the same words. On the real engine of faults, gaps and rejections alone, as `see`."""

    def converge_within(self, contract_us: int) -> int:
        """By when digests are equal, given what the contract allows: µs after the last fault."""
        return self.converge_late or min(self.converge or contract_us, contract_us)


class Scenario(Part):
    """A file."""

    format_: int = Field(default=FORMAT, ge=1, le=NUMBER_MAX, strict=True)
    include: tuple[str, ...] = ()
    """Files beside this one, or parts that ship, whose tables it takes over where it says nothing itself."""
    title: Words
    """Its name in reports."""
    promise: Words
    """What it shows, in a sentence."""
    story: str = ""
    """What happens, for who reads it."""
    number: int | None = Field(default=None, ge=1, le=len(ROWS), strict=True)
    """Its row in the catalogue."""
    lessons: tuple[Annotated[int, Field(strict=True, ge=1, le=len(LESSONS))], ...] = ()
    """The lessons of the catalogue that it would catch."""
    duration: Annotated[Lasting, at_most(DURATION_MAX_US)] = 30_000_000
    """How long there is a workload and faults; then the core is healed."""
    settle: Annotated[Time, at_most(TIMES_US["d"])] = 2_000_000
    """Before anything happens; times in a file begin after it."""
    core: Literal["all", "random"] | Names = "all"
    """Who is healed for good at the end; the others stay as they are, or are cut off for ever."""
    crypto: Literal["sim", "ed25519"] = "sim"
    """`sim` signs with a fast hash, for simulations alone."""
    engines: tuple[Literal["heap", "real"], ...] = Field(default=("heap",), min_length=1)
    """Where it may be played."""
    seeds: int = Field(default=5, ge=1, le=NUMBER_MAX, strict=True)
    """How many seeds the project's own tests run it with (`FULL=1`), and within how many they find its sabotage."""
    gates: tuple[str, ...] = ()
    """What a sweep must have come to at least once, in the words of coverage; `frame/*` means every kind."""
    sabotage: tuple[str, ...] = ()
    """Safeguards that, turned off, must make it fail."""
    topology: Topology
    atlas: Flag = True
    """Never lose the last good copy of what was promised; off, losses are booked to the levels that survive them."""
    config: AllSettings = Field(default_factory=dict)
    """Settings of all nodes that differ from the simulator's, such as `"intake.ttl-default-ms" = 60000`."""
    client: tuple[ClientGroup, ...] = ()
    workload: tuple[Workload, ...] = ()
    timeline: tuple[Event, ...] = ()
    random: RandomFaults | None = None
    guarantees: Guarantees = Guarantees()


@cache
def _schema() -> dict[str, Any]:
    return Scenario.model_json_schema(by_alias=True)


def _at(place: Sequence[str | int]) -> list[dict[str, Any]]:
    """What the schema says of a place of a scenario, once for each kind of value that may stand there."""
    made = _schema()
    here = [made]
    for part in place:
        inner = [
            each.get("items", {}) if isinstance(part, int) else each.get("properties", {}).get(part, {})
            for each in here
        ]
        kinds = [kind for each in inner for kind in (each, *each.get("anyOf", ()))]
        here = [made["$defs"][kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind for kind in kinds]
    return here


def keys_at(place: Sequence[str | int]) -> list[str]:
    """The keys of the table that stands at a place of a scenario, in their order; none where no table does."""
    return [key for each in _at(place) for key in each.get("properties", ())]


def expected_at(place: Sequence[str | int]) -> str:
    """What belongs at a place of a scenario, in words."""
    return " or ".join(filter(None, map(_in_words, _at(place)))) or "a value"


def _in_words(kind: dict[str, Any]) -> str:
    match kind:
        case {"properties": keys}:
            return f"a table of {listed(list(keys))}"
        case {"enum": values}:
            return f"one of {listed(values)}"
        case {"type": "string", "pattern": pattern} if pattern.endswith("(us|ms|s|m|h|d)$"):
            return A_TIME
        case {"type": "string"}:
            return "a text"
        case {"type": "array", "items": {"$ref": _}}:
            return "a list of tables"
        case {"type": "array", "items": {"type": "string"}}:
            return "a list of texts"
        case {"type": "array", "prefixItems": sides}:
            return f"a list of {len(sides)}"
        case _:
            return ""


def tables() -> dict[str, Any]:
    """The tables of a scenario and their keys, as a JSON Schema of what a file says together with all that it includes."""
    made = Scenario.model_json_schema(by_alias=True)
    for table in (made, *made["$defs"].values()):
        for field in table.get("properties", {}).values():
            if isinstance(field.get("default"), int) and field.get("type") == "string":
                field["default"] = (say_ppm if "%" in field["pattern"] else say_us)(field["default"])
    return made


def json_schema() -> dict[str, Any]:
    """The JSON Schema of one file, for editors.

    What a scenario needs may come with what its file includes. A file without title and promise is a part: it plays
    nothing by itself, and needs nothing.
    """
    made = tables()
    needed = made.pop("required")
    made["$defs"]["Event"]["oneOf"] = [{"required": [verb]} for verb in VERBS]
    nodes = {"required": made["$defs"]["Topology"].pop("required")}
    whole = {"required": needed, "properties": {"topology": nodes}}
    part = {"not": {"anyOf": [{"required": [key]} for key in ("title", "promise")]}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "anyOf": [whole, {"required": ["include"]}, part],
    }
