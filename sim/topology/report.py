"""What the analysis of a topology says, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What is lost at once."""

    NODE = "node"
    LINK = "link"
    REGION = "region"
    LINKS = "two links"


@dataclass(frozen=True, slots=True)
class Span:
    """How far apart nodes are, and by when they must have converged after a heal.

    Hops and round trips are those of the two nodes that are farthest apart. `bound_us` holds where links outlived the cut,
    `redial_bound_us` where they had to be dialled anew. All None where nodes cannot reach one another.
    """

    hops: int | None = None
    round_trip_us: int | None = None
    bound_us: int | None = None
    redial_bound_us: int | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """What is left when something is lost: `parts` that cannot reach one another, the largest first."""

    kind: Kind
    what: tuple[str, ...]
    """The names that are lost; a link is written `one – other`."""
    parts: tuple[tuple[str, ...], ...]
    span: Span = Span()
    """The distances in what is left, where it is in one part; not told for two links."""

    @property
    def splits(self) -> bool:
        """Whether nodes that are left cannot reach one another."""
        return len(self.parts) > 1


@dataclass(frozen=True, slots=True)
class Level:
    """A durability level: what an acknowledged message survives at the least, wherever its copies may be."""

    name: str
    reachable: bool
    """Whether a publisher can be told so anywhere."""
    disks_survived: int
    """So many disks may be lost at once, any of them, and a copy is left."""
    regions_survived: int
    """The same for whole regions."""
    stays_reachable: bool
    """Whether somebody can still be told so after any single loss of a node, a link or a region."""
    at: tuple[str, ...]
    """The nodes at which publishers can be told so: those that are linked with enough others."""

    def told_at(self, nodes: int) -> str:
        """The same in words, of so many nodes."""
        if not self.at:
            return "nowhere"
        return "everywhere" if len(self.at) == nodes else f"{len(self.at)} of {nodes} nodes"


@dataclass(frozen=True)
class Report:
    """All that was found out about a topology."""

    nodes: int
    links: int
    regions: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    span: Span
    cut_nodes: tuple[str, ...]
    """Each of them splits the mesh when it is lost."""
    cut_links: tuple[str, ...]
    losses: tuple[Loss, ...]
    """Every single loss of a node, a link and a region; and of two links, those that split where neither alone does
    (none of a mesh that is in parts already)."""
    least_nodes: tuple[str, ...] | None
    """A smallest set of nodes whose loss splits the mesh; None where every two are linked, or it is in parts already."""
    least_links: tuple[str, ...] | None
    levels: tuple[Level, ...]
    pair_count: int = 0
    """How many pairs of links split; `losses` has no more than a thousand of them, spread evenly."""
    never: tuple[str, ...] = ()
    """Links that count for nothing, for a greeting comes too late on them ever, or seven times of eight and more."""
    failing: tuple[tuple[str, int], ...] = ()
    """Links of which dials may fail, for a greeting may come too late, and how many in a row at the most."""
    silent: tuple[tuple[str, int], ...] = ()
    """Links on which a node that lives may not be heard for longer than `silent_us`, and for how long (µs)."""
    silent_us: int = 0
    """After so long nodes call each other silent, and dial anew."""
    narrowest_bps: int | None = None
    """What the slowest link carries, where that is said of any: at half of it, what has gathered adds to the bounds."""
    sure_bytes: int = 0
    """What of a backlog is sure to be under way over each link in a round trip: that bounds it where links have no rate."""
    us_per_mb: int = 0
    """So much each megabyte adds that has gathered, for the one or the other."""

    @property
    def connected(self) -> bool:
        """Whether all nodes can reach one another."""
        return len(self.parts) == 1

    @property
    def splitting(self) -> list[Loss]:
        """The losses that split the mesh: what a sweep has to confirm."""
        return [loss for loss in self.losses if loss.splits]

    @property
    def pairs(self) -> list[Loss]:
        """The losses of two links: each splits the mesh, and neither of its links alone does."""
        return [loss for loss in self.losses if loss.kind is Kind.LINKS]

    def to_json(self) -> dict[str, Any]:
        """Maps, lists, text and numbers alone."""
        found = asdict(self)
        found["connected"] = self.connected
        for loss, plain in zip(self.losses, found["losses"], strict=True):
            plain["kind"], plain["splits"] = str(loss.kind), loss.splits
        return found
