"""The systems that are measured, each as three real server processes on loopback with storage of their own."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from nodes.ports import Ports
from nodes.processes import LocalMesh

REGIONS = ("eu", "us", "ap")
CHANNEL = "bench.one"


@dataclass
class Cluster:
    """Three servers: where clients attach to each, and the processes whose CPU time counts."""

    urls: list[str]
    pids: list[int]


@contextlib.asynccontextmanager
async def gossamer(datagram_bytes: int = 1_452) -> AsyncIterator[Cluster]:
    """Three nodes in three regions, at datagrams that an Ethernet path carries."""
    folder = Path(tempfile.mkdtemp(prefix="gossamer-bench-"))
    mesh = LocalMesh(folder, "bench")
    settings = {"GOSSAMER_NODE_DATAGRAM_BYTES": str(datagram_bytes), "GOSSAMER_LOG_LEVEL": "warning"}
    try:
        for region in REGIONS:
            await mesh.add(region, region, environment=settings)
        await asyncio.sleep(2)  # links stand
        yield Cluster([node.ready["gateway"] for node in mesh.nodes], [node.pid for node in mesh.nodes])
    finally:
        await mesh.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def jetstream() -> AsyncIterator[Cluster]:
    """Three NATS servers with JetStream, and a stream of three replicas in files."""
    import nats
    from nats.js.api import StorageType, StreamConfig

    folder = Path(tempfile.mkdtemp(prefix="jetstream-bench-"))
    ports = Ports()
    clients = [ports.draw(socket.SOCK_STREAM) for _ in REGIONS]
    routes = [ports.draw(socket.SOCK_STREAM) for _ in REGIONS]
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
        ports.close()
        shutil.rmtree(folder, ignore_errors=True)
