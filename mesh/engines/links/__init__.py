"""Links: who is at the other end (`core`), and where and when to dial (`addresses`)."""

from mesh.engines.links.addresses import DIAL as DIAL
from mesh.engines.links.addresses import AddressBook as AddressBook
from mesh.engines.links.addresses import AddressConfig as AddressConfig
from mesh.engines.links.core import ALIVE as ALIVE
from mesh.engines.links.core import ALIVE_BUSY as ALIVE_BUSY
from mesh.engines.links.core import GREETING as GREETING
from mesh.engines.links.core import LinkConfig as LinkConfig
from mesh.engines.links.core import Links as Links
