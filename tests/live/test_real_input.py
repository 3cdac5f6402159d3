"""Any file goes through, byte for byte: in at one node, out at two others, while links are cut and heal."""

import asyncio
import hashlib
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from mesh.codes import Code
from mesh.rng import Rng
from sim.demo.stage import Stage
from sim.proxy import Weather
from tests.live.programs import COMMAND, gossamer, mesh_of, play, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]
BYTES_LEAST = 10 << 20


def real_text() -> bytes:
    """The source of the Python that runs this, as much that is no text, and every ugliness that a line can have."""
    ugly = b"carriage\r\nreturns\r\n\0NUL in\0side\n\xff\xfe\xc3( no UTF-8\n\n\n" + b"long " * (60 << 10) + b"\n"
    assert len(ugly) > 300 << 10
    parts, size = [ugly], len(ugly)
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        if size >= BYTES_LEAST // 2:
            break
        parts.append(path.read_bytes())
        size += len(parts[-1])
    assert size >= BYTES_LEAST // 2
    rng = Rng(b"no text")
    parts += [rng.bytes(64) for _ in range(size, BYTES_LEAST, 64)]
    text = b"".join(parts) + ugly + b"and no newline at the end"
    assert len(text) >= BYTES_LEAST
    return text


def lines_in(text: bytes) -> int:
    return text.count(b"\n") + (not text.endswith(b"\n"))


def program(*arguments: str, stdin: Path | None = None, out: Path | None = None) -> subprocess.Popen[bytes]:
    """Start the command, reading from a file and writing to one."""
    with (stdin or Path(os.devnull)).open("rb") as source, (out or Path(os.devnull)).open("wb") as sink:
        return subprocess.Popen([*COMMAND, *arguments], stdin=source, stdout=sink)


async def cut_on_the_way(stage: Stage, out: Path, size: int) -> list[float]:
    """Cut eu off three times for a second; how far the output had come each time, as a share."""
    ways: list[float] = []
    for share in (0.15, 0.4, 0.65):

        async def has_come(share: float = share) -> bool:
            return out.stat().st_size / size >= share

        await until(has_come)
        ways.append(out.stat().st_size / size)
        for link in stage.links_of("eu"):
            link.cut()
        await asyncio.sleep(1)
        for link in stage.links_of("eu"):
            link.heal()
    return ways


def test_ten_megabytes_come_out_as_they_went_in_while_links_are_cut(tmp_path: Path) -> None:
    text = real_text()
    source, ends = tmp_path / "in", {"us": tmp_path / "us.out", "ap": tmp_path / "ap.out"}
    source.write_bytes(text)
    ways: list[float] = []

    async def work() -> None:
        stage = Stage(tmp_path / "stage", Rng(b"input"), "")
        programs: list[subprocess.Popen[bytes]] = []
        try:
            await stage.open()
            for link in stage.mesh.links.values():  # so narrow that no machine passes what is left between two looks
                link.there.weather = link.back.weather = Weather(delay_us=5_000, bytes_per_s=1_000_000)
            count = str(lines_in(text))
            for region, out in ends.items():
                gateway = f"ws://{stage.gateways[region].target}"
                wanted = ("sub", "file", "--since", "all", "--format", "raw", "-C", count, "-g", gateway)
                programs.append(program(*wanted, out=out))
            gateway = f"ws://{stage.gateways['eu'].target}"
            programs.append(program("pub", "file", "--lines", "-g", gateway, stdin=source))
            ways.extend(await cut_on_the_way(stage, ends["us"], len(text)))
            assert [await asyncio.to_thread(each.wait, 100) for each in programs] == [0, 0, 0]
            assert stage.mesh.counts.cut > 0, "nothing was under way in the cuts"
        finally:
            for each in programs:
                each.kill()
                each.wait()
            await stage.close(gently=False)

    play(work, 170)

    assert len(ways) >= 3 and all(0.1 < way < 0.9 for way in ways), ways
    wanted = hashlib.sha256(text).hexdigest()
    found = {region: hashlib.sha256(out.read_bytes()).hexdigest() for region, out in ends.items()}
    assert found == {"us": wanted, "ap": wanted}


def test_binary_goes_through_in_pieces(tmp_path: Path) -> None:
    blob = os.urandom(300_001)

    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            _, said = await asyncio.to_thread(gossamer, "pub", "blob", "--chunk", "65536", "-g", gateway, stdin=blob)
            assert said == "5 published, each local\n"
            arguments = ("sub", "blob", "--since", "all", "--format", "raw", "-C", "5", "-g", gateway)
            assert (await asyncio.to_thread(gossamer, *arguments))[0] == blob

    play(work)


def test_line_over_the_limit_is_named_and_what_came_before_it_is_published(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            text = b"one\ntwo\n" + b"x" * (1 << 20) + b"\nfour\n"
            _, said = await asyncio.to_thread(gossamer, "pub", "c", "--lines", "-g", gateway, stdin=text, status=1)
            assert f"gossamer: {Code.LINE_TOO_LONG} line 3 has more than" in said
            out, _ = await asyncio.to_thread(gossamer, "history", "c", "--all", "--format", "raw", "-g", gateway)
            assert out == b"one\ntwo\n"

    play(work)


def test_raw_output_ends_rather_than_go_past_a_gap(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            await asyncio.to_thread(gossamer, "pub", "c", "gone", "--ttl", "1", "-g", gateway)
            await asyncio.to_thread(gossamer, "pub", "c", "kept", "-g", gateway)
            await asyncio.sleep(1.5)
            arguments = ("sub", "c", "--since", "all", "--format", "raw", "-C", "1", "-g", gateway)
            out, said = await asyncio.to_thread(gossamer, *arguments, status=1)
            assert out == b""
            assert f"gossamer: {Code.GAP_IN_RAW} positions 1 to 1 are expired" in said

    play(work)
