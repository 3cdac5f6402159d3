"""A real disk in trouble: full, damaged bit by bit, cut off in the middle of a write, unable to fsync."""

import asyncio
import contextlib
import functools
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.codes import Code
from mesh.operations import GapReason
from nodes.sdk.client import connect
from nodes.sdk.messages import Gap, Message
from tests.live.programs import called, equal, mesh_of, play, status_of, until

pytestmark = pytest.mark.live
MEBIBYTE = 1 << 20


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes, of our own."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"mount -t tmpfs: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize(
    ("reserve", "said"),
    [(4 * MEBIBYTE, Code.DISK_RESERVED), (0, Code.OUTCOME_UNKNOWN)],
    ids=["reserve", "to the last byte"],
)
def test_full_disk_refuses_publishes_serves_reads_and_recovers(reserve: int, said: Code, tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        filler = folder / "filler"
        settings = {"GOSSAMER_NODE_DISK_RESERVE_BYTES": str(reserve)}
        async with mesh_of(folder, "eu", environment=settings) as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            async with connect(gateway) as client:
                await client.publish("c", b"before", timeout=5)
                room = shutil.disk_usage(folder).free
                filler.write_bytes(bytes(room - (reserve - MEBIBYTE // 16 if reserve else MEBIBYTE // 2)))
                await client.publish("c", b"the last that is taken", timeout=5)
                futures = [client.post("c", os.urandom(MEBIBYTE // 8)) for _ in range(16)]
                reasons: list[str] = []

                async def listen() -> None:
                    async for _, _, why in client.events:
                        reasons.append(why[:8])

                listening = asyncio.ensure_future(listen())

                async def is_full() -> bool:
                    return said in reasons

                await until(is_full)
                listening.cancel()
                assert not all(future.done() for future in futures)
                kept = [message.payload async for message in client.history("c", limit=None, backwards=False)]
                assert kept[0] == b"before", "reading goes on"

                filler.unlink()
                await asyncio.wait_for(asyncio.gather(*futures), 20)
                await client.publish("c", b"after", timeout=5)
                found = [message async for message in client.history("c", limit=None)]
                assert len(found) == len({message.record.name for message in found}) == len(futures) + 3

    with small_disk(tmp_path / "disk", 24 * MEBIBYTE) as folder:
        play(lambda: work(folder))


def test_a_node_under_its_disk_reserve_says_so_to_balancers_and_to_doctor(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu", environment={"GOSSAMER_NODE_DISK_RESERVE_BYTES": str(1 << 50)}) as mesh:
            host, _, port = mesh.nodes[0].ready["gateway"].removeprefix("ws://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = (await reader.read()).decode()
            writer.close()
            reserve = {"GOSSAMER_NODE_DISK_RESERVE_BYTES": str(1 << 50)}
            asked = ("doctor", "-g", f"{host}:{port}", "--data", str(tmp_path), "--json")
            out, _ = await asyncio.to_thread(functools.partial(called, *asked, status=1, **reserve))

            assert answer.startswith("HTTP/1.1 503 ")
            assert "\r\n\r\npublishes are refused: " in answer and answer.endswith(f" ({Code.DISK_RESERVED})\n")
            findings = [json.loads(line) for line in out.splitlines()]
            said = [each["text"] for each in findings if each["code"] == Code.DISK_RESERVED]
            assert any(text.startswith("the node refuses publishes: ") for text in said)

    play(work)


def flip(path: Path, table: str, column: str, where: str = "1") -> None:
    """Flip the lowest bit of the last byte of a column in one row, as a disk would: nobody is told."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        rowid, value = database.execute(f"SELECT rowid, {column} FROM {table} WHERE {where} LIMIT 1").fetchone()
        if isinstance(value, int):
            flipped: object = value ^ 1
        else:
            flipped = value[:-1] + bytes([value[-1] ^ 1])
        database.execute(f"UPDATE {table} SET {column}=? WHERE rowid=?", (flipped, rowid))
        database.commit()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("batches", "header"),
        ("batches", "body"),
        ("batches", "signature"),
        ("batches", "first"),
        ("batches", "last"),
        ("batches", "proof"),
        ("logs", "runs"),
        ("logs", "expires_ms"),
    ],
)
@pytest.mark.parametrize("killed", [True, False], ids=["after a crash", "while it is stopped in good order"])
def test_flipped_bit_is_found_not_served_and_fetched_again(
    table: str, column: str, killed: bool, tmp_path: Path
) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu", "us") as mesh:
            whole, hurt = mesh.nodes
            async with connect(whole.ready["gateway"]) as client:
                for number in range(12):
                    await client.publish("c", b"message %d" % number, durability="copies:2", timeout=10)
            await (hurt.kill() if killed else hurt.stop())
            flip(tmp_path / "us-1" / "store.sqlite3", table, column)
            await hurt.restart()
            async with connect(hurt.ready["gateway"]) as client, client.subscribe("c", since="all") as messages:
                shown: list[bytes] = []
                while len(shown) < 12:
                    item = await anext(messages)
                    if isinstance(item, Gap):  # it may be said that something is missing; it comes, late
                        assert item.reason is GapReason.MISSING and item.may_fill
                    else:
                        shown.append(item.payload)
            await until(lambda: equal(mesh))
            found = (await status_of(hurt.ready["gateway"]))["records"]

        assert sorted(shown) == sorted(b"message %d" % number for number in range(12))
        assert found == 12

    play(work)


def test_history_names_what_the_disk_has_lost(tmp_path: Path) -> None:
    store = tmp_path / "eu-0" / "store.sqlite3"

    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            async with connect(gateway) as client:
                for number in range(1, 4):  # rows of their own
                    await client.publish("c", b"message %d" % number, timeout=5)
                await asyncio.gather(*(client.post("c", b"message %d" % number) for number in range(4, 501)))
                log = (await client.publish("c", b"message 501", timeout=5)).log
                found = client.history("c", limit=None)
                shown = [await anext(found) for _ in range(500)]
                flip(store, "batches", "body", "last=501")  # between two pages of one reading
                rest = [item async for item in found]

                flip(store, "batches", "body", "first=2")
                lines, _ = await printed(gateway, "--json")
                again, told = await printed(gateway)
                turned = await printed(gateway, "--format", "raw", status=1)
                straight = await printed(gateway, "--format", "raw", "--oldest", status=1)

        assert [item.payload for item in shown if isinstance(item, Message)] == [
            b"message %d" % number for number in range(1, 501)
        ]
        assert rest == [Gap(log, 501, 501, GapReason.MISSING, may_fill=True)]
        first, gap, *others, last = map(json.loads, lines)
        for each, position in ((gap, 2), (last, 501)):
            assert each == {
                "gap": {"log": log, "first": position, "last": position, "reason": "missing", "may_fill": True}
            }
        assert [found["position"] for found in (first, *others)] == [1, *range(3, 501)]
        assert again == [b"c message %d" % number for number in (1, *range(3, 501))]
        assert told == "".join(f"gap: positions {at} to {at} of {log[:8]}… missing\n" for at in (2, 501))
        for written, refused in (turned, straight):  # what is before the gap, and nothing behind it
            assert written == [b"message 1"]
            assert refused.startswith(f"gossamer: {Code.GAP_IN_RAW} positions 2 to 2 are missing"), refused

    play(work)


def test_a_gap_that_lies_outside_what_was_asked_for_is_not_told(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            async with connect(gateway) as client:
                for number in range(1, 5):
                    await client.publish("c", b"message %d" % number, timeout=5)
                    await asyncio.sleep(0.002)  # so that no two have the same time, in ms
                shown = [item async for item in client.history("c")]
                flip(tmp_path / "eu-0" / "store.sqlite3", "batches", "body", "first=2")
                (first, *_), told = await printed(gateway)
                since = str(shown[3].time_ms) if isinstance(shown[3], Message) else ""
                asked = [("-n", "1", "--oldest"), ("-n", "2"), ("--since", since), ("--since", since, "--oldest")]
                found = [
                    await asyncio.to_thread(
                        functools.partial(called, "history", "c", *flags, "--format", "raw", "-g", gateway, status=0)
                    )
                    for flags in asked
                ]

        assert (first, "gap: positions 2 to 2" in told) == (b"c message 1", True)
        assert [out for out, _ in found] == [b"message 1", b"message 3message 4", b"message 4", b"message 4"]

    play(work)


async def printed(gateway: str, *flags: str, status: int = 0) -> tuple[list[bytes], str]:
    """What `gossamer history` prints of a channel, line by line, and what it says beside."""
    asked = functools.partial(called, "history", "c", "--all", "-g", gateway, *flags, status=status)
    out, said = await asyncio.to_thread(asked)
    return out.splitlines(), said
