"""Delivery: subscribers and history are readers of the log.

`tail` moves with the logs; `engine` lets readers catch up; `readers` groups those at one place; `skim` serves who was
too slow; `twins` shows each message once; `history` reads the past at a cut.
"""

from mesh.engines.delivery.engine import Delivery as Delivery
from mesh.engines.delivery.history import Histories as Histories
from mesh.engines.delivery.tail import COVERAGE as COVERAGE
from mesh.engines.delivery.tail import HOLE as HOLE
from mesh.engines.delivery.tail import DeliveryConfig as DeliveryConfig
