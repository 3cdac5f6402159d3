"""A small scenario, and who plays its seeds at once."""

from concurrent.futures import Executor, Future
from typing import Any

from sim.scenario.model import Scenario
from sim.scenario.reading import from_tables


def scenario(**changed: Any) -> Scenario:
    """Two nodes that agree."""
    tables = {
        "title": "Two nodes",
        "promise": "They agree.",
        "duration": "2s",
        "topology": {"node": [{"name": "ana"}, {"name": "ben"}]},
        "client": [{"name": "app", "count": 2, "subscribe": [{}]}],
        "workload": [{"rate": 5}],
    }
    return from_tables({**tables, **changed})


class Here(Executor):
    """Plays at once, in this thread; Ctrl-C comes at the call that it is told."""

    def __init__(self, interrupted_at: int = -1) -> None:
        """`seeds` are those that it was given."""
        self.calls, self.interrupted_at = 0, interrupted_at
        self.seeds: list[int] = []

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it now."""
        future: Future[Any] = Future()
        if self.calls == self.interrupted_at:
            raise KeyboardInterrupt
        self.calls += 1
        self.seeds += args[1]
        future.set_result(function(*args, **kwargs))
        return future
