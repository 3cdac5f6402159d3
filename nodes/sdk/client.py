"""The client: runs the machine of `mesh.client` over a WebSocket.

One task connects and reads, one writes; user code runs on neither. Publishes of one turn of the event loop leave
together. When the connection ends, the machine says where to go next, and resumes.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from mesh.client import Client as Machine
from mesh.client import ClientConfig
from mesh.client import effects as fx
from mesh.client.effects import ClientEffect
from mesh.client.machine import ATTACHED, CLOSED
from mesh.codes import Code
from mesh.errors import DecodeError, HostError, UsageError
from mesh.operations import UNTIL_ALWAYS_MS, Draft, History, HistoryPage, Inspect, SlowPolicy, Status
from mesh.rng import Rng
from mesh.types import channel_fault, log_text
from mesh.wire.operations import decode_node, encode_operation
from nodes.addresses import gateway_url
from nodes.sdk.channel import Channel
from nodes.sdk.cursor import Cursor
from nodes.sdk.messages import (
    Gap,
    GossamerError,
    Message,
    Receipt,
    WaitTimedOutError,
    checked,
    is_utf8,
    level_of,
    payload_of,
)
from nodes.sdk.pages import read_pages
from nodes.sdk.since import since_of
from nodes.sdk.subscription import Subscription

SUBPROTOCOL = Subprotocol("gossamer.v1.msgpack")
MESSAGE_BYTES_MAX = 16 << 20
OPEN_TIMEOUT_S = 5
CLOSE_TIMEOUT_S = 1
PING_EVERY_S = 10
INCARNATION_BITS = 52
"""Below 2^53, so that JSON clients can hold it, too."""
EVENTS_MAX = 256


def connect(
    *gateways: str,
    client: str | None = None,
    token: str = "",
    timeout: float | None = 10.0,
    config: ClientConfig | None = None,
) -> Client:
    """Make a client of the mesh that these gateways belong to (default: `localhost`). Use it with `async with`.

    `client` names the publisher; without it a name is drawn. Entering waits up to `timeout` seconds until a gateway has
    answered (None: does not wait; publishes go to the outbox meanwhile). Raises `GossamerError` for an impossible address.
    """
    try:
        urls = [gateway_url(gateway) for gateway in gateways or ("localhost",)]
    except HostError as error:
        raise GossamerError(error.code, str(error)) from None
    if not is_utf8(client or ""):
        raise GossamerError(Code.FIELD_INVALID, f"a client's name is text that UTF-8 can hold, found {client!r}")
    return Client(urls, client or f"client-{secrets.token_hex(6)}", token, timeout, config or ClientConfig())


class Client:
    """One client of a mesh."""

    def __init__(self, urls: list[str], name: str, token: str, timeout: float | None, config: ClientConfig) -> None:
        """Use `connect`."""
        self.name = name
        self._timeout = timeout
        incarnation = secrets.randbits(INCARNATION_BITS)
        self._machine = Machine(config, name, incarnation, urls, Rng(secrets.token_bytes(32)), token)
        self._connection: ClientConnection | None = None
        self._subscriptions: dict[int, Subscription] = {}
        self._waiting: dict[int, tuple[tuple[int, int], asyncio.Future[Receipt]]] = {}
        self._reached: dict[int, Receipt] = {}
        self._answers: dict[int, asyncio.Future[HistoryPage | Status]] = {}
        self._outgoing: deque[bytes] = deque()
        self._writable = asyncio.Event()
        self._room = asyncio.Event()
        self._attached = asyncio.Event()
        self._flushing = False
        self._alarm: asyncio.TimerHandle | None = None
        self._runner: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._connecting: tuple[str, int] | None = None
        self._turn = asyncio.Event()
        self._events: deque[fx.Changed] = deque(maxlen=EVENTS_MAX)
        self._event_arrived = asyncio.Event()
        self._why = ""

    # --- life --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._runner = loop.create_task(self._run())
        self._writer = loop.create_task(self._write())
        self._apply(self._machine.start(self._now()))
        if self._timeout is None:
            return self
        try:
            async with asyncio.timeout(self._timeout):
                await self._attached.wait()
        except TimeoutError:
            text = f"{', '.join(self._machine.gateways)}: {self._why or 'no answer'}"  # before closing is why
            await self.close()
            raise GossamerError(Code.GATEWAY_UNREACHABLE, text) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End at once; publishes that have no receipt yet fail. `flushed` waits for them first."""
        self._apply(self._machine.close())
        if self._alarm is not None:
            self._alarm.cancel()
        for task in (self._runner, self._writer):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self._connection is not None:
            await self._connection.close()
        self._fail_all(GossamerError(Code.CLIENT_CLOSED, "the client was closed"))

    def _fail_all(self, error: GossamerError) -> None:
        for subscription in self._subscriptions.values():
            subscription.fail(error)
        futures: list[asyncio.Future[Any]] = [future for _, future in self._waiting.values()]
        for future in (*futures, *self._answers.values()):
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever dropped it has no use for a warning
        self._waiting.clear()
        self._answers.clear()

    @staticmethod
    def _now() -> int:
        return time.monotonic_ns() // 1_000

    # --- the machine's effects ---------------------------------------------------------------------------------------

    def _apply(self, effects: Iterable[ClientEffect]) -> None:
        for effect in effects:
            match effect:
                case fx.Delivered() | fx.Covered() | fx.Missed():
                    subscription = self._subscriptions.get(effect.subscription)
                    if subscription is not None:
                        subscription.put(effect)
                case fx.Transmit(operation):
                    self._outgoing.append(encode_operation(operation))
                    self._writable.set()
                case fx.Reached(receipt):
                    self._receipt(receipt)
                case fx.Began(number):
                    cursor = self._machine.cursor(number)
                    if number in self._subscriptions and cursor is not None:
                        self._subscriptions[number].begin(cursor)
                case fx.Connect(gateway, at_us):
                    self._connecting = gateway, at_us
                    self._turn.set()
                case fx.Disconnect():
                    self._hang_up()
                case fx.Answered(answer):
                    future = self._answers.pop(answer.request, None)
                    if future is not None and not future.done():
                        future.set_result(answer)
                case fx.Rejected():
                    self._rejected(effect)
                case fx.Changed():
                    self._changed(effect)
        self._set_alarm()

    def _changed(self, effect: fx.Changed) -> None:
        self._events.append(effect)
        self._event_arrived.set()
        if effect.state == ATTACHED:
            self._attached.set()
        elif effect.why:
            self._why = effect.why

    def _rejected(self, effect: fx.Rejected) -> None:
        error = GossamerError(effect.code, effect.text)
        match effect.what:
            case "publish" | "level":
                self._reached.pop(effect.number, None)
                waiting = self._waiting.pop(effect.number, None)
                if waiting is not None and not waiting[1].done():
                    waiting[1].set_exception(error)
                self._room.set()
            case "subscription":
                subscription = self._subscriptions.pop(effect.number, None)
                if subscription is not None:
                    subscription.fail(error)
            case "request":
                future = self._answers.pop(effect.number, None)
                if future is not None and not future.done():
                    future.set_exception(error)
            case _:
                self._why = str(error)

    def _receipt(self, reached: Any) -> None:
        log = log_text(reached.log)
        for sequence in range(reached.first, reached.last + 1):
            waiting = self._waiting.get(sequence)
            if waiting is None:
                continue
            (copies, regions), future = waiting
            receipt = Receipt(sequence, reached.copies, reached.regions, log)
            if reached.copies >= copies and reached.regions >= regions:
                del self._waiting[sequence]
                self._reached.pop(sequence, None)
                if not future.done():
                    future.set_result(receipt)
            else:
                self._reached[sequence] = receipt
        self._room.set()

    def _set_alarm(self) -> None:
        deadline_us = self._machine.deadline_us()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if deadline_us is not None and self._machine.state != CLOSED:
            delay_s = max(deadline_us - self._now(), 0) / 1e6
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(delay_s, lambda: self._apply(self._machine.on_timer(self._now())))

    # --- the connection ----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Connect where the machine says, read until that ends, and again."""
        while True:
            await self._turn.wait()
            self._turn.clear()
            if self._connecting is None:
                continue
            (gateway, at_us), self._connecting = self._connecting, None
            await asyncio.sleep(max(at_us - self._now(), 0) / 1e6)
            why = await self._converse(gateway)
            self._connection = None
            self._outgoing.clear()
            self._attached.clear()
            self._apply(self._machine.on_disconnected(why, self._now()))

    async def _converse(self, gateway: str) -> str:
        """One connection from its opening to its end; returns why it ended."""
        try:
            async with websocket(
                gateway,
                subprotocols=[SUBPROTOCOL],
                compression=None,
                max_size=MESSAGE_BYTES_MAX,
                max_queue=64,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=PING_EVERY_S,
                ping_timeout=PING_EVERY_S,
                proxy=None,
                user_agent_header=None,
            ) as connection:
                self._connection = connection
                self._outgoing.clear()
                self._apply(self._machine.on_connected(self._now()))
                async for message in connection:
                    if isinstance(message, bytes):
                        operation = decode_node(message)
                        if operation is not None:
                            self._apply(self._machine.on_operation(operation, self._now()))
                return connection.close_reason or "the gateway closed the connection"
        except DecodeError as error:
            return f"the gateway sent what does not decode: {error}"
        except (OSError, WebSocketException, ValueError, OverflowError) as error:
            return str(error) or type(error).__name__  # the last two: a URL that a node told, and that cannot be

    async def _write(self) -> None:
        """Write what waits, in order; a slow connection slows this down and nothing else."""
        while True:
            await self._writable.wait()
            self._writable.clear()
            while self._outgoing and self._connection is not None:
                packed = self._outgoing.popleft()
                try:
                    await self._connection.send(packed)
                except WebSocketException:
                    break  # the reader hears of it, too, and resumes

    def _hang_up(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.transport.close()

    # --- publishing --------------------------------------------------------------------------------------------------

    def channel(self, name: str) -> Channel:
        """A channel to publish to, subscribe to, or read the history of. Raises `GossamerError` for an invalid name."""
        return Channel(self, name)

    def post(
        self,
        channel: str,
        data: object,
        *,
        durability: str = "local",
        headers: Mapping[str, str] | None = None,
        ttl_ms: int = 0,
        content: int | None = None,
    ) -> asyncio.Future[Receipt]:
        """Publish without waiting: the receipt comes as a future. Raises `GossamerError` if the outbox is full."""
        payload, flags = payload_of(data)
        copies, regions = level_of(durability)
        ttl_ms, pairs = checked(ttl_ms, headers or {})
        draft = Draft(channel, 0, payload, flags if content is None else content, ttl_ms, pairs or None)
        if self._machine.state == CLOSED:
            raise GossamerError(Code.CLIENT_CLOSED, "the client is closed")
        fault = channel_fault(channel)
        if fault:
            raise GossamerError(Code.CHANNEL_INVALID, f"{fault}: {channel!r}")
        try:
            sequence = self._machine.publish(draft, copies, regions)
        except UsageError as error:
            raise GossamerError(Code.OUTBOX_FULL, str(error)) from error
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = (copies, regions), future
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)
        return future

    def _flush(self) -> None:
        self._flushing = False
        if self._machine.state == ATTACHED:
            self._apply(self._machine.flush(self._now()))

    async def publish(
        self,
        channel: str,
        data: object,
        *,
        durability: str = "local",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        ttl_ms: int = 0,
    ) -> Receipt:
        """Publish, and wait until the message is as durable as asked for.

        Raises `WaitTimedOutError` after `timeout` seconds; the message stays and is sent all the same. Raises `GossamerError`
        (GSM-2118) where it has outlived its `ttl_ms` before that, and so never will be.
        """
        await self.room()
        future = self.post(channel, data, durability=durability, headers=headers, ttl_ms=ttl_ms)
        sequence = next(reversed(self._waiting))
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(future)
        except TimeoutError:
            self._waiting.pop(sequence, None)
            reached = self._reached.pop(sequence, None)
            self._machine.outbox.drop(sequence)
            what = f", but {reached.copies} copies in {reached.regions} regions" if reached else "; nothing was reached"
            raise WaitTimedOutError(f"{durability} was not reached in {timeout} s{what}", reached) from None

    @property
    def unsent(self) -> int:
        """Publishes that are not yet as durable as was asked for."""
        return len(self._machine.outbox)

    async def room(self, size: int = 1 << 20) -> None:
        """Wait until the outbox has room for a publish of so many bytes."""
        while not self._machine.outbox.has_room(size) and self._machine.state != CLOSED:
            self._room.clear()
            await self._room.wait()

    async def flushed(self) -> None:
        """Wait until every publish is as durable as was asked for."""
        while self._waiting:
            await asyncio.wait([future for _, future in self._waiting.values()])
            await asyncio.sleep(0)

    # --- reading -----------------------------------------------------------------------------------------------------

    def subscribe(
        self, *patterns: str, since: object = None, policy: str = "all", cursor: Cursor | str | None = None
    ) -> Subscription:
        """Subscribe to patterns: from now, or `since` a time ("1h", "all", a datetime, ms since 1970) or a cursor."""
        start = since_of(cursor if cursor is not None else since)
        vector, seen = (start.vector, start.seen) if isinstance(start, Cursor) else (None, None)
        since_ms = start if isinstance(start, int) else None
        try:
            slow = SlowPolicy(policy)
            number, effects = self._machine.subscribe(
                patterns, cursor=vector, seen=seen, since_ms=since_ms, policy=slow
            )
        except ValueError:
            names = ", ".join(p.value for p in SlowPolicy)
            raise GossamerError(Code.FIELD_INVALID, f"a policy is one of {names}, found {policy!r}") from None
        except UsageError as error:
            raise GossamerError(Code.PATTERN_INVALID, str(error)) from error

        def end() -> None:
            self._subscriptions.pop(number, None)
            self._apply(self._machine.unsubscribe(number))

        def consumed(messages: int, size: int) -> None:
            effects = self._machine.consumed(number, messages, size)
            if effects:
                self._apply(effects)

        subscription = Subscription(number, consumed, end, seen)
        self._subscriptions[number] = subscription
        self._apply(effects)
        return subscription

    async def history(
        self,
        *patterns: str,
        limit: int | None = 100,
        since: object = None,
        until: object = None,
        backwards: bool = False,
    ) -> AsyncIterator[Message | Gap]:
        """Messages of the past, in one order, at one cut: the newest first if `backwards`. None: without limit.

        A `Gap` where the node has not got part of the cut (yet, or any more): after the client moved, or a disk was damaged.
        It stands as early as it may belong: nothing before it is past it.
        """
        since_ms, until_ms = since_of(None if since == "all" else since), since_of(until)
        if isinstance(since_ms, Cursor) or isinstance(until_ms, Cursor):
            raise GossamerError(Code.FIELD_INVALID, "history is bounded by times, not by cursors")
        page = History(0, patterns, 100, since_ms or 0, UNTIL_ALWAYS_MS if until_ms is None else until_ms, backwards)
        async for item in read_pages(self._ask, page, limit):
            yield item

    async def status(self) -> dict[str, object]:
        """What the node says of itself."""
        answer = await self._ask(Inspect(0))
        assert isinstance(answer, Status)
        return answer.about

    async def _ask(self, request: History | Inspect) -> HistoryPage | Status:
        number, effects = self._machine.ask(request)
        future: asyncio.Future[HistoryPage | Status] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        self._apply(effects)
        return await future

    # --- about the client itself -------------------------------------------------------------------------------------

    @property
    def gateway(self) -> str:
        """The gateway that it is attached to, or goes to."""
        return self._machine.gateway

    @property
    def incarnation(self) -> int:
        """What tells this process's messages from those of another life of the same client."""
        return self._machine.incarnation

    @property
    async def events(self) -> AsyncIterator[tuple[str, str, str]]:
        """State, gateway and reason of each change, the latest of which are kept until they are read."""
        while True:
            while self._events:
                event = self._events.popleft()
                yield event.state, event.gateway, event.why
            if self._machine.state == CLOSED:
                return
            self._event_arrived.clear()
            await self._event_arrived.wait()
