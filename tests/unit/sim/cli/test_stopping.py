"""Ctrl-C is heard once, wherever it falls."""

import gc
import signal
import sys
import time
import weakref

import pytest

from sim.cli.stopping import STOPPING, heard_once, stopped


class Gone:
    """Something with a callback at its end."""


def test_ctrl_c_that_falls_into_a_callback_is_heard_all_the_same() -> None:
    """Its exception is forgotten there, and the next Ctrl-C is ignored already."""
    hook = sys.unraisablehook
    before = {number: signal.getsignal(number) for number in (*STOPPING, signal.SIGALRM)}
    left_s, _ = signal.setitimer(signal.ITIMER_REAL, 0)  # a time-out of whoever runs this
    signal.signal(signal.SIGINT, signal.default_int_handler)
    was_heard = False
    try:
        with heard_once():
            gone = Gone()
            weakref.finalize(gone, signal.raise_signal, signal.SIGINT)
            del gone
            gc.collect()
            signal.raise_signal(signal.SIGINT)
            end_s = time.monotonic() + 20
            while time.monotonic() < end_s:
                time.sleep(0.01)
    except KeyboardInterrupt:
        was_heard = True
    finally:
        for number, handler in before.items():  # whoever is started from here on is to hear them
            signal.signal(number, handler)
        signal.setitimer(signal.ITIMER_REAL, left_s)

    assert was_heard
    assert stopped() == 128 + signal.SIGINT
    assert sys.unraisablehook is hook


def test_what_else_no_callback_can_raise_is_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    with heard_once():
        gone = Gone()
        weakref.finalize(gone, int, "no number")
        del gone
        gc.collect()

    (what,) = told
    assert isinstance(getattr(what, "exc_value", None), ValueError)
