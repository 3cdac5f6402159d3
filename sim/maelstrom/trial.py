"""What our own bench is asked to run."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.errors import require


@dataclass(frozen=True, slots=True)
class Trial:
    """What is run. `partitions` of `cut_s` seconds each are spread over `seconds`; each draws its kind with the seed."""

    nodes: int = 25
    rate: int = 100
    """Operations a second, half of them broadcasts, half reads, as Maelstrom mixes them."""
    seconds: int = 20
    latency_ms: int = 100
    partitions: int = 0
    cut_s: int = 4
    settle_s: int = 10
    """Between the last operation and the final reads; its messages are counted, too."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(self.nodes >= 1 and self.rate >= 1 and self.seconds >= 1, "nodes, rate and seconds: at least 1")
        counts = self.latency_ms, self.settle_s, self.partitions, self.cut_s, self.seed
        require(min(counts) >= 0, "no negative times or counts")
        require(self.partitions * self.cut_s < self.seconds or not self.partitions, "the cuts fit into the run")
