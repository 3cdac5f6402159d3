"""`gossamer sub`: print what arrives."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mesh.codes import Code
from nodes.cli.common import TIMED_OUT, Number, fail, gateway_flags, line, run, standard

if TYPE_CHECKING:
    from nodes.sdk.messages import Gap, Message
    from nodes.sdk.subscription import Subscription

CURSOR_EVERY_S = 1.0
"""How often a cursor file is written while messages come."""


def message_object(message: Message) -> dict[str, Any]:
    """A message as a JSON object; numbers beyond 2^53 as text, bytes as base64."""
    from mesh.wire.text import payload_parts

    about: dict[str, Any] = {
        "channel": message.channel,
        "publisher": message.publisher,
        "incarnation": str(message.record.incarnation),
        "sequence": message.sequence,
        "time_ms": message.time_ms,
        "log": message.log,
        "position": message.position,
        **payload_parts(message.payload, message.record.flags),
    }
    if message.headers:
        about["headers"] = message.headers
    if message.late:
        about["late"] = True
    return about


def gap_object(gap: Gap) -> dict[str, Any]:
    """A gap as a JSON object."""
    place = {"log": gap.log, "first": gap.first, "last": gap.last}
    return {"gap": {**place, "reason": gap.reason.value, "may_fill": gap.may_fill}}


def gap_shown(gap: Gap, form: str) -> bytes:
    """What is written of a gap: an object; or a line on standard error; raw output ends before it."""
    if form == "raw":
        sys.stdout.buffer.flush()
        fail(Code.GAP_IN_RAW, f"positions {gap.first} to {gap.last} are {gap.reason.value}")
    if form == "json":
        return (line(gap_object(gap)) + "\n").encode()
    click.echo(f"gap: positions {gap.first} to {gap.last} of {gap.log[:8]}… {gap.reason.value}", err=True)
    return b""


def message_text(message: Message) -> bytes:
    """A message as a line for people; control characters are shown, not sent to the terminal, a last newline is not."""
    if message.content in ("text", "json"):
        shown = message.payload.decode("utf-8", "backslashreplace")
    else:
        shown = (
            message.payload.decode("utf-8", "backslashreplace")
            if message.payload.isascii()
            else repr(message.payload)[2:-1]
        )
    shown = shown.removesuffix("\n").removesuffix("\r")
    shown = "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in shown)
    return f"{message.channel} {shown}{'  (late)' if message.late else ''}\n".encode()


@click.command()
@click.argument("patterns", nargs=-1, required=True)
@click.option("--since", metavar="T|CURSOR", help='From where: "1h", "all", a date and time, or a cursor. [now]')
@click.option("--count", "-C", type=click.IntRange(1), help="End after so many messages.")
@click.option("--wait", "-W", type=Number(min=0), help="End, with status 3, when nothing came for so many seconds.")
@click.option(
    "--format", "-f", "form", type=click.Choice(["text", "json", "raw"]), help="text, json, or raw: payload bytes only."
)
@click.option(
    "--policy",
    type=click.Choice(["all", "drop-oldest", "latest", "disconnect"]),
    default="all",
    help="When slow. [all]",
)
@click.option(
    "--cursor-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Go on from the cursor in this file, and keep it there.",
)
@click.option("--client", help="Name of the client. [drawn]")
@gateway_flags
def sub(
    patterns: tuple[str, ...],
    since: str | None,
    count: int | None,
    wait: float | None,
    form: str | None,
    policy: str,
    cursor_file: Path | None,
    client: str | None,
    gateways: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print messages of channels that match PATTERNs (`+` one level, `#` the rest), and every gap.

    With --format raw only payload bytes are written, as they were published; it ends with status 1 rather than
    write past a gap or a late message.

    \b
    gossamer sub 'room/#'
    gossamer sub room/1 --since all --format raw > FILE
    """
    form = "json" if as_json else form or "text"
    standard(sys.stdout, "output")
    run(_print(patterns, since, count, wait, form, policy, cursor_file, client, gateways))


async def _print(
    patterns: tuple[str, ...],
    since: str | None,
    count: int | None,
    wait: float | None,
    form: str,
    policy: str,
    cursor_file: Path | None,
    client: str | None,
    gateways: tuple[str, ...],
) -> None:
    from nodes.sdk.client import connect

    start = since
    if cursor_file is not None and cursor_file.exists():
        start = cursor_file.read_text(encoding="ascii").strip() or since
    async with connect(*gateways, client=client) as session:
        subscription = await session.subscribe(*patterns, since=start, policy=policy).ready()
        keeper = asyncio.ensure_future(_keep(subscription, cursor_file)) if cursor_file is not None else None
        try:
            await _write(subscription, count, wait, form)
        finally:
            sys.stdout.buffer.flush()
            if keeper is not None and cursor_file is not None:
                keeper.cancel()
                _write_cursor(subscription, cursor_file)


async def _keep(subscription: Subscription, path: Path) -> None:
    """Keep the cursor of what was printed, every so often."""
    while True:
        await asyncio.sleep(CURSOR_EVERY_S)
        sys.stdout.buffer.flush()
        _write_cursor(subscription, path)


def _write_cursor(subscription: Subscription, path: Path) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_text(str(subscription.cursor) + "\n", encoding="ascii")
    draft.replace(path)


async def _write(subscription: Subscription, count: int | None, wait: float | None, form: str) -> None:
    """Print until there were enough, nothing came for too long, or the output may not go on."""
    from nodes.sdk.messages import Message

    out = sys.stdout.buffer
    loop = asyncio.get_running_loop()
    printed = 0
    while count is None or printed < count:
        item = subscription.take()
        if item is None:
            out.flush()
            try:
                async with asyncio.timeout(wait):
                    item = await anext(subscription)
            except TimeoutError:
                raise SystemExit(TIMED_OUT) from None
        if isinstance(item, Message):
            if form == "raw" and item.late:
                out.flush()
                fail(Code.GAP_IN_RAW, f"a late message of {item.channel}")
            await _put(loop, out.write, FORMATS[form](item))
            printed += 1
            continue
        await _put(loop, out.write, gap_shown(item, form))


async def _put(loop: asyncio.AbstractEventLoop, write: Callable[[bytes], object], packed: bytes) -> None:
    """Write; a reader who is slow slows down this command, and its connection lives on meanwhile."""
    if len(packed) < SMALL_BYTES:
        write(packed)
    else:
        await loop.run_in_executor(None, write, packed)


SMALL_BYTES = 8192
FORMATS: dict[str, Callable[[Message], bytes]] = {
    "raw": lambda message: message.payload,
    "json": lambda message: (line(message_object(message)) + "\n").encode(),
    "text": message_text,
}
