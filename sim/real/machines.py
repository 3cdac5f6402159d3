"""One node's process as the stage treats it: killed, started, stopped and paused, as often as a scenario likes.

What is wished is said at once and without waiting; `keep` makes it so. A node may be killed while it still starts: it
has then not failed to start, it was killed.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from mesh.errors import HostError
from nodes.processes import NodeProcess
from sim.proxy.child import DISK_FAULTS


class Machine:
    """A node's process, and the folder that says what is wrong with its disk."""

    def __init__(self, node: NodeProcess, faults: Path) -> None:
        """Take over a node that runs."""
        self.node = node
        self.name = node.name
        self.kills = 0
        self._faults = faults
        self._is_wanted = True
        self._drains = False
        self._starts = False
        self._done = 0
        """How many of the kills `keep` has seen through."""
        self._turn = asyncio.Event()

    # --- wishes ------------------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether it is there and ready, and is to be."""
        return self._is_wanted and self.kills == self._done and self.node.is_running and not self._starts

    @property
    def is_wanted(self) -> bool:
        """Whether it is to be there, so that what is done to it is felt."""
        return self._is_wanted

    @property
    def has_ended(self) -> bool:
        """Whether it is gone, though nobody ended it."""
        return self._is_wanted and self.kills == self._done and not self._starts and not self.node.is_running

    @property
    def last_words(self) -> str:
        """Its exit status, and the last line that it wrote."""
        status = self.node.process.returncode if self.node.process is not None else None
        log = self.node.stderr.read_text("utf-8", "replace") if self.node.stderr is not None else ""
        return f"status {status}, {(log.strip().splitlines() or ['it said nothing'])[-1][:500]}"

    def kill(self) -> None:
        """End it now, without a word, and leave it so."""
        self._is_wanted, self._drains = False, False
        self._strike()

    def drain(self) -> None:
        """End it in good order."""
        self._is_wanted, self._drains = False, True
        self._turn.set()

    def start(self) -> None:
        """Have it there."""
        self._is_wanted = True
        self._turn.set()

    def again(self) -> None:
        """End it now, and start it."""
        self._is_wanted = True
        self._strike()

    def _strike(self) -> None:
        self.kills += 1
        self.node.signal(signal.SIGKILL)
        self._turn.set()

    def pause(self, *, is_paused: bool) -> None:
        """Let it stand still, or go on."""
        self.node.signal(signal.SIGSTOP if is_paused else signal.SIGCONT)

    def ill(self, fault: str, says: str | None) -> None:
        """Something is wrong with its disk from now on; None: not any more."""
        assert fault in DISK_FAULTS
        file = self._faults / fault
        if says is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(says)

    # --- what makes it so --------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """See to it that what is wished is so. Raises `HostError` if a node that nobody killed does not start."""
        while True:
            await self._turn.wait()
            self._turn.clear()
            while not await self._is_so():
                pass

    async def _is_so(self) -> bool:
        """One step towards what is wished; whether none was needed."""
        kills = self.kills
        if kills != self._done:
            await self.node.kill()
            self._done = kills
        elif not self._is_wanted and self.node.is_running:
            await (self.node.stop() if self._drains else self.node.kill())
        elif self._is_wanted and not self.node.is_running:
            self._starts = True
            try:
                await self.node.start()
            except HostError:
                if kills == self.kills:
                    raise
            finally:
                self._starts = False
        else:
            return True
        return False
