"""The client without a gateway: what it refuses at once, and what it holds."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mesh.client import ClientConfig
from mesh.codes import Code
from mesh.log.record import TTL_MS_MAX
from nodes.sdk.client import Client, connect
from nodes.sdk.messages import GossamerError, WaitTimedOutError

NOWHERE = "127.0.0.1:1"
SMALL = ClientConfig(outbox_messages_max=2)


def play(work: Callable[[Client], Awaitable[None]]) -> None:
    """Run with a client that waits for no gateway."""

    async def bounded() -> None:
        async with asyncio.timeout(10), connect(NOWHERE, timeout=None, config=SMALL) as client:
            await work(client)

    asyncio.run(bounded())


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(GossamerError) as caught:
        call()
    return caught.value.code


def test_an_outbox_that_is_full_takes_no_more() -> None:
    async def work(client: Client) -> None:
        client.post("a", "1")
        client.post("a", "2")

        assert code_of(lambda: client.post("a", "3")) == Code.OUTBOX_FULL
        assert client.unsent == 2

    play(work)


def test_what_waits_when_a_client_is_closed_fails_and_nothing_is_taken_after() -> None:
    async def work(client: Client) -> None:
        publish = client.post("a", "1")
        messages = client.subscribe("a")
        status = asyncio.ensure_future(client.status())
        await asyncio.sleep(0)

        await client.close()

        assert isinstance(error := publish.exception(), GossamerError) and error.code == Code.CLIENT_CLOSED
        with pytest.raises(GossamerError) as caught:
            await anext(messages)
        assert caught.value.code == Code.CLIENT_CLOSED
        with pytest.raises(GossamerError) as caught:
            await status
        assert caught.value.code == Code.CLIENT_CLOSED
        assert code_of(lambda: client.post("a", "2")) == Code.CLIENT_CLOSED

    play(work)


def test_what_can_never_be_right_is_refused_before_it_is_sent() -> None:
    async def work(client: Client) -> None:
        assert code_of(lambda: client.post("a/#", "x")) == Code.CHANNEL_INVALID
        assert code_of(lambda: client.channel("/")) == Code.CHANNEL_INVALID
        assert code_of(lambda: client.post("a", "x", durability="many")) == Code.FIELD_INVALID
        assert code_of(lambda: client.subscribe("a/#/b")) == Code.PATTERN_INVALID
        assert code_of(lambda: client.subscribe("a", policy="never")) == Code.FIELD_INVALID
        assert client.unsent == 0

    play(work)


def test_a_gateway_that_does_not_answer_is_named_with_the_reason() -> None:
    async def work() -> None:
        async with connect(NOWHERE, timeout=0.3):
            raise AssertionError("nothing listens there")

    with pytest.raises(GossamerError) as caught:
        asyncio.run(work())

    assert caught.value.code == Code.GATEWAY_UNREACHABLE
    assert caught.value.text.startswith(f"ws://{NOWHERE}: ")
    assert "closed" not in caught.value.text


@pytest.mark.parametrize("url", ["ws://localhost:99999", "http://[::1", "ws://a..b", "nothing"])
def test_a_url_that_cannot_be_is_that_gateways_failure_and_no_end_of_the_connecting(url: str) -> None:
    async def work() -> None:
        client = Client([url, "ws://127.0.0.1:1"], "ana", "", None, ClientConfig())
        async with asyncio.timeout(10), client:
            asked = set()
            async for _, gateway, _why in client.events:
                asked.add(gateway)
                if asked == {url, "ws://127.0.0.1:1"}:
                    break

    asyncio.run(work())


def test_a_gateway_that_nobody_can_reach_is_refused_at_once() -> None:
    assert code_of(lambda: connect("localhost:99999")) == Code.CONFIG_INVALID


@pytest.mark.parametrize("ttl_ms", [-1, TTL_MS_MAX + 1, 10**20, 1.5])
def test_a_time_to_live_that_no_node_takes_is_refused_before_it_waits(ttl_ms: int) -> None:
    async def work(client: Client) -> None:
        assert code_of(lambda: client.post("a", "x", ttl_ms=ttl_ms)) == Code.FIELD_INVALID
        assert client.unsent == 0

    play(work)


@pytest.mark.parametrize("headers", [{"\udcff": "v"}, {"k": "\udcff"}])
def test_a_header_that_utf8_cannot_hold_is_refused_before_it_waits(headers: dict[str, str]) -> None:
    async def work(client: Client) -> None:
        client.post("a", "x", ttl_ms=TTL_MS_MAX, headers={"k": "v"})

        assert code_of(lambda: client.post("a", "x", headers=headers)) == Code.FIELD_INVALID
        assert client.unsent == 1

    play(work)


def test_a_name_that_utf8_cannot_hold_is_refused() -> None:
    assert code_of(lambda: connect(NOWHERE, client="\udcff")) == Code.FIELD_INVALID


def test_what_was_not_reached_in_time_says_what_was() -> None:
    async def work(client: Client) -> None:
        with pytest.raises(WaitTimedOutError) as caught:
            await client.publish("a", "x", timeout=0.01)

        assert caught.value.text == "local was not reached in 0.01 s; nothing was reached"

    play(work)
