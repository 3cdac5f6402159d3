"""The real engine: the same scenario files, played with real daemons as processes behind our fault proxies.

What is real: the daemons, their stores on disk, QUIC between them, WebSockets to their gateways, the SDK's clients (in
this process), SIGKILL, SIGSTOP and SIGTERM. What is ours: every datagram and every stream passes a proxy on loopback,
and a disk that is full, slow or failing is a shim above SQLite in the node's process (`sim.proxy.child`).
"""

from sim.real.engine import play_real as play_real
from sim.real.limits import LimitError as LimitError
