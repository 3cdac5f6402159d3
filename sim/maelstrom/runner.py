"""A bench of our own that speaks Maelstrom's protocol: real processes, a network with latency and cuts, the broadcast workload.

It measures what Maelstrom measures, for machines without it. Messages between nodes take the latency and are dropped by
a cut when they would arrive; those of clients take none, and nothing cuts them.
"""

from __future__ import annotations

import heapq
import json
import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mesh.rng import Rng
from mesh.types import US_PER_MS, US_PER_S
from sim.maelstrom.adapter import nobody
from sim.maelstrom.figures import Figures, Operation, figures
from sim.maelstrom.protocol import line, parse
from sim.maelstrom.trial import Trial
from sim.plain import many

START_S = 60
"""What all processes may take to answer `init` and `topology`, together."""
CLIENT = "c1"
COMMAND = (sys.executable, "-c", "from sim.maelstrom.process import main; main()")
READ_BYTES = 1 << 18
OURS = re.compile(rb'\{"src":"[^"\\]*","dest":"([^"\\]*)"')


@dataclass
class Program:
    """A process under test, and what waits to be written to it."""

    name: str
    process: subprocess.Popen[bytes]
    unread: bytes = b""
    unwritten: bytes = b""


@dataclass
class Bench:
    """Runs one trial."""

    trial: Trial
    command: tuple[str, ...] = COMMAND
    tell: Callable[[str], None] = nobody
    programs: dict[str, Program] = field(default_factory=dict)
    operations: dict[int, Operation] = field(default_factory=dict)
    server_messages: int = 0
    cuts: set[frozenset[str]] = field(default_factory=set)
    _asked: int = 0
    _acks: set[int] = field(default_factory=set)
    _flying: list[tuple[int, int, str, str, bytes]] = field(default_factory=list)
    _sent: int = 0
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def __post_init__(self) -> None:
        """Draw with the seed."""
        self._rng = Rng(b"maelstrom/%d" % self.trial.seed)

    def run(self) -> Figures:
        """Start, load, settle, read, and end all processes, whatever happens."""
        try:
            self._start()
            self._load()
            self._pass(self.trial.settle_s)
            numbers = [self._ask(name, {"type": "read"}, Operation("read", name, _now_us())) for name in self.programs]
            self._until(lambda: all(self.operations[number].ended_us is not None for number in numbers), START_S)
        finally:
            self._end()
        return figures(list(self.operations.values()), self.server_messages)

    # --- phases ------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        names = [f"n{number}" for number in range(self.trial.nodes)]
        for name in names:
            process = subprocess.Popen(  # noqa: S603  # ours; Ctrl-C is for us, and they end when we do
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
            program = self.programs[name] = Program(name, process)
            assert process.stdin is not None and process.stdout is not None
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, program)
        inits = [self._request(n, {"type": "init", "node_id": n, "node_ids": names}) for n in names]
        self._until(lambda: self._acks.issuperset(inits), START_S)
        near = {n: [other for other in names if other != n] for n in names}
        topologies = [self._request(n, {"type": "topology", "topology": near}) for n in names]
        self._until(lambda: self._acks.issuperset(topologies), START_S)
        self.tell(f"{many(len(names), 'node')} {'is' if len(names) == 1 else 'are'} up")
        self.server_messages = 0  # as Maelstrom counts: operations and the messages that they cost

    def _load(self) -> None:
        trial = self.trial
        names = list(self.programs)
        began_us = _now_us()
        changes = self._plan()
        for number in range(trial.rate * trial.seconds):
            at_us = began_us + number * US_PER_S // trial.rate
            while changes and changes[0][0] <= at_us - began_us:
                self._pass_until(began_us + changes[0][0])
                self._cut(changes.pop(0)[1])
            self._pass_until(at_us)
            name = self._rng.choice(names)
            if self._rng.below(2):
                body = {"type": "broadcast", "message": number}
                self._ask(name, body, Operation("broadcast", name, _now_us(), number))
            else:
                self._ask(name, {"type": "read"}, Operation("read", name, _now_us()))
        self._cut([])

    def _plan(self) -> list[tuple[int, list[list[str]]]]:
        """When which sides are cut from one another, and when they are healed (no sides); µs from the start."""
        trial = self.trial
        plan: list[tuple[int, list[list[str]]]] = []
        for number in range(trial.partitions):
            begin_us = (2 * number + 1) * trial.seconds * US_PER_S // (2 * trial.partitions + 1)
            plan += [(begin_us, self._sides(number)), (begin_us + trial.cut_s * US_PER_S, [])]
        return plan

    def _sides(self, number: int) -> list[list[str]]:
        """In turn: halves, the first node alone, one other alone, thirds."""
        names = list(self.programs)
        mixed = self._rng.shuffled(names)
        third, half = max(1, len(names) // 3), len(names) // 2
        kinds = [
            [mixed[:half], mixed[half:]],
            [names[:1], names[1:]],
            [mixed[:1], mixed[1:]],
            [mixed[:third], mixed[third : 2 * third], mixed[2 * third :]],
        ]
        return kinds[number % len(kinds)]

    def _cut(self, sides: list[list[str]]) -> None:
        self.cuts = {
            frozenset((one, other))
            for index, side in enumerate(sides)
            for rest in sides[index + 1 :]
            for one in side
            for other in rest
        }
        self.tell(f"cut into {' | '.join(str(len(side)) for side in sides)}" if sides else "healed")

    def _end(self) -> None:
        for program in self.programs.values():
            program.process.terminate()
        for program in self.programs.values():
            program.process.wait()
            assert program.process.stdin is not None and program.process.stdout is not None
            program.process.stdout.close()
            program.process.stdin.close()
        self._selector.close()

    # --- clients -----------------------------------------------------------------------------------------------------

    def _request(self, name: str, body: dict[str, object]) -> int:
        self._asked += 1
        self._write(self.programs[name], line(CLIENT, name, {**body, "msg_id": self._asked}))
        return self._asked

    def _ask(self, name: str, body: dict[str, object], operation: Operation) -> int:
        number = self._request(name, body)
        self.operations[number] = operation
        return number

    def _on_answer(self, raw: bytes, now_us: int) -> None:
        message = parse(raw)
        number = message.body.get("in_reply_to")
        if not isinstance(number, int):
            return
        self._acks.add(number)
        operation = self.operations.get(number)
        if operation is None:
            return
        operation.ended_us = now_us
        if message.kind == "error":
            operation.refused = str(message.body.get("text"))
        elif message.kind == "read_ok":
            operation.shown = tuple(message.body["messages"])

    # --- the network -------------------------------------------------------------------------------------------------

    def _pass(self, seconds: float) -> None:
        self._pass_until(_now_us() + int(seconds * US_PER_S))

    def _pass_until(self, at_us: int) -> None:
        while _now_us() < at_us:
            self._step(at_us)

    def _until(self, condition: Callable[[], bool], seconds: int) -> None:
        """Let time pass until something holds. Raises `TimeoutError` if it does not."""
        by_us = _now_us() + seconds * US_PER_S
        while not condition():
            if _now_us() > by_us:
                raise TimeoutError(f"not all nodes answered within {seconds} s")
            self._step(by_us)

    def _step(self, until_us: int) -> None:
        """Wait for the next line or arrival, and pass on what is there."""
        due_us = min(until_us, self._flying[0][0]) if self._flying else until_us
        for key, events in self._selector.select(max(0, due_us - _now_us()) / US_PER_S):
            if events & selectors.EVENT_READ and key.fileobj is key.data.process.stdout:
                self._read(key.data)
            else:
                self._flush(key.data)
        now_us = _now_us()
        while self._flying and self._flying[0][0] <= now_us:
            _, _, source, dest, raw = heapq.heappop(self._flying)
            if frozenset((source, dest)) not in self.cuts:
                self._write(self.programs[dest], raw)

    def _read(self, program: Program) -> None:
        assert program.process.stdout is not None
        read = os.read(program.process.stdout.fileno(), READ_BYTES)
        if not read:
            raise RuntimeError(f"{program.name} ended")
        *lines, program.unread = (program.unread + read).split(b"\n")
        now_us = _now_us()
        for raw in lines:
            dest = _dest(raw)
            if dest == CLIENT:
                self._on_answer(raw, now_us)
            elif dest in self.programs:
                self.server_messages += 1
                self._sent += 1
                arrival_us = now_us + self.trial.latency_ms * US_PER_MS
                heapq.heappush(self._flying, (arrival_us, self._sent, program.name, dest, raw + b"\n"))

    def _write(self, program: Program, raw: bytes) -> None:
        program.unwritten += raw
        self._flush(program)

    def _flush(self, program: Program) -> None:
        stdin = program.process.stdin
        assert stdin is not None
        try:
            program.unwritten = program.unwritten[os.write(stdin.fileno(), program.unwritten) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # whether its end is read first, or found here, is a matter of chance
            raise RuntimeError(f"{program.name} ended") from None
        registered = stdin.fileno() in self._selector.get_map()
        if program.unwritten and not registered:
            self._selector.register(stdin, selectors.EVENT_WRITE, program)
        elif registered and not program.unwritten:
            self._selector.unregister(stdin)


def _dest(raw: bytes) -> str:
    """Whom a line is for; our own nodes write that second, so that not all of it needs to be read."""
    found = OURS.match(raw)
    return found[1].decode() if found else str(json.loads(raw)["dest"])


def _now_us() -> int:
    return time.monotonic_ns() // 1_000
