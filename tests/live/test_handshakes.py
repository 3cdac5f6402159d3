"""A flood of handshakes from addresses that never answer: who honestly dials gets through, and nobody is sent much."""

import asyncio
import socket
from typing import Any

import pytest
from aioquic.quic.connection import QuicConnection

from mesh.effects import LinkUp
from mesh.io.quic import Endpoint, EndpointConfig
from mesh.io.quic.wire import SecretsInMemory, configuration
from mesh.types import Address

pytestmark = pytest.mark.live
LOOPBACK = Address("127.0.0.1", 0)
HALF_OPEN, FLOODERS = 8, 60
LONGEST_S = 15
AMPLIFIED = 3
"""What an address that has proved nothing may be sent, for each byte that came from it (RFC 9000, 8.1)."""


def initial(target: Address) -> bytes:
    """The first datagram of a handshake that nobody will go on with."""
    quic = QuicConnection(configuration=configuration(None, 1_200, SecretsInMemory()))
    quic.connect((target.host, target.port), now=0.0)
    ((datagram, _),) = quic.datagrams_to_send(now=0.0)[:1]
    return datagram


async def answers_to(flooders: list[tuple[socket.socket, int]], during_s: float) -> list[tuple[int, int]]:
    """For each flooder the bytes that it sent and got, and nothing is answered."""
    await asyncio.sleep(during_s)
    found = []
    for sock, sent in flooders:
        got = 0
        while True:
            try:
                got += len(sock.recv(65_535))
            except BlockingIOError:
                break
        found.append((sent, got))
    return found


def test_a_flood_of_handshakes_holds_nobody_up_and_is_answered_with_little() -> None:
    async def work() -> list[tuple[int, int]]:
        told: asyncio.Queue[Any] = asyncio.Queue()
        node = Endpoint.open(LOOPBACK, told.put_nowait, EndpointConfig(handshakes_max=HALF_OPEN))
        dialler_told: asyncio.Queue[Any] = asyncio.Queue()
        dialler = Endpoint.open(LOOPBACK, dialler_told.put_nowait)
        flooders = []
        try:
            for _ in range(FLOODERS):
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sock.settimeout(0)
                flooders.append((sock, sock.sendto(initial(node.address), tuple(node.address))))
                await asyncio.sleep(0)
            dialler.dial(node.address)
            async with asyncio.timeout(LONGEST_S):
                for queue in (told, dialler_told):
                    while not isinstance(await queue.get(), LinkUp):
                        pass
            return await answers_to(flooders, during_s=1)
        finally:
            for sock, _ in flooders:
                sock.close()
            await dialler.close()
            await node.close()

    found = asyncio.run(work())

    assert all(got <= AMPLIFIED * sent for sent, got in found)
    answered, asked_again = found[:HALF_OPEN], found[HALF_OPEN:]
    assert all(got > sent for sent, got in answered)
    assert all(0 < got < sent / 5 for sent, got in asked_again)  # a Retry, which costs the node nothing to forget
