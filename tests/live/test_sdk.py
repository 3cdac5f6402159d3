"""The SDK against real nodes: without an event loop, and across a node that goes away."""

import asyncio
from pathlib import Path

import pytest

import gossamer
from gossamer import Message, WaitTimedOutError
from tests.live.programs import mesh_of, play

pytestmark = pytest.mark.live


def script(gateway: str, elsewhere: str) -> None:
    """What a script without an event loop does."""
    with gossamer.sync.connect(gateway, client="ana") as client:
        receipt = client.publish("room/1", {"text": "hello"}, durability="copies:2", timeout=20)
        assert (receipt.sequence, receipt.copies) == (1, 2)
        with pytest.raises(WaitTimedOutError) as caught:
            client.publish("room/2", b"\0", durability="copies:9", timeout=0.1, headers={"k": "v"}, ttl_ms=60_000)
        assert caught.value.receipt is not None
        assert [message.data for message in client.history("room/#")] == [{"text": "hello"}, b"\0"]
        assert client.status()["records"] == 2
        with pytest.raises(gossamer.GossamerError, match=r"GSM-2118.*copies:2 regions:2 was reached"):
            client.publish("brief", "1", durability="copies:9", ttl_ms=500)
    with gossamer.sync.connect(elsewhere) as client:
        messages = client.subscribe("room/#", since="all")
        first = next(messages)
        assert isinstance(first, Message)
        assert (first.publisher, first.data) == ("ana", {"text": "hello"})
        place = str(messages.cursor)
        messages.close()
        assert len(list(messages)) <= 1, "iterating ends with what had arrived"
    with gossamer.sync.connect(gateway) as client:
        second = next(client.subscribe("room/#", since=place))
        assert isinstance(second, Message)
        assert (second.data, second.headers) == (b"\0", {"k": "v"})


def test_a_script_publishes_reads_and_resumes_without_an_event_loop(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu", "us") as mesh:
            await asyncio.to_thread(script, *(node.ready["gateway"] for node in mesh.nodes))

    play(work)


def test_a_script_whose_gateway_does_not_answer_hears_so() -> None:
    with (
        pytest.raises(gossamer.GossamerError, match="GSM-5101"),
        gossamer.sync.connect("127.0.0.1:1", timeout=0.2),
    ):
        raise AssertionError("nothing listens there")


def test_who_reads_the_past_gets_large_headers_in_parts_that_a_websocket_takes(tmp_path: Path) -> None:
    """27 MB: as one delivery, or one page, no client would ever have read on."""
    about = {"about": "x" * 900_000}

    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            async with gossamer.connect(mesh.nodes[0].ready["gateway"]) as client:
                for _ in range(30):
                    await client.publish("room/1", b"", headers=about, timeout=20)
            async with gossamer.connect(mesh.nodes[0].ready["gateway"]) as client, asyncio.timeout(30):
                messages = client.subscribe("room/#", since="all")
                shown = [await anext(messages) for _ in range(30)]
                page = [message async for message in client.history("room/#", limit=30)]

            assert [item.headers for item in shown if isinstance(item, Message)] == [about] * 30
            assert [item.headers for item in page] == [about] * 30

    play(work)


def test_a_client_moves_when_its_node_goes_and_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu", "us") as mesh:
            eu, us = mesh.nodes
            async with gossamer.connect(eu.ready["gateway"], us.ready["gateway"]) as client:
                messages = await client.subscribe("a").ready()
                await client.publish("a", "before", durability="copies:2", timeout=20)
                assert await eu.stop() == 0
                await client.publish("a", "after", timeout=20)
                shown = [await anext(messages), await anext(messages)]
                states = []
                async for state, gateway, _ in client.events:
                    states.append((state, gateway))
                    if states[-1] == ("attached", us.ready["gateway"]):
                        break

            assert [item.data for item in shown if isinstance(item, Message)] == ["before", "after"]
            assert ("attached", eu.ready["gateway"]) in states

    play(work)
