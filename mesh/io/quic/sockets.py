"""UDP sockets and addresses: dual-stack, with large buffers, each address in its one form."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
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
        raise listen_fault(listen, "UDP", error) from error
    try:
        sock.setblocking(False)  # noqa: FBT003  # its name is its meaning
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((listen.host, listen.port))
    except OSError as error:
        sock.close()
        raise listen_fault(listen, "UDP", error) from error
    return sock


def listen_fault(listen: Address, kind: str, error: OSError) -> HostError:
    """Why it is not possible to listen there: another process does, there is no IPv6, or the address is none of ours."""
    text = f"cannot listen on {listen} ({kind}): {error.strerror or error}"
    if error.errno is not None and error.errno > 0:  # asyncio's own words repeat the address
        text = f"cannot listen on {listen} ({kind}): {os.strerror(error.errno)}"
    if error.errno == errno.EADDRINUSE:
        return HostError(Code.PORT_TAKEN, text)
    if ":" in listen.host and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
        return HostError(Code.NO_IPV6, text)
    return HostError(Code.CONFIG_INVALID, text)


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
