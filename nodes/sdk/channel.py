"""A channel of a client: its name, said once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from mesh.codes import Code
from mesh.types import channel_fault
from nodes.sdk.cursor import Cursor
from nodes.sdk.messages import Gap, GossamerError, Message, Receipt
from nodes.sdk.subscription import Subscription

if TYPE_CHECKING:
    from nodes.sdk.client import Client


class Channel:
    """One channel of a client."""

    def __init__(self, client: Client, name: str) -> None:
        """Use `Client.channel`."""
        fault = channel_fault(name)
        if fault:
            raise GossamerError(Code.CHANNEL_INVALID, f"{fault}: {name!r}")
        self.client = client
        self.name = name

    async def publish(
        self,
        data: object,
        *,
        durability: str = "local",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        ttl_ms: int = 0,
    ) -> Receipt:
        """Publish here; see `Client.publish`."""
        return await self.client.publish(
            self.name, data, durability=durability, timeout=timeout, headers=headers, ttl_ms=ttl_ms
        )

    def subscribe(
        self, *, since: object = None, policy: str = "all", cursor: Cursor | str | None = None
    ) -> Subscription:
        """Subscribe to this channel; see `Client.subscribe`."""
        return self.client.subscribe(self.name, since=since, policy=policy, cursor=cursor)

    def history(
        self, *, limit: int | None = 100, since: object = None, backwards: bool = False
    ) -> AsyncIterator[Message | Gap]:
        """The past of this channel; see `Client.history`."""
        return self.client.history(self.name, limit=limit, since=since, backwards=backwards)
