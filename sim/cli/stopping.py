"""Ctrl-C: heard once. What ends then ends in good order, and says what is kept; whoever presses it again changes nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPPED = 130
"""The exit status of whoever was stopped by Ctrl-C."""
KEPT = {
    "run": "a run that was not finished leaves nothing",
    "sweep": "what the journal holds is kept",
    "replay": "the tape is as it was",
    "shrink": "no smaller run was written, and what was given is as it was",
    "topology": "nothing was written but the picture, if it was asked for",
    "safeguards": "what stands above was found",
    "maelstrom": "all nodes have ended, and there are no figures",
}
"""What is left of each verb that takes its time."""


@contextmanager
def heard_once() -> Iterator[None]:
    """The first Ctrl-C is a `KeyboardInterrupt`; the next are ignored, so that none interrupts what ends in good order.

    Where Ctrl-C is ignored already (a shell's `&`), it stays so.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not is_main or before is signal.SIG_IGN:
        yield
        return

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is stop:  # nobody pressed it
            signal.signal(signal.SIGINT, before)
