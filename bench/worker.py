"""A publisher or a subscriber in a process of its own: `python -m bench.worker ROLE SYSTEM URL COUNT`.

It prints `ready`, a publisher then waits for a line, and ends with one JSON line: when it began and ended (monotonic
seconds, which all processes of a machine share), and the CPU seconds that it took.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench.payload import number_of, payload

CHANNEL = "bench.one"
IN_FLIGHT_MAX = 16_384
"""Publishes without their acknowledgement, for either system."""


async def _line() -> None:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


BEFORE_CPU_S = [0.0]
"""What importing and preparing took; the figures are about messages."""


def _ready() -> None:
    BEFORE_CPU_S[0] = time.process_time()
    print("ready", flush=True)


async def publish_gossamer(url: str, count: int) -> dict[str, Any]:
    """Publish with `local` durability: fsynced before it is acknowledged."""
    from nodes.sdk.client import connect

    messages = [payload(number) for number in range(count)]
    async with connect(url) as client:
        _ready()
        await _line()
        began = time.monotonic()
        for number, message in enumerate(messages):
            if number % 256 == 0:
                while client.unsent > IN_FLIGHT_MAX:
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0)
            client.post(CHANNEL, message)
        await client.flushed()
        return {"began": began, "ended": time.monotonic()}


async def subscribe_gossamer(url: str, count: int) -> dict[str, Any]:
    """Take every message once, in order."""
    from nodes.sdk.client import connect
    from nodes.sdk.messages import Message

    async with connect(url) as client, client.subscribe(CHANNEL) as messages:
        _ready()
        expected = 0
        async for message in messages:
            assert isinstance(message, Message), message
            assert number_of(message.payload) == expected, (number_of(message.payload), expected)
            expected += 1
            if expected == count:
                break
        return {"ended": time.monotonic()}


async def publish_nats(url: str, count: int) -> dict[str, Any]:
    """Publish to JetStream asynchronously: acknowledged by a quorum."""
    import nats

    messages = [payload(number) for number in range(count)]
    connection = await nats.connect(url)
    stream = connection.jetstream(publish_async_max_pending=IN_FLIGHT_MAX)
    _ready()
    await _line()
    began = time.monotonic()
    for message in messages:
        await stream.publish_async(CHANNEL, message)
    await stream.publish_async_completed()
    ended = time.monotonic()
    await connection.close()
    return {"began": began, "ended": ended}


async def subscribe_nats(url: str, count: int) -> dict[str, Any]:
    """Take every message once, in order, with an ordered consumer."""
    import nats

    connection = await nats.connect(url)
    stream = connection.jetstream()
    subscription = await stream.subscribe(CHANNEL, ordered_consumer=True)
    _ready()
    expected = 0
    async for message in subscription.messages:
        assert number_of(message.data) == expected, (number_of(message.data), expected)
        expected += 1
        if expected == count:
            break
    ended = time.monotonic()
    await connection.close()
    return {"ended": ended}


ROLES: dict[tuple[str, str], Callable[[str, int], Awaitable[dict[str, Any]]]] = {
    ("publish", "gossamer"): publish_gossamer,
    ("subscribe", "gossamer"): subscribe_gossamer,
    ("publish", "jetstream"): publish_nats,
    ("subscribe", "jetstream"): subscribe_nats,
}


def main() -> None:
    """Play the role that the arguments name."""
    role, system, url, count = sys.argv[1:]
    play = ROLES[role, system](url, int(count))
    about = _run(play)
    print(json.dumps({**about, "cpu_s": time.process_time() - BEFORE_CPU_S[0]}), flush=True)


def _run(play: Any) -> dict[str, Any]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(play)
    return uvloop.run(play)


if __name__ == "__main__":
    main()
