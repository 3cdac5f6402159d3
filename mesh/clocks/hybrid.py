"""The hybrid logical clock, and the guard that keeps a wrong clock from doing harm.

`HybridClock` is that of Kulkarni et al. (*Logical Physical Clocks*, 2014): 48 bits of milliseconds and 16 of counter,
so that stamps of one node strictly rise and a cause is stamped below its effect. We deviate in one point: a stamp
more than 60 s ahead is kept as it is and does not move the clock, for rejecting loses messages and following lets one
wrong clock drag the mesh.

`ClockGuard` compares this node's clock with its neighbors'. It is believed where at least half of all agree with it to 60 s,
a neighbor among them. While it is not, or after a leap against the monotonic clock that no neighbor confirms, nothing expires,
and stamps come from what most neighbors say, or said within the last hour, else from the clock as it ran before it leapt.
Where all differ nobody knows who is right (NTP wants a majority, too: RFC 5905, 11.2.1). A node that is alone has nobody to
confirm a leap; it believes its clock again when that has run on for an hour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mesh.types import NodeId, Now

COUNTER_BITS = 16
COUNTER_MAX = (1 << COUNTER_BITS) - 1
SKEW_MAX_MS = 60_000
"""A clock farther than this from the others' is wrong. Protocol choice: far above NTP's error, far below any expiry."""

ALIKE_MS = 2 * SKEW_MAX_MS
"""Two clocks that are right are at most so far apart."""
AGREE_MS = 5_000
"""Two words of one clock that agree to within so much, heard so long one after the other, were held up alike, if at all."""
DOUBT_TOLD_EVERY_US = 60_000_000
"""A node says at most so often that it doubts its clock: whoever alternates its word has it doubt as often as it likes."""
LONE_DOUBT_MS = 3_600_000
"""Alone, a clock that leapt is believed after so long: time enough for NTP or a person to set it right."""


def stamp_ms(stamp: int) -> int:
    """The milliseconds (since 1970) of a hybrid stamp."""
    return stamp >> COUNTER_BITS


def stamp_of(wall_ms: int) -> int:
    """The least hybrid stamp of a millisecond."""
    return wall_ms << COUNTER_BITS


@dataclass(slots=True)
class HybridClock:
    """Gives out strictly rising stamps that follow both the wall clock and every stamp seen."""

    high: int = 0

    def next(self, wall_ms: int) -> int:
        """Give the next stamp, at least `wall_ms` and above all that came before."""
        self.high = max(self.high + 1, stamp_of(wall_ms))
        return self.high

    def reserve(self, count: int, wall_ms: int) -> int:
        """Give `count` consecutive stamps at once and return the first."""
        first = self.next(wall_ms)
        self.high += count - 1
        return first

    def observe(self, stamp: int, wall_ms: int) -> bool:
        """Move past a stamp that was seen, unless it is over `SKEW_MAX_MS` ahead; return whether it was believed."""
        if stamp_ms(stamp) > wall_ms + SKEW_MAX_MS:
            return False
        self.high = max(self.high, stamp)
        return True

    def begin(self, wall_ms: int) -> None:
        """Begin a log, in which stamps need not rise above those of a wrong clock."""
        if self.runs_ahead(wall_ms):
            self.high = 0

    def runs_ahead(self, wall_ms: int) -> bool:
        """Whether the high water is farther ahead of the time than a right clock could have brought it."""
        return stamp_ms(self.high) > wall_ms + SKEW_MAX_MS


@dataclass(slots=True)
class ClockGuard:
    """Decides which time to stamp with and up to which time things may expire.

    `offsets` holds, for each linked neighbor, its wall clock less ours on the monotonic scale (ms).
    """

    offsets: dict[NodeId, int] = field(default_factory=dict)
    expiry_ms: int = 0
    """What expires up to this time is dead. It stands still while the clock is doubted, and goes back only where others
    show that ours was wrong: to what most of them say while it is, or to our own clock once it agrees with theirs again."""
    is_sure: bool = False
    """Our clock has run on as it was when it was last held against the others', agreed, and nobody has said more since:
    `trusted` would be true."""
    _behind: dict[NodeId, tuple[int, int]] = field(default_factory=dict)
    """What neighbors said that are suddenly far behind, until they say it again, and when, on the monotonic scale."""
    _undenied_ms: int = 0
    """Since when our clock has run on in this life, without a leap and without being outvoted, on the monotonic scale ..."""
    _hour_base_ms: int | None = None
    """... and by how much it was ahead of the monotonic one then."""
    _outvoted_ms: int | None = None
    """When most neighbors last said another time, on the monotonic scale; none since our clock was believed."""
    _confirmed_ms: int | None = None
    """By how much our clock was ahead of the monotonic one when neighbors last agreed with it."""
    _base_ms: int | None = None
    """By how much the clock was ahead of the monotonic one before it leapt, or should have been as most neighbors said."""
    _leapt: bool = False
    """It is not there any more."""
    _judged_ms: int | None = None
    """By how much our clock was ahead of the monotonic one when it was last held against the others' ..."""
    _agreed: bool = False
    """... and whether it agreed with them: that depends on nothing else."""
    _is_told: bool = False
    """That it is doubted now has been said."""
    _tell_again_us: int = 0

    def on_now(self, now: Now) -> None:
        """Notice a leap of the wall clock against the monotonic one. Call at the start of each tick."""
        wall_ms, mono_ms = now.wall_ms, now.mono_us // 1_000
        base = wall_ms - mono_ms
        judged = self.is_sure or (base == self._judged_ms and self._agreed and not self._leapt)
        if judged and base == self._base_ms:  # as nearly always
            if not self.is_sure:
                self.is_sure, self._is_told = True, False
            if wall_ms > self.expiry_ms or (self.offsets and self.expiry_ms > wall_ms + SKEW_MAX_MS):
                self.expiry_ms = wall_ms
            return
        self.is_sure = False
        if self._base_ms is None:
            self._base_ms = base
        if self._hour_base_ms is None or abs(base - self._hour_base_ms) > SKEW_MAX_MS:  # another clock: its hour begins
            self._hour_base_ms, self._undenied_ms = base, mono_ms
            if self._outvoted_ms is not None:
                self._outvoted_ms = mono_ms
        ran_ms = 0 if self.offsets else mono_ms - self._undenied_ms
        if abs(base - self._base_ms) <= SKEW_MAX_MS or (self.offsets and self._agrees(now)) or ran_ms >= LONE_DOUBT_MS:
            self._base_ms, self._leapt = base, False
        else:
            self._leapt = True
        if self.trusted(now):
            self._outvoted_ms, self._is_told = None, False
            if self.offsets and self.expiry_ms > wall_ms + SKEW_MAX_MS:  # we began alone, with a clock that was wrong
                self.expiry_ms = wall_ms
            self.expiry_ms = max(self.expiry_ms, wall_ms)
        else:
            agreed_ms = self.agreed_ms(now)
            if agreed_ms is not None:  # we were wrong alone: what a wrong clock declared dead may live
                self.expiry_ms = min(self.expiry_ms, agreed_ms)
                self._base_ms, self._leapt = agreed_ms - mono_ms, True  # which holds when they have gone, too
                self._outvoted_ms = mono_ms
            elif self._outvoted_ms is not None and mono_ms - self._outvoted_ms >= LONE_DOUBT_MS:
                self._base_ms, self._leapt = base, False
                self._outvoted_ms = None  # what leaps from now on is a leap like any other

    def observe(self, peer: NodeId, wall_ms: int, now: Now) -> None:
        """Take a neighbor's clock from its HELLO or `Alive`.

        One that is much farther behind than before may have been set back, or its word was held up on the way, for as long as a
        link outlives a cut: it is believed once it says the same again, `AGREE_MS` later. What was held up comes in a heap.
        """
        mono_ms = now.mono_us // 1_000
        offset, known = wall_ms - mono_ms, self.offsets.get(peer)
        if known is not None and offset < known - SKEW_MAX_MS:
            before, heard_ms = self._behind.get(peer, (known, 0))
            if abs(offset - before) > AGREE_MS:
                self._behind[peer] = offset, mono_ms
                return
            if mono_ms < heard_ms + AGREE_MS:
                return
        self._behind.pop(peer, None)
        self.offsets[peer] = offset
        self._judged_ms, self.is_sure = None, False

    def keep(self, is_linked: Callable[[NodeId], bool]) -> None:
        """Forget neighbors whose links are gone."""
        self.offsets = {peer: offset for peer, offset in self.offsets.items() if is_linked(peer)}
        self._behind = {peer: word for peer, word in self._behind.items() if peer in self.offsets}
        self._judged_ms, self.is_sure = None, False

    def agreed_ms(self, now: Now) -> int | None:
        """What most of two neighbors or more say: their median, if over half of them are within `ALIKE_MS` of it.

        Of an even count it is the one of the middle two that is nearer to our clock.
        """
        if len(self.offsets) < 2:
            return None
        mono_ms = now.mono_us // 1_000
        ordered = sorted(self.offsets.values())
        middle = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        median = min(middle, key=lambda offset: abs(offset + mono_ms - now.wall_ms))
        agreeing = sum(abs(offset - median) <= ALIKE_MS for offset in ordered)
        return median + mono_ms if 2 * agreeing > len(ordered) else None

    def dropped_ms(self, now: Now) -> int:
        """What expired up to this time may go from the disk, from where it does not come back: 60 s behind a sure clock.

        Neighbors have agreed with it as it runs, or it has run on for an hour without being outvoted. Else 0.
        """
        mono_ms = now.mono_us // 1_000
        if not self.trusted(now):
            return 0
        base, confirmed = now.wall_ms - mono_ms, self._confirmed_ms
        is_confirmed = confirmed is not None and abs(base - confirmed) <= SKEW_MAX_MS
        is_sure = is_confirmed or mono_ms - self._undenied_ms >= LONE_DOUBT_MS
        return max(0, min(self.expiry_ms, now.wall_ms) - SKEW_MAX_MS) if is_sure else 0

    def stripped_ms(self, now: Now) -> int:
        """What comes without its body has to have expired by this: where our clock is doubted, by all others as well."""
        if self.is_sure or self.trusted(now):
            return self.expiry_ms
        mono_ms = now.mono_us // 1_000
        return min(self.expiry_ms, now.wall_ms, *(offset + mono_ms for offset in self.offsets.values()))

    def _agrees(self, now: Now) -> bool:
        mono_us, wall_ms = now.mono_us, now.wall_ms
        base_ms = wall_ms - mono_us // 1_000
        if base_ms != self._judged_ms:
            self._judged_ms, self._agreed = base_ms, self._judge(now)
        return self._agreed

    def _judge(self, now: Now) -> bool:
        """At least half of all clocks agree with ours, and one other if there is one: of two that differ, neither knows."""
        if not self.offsets:
            return True
        own = now.wall_ms - now.mono_us // 1_000
        agreeing = sum(abs(offset - own) <= SKEW_MAX_MS for offset in self.offsets.values())
        if not agreeing or 2 * (agreeing + 1) <= len(self.offsets):
            self._confirmed_ms, self._undenied_ms = None, now.mono_us // 1_000
            return False
        self._confirmed_ms, self._outvoted_ms = own, None
        return True

    def trusted(self, now: Now) -> bool:
        """Whether our clock agrees with what we know, so that things may expire."""
        if self._leapt:
            return False
        mono_us, wall_ms = now.mono_us, now.wall_ms
        return self._agreed if wall_ms - mono_us // 1_000 == self._judged_ms else self._agrees(now)

    def doubts_aloud(self, now: Now) -> bool:
        """Whether it is time to say that our clock is doubted: once, until it is trusted again, and at most once a minute."""
        if self._is_told or now.mono_us < self._tell_again_us or self.trusted(now):
            return False
        self._is_told, self._tell_again_us = True, now.mono_us + DOUBT_TOLD_EVERY_US
        return True

    def wall_ms(self, now: Now) -> int:
        """The time to stamp with: our own clock where it is trusted, else what most say or said, else as before it leapt.

        Where most do not agree and none has leapt, each stamps by its own.
        """
        if self.is_sure or self.trusted(now):
            return now.wall_ms
        agreed_ms = self.agreed_ms(now)
        if agreed_ms is not None:
            return agreed_ms
        return now.mono_us // 1_000 + (self._base_ms or 0) if self._leapt else now.wall_ms
