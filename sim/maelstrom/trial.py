"""What our own bench is asked to run."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mesh.errors import require

NODES_MAX = 256
"""Each is a process of its own on this machine; the workload that Maelstrom is known for has 25."""


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
        for name, value in asdict(self).items():
            least = 1 if name in ("nodes", "rate", "seconds") else 0
            require(value >= least, f"--{name.replace('_', '-')} {value}; expected at least {least}")
        require(self.nodes <= NODES_MAX, f"--nodes {self.nodes:,}; expected at most {NODES_MAX}, each is a process")
        cuts_s = self.partitions * self.cut_s
        said = f"--partitions {self.partitions} of --cut-s {self.cut_s} take {cuts_s:,} s"
        fits = f"less than the run, which is --seconds {self.seconds}"
        require(cuts_s < self.seconds or not self.partitions, f"{said}; expected {fits}")
