"""The stage: three real node processes, and proxies before every address that anybody is told.

The delays are those of fibre between Frankfurt, Virginia and Singapore, and so is the loss: ten times as much would cap
a QUIC connection at 180 KB/s over 220 ms, and the demo would measure that and not the mesh.
"""

from __future__ import annotations

from pathlib import Path

from mesh.rng import Rng
from nodes.processes import PDEATHSIG_CODE
from sim.demo import sabotage as sabotages
from sim.proxy import Weather
from sim.proxy.nodes import ProxiedNodes

REGIONS = ("eu", "us", "ap")
WEATHER = {
    ("eu", "us"): Weather(delay_us=45_000, jitter_us=4_000, loss_per_million=200),
    ("us", "ap"): Weather(delay_us=75_000, jitter_us=6_000, loss_per_million=200),
    ("eu", "ap"): Weather(delay_us=110_000, jitter_us=8_000, loss_per_million=200),
}


class Stage(ProxiedNodes):
    """A node for each region, named by it."""

    def __init__(self, folder: Path, rng: Rng, sabotage: str) -> None:
        """Use a folder that is thrown away. `sabotage` names a safeguard to turn off in every node, or is empty."""
        program = sabotages.launcher(sabotage) if sabotage else PDEATHSIG_CODE
        super().__init__(folder, {region: region for region in REGIONS}, WEATHER, rng, lambda _: program)
        self.restarting: set[str] = set()

    def urls(self, *regions: str) -> list[str]:
        """Where clients attach: the proxies before these regions' gateways."""
        return [f"ws://{self.gateways[region].address}" for region in regions]

    def region_of(self, url: str) -> str:
        """The region of a gateway's URL; empty if it is none of ours."""
        return next((r for r, proxy in self.gateways.items() if url == f"ws://{proxy.address}"), "")

    async def kill(self, region: str) -> int:
        """End a node without a word; its exit status."""
        node = self.nodes[region]
        self.restarting.add(region)
        await node.kill()
        assert node.process is not None
        return node.process.returncode or 0

    async def restart(self, region: str) -> None:
        """Start a killed node again, on what its disk kept."""
        await self.nodes[region].start()
        self.restarting.discard(region)
