"""A hostile peer on a real link: the link is dropped, counted and logged with its code, and nobody else is disturbed."""

import asyncio
import contextlib
import json
import os
import socket
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh.certificates import Identity
from mesh.codes import Code
from mesh.effects import FrameReceived, LinkDown, LinkUp
from mesh.engines.links.core import VERSION, hello_statement
from mesh.frames import Alive, Frame, Hello, IHave, Lane, Push
from mesh.io.keys import SUITE, create_mesh, join_mesh, make_ticket
from mesh.io.quic import Endpoint, EndpointConfig
from mesh.log.batch import NO_NAME, Batch, Epoch, epoch_statement, seal
from mesh.log.record import Record, encode_record
from mesh.types import Address, LinkId, LogId
from mesh.wire.frames import encode_frame
from nodes.processes import PDEATHSIG_CODE, NodeProcess
from nodes.sdk.client import connect
from tests.live.programs import linked, mesh_of, play, until

pytestmark = pytest.mark.live
LOOPBACK = Address("127.0.0.1", 0)
DIALLER = True
SLOW_DISK = """
import time
from mesh.io.store.writing import Writer
append = Writer.append
def slowly(self, what):
    time.sleep(3 if what.batches else 0)
    append(self, what)
Writer.append = slowly
from nodes.processes import run_child
run_child()
"""
LITTLE_CONTROL = """
from dataclasses import replace
from mesh.engines.links.core import Links
begin = Links.__init__
def sparingly(self, config, *rest, **named):
    begin(self, replace(config, control_bytes_per_s=256 << 10), *rest, **named)
Links.__init__ = sparingly
from nodes.processes import run_child
run_child()
"""


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Peer:
    """A peer of our own making, on the real endpoint: it says what a test wants it to say."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.told: asyncio.Queue[Any] = asyncio.Queue()
        self.endpoint = Endpoint.open(LOOPBACK, self._tell)
        self.link = LinkId(0)
        self.binding = b""
        self.is_down = False

    def _tell(self, event: object) -> None:
        self.is_down = self.is_down or isinstance(event, LinkDown)
        self.told.put_nowait(event)

    async def dial(self, address: Address) -> None:
        self.endpoint.dial(address)
        up = await self.hear(LinkUp)
        self.link, self.binding = up.link, up.binding

    async def hear(self, kind: type[Any]) -> Any:
        """The next event of a kind; others are passed over."""
        async with asyncio.timeout(15):
            while not isinstance(event := await self.told.get(), kind):
                pass
            return event

    def hello(self, **changes: Any) -> Hello:
        """A HELLO as a member says it, but for what is changed."""
        me = self.identity
        proof = me.signer.sign(hello_statement(DIALLER, me.mesh, me.node, self.binding))
        said = Hello(VERSION, me.mesh, me.certificate_raw, wall_ms() << 20, wall_ms(), proof)
        return replace(said, **changes)

    def say(self, frame: Frame) -> None:
        greeting = isinstance(frame, Hello)
        self.endpoint.send((self.link,), encode_frame(frame), Lane.CONTROL, greeting=greeting)

    def say_bytes(self, packed: bytes) -> None:
        self.endpoint.send((self.link,), packed, Lane.CONTROL, greeting=True)

    async def greeted(self) -> None:
        """Be known on the link."""
        self.say(self.hello())
        while not isinstance((await self.hear(FrameReceived)).frame, Hello):
            pass

    def batch(self, first: int = 1, payload: bytes = b"x") -> Batch:
        """A batch of this member's, as it should be."""
        me, signer, number = self.identity, SUITE.signer(b"e" * 32), 7 << 20
        fields = ("c", "peer", 1, first, wall_ms() << 16, 60_000, 0, [], {}, payload)
        record = Record._make((*fields, encode_record(fields)))
        proof = me.signer.sign(epoch_statement(me.mesh, me.node, number, signer.public))
        epoch = Epoch(me.node, number, signer.public, proof)
        return seal(LogId(me.node, number), first, NO_NAME, [record], signer, epoch)


@contextlib.asynccontextmanager
async def attacked(folder: Path, launcher: str = PDEATHSIG_CODE) -> AsyncIterator[tuple[NodeProcess, Peer]]:
    """A node with a client that goes on all the while, and a peer with a certificate."""
    async with mesh_of(folder, "us") as mesh:
        node = await mesh.add("eu", "eu", launcher=launcher)
        await linked(node.ready["gateway"], 1)
        (folder / "peer").mkdir()
        identity = join_mesh(folder / "peer", mesh.ticket, "us", wall_ms())
        peer = Peer(identity)
        host, _, port = node.ready["listen"].rpartition(":")
        async with connect(node.ready["gateway"]) as client:
            await client.publish("before", b"x", durability="copies:2", timeout=20)
            await peer.dial(Address(host, int(port)))
            try:
                yield node, peer
            finally:
                await peer.endpoint.close()
            await client.publish("after", b"x", durability="copies:2", timeout=20)
            assert node.is_running


def dropped(node: NodeProcess, code: Code) -> bool:
    """Whether the node counted a link that was dropped for a code, and said so in its log."""
    url = node.ready["gateway"].replace("ws://", "http://") + "/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        counted = f'gossamer_links_dropped_total{{code="{code}"}}' in answer.read().decode()
    assert node.stderr is not None
    lines = [json.loads(line) for line in node.stderr.read_text(encoding="utf-8").splitlines()]
    return counted and any(line.get("code") == code for line in lines)


async def not_greeted(peer: Peer) -> None:
    peer.say(Alive(wall_ms()))


async def wrong_mesh(peer: Peer) -> None:
    peer.say(peer.hello(mesh=b"m" * 32))


async def forged_proof(peer: Peer) -> None:
    peer.say(peer.hello(proof=bytes(64)))


async def old_version(peer: Peer) -> None:
    peer.say(peer.hello(version=0))


async def foreign_certificate(peer: Peer) -> None:
    raw = peer.identity.certificate_raw
    peer.say(peer.hello(certificate=raw[:-1] + bytes([raw[-1] ^ 1])))


async def garbage(peer: Peer) -> None:
    peer.say_bytes(os.urandom(200))


async def two_hellos(peer: Peer) -> None:
    await peer.greeted()
    peer.say(peer.hello())


async def bad_signature(peer: Peer) -> None:
    await peer.greeted()
    good = peer.batch()
    peer.say(Push(Batch(good.header, good.body, bytes(64), good.epoch_public, good.epoch_proof)))


async def oversized_frame(peer: Peer) -> None:
    await peer.greeted()
    peer.say_bytes(bytes(3 << 20))


@pytest.mark.parametrize(
    ("misbehave", "code"),
    [
        (not_greeted, Code.HELLO_MISSING),
        (wrong_mesh, Code.MESH_WRONG),
        (forged_proof, Code.HELLO_FORGED),
        (old_version, Code.VERSION_UNKNOWN),
        (foreign_certificate, Code.CERTIFICATE_INVALID),
        (garbage, Code.FRAME_UNDECODABLE),
        (two_hellos, Code.HELLO_FORGED),
        (bad_signature, Code.BATCH_INVALID),
        (oversized_frame, Code.FRAME_TOO_LARGE),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_link_of_a_peer_that_misbehaves_is_dropped(
    misbehave: Callable[[Peer], Awaitable[None]], code: Code, tmp_path: Path
) -> None:
    async def work() -> None:
        async with attacked(tmp_path) as (node, peer):
            await misbehave(peer)
            down = await peer.hear(LinkDown)
            assert down.why.startswith(code), down
            await until(lambda: asyncio.to_thread(_settled, node, code))

    play(work)


def _settled(node: NodeProcess, code: Code) -> Any:
    return dropped(node, code)


def test_relay_in_between_is_found_out(tmp_path: Path) -> None:
    """The relay stands between two members and passes every word on: its two connections have two bindings."""

    async def work() -> None:
        async with attacked(tmp_path) as (node, victim):
            relay = Peer(victim.identity)  # it need not be a member: it only repeats
            await relay.dial(Address("127.0.0.1", int(node.ready["listen"].rpartition(":")[2])))
            assert relay.binding != victim.binding

            relay.say(victim.hello())  # what the victim said on its own connection

            down = await relay.hear(LinkDown)
            assert down.why.startswith(Code.HELLO_FORGED)
            await until(lambda: asyncio.to_thread(_settled, node, Code.HELLO_FORGED))
            await relay.endpoint.close()

    play(work)


def test_hello_of_another_mesh_is_refused_though_its_certificate_is_good_there(tmp_path: Path) -> None:
    async def work() -> None:
        async with attacked(tmp_path) as (node, peer):
            other = tmp_path / "other"
            create_mesh(other / "mesh", "other")
            ticket = make_ticket(other / "mesh", wall_ms(), regions=("*",), seeds=(), life_ms=60_000).text()
            (other / "node").mkdir()
            identity = join_mesh(other / "node", ticket, "us", wall_ms())
            peer.identity = identity

            peer.say(peer.hello())

            assert (await peer.hear(LinkDown)).why.startswith(Code.MESH_WRONG)
            assert await asyncio.to_thread(dropped, node, Code.MESH_WRONG)

    play(work)


def test_bytes_beyond_the_credit_end_the_link(tmp_path: Path) -> None:
    """4 MiB are granted ahead, and granted again when they are stored: on a slow disk that is not at once."""

    async def work() -> None:
        async with attacked(tmp_path, SLOW_DISK) as (node, peer):
            await peer.greeted()
            for position in range(1, 20, 2):  # each behind a hole, so that none has to name the one before it
                peer.say(Push(peer.batch(position, os.urandom(1_000_000))))

            assert (await peer.hear(LinkDown)).why.startswith(Code.CREDIT_EXCEEDED)
            assert await asyncio.to_thread(dropped, node, Code.CREDIT_EXCEEDED)

    play(work)


def test_flood_of_control_frames_is_stopped(tmp_path: Path) -> None:
    """An eighth of what a node usually allows, which a busy machine might carry no faster: then nobody floods."""

    async def work() -> None:
        async with attacked(tmp_path, LITTLE_CONTROL) as (node, peer):
            await peer.greeted()
            log = peer.batch().log
            flood = IHave(tuple((log, n, n) for n in range(2, 2_002, 2)))
            for _ in range(3_000):  # of 45 KB each; 2.5 MB may come at once, and 256 KB in each second after
                if peer.is_down:
                    break
                peer.say(flood)
                while peer.endpoint.waiting(peer.link) > 4 << 20:
                    await asyncio.sleep(0.001)

            assert (await peer.hear(LinkDown)).why.startswith(Code.CONTROL_FLOOD)
            assert await asyncio.to_thread(dropped, node, Code.CONTROL_FLOOD)

    play(work)


def test_garbage_datagrams_and_mutated_handshakes_cost_nothing(tmp_path: Path) -> None:
    """Initials of a real handshake, each with bytes changed, and noise: the node goes on."""

    async def work() -> None:
        async with attacked(tmp_path) as (node, _):
            target = ("127.0.0.1", int(node.ready["listen"].rpartition(":")[2]))
            initials = await _initials()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for number in range(600):
                    datagram = bytearray(initials[number % len(initials)])
                    for _ in range(1 + number % 5):
                        datagram[int.from_bytes(os.urandom(4)) % len(datagram)] ^= 1 << number % 8
                    sock.sendto(datagram[: 1 + int.from_bytes(os.urandom(2)) % len(datagram)], target)
                    sock.sendto(bytes(datagram), target)
                    sock.sendto(os.urandom(1 + number), target)
                    await asyncio.sleep(0)
            await linked(node.ready["gateway"], 1)

    play(work)


async def _initials() -> list[bytes]:
    """First datagrams of real handshakes, caught by a socket that answers nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trap:
        trap.bind(("127.0.0.1", 0))
        trap.settimeout(0)
        endpoint = Endpoint.open(LOOPBACK, lambda _: None, EndpointConfig(dial_timeout_ms=400))
        endpoint.dial(Address("127.0.0.1", trap.getsockname()[1]))
        loop = asyncio.get_running_loop()
        found = [await asyncio.wait_for(loop.sock_recvfrom(trap, 65_535), 5) for _ in range(3)]
        await endpoint.close()
        return [datagram for datagram, _ in found]
