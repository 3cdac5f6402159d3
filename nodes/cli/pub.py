"""`gossamer pub`: publish a message, the lines of a file, or a file in pieces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, BinaryIO

import click

from mesh.codes import Code
from mesh.log.record import TTL_MS_MAX
from mesh.types import channel_fault
from nodes.cli.common import MISUSED, Number, fail, gateway_flags, line, run, standard

if TYPE_CHECKING:
    from nodes.sdk.client import Client

LINE_BYTES_MAX = 1 << 20
"""A message's limit; a line with its terminator is one message."""
RECORD_ROOM = 400
"""Of that, the channel and the fixed fields take some."""
READ_BYTES = 1 << 18
UNSENT_MAX = 20_000
"""Publishes under way; beyond, reading waits."""


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Lines with their terminators (LF), whatever else is in them; the last one as it is."""
    rest = b""
    while chunk := stream.read(READ_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for each in whole:
            yield each + b"\n"
        if len(rest) > LINE_BYTES_MAX:
            yield rest
            return
    if rest:
        yield rest


def chunks_of(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Pieces of a stream, all of one size but the last."""
    while chunk := stream.read(size):
        yield chunk


@click.command()
@click.argument("channel")
@click.argument("data", required=False)
@click.option("--lines", is_flag=True, help="Publish each line of standard input with its terminator.")
@click.option(
    "--chunk", type=click.IntRange(1, LINE_BYTES_MAX - 4096), help="Publish standard input in pieces of N bytes."
)
@click.option("--durability", "-d", default="local", metavar="L", help="local, copies:N or regions:N. [local]")
@click.option("--header", "-H", "headers", multiple=True, metavar="K=V", help="A header; several may be given.")
@click.option("--rate", type=Number(min=0.001), help="Publish at most N messages a second.")
@click.option("--ttl", type=click.IntRange(1, TTL_MS_MAX // 1000), help="How long the message lives, in seconds.")
@click.option("--timeout", "-W", type=Number(min=0), help="Wait at most so many seconds for the durability.")
@click.option("--client", help="Name of the publisher. [drawn]")
@gateway_flags
def pub(
    channel: str,
    data: str | None,
    lines: bool,
    chunk: int | None,
    durability: str,
    headers: tuple[str, ...],
    rate: float | None,
    ttl: int | None,
    timeout: float | None,
    client: str | None,
    gateways: tuple[str, ...],
    as_json: bool,
) -> None:
    """Publish DATA to CHANNEL; `-`, or nothing, reads standard input as one message.

    \b
    gossamer pub room/1 hello
    gossamer pub room/1 --lines < FILE
    gossamer pub room/1 --chunk 65536 < FILE
    """
    if lines and chunk:
        raise click.UsageError("--lines or --chunk, not both")
    if (lines or chunk) and data not in (None, "-"):
        raise click.UsageError("--lines and --chunk read standard input; leave DATA out")
    fault = channel_fault(channel)
    if fault:  # said before a gateway is looked for
        fail(Code.CHANNEL_INVALID, f"{fault}: {channel!r}", status=MISUSED)
    pairs: dict[str, str] = {}
    for header in headers:
        key, equals, value = header.partition("=")
        if not equals or not key:
            raise click.UsageError(f"a header is K=V, found {header!r}")
        pairs[key] = value
    if lines or chunk:
        stdin = standard(sys.stdin, "input")
        pieces = lines_of(stdin) if lines else chunks_of(stdin, chunk or 1)
        count = run(_publish_many(channel, pieces, durability, pairs, rate, ttl, timeout, client, gateways))
        click.echo(line({"published": count}) if as_json else f"{count} published, each {durability}", err=not as_json)
        return
    payload = standard(sys.stdin, "input").read() if data is None or data == "-" else argument(data)
    run(_publish_one(channel, payload, durability, pairs, ttl, timeout, client, gateways, as_json=as_json))


def argument(text: str) -> str | bytes:
    """An argument as the text that it is, or as its bytes where it is no UTF-8."""
    packed = os.fsencode(text)
    return text if packed == text.encode("utf-8", "replace") else packed


async def _publish_one(
    channel: str,
    payload: str | bytes,
    durability: str,
    headers: dict[str, str],
    ttl: int | None,
    timeout: float | None,
    client: str | None,
    gateways: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    from nodes.sdk.client import connect

    async with connect(*gateways, client=client) as session, saying_what_holds_up(session):
        receipt = await session.publish(
            channel, payload, durability=durability, timeout=timeout, headers=headers, ttl_ms=(ttl or 0) * 1000
        )
    if as_json:
        about = {"sequence": receipt.sequence, "copies": receipt.copies, "regions": receipt.regions, "log": receipt.log}
        click.echo(line(about))


@contextlib.asynccontextmanager
async def saying_what_holds_up(session: Client) -> AsyncIterator[None]:
    """Say on standard error why publishes wait, as often as the reason changes."""

    async def listen() -> None:
        async for state, gateway, why in session.events:
            if state == "attached" and why.startswith("GSM-"):
                click.echo(f"gossamer: {why}; {gateway} is asked again until it takes them", err=True)

    listening = asyncio.ensure_future(listen())
    try:
        yield
    finally:
        listening.cancel()


async def _read_ahead(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read standard input on another thread, so that the connection lives while it waits; many pieces at a time."""
    loop = asyncio.get_running_loop()

    def some() -> list[bytes]:
        found: list[bytes] = []
        size = 0
        for piece in pieces:
            found.append(piece)
            size += len(piece)
            if size >= READ_BYTES:
                break
        return found

    while batch := await loop.run_in_executor(None, some):
        for piece in batch:
            yield piece


async def _publish_many(
    channel: str,
    pieces: Iterator[bytes],
    durability: str,
    headers: dict[str, str],
    rate: float | None,
    ttl: int | None,
    timeout: float | None,
    client: str | None,
    gateways: tuple[str, ...],
) -> int:
    from nodes.sdk.client import connect
    from nodes.sdk.messages import Receipt, WaitTimedOutError

    count = 0
    failed: list[BaseException] = []

    def settled(future: asyncio.Future[Receipt]) -> None:
        if not future.cancelled() and future.exception() is not None:
            failed.append(future.exception() or RuntimeError())

    async with connect(*gateways, client=client) as session, saying_what_holds_up(session):
        began = asyncio.get_running_loop().time()
        async for piece in _read_ahead(pieces):
            if len(piece) > LINE_BYTES_MAX - RECORD_ROOM:
                await session.flushed()
                fail(Code.LINE_TOO_LONG, f"line {count + 1} has more than {LINE_BYTES_MAX - RECORD_ROOM} bytes")
            await session.room(len(piece) + 4096)
            while session.unsent > UNSENT_MAX and not failed:
                await asyncio.sleep(0.005)
            if failed:
                raise failed[0]
            future = session.post(channel, piece, durability=durability, headers=headers, ttl_ms=(ttl or 0) * 1000)
            future.add_done_callback(settled)
            count += 1
            if rate is not None:
                await asyncio.sleep(max(began + count / rate - asyncio.get_running_loop().time(), 0))
        try:
            async with asyncio.timeout(timeout):
                await session.flushed()
        except TimeoutError:
            raise WaitTimedOutError(f"{session.unsent} of {count} did not reach {durability} in time", None) from None
    if failed:
        raise failed[0]
    return count
