"""Fault proxies: what lies between real processes, under our control.

`UdpProxy` stands between nodes (one address for each, a `Link` with its own weather between any two), `TcpProxy`
before a gateway. Both run in user space on loopback and count what they let through and what they did not.
"""

from sim.proxy.path import Link as Link
from sim.proxy.path import Path as Path
from sim.proxy.path import Weather as Weather
from sim.proxy.tcp import TcpProxy as TcpProxy
from sim.proxy.udp import UdpProxy as UdpProxy
