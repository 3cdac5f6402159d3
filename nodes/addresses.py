"""Addresses as people write them: `host:port`, `[::1]:7421`, `:7421`."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

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


def gateway_url(gateway: str, *, what: str = "a gateway") -> str:
    """A gateway's URL from what people write: `localhost`, `10.0.0.1:7420`, `ws://…`, `wss://…`.

    Raises `HostError` (CONFIG_INVALID) for what can never be reached.
    """
    url = gateway
    if "://" not in gateway:
        host, colon, port = gateway.rpartition(":")
        has_port = bool(colon) and port != "" and (":" not in host or host.startswith("[")) and not port.endswith("]")
        url = f"ws://{gateway}" if has_port else f"ws://{gateway}:{DEFAULT_PORT}"
    try:
        parts = urlsplit(url)
        can_be = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0 and not parts.fragment
        gateway.encode()  # an argument that was no UTF-8 has surrogates
    except ValueError:
        can_be = False
    if not can_be or not gateway.isprintable() or " " in gateway:
        text = f"{what} is host, host:port, ws://… or wss://…, the port 1 to 65535; found {gateway!r}"
        raise HostError(Code.CONFIG_INVALID, text)
    return url
