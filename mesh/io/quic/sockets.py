"""UDP sockets and addresses: dual-stack, with large buffers, each address in its one form."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

from mesh.codes import Code
from mesh.errors import HostError
from mesh.types import Address

SOCKET_BUFFER_BYTES = 4 << 20
"""A buffer of 200 KiB, the usual, drops a burst of large datagrams."""


def bound_socket(listen: Address) -> socket.socket:
    """Open a UDP socket where we are to listen; `::` takes IPv4, too."""
    try:
        ip = ipaddress.ip_address(listen.host)
    except ValueError:
        raise HostError(Code.CONFIG_INVALID, f"listen on an IP address, not on {listen.host!r}") from None
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise HostError(Code.NO_IPV6, f"cannot listen on {listen}: {error.strerror}") from error
    try:
        sock.setblocking(False)  # noqa: FBT003  # its name is its meaning
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((listen.host, listen.port))
    except OSError as error:
        sock.close()
        code = Code.NO_IPV6 if family == socket.AF_INET6 and error.errno in (97, 99) else Code.PORT_TAKEN
        raise HostError(code, f"cannot listen on {listen} (UDP): {error.strerror}") from error
    return sock


def address_of(name: Any) -> Address:
    """A socket's name as an address: IPv4 within IPv6 as IPv4, no scope."""
    ip = ipaddress.ip_address(str(name[0]).partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return Address(str(mapped or ip), name[1])


async def resolve(loop: asyncio.AbstractEventLoop, address: Address, family: int) -> Any:
    """What to send to. Raises `OSError`."""
    wanted = socket.AF_INET6 if family == socket.AF_INET6 else socket.AF_INET
    flags = socket.AI_V4MAPPED if family == socket.AF_INET6 else 0
    found = await loop.getaddrinfo(address.host, address.port, family=wanted, type=socket.SOCK_DGRAM, flags=flags)
    return found[0][4]
