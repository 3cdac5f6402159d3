"""The config of a node: profiles that make sense, and parameters that do not."""

import pytest

from mesh.config import NodeConfig, sim
from mesh.errors import ConfigError
from mesh.log.record import RECORD_BYTES_MAX


def test_the_simulator_s_tables_are_small_and_hold_a_record() -> None:
    config = sim()

    assert (config.sessions.sessions_max, config.delivery.loads_max, config.version) == (64, 4, "sim")
    assert config.intake.gathered_bytes_max >= RECORD_BYTES_MAX


def test_nothing_expires_every_zero_milliseconds() -> None:
    assert NodeConfig(expire_every_ms=1).expire_every_ms == 1
    with pytest.raises(ConfigError, match="expire_every_ms: positive"):
        NodeConfig(expire_every_ms=0)
