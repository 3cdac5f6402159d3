"""From a scenario and a seed to a list of steps: all that is done to a world from outside, in the order of its time.

Timeline, audiences and random faults all become steps, before anything runs and without looking at what will. So a
failure can be shrunk by leaving steps out, and what is left can be written down as a timeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import shake_128

from sim.network import QUANTILES, STEPS
from sim.scenario.cast import Cast
from sim.scenario.drawing import draw_fault, of_this_seed
from sim.scenario.events import Event, PublishTo, ReadHistory
from sim.scenario.model import Scenario, Workload
from sim.tape import Stream
from sim.units import MILLION

COMPRESSED_FROM = 256
"""Bytes of a payload; smaller ones are a number that a person can read."""
STEPS_MAX = 2_000_000
"""What one run is asked to do at most; `sim.scenario.sense` refuses what would come to more."""
PUBLISHED_BYTES_MAX = 1 << 30
"""What one run publishes at most, since it keeps all to compare."""


@dataclass(frozen=True, slots=True)
class Say:
    """One client publishes one message; its payload follows from its number. Times are µs after the settling."""

    at: int
    client: str
    channel: str
    size: int
    copies: int = 1
    regions: int = 1
    ttl: int = 0
    number: int = 0

    def as_event(self) -> Event:
        """The same, as a file writes it."""
        publish = PublishTo(
            client=(self.client,),
            channel=self.channel,
            bytes_=self.size,
            copies=self.copies,
            regions=self.regions,
            ttl=self.ttl,
        )
        return Event(at=self.at, publish=publish)


Step = Event | Say


def payload_of(number: int, size: int) -> bytes:
    """What message `number` holds: different for each, as far as `size` allows; nothing large that can be compressed."""
    if size >= COMPRESSED_FROM:
        return shake_128(b"%d" % number).digest(size)
    return (b"%d." % number * (1 + size // 2))[:size]


def plan(scenario: Scenario, cast: Cast, rng: Stream) -> list[Step]:
    """Everything that will be done, in order."""
    steps: list[Step] = [*scenario.timeline, *_of_readers(scenario, cast, rng)]
    for index, work in enumerate(scenario.workload):
        steps += _workload(scenario, cast, work, rng.fork(f"workload/{index}"))
    if scenario.random is not None:
        faults = rng.fork("faults")
        drawn = of_this_seed(scenario.random, faults)
        at = drawn.from_
        while at < scenario.duration:
            event = draw_fault(cast, drawn, at, faults)
            if event is not None:
                steps.append(event)
            at += drawn.every
    steps.sort(key=lambda step: step.at)
    return [step if isinstance(step, Event) else _numbered(step, number) for number, step in enumerate(steps)]


def _of_readers(scenario: Scenario, cast: Cast, rng: Stream) -> Iterator[Event]:
    """Clients read the past again and again, each at its own beat."""
    for person in cast.clients.values():
        for index, past in enumerate(person.group.history):
            begin = rng.fork(f"history/{person.name}/{index}").below(past.every)
            what = ReadHistory(
                client=(person.name,),
                to=past.of(person.name),
                page=past.page,
                backwards=past.backwards,
                since=past.since,
                until=past.until,
            )
            yield from (Event(at=at, read_history=what) for at in range(begin, scenario.duration, past.every))


def _numbered(say: Say, number: int) -> Say:
    return Say(say.at, say.client, say.channel, say.size, say.copies, say.regions, say.ttl, number)


# --- audiences ---------------------------------------------------------------------------------------------------------


def _gap(rate: float, rng: Stream) -> int:
    """Until the next message of an open loop (Poisson arrivals)."""
    return max(1, int(QUANTILES["exponential"][rng.below(STEPS)] / rate))


def _workload(scenario: Scenario, cast: Cast, work: Workload, rng: Stream) -> list[Step]:
    crowd = _Crowd(scenario, cast, work, rng)
    table: dict[str, Callable[[], list[Step]]] = {
        "steady": crowd.steady,
        "bursts": crowd.bursts,
        "commuters": crowd.commuters,
        "flash-crowd": crowd.flash_crowd,
        "chat-room": crowd.chat_room,
        "sensor-fleet": crowd.sensor_fleet,
        "cursor-resuming": crowd.cursor_resuming,
    }
    return table[work.audience]()


class _Crowd:
    """Draws what an audience does."""

    def __init__(self, scenario: Scenario, cast: Cast, work: Workload, rng: Stream) -> None:
        self.work, self.rng = work, rng
        self.clients = cast.clients_of(work.clients)
        self.begin = work.from_
        self.end = scenario.duration if work.until is None else min(work.until, scenario.duration)
        self.channels = [
            name for pattern in work.channels for name in ([pattern.replace("{n}", str(n)) for n in range(work.spread)])
        ]
        self.channels = list(dict.fromkeys(self.channels))
        weights = [MILLION // (n + 1) if work.zipf else 1 for n in range(len(self.channels))]
        self.sums: list[int] = []
        for weight in weights:
            self.sums.append(weight + (self.sums[-1] if self.sums else 0))

    def say(self, at: int, client: str | None = None, channel: str | None = None) -> Say:
        """One message of this crowd."""
        rng, work = self.rng, self.work
        low, high = work.bytes_
        mortal = work.ttl and (work.mortal == 0 or rng.chance(work.mortal))
        return Say(
            at,
            client or rng.choice(self.clients),
            channel or self.channel(),
            low + rng.below(high - low + 1),
            rng.choice(work.copies),
            rng.choice(work.regions),
            work.ttl if mortal else 0,
        )

    def channel(self) -> str:
        """A channel, by its popularity."""
        draw = self.rng.below(self.sums[-1])
        return self.channels[next(index for index, total in enumerate(self.sums) if draw < total)]

    def between(self, begin: int, end: int, rate: float) -> list[Step]:
        """An open loop."""
        steps: list[Step] = []
        at = begin + _gap(rate, self.rng)
        while at < end:
            steps.append(self.say(at))
            at += _gap(rate, self.rng)
        return steps

    def steady(self) -> list[Step]:
        """The same rate all the time."""
        return self.between(self.begin, self.end, self.work.rate)

    def bursts(self) -> list[Step]:
        """Five times the rate for a second of every ten, half of it between."""
        steps: list[Step] = []
        for at in range(self.begin, self.end, 10 * MILLION):
            steps += self.between(at, min(at + MILLION, self.end), 5 * self.work.rate)
            steps += self.between(at + MILLION, min(at + 10 * MILLION, self.end), self.work.rate / 2)
        return steps

    def _away(self, every: int, longest: int) -> list[Step]:
        """Each client is without a connection now and then."""
        steps: list[Step] = []
        for client in self.clients:
            at = self.begin + self.rng.below(every)
            while at < self.end:
                away = MILLION // 2 + self.rng.below(longest)
                steps.append(Event(at=at, for_=away, offline=(client,)))
                at += away + every // 2 + self.rng.below(every)
        return steps

    def commuters(self) -> list[Step]:
        """Through tunnels of up to 20 s, every 30 s or so."""
        return self.steady() + self._away(30 * MILLION, 20 * MILLION)

    def flash_crowd(self) -> list[Step]:
        """After a third of the time everybody comes at once and wants everything; ten times the rate for a tenth."""
        third, tenth = (self.end - self.begin) // 3, (self.end - self.begin) // 10
        begin = self.begin + third
        steps = self.between(self.begin, begin, self.work.rate)
        for client in self.clients:
            at = min(begin + self.rng.below(MILLION), self.end - 1)
            steps.append(Event.model_validate({"at": at, "subscribe": {"client": client, "to": ("#",)}}))
        steps += self.between(begin, begin + tenth, 10 * self.work.rate)
        return steps + self.between(begin + tenth, self.end, self.work.rate)

    def chat_room(self) -> list[Step]:
        """Somebody says something; up to three others answer within seconds in the same room."""
        steps: list[Step] = []
        at = self.begin + _gap(self.work.rate / 2, self.rng)
        while at < self.end:
            room = self.channel()
            steps.append(self.say(at, channel=room))
            steps += [
                self.say(at + 300_000 + self.rng.below(3 * MILLION), channel=room) for _ in range(self.rng.below(4))
            ]
            at += _gap(self.work.rate / 2.5, self.rng)
        return [step for step in steps if step.at < self.end]

    def sensor_fleet(self) -> list[Step]:
        """Each client at its own beat."""
        beat = int(len(self.clients) * MILLION / self.work.rate)
        return [
            self.say(at, client)
            for client in self.clients
            for at in range(self.begin + self.rng.below(max(1, beat)), self.end, max(1, beat))
        ]

    def cursor_resuming(self) -> list[Step]:
        """Processes that end now and then, and start again from the cursor that they kept."""
        steps = self.steady()
        for client in self.clients:
            at = self.begin + self.rng.below(15 * MILLION)
            while at < self.end:
                steps.append(Event(at=at, kill_client=(client,)))
                at += 5 * MILLION + self.rng.below(20 * MILLION)
        return steps
