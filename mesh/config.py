"""Every limit and every time of a node: one frozen config per engine, each beside its engine, composed here.

`NodeConfig()` is for the wide area; `sim()` is what simulations use. Parameters that make no sense, alone or together,
raise `ConfigError` at construction, before anything runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.engines.delivery import DeliveryConfig
from mesh.engines.dissemination import DisseminationConfig
from mesh.engines.intake import IntakeConfig
from mesh.engines.links import AddressConfig, LinkConfig
from mesh.engines.receipts import ReceiptConfig
from mesh.engines.repair import RepairConfig
from mesh.engines.sessions import SessionConfig
from mesh.errors import require
from mesh.log.record import RECORD_BYTES_MAX
from mesh.types import Address


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """All of a node. `advertise` is where it can be dialled; `gateways` what clients are told."""

    links: LinkConfig = field(default_factory=LinkConfig)
    addresses: AddressConfig = field(default_factory=AddressConfig)
    intake: IntakeConfig = field(default_factory=IntakeConfig)
    dissemination: DisseminationConfig = field(default_factory=DisseminationConfig)
    repair: RepairConfig = field(default_factory=RepairConfig)
    receipts: ReceiptConfig = field(default_factory=ReceiptConfig)
    sessions: SessionConfig = field(default_factory=SessionConfig)
    delivery: DeliveryConfig = field(default_factory=DeliveryConfig)
    advertise: Address | None = None
    seeds: tuple[Address, ...] = ()
    gateways: tuple[str, ...] = ()
    version: str = "0"
    expire_every_ms: int = 60_000
    """How often expired bodies and logs are dropped from the disk. What may be seen is exact at any time."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(self.expire_every_ms > 0, "expire_every_ms: positive")


def sim() -> NodeConfig:
    """What simulations use: the real times, small tables, so that every limit is met."""
    return NodeConfig(
        intake=IntakeConfig(gathered_bytes_max=2 * RECORD_BYTES_MAX, disk_reserve_bytes=1 << 16),
        delivery=DeliveryConfig(recent_bytes=1 << 16, loads_max=4),
        sessions=SessionConfig(sessions_max=64),
        version="sim",
    )
