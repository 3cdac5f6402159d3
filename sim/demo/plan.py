"""When what happens: the demo's timetable, for as long as it may take.

Start and end (processes, the last receipts, comparing) take a few seconds of their own; the rest is the play. What has
to be long enough to mean something has a least length: a cut shorter than the 3 s after which a link counts as silent
would be healed by QUIC alone and would prove nothing about repair.
"""

from __future__ import annotations

from dataclasses import dataclass

SECONDS_DEFAULT = 40
SECONDS_LEAST = 15
SECONDS_MOST = 120
"""The books are kept in memory, about 1 KB for each message."""
OVERHEAD_S = 4.5
"""What starting three processes and comparing the books take. Measured: 2.3 s and 1 s on 2 cores."""
CUT_MOST_S = 25.0
"""Links have to outlive the cut: what waits for a redial, up to 15 s later, is another story."""
ISOLATED_S = 1.0
"""For so long nobody can hear the node that is killed."""
SWALLOWED_S = 0.5
RATE_PER_S = 250
"""Messages of each publisher: twice what the least number of retried names needs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds from the first publish on."""

    cut_s: float
    """eu is cut off."""
    move_s: float
    """A subscriber moves from eu to ap with its cursor."""
    isolate_s: float
    """us is cut off, too ..."""
    heal_s: float
    """... killed a second later, restarted at once; and everything heals."""
    swallow_s: float
    """What ap's node says to its clients is swallowed."""
    end_s: float


def plan(seconds: int) -> Plan:
    """A timetable for a demo of so many seconds in all."""
    length = max(seconds, SECONDS_LEAST) - OVERHEAD_S
    cut_s = length * 0.1
    lasts_s = min(length * 0.5, CUT_MOST_S)
    return Plan(
        cut_s=cut_s,
        move_s=cut_s + lasts_s * 0.2,
        isolate_s=cut_s + lasts_s * 0.4,
        heal_s=cut_s + lasts_s,
        swallow_s=cut_s + lasts_s + length * 0.2,
        end_s=length,
    )
