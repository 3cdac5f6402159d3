"""QUIC: one UDP socket for all links, both ways, on aioquic's sans-I/O core.

`wire` is one connection with its frames; `endpoint` is the socket, the table of connection ids, and the dialling.
"""

from mesh.io.quic.endpoint import Endpoint as Endpoint
from mesh.io.quic.endpoint import EndpointConfig as EndpointConfig
