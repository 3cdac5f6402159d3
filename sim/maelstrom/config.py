"""Times of the Maelstrom host, each with its origin, and the node's configuration under it."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.config import NodeConfig
from mesh.engines.dissemination import DisseminationConfig
from mesh.engines.links import LinkConfig
from mesh.engines.repair import RepairConfig
from mesh.errors import require


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """When what waits is sent. A node sends through the hub, the first of all nodes, as long as it hears the hub."""

    hub_gather_ms: int = 80
    """The hub sends to each node once in so long, in turn: 24 nodes / 80 ms = 300 messages a second at most.

    Measured (25 nodes, 100 ms, 50 broadcasts a second): 60 ms cost 9.3 messages a broadcast, 80 ms 7.9.
    """
    leaf_gather_ms: int = 5
    """A node gathers what goes to the hub for so long: nothing but what one turn gave rise to."""
    direct_gather_ms: int = 150
    """Without the hub a packet for each other node is needed: then fewer, and fuller."""
    patient_ms: int = 400
    """Control frames that nobody waits for go with the next packet, or after so long."""
    receipts_ms: int = 1_000
    """Receipts for other nodes are gathered into one frame for so long: they are cumulative."""
    hub_silent_ms: int = 2_500
    """A node that has not heard the hub for so long sends directly. Above `alive_ms` and all waits on the way."""
    direct_for_ms: int = 3_000
    """Who was sent something directly answers directly for so long: the other may not hear the hub."""
    reorder_ms: int = 1_000
    """A link waits for what was overtaken for so long, then it is broken: what is lost is found by a repair on a new one."""
    reorder_max: int = 4_096
    """Frames that may wait so on a link."""
    dial_timeout_ms: int = 1_500
    linked_within_ms: int = 4_000
    """`topology` is answered when all links stand, at the latest after so long."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        gathers = self.hub_gather_ms, self.leaf_gather_ms, self.direct_gather_ms
        require(all(0 <= gather <= self.patient_ms for gather in gathers), "what is patient waits longest")
        waits = self.receipts_ms, self.hub_silent_ms, self.reorder_ms, self.dial_timeout_ms, self.linked_within_ms
        require(all(wait > 0 for wait in waits), "times are positive")
        require(self.direct_for_ms > 0 and self.reorder_max >= 1, "direct_for_ms and reorder_max: positive")


def node_config(nodes: int) -> NodeConfig:
    """The node's own configuration: a full mesh whose announcements and comparisons are a second net, hence rare."""
    return NodeConfig(
        links=LinkConfig(links_max=max(64, 2 * nodes)),
        dissemination=DisseminationConfig(ihave_ms=2_000, ihave_entries_max=1_024),
        repair=RepairConfig(near_ms=40_000, near_max_ms=60_000),
        version="maelstrom",
    )
