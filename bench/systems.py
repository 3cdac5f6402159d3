"""The systems that are measured, each as three real server processes on loopback with storage of their own."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from nodes.processes import NodeProcess

REGIONS = ("eu", "us", "ap")
CHANNEL = "bench.one"


@dataclass
class Cluster:
    """Three servers: where clients attach to each, and the processes whose CPU time counts."""

    urls: list[str]
    pids: list[int]


def free_port() -> int:
    """A TCP port that nobody has now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.asynccontextmanager
async def gossamer(datagram_bytes: int = 1_452) -> AsyncIterator[Cluster]:
    """Three nodes in three regions, found by seeds, at datagrams that an Ethernet path carries."""
    from mesh.io.keys import create_mesh, make_ticket

    folder = Path(tempfile.mkdtemp(prefix="gossamer-bench-"))
    nodes: list[NodeProcess] = []
    try:
        create_mesh(folder / "mesh", "bench")
        wall_ms = time.time_ns() // 1_000_000
        ticket = make_ticket(folder / "mesh", wall_ms, regions=("*",), seeds=(), life_ms=3_600_000).text()
        seeds: list[str] = []
        for region in REGIONS:
            arguments = ["--region", region, "--data", str(folder / region), "--listen", "127.0.0.1:0"]
            arguments += ["--gateway", "127.0.0.1:0", "--no-mdns", "--join", ticket]
            for seed in seeds:
                arguments += ["--seed", seed]
            settings = {"GOSSAMER_NODE_DATAGRAM_BYTES": str(datagram_bytes), "GOSSAMER_LOG_LEVEL": "warning"}
            node = NodeProcess(region, arguments, settings, folder / f"{region}.log")
            nodes.append(node)
            ready = await node.start()
            seeds.append(ready["listen"])
        await asyncio.sleep(2)  # links stand
        yield Cluster([node.ready["gateway"] for node in nodes], [node.pid for node in nodes])
    finally:
        for node in nodes:
            await node.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def jetstream() -> AsyncIterator[Cluster]:
    """Three NATS servers with JetStream, and a stream of three replicas in files."""
    import nats
    from nats.js.api import StorageType, StreamConfig

    folder = Path(tempfile.mkdtemp(prefix="jetstream-bench-"))
    clients, routes = [free_port() for _ in REGIONS], [free_port() for _ in REGIONS]
    servers: list[asyncio.subprocess.Process] = []
    try:
        for index, region in enumerate(REGIONS):
            others = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in routes)
            config = folder / f"{region}.conf"
            config.write_text(
                f"server_name: {region}\nlisten: 127.0.0.1:{clients[index]}\n"
                f'jetstream {{ store_dir: "{folder / region}" }}\n'
                f"cluster {{ name: bench, listen: 127.0.0.1:{routes[index]}, routes: [{others}] }}\n"
            )
            servers.append(
                await asyncio.create_subprocess_exec(
                    "nats-server",
                    "-c",
                    str(config),
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                )
            )
        await asyncio.sleep(4)  # a leader is elected
        connection = await nats.connect(f"nats://127.0.0.1:{clients[0]}")
        stream = connection.jetstream(timeout=10)
        await stream.add_stream(
            StreamConfig(name="bench", subjects=[CHANNEL], num_replicas=3, storage=StorageType.FILE)
        )
        await connection.close()
        yield Cluster([f"nats://127.0.0.1:{port}" for port in clients], [server.pid for server in servers])
    finally:
        for server in servers:
            with contextlib.suppress(ProcessLookupError):
                server.terminate()
            await server.wait()
        shutil.rmtree(folder, ignore_errors=True)
