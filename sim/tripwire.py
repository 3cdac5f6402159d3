"""Tripwires: whoever reads a clock, draws true randomness or starts a thread inside a simulation is told so, loudly.

A run must be a function of its seed. The linter bans these calls in the core; this catches what it cannot see: a
library's. Functions are replaced where their module has them, so that one which somebody imported by its name before is
not seen; a draw from a `random.Random` with a seed of its own is the same at every run, and passes. Only the thread that
simulates is watched, so that a progress bar beside it may tick.
"""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import get_ident
from typing import Any

_RANDOM = importlib.import_module("random")
ALWAYS = (
    *(f"random.{name}" for name, it in vars(_RANDOM).items() if isinstance(getattr(it, "__self__", None), _RANDOM.Random)),
    *(f"random.SystemRandom.{name}" for name in ("random", "getrandbits", "randbytes")),
    *(f"secrets.{name}" for name in ("token_bytes", "token_hex", "token_urlsafe", "randbelow", "randbits", "choice")),
    *(f"os.{name}" for name in ("urandom", "getrandom")),
    *(f"uuid.{name}" for name in ("uuid1", "uuid4", "uuid6", "uuid7", "getnode")),
    *(f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time", "clock_gettime")
      for unit in ("", "_ns")),
    "time.sleep",
    *(f"_thread.{name}" for name in ("start_new_thread", "start_new", "start_joinable_thread")),
    "threading.Thread.start",
)  # fmt: skip
"""What differs at every run, as far as this Python has it."""
GIVEN = {
    "random.Random.seed": 2,
    "time.localtime": 1,
    "time.gmtime": 1,
    "time.ctime": 1,
    "time.asctime": 1,
    "time.strftime": 2,
}
"""What is a function of so many arguments, and reads clocks or draws for those that are not given. The first of methods is
their object; a `Random` is seeded as it is made."""
CLOCKS = ("now", "utcnow", "today")
"""What reads a clock of a class of `datetime`."""


class TripwireError(AssertionError):
    """A simulation touched the world."""


@contextmanager
def tripwires() -> Iterator[None]:
    """Watch the present thread for as long as this lasts."""
    watch = _Watch()
    with ExitStack() as undo:
        for path in (*ALWAYS, *GIVEN):
            module, *outer, name = path.split(".")
            owner: Any = importlib.import_module(module)
            for part in outer:
                owner = getattr(owner, part)
            if hasattr(owner, name):
                _replace(undo, owner, name, watch.wired(path, getattr(owner, name), GIVEN.get(path)))
        for name in ("datetime", "date"):
            _replace(undo, dt, name, watch.timeless(getattr(dt, name)))
        yield


def _replace(undo: ExitStack, owner: Any, name: str, instead: object) -> None:
    undo.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, instead)


class _Watch:
    """The thread that is watched."""

    def __init__(self) -> None:
        """The present one."""
        self._thread = get_ident()

    def wired(self, name: str, original: Callable[..., Any], needed: int | None = None) -> Callable[..., Any]:
        """A function that raises in the thread that is watched, unless it is given all that it needs."""

        def tripped(*args: Any, **kwargs: Any) -> Any:
            is_given = needed is not None and sum(each is not None for each in (*args, *kwargs.values())) >= needed
            if get_ident() == self._thread and not is_given:
                raise TripwireError(f"{name} was called inside a simulation: its result would differ at the next run")
            return original(*args, **kwargs)

        return tripped

    def timeless(self, original: type) -> type:
        """A class of `datetime` that is the original to all who ask, makes its objects, and tells no time."""
        clocks = {
            name: staticmethod(self.wired(f"datetime.{original.__name__}.{name}", getattr(original, name)))
            for name in CLOCKS
            if hasattr(original, name)
        }
        kind = type(
            "Kind",
            (type(original),),
            {
                "__instancecheck__": lambda _, it: isinstance(it, original),
                "__subclasscheck__": lambda _, it: issubclass(it, original),
                "__call__": lambda _, *args, **kwargs: original(*args, **kwargs),
            },
        )
        made: type = kind(original.__name__, (original,), clocks)
        return made
