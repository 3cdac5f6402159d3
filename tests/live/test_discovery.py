"""Nodes on one LAN find each other by mDNS alone, and by one seed address alone: in network namespaces of the test's own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mesh.io.keys import create_mesh, make_ticket

pytestmark = pytest.mark.live
COMMAND = "from gossamer.command import main; main()"
FOUND_S = 25

LAN = textwrap.dedent(
    """
    set -e
    ip link set lo up
    ip link add lan type bridge mcast_snooping 0
    ip link set lan up
    for n in 1 2 3; do
        unshare -n sleep 50 & holder=$!
        echo $holder >> "$1/holders"
        while [ "$(readlink /proc/$holder/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
        ip link add v$n type veth peer name eth0 netns $holder
        ip link set v$n master lan up
        nsenter -t $holder -n ip addr add 10.77.0.$n/24 dev eth0
        nsenter -t $holder -n ip link set eth0 up
        nsenter -t $holder -n ip link set lo up
        nsenter -t $holder -n ip route add default via 10.77.0.254 dev eth0 || true
    done
    touch "$1/ready"
    wait
    """
)


def lan(folder: Path) -> tuple[subprocess.Popen[str], list[str]]:
    """A bridge and three hosts on it, in namespaces: their holders' process ids. Skips where they cannot be made."""
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"`{program}` is not installed")
    probe = ["unshare", "-rn", "--", "ip", "link", "add", "x", "type", "bridge"]
    if os.geteuid() == 0:
        probe.remove("-rn")
        probe.insert(1, "-n")
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"{' '.join(probe)}: {tried.stderr.strip()}")
    (folder / "holders").write_text("")
    process = subprocess.Popen(
        [*probe[:2], "--", "sh", "-c", LAN, "lan", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 10
    while not (folder / "ready").exists():
        assert process.poll() is None and time.monotonic() < end, process.stderr and process.stderr.read()
        time.sleep(0.02)
    return process, (folder / "holders").read_text().split()


def inside(holder: str, *arguments: str) -> list[str]:
    """A command on one of the hosts."""
    return ["nsenter", "-t", holder, "-n", *(() if os.geteuid() == 0 else ("-U",)), "--", *arguments]


def node(holder: str, folder: Path, number: int, ticket: str, *flags: str) -> subprocess.Popen[bytes]:
    log = (folder / f"node-{number}.log").open("wb")
    with log:
        mine = ["--data", str(folder / f"node-{number}"), "--listen", f"10.77.0.{number}:7421", *flags]
        return subprocess.Popen(
            inside(holder, sys.executable, "-c", COMMAND, "node", "--region", "lan", "--join", ticket, *mine),
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


def peers_of(holder: str) -> int:
    """How many peers a host's node is linked to."""
    done = subprocess.run(
        inside(holder, sys.executable, "-c", COMMAND, "status", "--json"), capture_output=True, text=True, check=False
    )
    return len(json.loads(done.stdout)["peers"]) if done.returncode == 0 else -1


@pytest.mark.parametrize(
    "flags", [(), ("--no-mdns", "--seed", "10.77.0.1:7421")], ids=["by mDNS alone", "by one seed alone"]
)
def test_nodes_of_a_lan_find_each_other(flags: tuple[str, ...], tmp_path: Path) -> None:
    create_mesh(tmp_path / "mesh", "lan")
    wall_ms = time.time_ns() // 1_000_000
    ticket = make_ticket(tmp_path / "mesh", wall_ms, regions=("*",), seeds=(), life_ms=600_000).text()
    process, holders = lan(tmp_path)
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        for number, holder in enumerate(holders, 1):
            nodes.append(node(holder, tmp_path, number, ticket, *flags))
        end = time.monotonic() + FOUND_S
        while (found := [peers_of(holder) for holder in holders]) != [2, 2, 2]:
            assert time.monotonic() < end, (found, (tmp_path / "node-2.log").read_text()[-2000:])
            time.sleep(0.2)
        published = inside(holders[0], sys.executable, "-c", COMMAND, "pub", "c", "hello", "-d", "copies:3", "-W", "10")
        assert subprocess.run(published, check=False, timeout=20).returncode == 0
    finally:
        for each in nodes:
            each.terminate()
        for each in nodes:
            each.wait(10)
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=10)
