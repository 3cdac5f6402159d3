"""Stories: a few commands to a small world, and the transcript of what happens, readable without Python.

    # The push from Ana to Ben is lost; Ben hears of the batch from Cy and fetches it.
    nodes ana ben cy
    lose ana ben Push
    publish ana room/1 hello
    run 2
    ----
    t=0.040 ana->ben Push hello LOST
    ...

Everything above `----` is said to the world in order, everything below is what came out. Heartbeats, credit and the
greeting between nodes are left out unless a story says `show all`. Times are seconds after the nodes knew one another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mesh import frames as f
from mesh import operations as o
from mesh.clocks.vector import VersionVector
from mesh.effects import Append, Effect, Hangup, Report, Send, Tell
from mesh.log.batch import Batch
from mesh.types import LogId
from mesh.wire.frames import decode_frame
from sim.network import Network
from sim.workload import App
from sim.world import Machine, World

QUIET = (f.Hello, f.Alive, f.Credit, f.Members)
SETTLE_S = 2.0
"""Nodes have greeted and compared by then; the story begins."""
SLOW_DISK_US = 200_000
RULE = "----"


@dataclass
class Story:
    """Tells one story; `lines` is its transcript."""

    seed: int = 1
    lines: list[str] = field(default_factory=list)
    apps: dict[str, App] = field(default_factory=dict)
    shows_all: bool = False
    _losing: list[tuple[str, str, str]] = field(default_factory=list)
    _start_us: int = 0
    _logs: dict[LogId, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with nobody. Delays are without jitter, so that a reader can add them up."""
        self.world = World(self.seed, Network.even(delay_us=40_000, jitter_us=0))
        self.world.filter = self._passes
        self.world.witness = self._witness

    # --- commands ----------------------------------------------------------------------------------------------------

    def say(self, line: str) -> None:
        """Obey one line. Raises `ValueError` if it is no command."""
        verb, _, rest = line.partition(" ")
        commands: dict[str, Callable[[str], None]] = {
            "nodes": self._nodes,
            "publish": self._publish,
            "subscribe": self._subscribe,
            "lose": lambda rest: self._losing.append(_three(rest)),
            "keep": lambda rest: self._losing.remove(_three(rest)),
            "cut": self._cut,
            "heal": lambda _: self.world.heal(),
            "crash": lambda name: self.world.restart(self.world.machines[name]),
            "full": lambda name: self.world.space(self.world.machines[name], 0),
            "room": lambda name: self.world.space(self.world.machines[name], 1 << 40),
            "move": lambda rest: self.apps[rest.split()[0]].move(*rest.split()[1:]),
            "flip": self._flip,
            "scrub": lambda name: self.world.scrub(self.world.machines[name]),
            "slow": lambda name: setattr(self.world.machines[name], "slow_disk_us", SLOW_DISK_US),
            "drain": lambda name: self.world.drain(self.world.machines[name]),
            "run": lambda seconds: self.world.run(float(seconds)),
            "show": self._show,
        }
        if verb not in commands:
            raise ValueError(f"a story does not know {verb!r}; it knows {', '.join(sorted(commands))}")
        commands[verb](rest)

    def _show(self, what: str) -> None:
        self.shows_all = what == "all"

    def _nodes(self, rest: str) -> None:
        """`nodes ana ben cy/us`: nodes that know one another, each with an application, in a region (eu)."""
        names = [word.partition("/") for word in rest.split()]
        for index, (name, _, region) in enumerate(names):
            self.world.add(name, region or "eu", tuple(other for other, _, _ in names[:index]))
            self.apps[name] = App(self.world, f"app-{name}", [name, *(o for o, _, _ in names if o != name)])
        self.world.run(SETTLE_S)
        self._start_us = self.world.now_us
        self.lines.clear()

    def _publish(self, rest: str) -> None:
        """`publish ana room/1 hello [copies:2]`."""
        name, channel, text, *level = rest.split()
        copies = int(level[0].partition(":")[2]) if level else 1
        self.apps[name].publish(channel, text.encode(), copies=copies)

    def _subscribe(self, rest: str) -> None:
        """`subscribe ben room/#`: from the beginning."""
        name, *patterns = rest.split()
        self.apps[name].subscribe(*patterns, cursor=VersionVector())

    def _cut(self, rest: str) -> None:
        """`cut ana | ben cy`."""
        self.world.cut(*(side.split() for side in rest.split("|")))

    def _flip(self, rest: str) -> None:
        """`flip ben 1`: a bit of the batch that begins there, in the first log of its disk."""
        name, first = rest.split()
        disk = self.world.machines[name].disk
        log = min(log for log, position in disk.rows if position == int(first))
        disk.corrupt(log, int(first))

    # --- what happened -----------------------------------------------------------------------------------------------

    def _note(self, line: str) -> None:
        self.lines.append(f"t={(self.world.now_us - self._start_us) / 1e6:.3f} {line}")

    def _passes(self, source: str, target: str, packed: bytes) -> bool:
        frame = decode_frame(packed)
        assert frame is not None
        kind = type(frame).__name__
        lost = (source, target, kind) in self._losing
        if self.shows_all or not isinstance(frame, QUIET):
            self._note(f"{source}->{target} {self._frame(frame)}{' LOST' if lost else ''}")
        return not lost

    def _witness(self, machine: Machine, effect: Effect) -> None:
        match effect:
            case Append(_, batches) if batches:
                self._note(f"{machine.name} append {' '.join(_said(batch) for batch in batches)}")
            case Tell(sessions, operation):
                told = self._operation(operation)
                if told:
                    self._note(f"{machine.name} tell {' '.join(self._who(machine, s) for s in sessions)} {told}")
            case Report(code, about):
                self._note(f"{machine.name} report {code} {_facts(about)}".rstrip())
            case Hangup(_, code):
                self._note(f"{machine.name} hangup {code}")
            case Send() | _:
                pass  # frames are noted as they leave

    def _who(self, machine: Machine, session: int) -> str:
        return next((n for n, a in self.apps.items() if a.session == session and a.home is machine), str(session))

    def _frame(self, frame: f.Frame) -> str:
        kind = type(frame).__name__
        match frame:
            case f.Push(batch):
                return f"{kind} {_said(batch)}"
            case f.IHave(ranges) | f.Graft(ranges) | f.NotFound(ranges) | f.Want(ranges) | f.Busy(ranges):
                return f"{kind} {self._ranges(ranges)}"
            case f.Stored(_, _, ranges):
                return f"{kind} {self._ranges(ranges)}"
            case f.Forked(one, other):
                return f"{kind} {self._ranges(tuple((each.log, each.first, each.last) for each in (one, other)))}"
            case f.Vector(_, logs):
                return f"{kind} {self._ranges(tuple((s.log, run[0], run[1]) for s in logs for run in s.runs))}".rstrip()
            case _:
                return kind

    def _ranges(self, ranges: tuple[tuple[LogId, int, int], ...]) -> str:
        return " ".join(f"{self._log(log)}:{first}-{last}" for log, first, last in ranges)

    def _log(self, log: LogId) -> str:
        """A log by its node's name; a later epoch of a node has a mark for each before it."""
        if log not in self._logs:
            owner = next(n for n, m in sorted(self.world.machines.items()) if m.node_id == log.node)
            self._logs[log] = owner + "'" * sum(known.node == log.node for known in self._logs)
        return self._logs[log]

    def _operation(self, operation: o.NodeOperation) -> str:
        match operation:
            case o.Receipt(first, last, copies, regions):
                through = f"-{last}" if last > first else ""
                return f"receipt {first}{through} copies:{copies} regions:{regions}"
            case o.Messages(_, log, first, last, _, records, late):
                words = " ".join(record.payload.decode() for record in records)
                mark = " late" if late else ""
                return f"messages {self._log(log)}:{first}-{last} {words}{mark}" if records or self.shows_all else ""
            case o.Gap(_, log, first, last, reason):
                return f"gap {self._log(log)}:{first}-{last} {reason.value}"
            case o.Refused(code):
                return f"refused {code}"
            case o.Goodbye(code):
                return f"goodbye {code}"
            case o.GoAway():
                return "go-away"
            case _:
                return ""


def _three(rest: str) -> tuple[str, str, str]:
    source, target, kind = rest.split()
    return source, target, kind


def _said(batch: Batch) -> str:
    return "+".join(record.payload.decode() for record in batch.records()) or "(expired)"


def _facts(about: object) -> str:
    assert hasattr(about, "items")
    return " ".join(f"{key}={value}" for key, value in about.items() if key in ("first", "last", "why"))


def tell(text: str) -> str:
    """Tell a story again: its commands as they stand, and the transcript of what happens now."""
    head = text.partition(f"{RULE}\n")[0]
    story = Story()
    for line in head.splitlines():
        if line.strip() and not line.startswith("#"):
            story.say(line.strip())
    return f"{head}{RULE}\n" + "".join(f"{line}\n" for line in story.lines)
