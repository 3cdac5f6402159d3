"""Bad input at the gateway: a coded error to that client, its session kept unless the framing is lost.

Nobody else is disturbed.
"""

import asyncio
import contextlib
import json
import math
import os
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.operations import Attach, SlowPolicy, Subscribe
from mesh.wire.operations import encode_operation
from nodes.gateway.native import HANDSHAKE_TIMEOUT_S
from nodes.sdk.client import connect
from tests.live.programs import mesh_of, play, status_of, until

pytestmark = pytest.mark.live
TEXT, BINARY = "gossamer.v1.json", "gossamer.v1.msgpack"
ATTACH = {"op": "attach", "client": "raw", "incarnation": "1"}
NEVER = -1


async def say(socket: ClientConnection, *operations: object) -> None:
    for operation in operations:
        await socket.send(operation if isinstance(operation, str | bytes) else json.dumps(operation))


async def hear(socket: ClientConnection, op: str) -> dict[str, Any]:
    """The next operation of a kind; what comes before it is passed over."""
    async with asyncio.timeout(10):
        while True:
            message = json.loads(await socket.recv())
            if message["op"] == op:
                return message


async def is_alive(socket: ClientConnection) -> bool:
    await say(socket, {"op": "inspect", "request": 7})
    return (await hear(socket, "status"))["request"] == 7


def publish(channel: str, text: str = "x", **more: object) -> dict[str, object]:
    return {"op": "publish", "messages": [{"channel": channel, "sequence": 1, "text": text, **more}]}


REFUSED: list[tuple[str, object, Code]] = [
    ("an invalid channel", publish("a//b"), Code.CHANNEL_INVALID),
    ("a wildcard", publish("a/#"), Code.CHANNEL_INVALID),
    ("a reserved name", publish("$mesh"), Code.CHANNEL_INVALID),
    ("half a surrogate pair", json.dumps(publish("a\ud800")), Code.CHANNEL_INVALID),
    ("a large record", publish("a", "x" * (1 << 20)), Code.RECORD_TOO_LARGE),
    ("a long life", publish("a", ttl_ms=1 << 40), Code.FIELD_INVALID),
    ("an invalid pattern", {"op": "subscribe", "subscription": 1, "patterns": ["a/#/b"]}, Code.PATTERN_INVALID),
    ("subscription 0", {"op": "subscribe", "subscription": 0, "patterns": ["a"]}, Code.FIELD_INVALID),
    ("malformed JSON", '{"op": "publish", ', Code.OPERATION_MALFORMED),
    ("no object", "[1, 2]", Code.OPERATION_MALFORMED),
    ("deep nesting", "[" * 100_000, Code.OPERATION_MALFORMED),
    ("a wrong type", {"op": "publish", "messages": "all of them"}, Code.OPERATION_MALFORMED),
    ("an unknown operation", {"op": "sing"}, Code.OPERATION_UNKNOWN),
    ("binary in a text session", b"\x93\x01\x02\x03", Code.OPERATION_MALFORMED),
    ("a second attach", ATTACH, Code.NOT_ATTACHED),
]


@contextlib.asynccontextmanager
async def gateway_of(folder: Path) -> AsyncIterator[str]:
    async with mesh_of(folder, "eu") as mesh:
        yield mesh.nodes[0].ready["gateway"]


@contextlib.asynccontextmanager
async def raw(gateway: str, subprotocol: str = TEXT) -> AsyncIterator[ClientConnection]:
    """A WebSocket of our own making, which ends without a farewell: what it said last may still be under way."""
    socket = await websocket(gateway, subprotocols=[subprotocol], close_timeout=0.1)
    try:
        yield socket
    finally:
        if not socket.transport.is_closing():
            socket.transport.abort()
        await socket.wait_closed()


def test_bad_input_is_refused_with_its_code_and_the_session_goes_on(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            async with connect(gateway) as other, other.subscribe("#", since="all") as undisturbed:
                for what, operation, code in REFUSED:
                    async with raw(gateway) as socket:
                        await say(socket, ATTACH, operation)
                        refused = await hear(socket, "refused")
                        assert (refused["code"], refused["retry_ms"]) == (code, NEVER), (what, refused)
                        assert await is_alive(socket), what
                await other.publish("fine", b"and well")
                assert (await anext(undisturbed)).payload == b"and well", "nothing that was refused was stored"

    play(work)


def test_whoever_does_not_attach_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with gateway_of(tmp_path) as gateway, raw(gateway) as socket:
            await say(socket, publish("a"))
            assert (await hear(socket, "refused"))["code"] == Code.NOT_ATTACHED
            await say(socket, ATTACH)
            assert (await hear(socket, "attached"))["region"] == "eu"

    play(work)


def test_malformed_messagepack_is_refused_and_the_session_goes_on(tmp_path: Path) -> None:
    bombs = [
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 5_000 + b"\x01",
        msgpack.packb([2, "no list"]),
        msgpack.packb([2, [["a", True, b"x", 0]]]),
        msgpack.packb([1, "x", 1, msgpack.ExtType(5, b"")]),
        os.urandom(4_096),
    ]

    async def work() -> None:
        async with gateway_of(tmp_path) as gateway, raw(gateway, BINARY) as socket:
            await socket.send(encode_operation(Attach("raw", 1)))
            assert msgpack.unpackb(await socket.recv())[0] == 21
            for bomb in bombs:
                await socket.send(bomb)
                kind, code, *_ = msgpack.unpackb(await socket.recv())
                assert (kind, code) in ((23, Code.OPERATION_MALFORMED), (23, Code.OPERATION_UNKNOWN)), bomb[:8]

    play(work)


def test_wrong_subprotocol_is_refused_before_there_is_a_session(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            for offered in (None, ["mqtt"]):
                with pytest.raises(InvalidStatus) as refused:
                    async with websocket(gateway, subprotocols=offered):
                        pass
                assert refused.value.response.status_code == 400
                assert Code.SUBPROTOCOL_WRONG in refused.value.response.body.decode()

    play(work)


def test_message_over_the_framing_limit_closes_that_connection_only(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            async with connect(gateway) as other, raw(gateway) as socket:
                await say(socket, ATTACH)
                assert (await hear(socket, "attached"))["region"] == "eu"  # before what may close it overtakes that
                await say(socket, "x" * (5 << 20))
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.recv()
                assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
                await other.publish("fine", b"and well", timeout=5)

    play(work)


def test_session_beyond_the_limit_hears_why(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, environment={"GOSSAMER_GATEWAY_SESSIONS_MAX": "2"}) as mesh:
            gateway = (await mesh.add("eu", "eu", environment={"GOSSAMER_GATEWAY_SESSIONS_MAX": "2"})).ready["gateway"]
            async with (
                raw(gateway) as one,
                raw(gateway) as two,
                raw(gateway) as three,
            ):
                await say(one, ATTACH)
                await say(two, {**ATTACH, "client": "other"})
                assert (await hear(three, "goodbye"))["code"] == Code.SESSIONS_TOO_MANY
                assert await is_alive(one)

    play(work)


def test_client_that_gives_credit_and_does_not_read_is_cut_off_and_costs_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            node = mesh.nodes[0]
            gateway = node.ready["gateway"]
            deaf = await websocket(gateway, subprotocols=[BINARY], max_queue=1, close_timeout=0.1)
            await deaf.send(encode_operation(Attach("deaf", 1)))
            everything = Subscribe(1, ("#",), VersionVector(), None, SlowPolicy.ALL, 1 << 30, 1 << 39)
            await deaf.send(encode_operation(everything))
            async with connect(gateway) as client, client.subscribe("#") as messages:
                for number in range(140):
                    await client.publish("noise", number.to_bytes(2, "big") + os.urandom(1_000_000))
                    assert (await anext(messages)).payload[:2] == number.to_bytes(2, "big")

                async def is_gone() -> bool:
                    return (await status_of(gateway))["sessions"] == 2

                await until(is_gone)
            memory = next(
                int(line.split()[1])
                for line in Path(f"/proc/{node.pid}/status").read_text(encoding="ascii").splitlines()
                if line.startswith("VmRSS")
            )
            assert memory < 400 << 10, f"{memory} KiB"
            await deaf.close()

    play(work)


def test_health_and_metrics(tmp_path: Path) -> None:
    def get(url: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    async def work() -> None:
        async with mesh_of(tmp_path, "eu", "us") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            base = gateway.replace("ws://", "http://")
            async with connect(gateway) as client:
                for _ in range(10):
                    await client.publish("c", b"x", durability="copies:2")
                assert await asyncio.to_thread(get, f"{base}/healthz") == (200, "ok\n")
                assert await asyncio.to_thread(get, f"{base}/readyz") == (200, "ready\n")
                status, page = await asyncio.to_thread(get, f"{base}/metrics")
                assert (await asyncio.to_thread(get, f"{base}/"))[0] == 404
        lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if line and not line.startswith("#"))
        assert status == 200
        assert float(lines["gossamer_published_total"]) == 10
        assert float(lines["gossamer_records"]) == 10
        assert float(lines["gossamer_links"]) == 1
        assert float(lines["gossamer_sessions"]) >= 1

    play(work)


def test_who_says_a_byte_now_and_then_is_closed_and_others_notice_nothing(tmp_path: Path) -> None:
    async def dawdle(host: str, port: int) -> float:
        """For how long a connection stands on which a request comes byte by byte; `inf` if it outlives the request."""
        reader, writer = await asyncio.open_connection(host, port)
        began_s = time.monotonic()
        try:
            for byte in b"GET / HTTP/1.1\r\nHost: gateway\r\nX: " + b"y" * 40:
                writer.write(bytes([byte]))
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                try:
                    async with asyncio.timeout(0.25):
                        await reader.read(1 << 16)  # an answer, or the end
                        return time.monotonic() - began_s
                except TimeoutError:
                    continue
                except ConnectionError:
                    return time.monotonic() - began_s
            return math.inf
        finally:
            writer.close()

    async def work() -> tuple[list[float], float]:
        async with gateway_of(tmp_path) as gateway, connect(gateway) as client:
            host, _, port = gateway.removeprefix("ws://").partition(":")
            slow = [asyncio.create_task(dawdle(host, int(port))) for _ in range(20)]
            slowest_s = 0.0
            while not all(task.done() for task in slow):
                began_s = time.monotonic()
                await client.publish("fine", b"and well", timeout=5)
                slowest_s = max(slowest_s, time.monotonic() - began_s)
                await asyncio.sleep(0.2)
            return [await task for task in slow], slowest_s

    stood_s, slowest_s = asyncio.run(work())

    assert all(HANDSHAKE_TIMEOUT_S - 1 < each < HANDSHAKE_TIMEOUT_S + 5 for each in stood_s), stood_s
    assert slowest_s < 2
