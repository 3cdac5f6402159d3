"""The fault proxies with real sockets."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mesh.rng import Rng
from mesh.types import Address
from sim.proxy import TcpProxy, UdpProxy, Weather

pytestmark = pytest.mark.live
SOON_S = 5.0


@contextmanager
def home() -> Iterator[socket.socket]:
    """Where a node really listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)  # noqa: FBT003  # its name is its meaning
        yield sock


async def heard(sock: socket.socket) -> tuple[bytes, Address]:
    async with asyncio.timeout(SOON_S):
        datagram, source = await asyncio.get_running_loop().sock_recvfrom(sock, 2_000)
    return datagram, Address(*source)


def test_each_node_sees_the_other_at_the_proxys_address_and_a_cut_stops_one_way() -> None:
    async def play() -> None:
        proxy = await UdpProxy.open(("ana", "ben"), Rng(b"seed"))
        proxy.set_weather("ana", "ben", Weather(delay_us=20_000, jitter_us=2_000))
        with home() as ana, home() as ben, home() as stranger:
            proxy.place("ana", Address(*ana.getsockname()))
            proxy.place("ben", Address(*ben.getsockname()))
            loop = asyncio.get_running_loop()
            began = loop.time()

            ana.sendto(b"hello ben", proxy.address("ben"))
            there = await heard(ben)
            took = loop.time() - began
            ben.sendto(b"hello ana", there[1])
            back = await heard(ana)
            proxy.link("ana", "ben").cut("ana")
            ana.sendto(b"into the cut", proxy.address("ben"))
            ben.sendto(b"still passes", proxy.address("ana"))
            passed = await heard(ana)
            stranger.sendto(b"who is it", proxy.address("ben"))
            while not proxy.strangers:  # no event tells
                await asyncio.sleep(0.01)

            assert there == (b"hello ben", proxy.address("ana"))
            assert back == (b"hello ana", proxy.address("ben"))
            assert passed == (b"still passes", proxy.address("ben"))
            assert took >= 0.019
            assert (proxy.counts.passed, proxy.counts.cut, proxy.strangers) == (3, 1, 1)
            with pytest.raises(BlockingIOError):
                ben.recvfrom(2_000)
        proxy.close()

    asyncio.run(asyncio.wait_for(play(), SOON_S))


def test_gateway_proxy_passes_on_then_swallows_what_the_node_says_then_drops_its_clients() -> None:
    async def play() -> None:
        heard_by_node: list[bytes] = []

        async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while chunk := await reader.read(1_000):
                heard_by_node.append(chunk)
                writer.write(b"receipt")
            writer.close()

        server = await asyncio.start_server(node, "127.0.0.1", 0)
        proxy = await TcpProxy.open(Address(*server.sockets[0].getsockname()))
        reader, writer = await asyncio.open_connection(*proxy.address)

        writer.write(b"one")
        first = await reader.read(100)
        proxy.swallow()
        writer.write(b"two")
        while proxy.counts.swallowed < len(b"receipt"):  # no event tells
            await asyncio.sleep(0.01)
        dropped = proxy.drop_clients()
        end = await reader.read(100)
        again_reader, again_writer = await asyncio.open_connection(*proxy.address)
        again_writer.write(b"three")
        answer = await again_reader.read(100)

        assert (first, end, answer) == (b"receipt", b"", b"receipt")
        assert heard_by_node == [b"one", b"two", b"three"]
        assert dropped == 1
        counts = proxy.counts
        assert (counts.to_node, counts.to_clients, counts.swallowed) == (11, 14, 7)
        assert (counts.accepted, counts.refused, counts.dropped) == (2, 0, 1)
        writer.close()
        again_writer.close()
        await proxy.close()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(play(), SOON_S))


def test_gateway_proxy_without_a_node_behind_it_ends_the_connection() -> None:
    async def play() -> None:
        proxy = await TcpProxy.open()
        reader, writer = await asyncio.open_connection(*proxy.address)

        end = await reader.read(100)

        assert end == b""
        assert (proxy.counts.accepted, proxy.counts.refused) == (0, 1)
        writer.close()
        await proxy.close()

    asyncio.run(asyncio.wait_for(play(), SOON_S))
