"""What can be wrong with a machine, its settings or its mesh: the checks of `gossamer doctor`.

Each check looks at the real thing (binds the port, joins the multicast group, reads the key) and says in one line what
it found; what it found wrong has a code, and with it a remedy. A node that runs holds its port and its data directory:
that is no fault, so those checks are told whether a node answers.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mesh.codes import Code
from mesh.errors import HostError
from mesh.types import Address, node_text
from nodes.addresses import parse_address
from nodes.settings import Settings

MDNS_GROUP = "224.0.0.251"
MEBIBYTE = 1 << 20

State = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `note` is worth knowing and keeps nothing from working; `bad` has a code."""

    subject: str
    state: State
    text: str
    code: str = ""


def check_python() -> Finding:
    """The interpreter and where it runs."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "good", f"{sys.implementation.name} {version} on {sys.platform}, {os.cpu_count()} cores")


def check_clock(wall_ms: int | None = None) -> Finding:
    """The wall clock shows a year that can be."""
    from mesh.io.host import too_early

    early = too_early(time.time_ns() // 1_000_000 if wall_ms is None else wall_ms)
    if early is not None:
        return Finding("clock", "bad", str(early), early.code)
    return Finding("clock", "good", time.strftime("%Y-%m-%d %H:%M:%S %Z"))


def check_ipv6() -> Finding:
    """IPv6 is there; without it IPv4 serves."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError as error:
        return Finding("ipv6", "note", f"none ({error.strerror}): listen on IPv4 addresses", Code.NO_IPV6)
    return Finding("ipv6", "good", "there")


def check_multicast(*, wanted: bool) -> Finding:
    """The mDNS group can be joined and sent to; without it seeds are needed."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            membership = socket.inet_aton(MDNS_GROUP) + socket.inet_aton("0.0.0.0")  # noqa: S104  # any interface
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
            sock.sendto(b"", (MDNS_GROUP, 9))  # port 9 discards; a time to live of 0 keeps it on this machine
    except OSError as error:
        state: State = "bad" if wanted else "note"
        return Finding("multicast", state, f"none ({error.strerror})", Code.NO_MULTICAST)
    return Finding("multicast", "good", "there")


def check_port(address: Address, kind: Literal["UDP", "TCP"], *, ours: bool) -> Finding:
    """A port is free, or our own node has it."""
    from mesh.io.quic.sockets import bound_socket, listen_fault

    subject = f"port {address.port} ({kind})"
    try:
        if kind == "UDP":
            bound_socket(address).close()
        else:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address.host, address.port))
    except (OSError, HostError) as error:
        if ours:
            return Finding(subject, "good", f"{address}: a node of ours answers at the gateway")
        fault = error if isinstance(error, HostError) else listen_fault(address, kind, error)
        return Finding(subject, "bad", str(fault), fault.code)
    return Finding(subject, "good", f"{address} is free")


def check_join(folder: Path, ticket: str, region: str) -> Finding:
    """A ticket lets a node join, or is of the mesh that its directory belongs to."""
    from mesh.io.keys import check_ticket

    try:
        check_ticket(folder, ticket, region, time.time_ns() // 1_000_000)
    except HostError as error:
        return Finding("ticket", "bad", str(error), error.code)
    return Finding("ticket", "good", f"it holds for the region {region}")


def check_folder(folder: Path, reserve_bytes: int, *, ours: bool) -> Iterator[Finding]:
    """The data directory: its membership, key, store, lock and disk."""
    from mesh.io.keys import STORE, FolderLock, is_member, load_identity
    from mesh.io.store import check_database

    if not folder.exists():
        yield Finding("data", "note", f"{folder} is not there yet: a node makes it when it joins a mesh")
    elif not is_member(folder):
        yield Finding(
            "data", "note", f"{folder} belongs to no mesh yet: gossamer node --join TICKET", Code.TICKET_INVALID
        )
    else:
        try:
            identity = load_identity(folder, time.time_ns() // 1_000_000)
        except HostError as error:
            yield Finding("key", "bad", str(error), error.code)
        else:
            yield Finding("key", "good", f"node {node_text(identity.node)[:12]} in {identity.region}")
            store = folder / STORE
            try:
                if store.exists():
                    check_database(store, identity.mesh)
                    yield Finding("store", "good", f"{store} opens")
            except HostError as error:
                yield Finding("store", "bad", str(error), error.code)
        try:
            FolderLock(folder).release()
        except HostError as error:
            yield Finding("data", "good" if ours else "bad", str(error), "" if ours else error.code)
        else:
            yield Finding("data", "good", f"{folder} is free")
    yield check_disk(folder, reserve_bytes)


def check_disk(folder: Path, reserve_bytes: int) -> Finding:
    """There is room for messages."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    text = shortage(free, reserve_bytes)
    return Finding("disk", "good", text) if free >= reserve_bytes else Finding("disk", "bad", text, Code.DISK_RESERVED)


def shortage(free_bytes: int, reserve_bytes: int) -> str:
    """How much of a disk is free, and how much of it is not for messages."""
    return f"{free_bytes / MEBIBYTE:,.0f} MiB free, {reserve_bytes / MEBIBYTE:,.0f} are kept in reserve"


def check_node(about: dict[str, Any], settings: Settings) -> Iterator[Finding]:
    """What a running node says of itself."""
    yield Finding("node", "good", f"{about['node'][:12]} in {about['region']} answers, version {about['version']}")
    peers = about["peers"]
    if peers:
        regions = ", ".join(sorted({peer["region"] for peer in peers}))
        yield Finding("links", "good", f"{len(peers)} {'peer' if len(peers) == 1 else 'peers'}, in {regions}")
    else:
        hint = "it has no seed; --seed names one" if not settings.node.seeds else "its seeds do not answer"
        yield Finding("links", "note", f"no peer is linked: {hint}; check that UDP passes between the nodes")
    silent = [peer["node"][:12] for peer in peers if peer["silent"]]
    if silent:
        yield Finding("links", "note", f"silent: {', '.join(silent)}", Code.LINK_SILENT)
    if about["missing"]:
        yield Finding("repair", "note", f"{about['missing']} messages are being fetched from peers")
    if not about["clock_trusted"]:
        yield Finding("clock", "bad", "the node doubts its clock", Code.CLOCK_DOUBTED)
    free_bytes, reserve_bytes = about["disk_free_bytes"], settings.node.disk_reserve_bytes
    if free_bytes < reserve_bytes:
        text = f"the node refuses publishes: {shortage(free_bytes, reserve_bytes)}"
        yield Finding("disk", "bad", text, Code.DISK_RESERVED)
    if about["forked"]:
        yield Finding("logs", "bad", f"{about['forked']} have two histories", Code.LOG_FORKED)
    if about["draining"]:
        yield Finding("node", "note", "it is draining", Code.NODE_STOPPING)


def machine_findings(settings: Settings, ticket: str = "", *, ours: bool) -> Iterator[Finding]:
    """All checks that need no node. `ours`: a node of ours answers, so ports and directory may be in use."""
    yield check_python()
    yield check_clock()
    yield check_ipv6()
    yield check_multicast(wanted=settings.node.mdns and not settings.node.seeds)
    yield check_port(parse_address(settings.node.listen), "UDP", ours=ours)
    if settings.gateway.enabled:
        yield check_port(parse_address(settings.gateway.listen), "TCP", ours=ours)
    folder = Path(settings.node.data)
    if ticket:
        yield check_join(folder, ticket, settings.node.region)
    yield from check_folder(folder, settings.node.disk_reserve_bytes, ours=ours)
