"""Addresses as people write them: `host:port`, `[::1]:7421`, `:7421`."""

from __future__ import annotations

import ipaddress

from mesh.codes import Code
from mesh.errors import HostError
from mesh.types import Address

DEFAULT_PORT = 7420
"""Where a gateway listens."""


def parse_address(text: str, *, what: str = "an address") -> Address:
    """Read an address. Raises `HostError` (CONFIG_INVALID)."""
    host, _, number = text.strip().rpartition(":")
    bare = ":" in host and not host.startswith("[")  # an IPv6 address without its brackets, and so without a port
    if bare or not number.isascii() or not number.isdigit() or int(number) > 65_535:
        raise HostError(Code.CONFIG_INVALID, f"{what} is host:port, found {text!r}")
    return Address(host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(number))  # noqa: S104  # `:7421`: everywhere


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def gateway_url(gateway: str) -> str:
    """A gateway's URL from what people write: `localhost`, `10.0.0.1:7420`, `ws://…`, `wss://…`."""
    if "://" in gateway:
        return gateway
    host, colon, port = gateway.rpartition(":")
    has_port = bool(colon) and port.isdigit() and (":" not in host or host.startswith("["))
    return f"ws://{gateway}" if has_port else f"ws://{gateway}:{DEFAULT_PORT}"
