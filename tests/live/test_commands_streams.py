"""Standard streams that are full or closed, and arguments that are no text or no number: one line each, and an end."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from mesh.codes import Code
from tests.live.programs import COMMAND, called, mesh_of, play

pytestmark = pytest.mark.live
NOWHERE = ("-g", "127.0.0.1:1")


def shell(redirection: str, *arguments: str) -> tuple[int, bytes]:
    """Run the command with its streams redirected by a shell: its status, and what it said on standard error."""
    done = subprocess.run(  # noqa: PLW1510  # the status is what is asked for
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=30,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("verb", [["explain"], ["config", "schema"], ["mesh", "init", "m"], ["doctor", *NOWHERE]])
def test_an_output_without_room_is_said_in_one_line(verb: list[str], tmp_path: Path) -> None:
    more = ["--folder", str(tmp_path / "m")] if verb[0] == "mesh" else []

    assert shell("> /dev/full", *verb, *more) == (1, b"gossamer: No space left on device\n")


@pytest.mark.parametrize("verb", [["sub", "r"], ["history", "r"]])
def test_an_output_that_is_closed_is_said_before_a_gateway_is_looked_for(verb: list[str]) -> None:
    assert shell(">&-", *verb, *NOWHERE) == (1, b"gossamer: there is no standard output: it is closed\n")


@pytest.mark.parametrize("flags", [["--lines"], ["--chunk", "8"], ["-"], []])
def test_an_input_that_is_closed_is_said_before_a_gateway_is_looked_for(flags: list[str]) -> None:
    assert shell("<&-", "pub", "r", *flags, *NOWHERE) == (1, b"gossamer: there is no standard input: it is closed\n")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["pub", "r", "--lines", "--rate", "nan"], "'nan' is no number"),
        (["pub", "r", "x", "-W", "inf"], "'inf' is no number"),
        (["sub", "r", "-W", "nan"], "'nan' is no number"),
        (["mesh", "invite", "--days", "nan"], "'nan' is no number"),
        (["pub", "r", "x", "--ttl", "99999999999999999999"], "1<=x<=34560000"),
        (["pub", "r\udcff", "x"], Code.CHANNEL_INVALID),
        (["pub", "r", "x", "-H", "k=\udcff"], Code.FIELD_INVALID),
        (["pub", "r", "x", "--client", "\udcff"], Code.FIELD_INVALID),
    ],
)
def test_what_is_no_number_no_text_or_too_much_is_refused(arguments: list[str], why: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = [] if arguments[0] == "mesh" else ["-g", mesh.nodes[0].ready["gateway"]]

            assert why in (await asyncio.to_thread(called, *arguments, *gateway, status=2))[1]

    play(work)


def test_an_argument_that_is_no_utf8_is_published_as_its_bytes(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = ("-g", mesh.nodes[0].ready["gateway"])
            await asyncio.to_thread(called, "pub", "r", "\udcff\udcfe", *gateway, status=0)
            await asyncio.to_thread(called, "pub", "r", "é", *gateway, status=0)

            out, _ = await asyncio.to_thread(called, "history", "r", "--json", *gateway, status=0)
            assert [line.partition(b'"position":')[2].partition(b",")[2] for line in out.splitlines()] == [
                b'"content":"bytes","base64":"//4="}',
                b'"text":"\xc3\xa9"}',
            ]

    play(work)
