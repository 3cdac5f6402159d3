"""The clients' commands against real nodes: pub, sub, history, status, and how they end."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from mesh.codes import EXPLANATIONS, Code
from nodes.ports import Ports
from tests.live.programs import COMMAND, called, gossamer, mesh_of, play

pytestmark = pytest.mark.live
NOWHERE = "127.0.0.1:1"


def objects(out: bytes) -> list[dict[str, object]]:
    """One JSON object a line."""
    found = [json.loads(line) for line in out.splitlines()]
    assert all(isinstance(each, dict) for each in found)
    return found


async def run(*arguments: str, stdin: bytes | None = None, status: int = 0, **more: str) -> tuple[bytes, str]:
    """Run the command while the mesh lives on this loop."""
    return await asyncio.to_thread(gossamer, *arguments, stdin=stdin, status=status, **more)


def test_a_message_goes_in_at_one_node_and_comes_out_of_another(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu", "us") as mesh:
            eu, us = (node.ready["gateway"] for node in mesh.nodes)
            out, words = await run("pub", "room/1", "hello", "-g", eu)
            assert (out, words) == (b"", "")
            two = ("-d", "regions:2", "--client", "ana", "-H", "k=v", "--ttl", "60", "--json")
            (receipt,) = objects((await run("pub", "room/1", '{"a": 1}', "-g", eu, *two))[0])
            assert (receipt["sequence"], receipt["copies"], receipt["regions"]) == (1, 2, 2)

            out, words = await run("sub", "room/+", "--since", "all", "-C", "2", "-g", us)
            assert out == b'room/1 hello\nroom/1 {"a": 1}\n'
            shown = objects((await run("sub", "room/#", "--since", "all", "-C", "2", "-g", us, "--json"))[0])
            assert [message["text"] for message in shown] == ["hello", '{"a": 1}']
            assert (shown[1]["publisher"], shown[1]["headers"], shown[1]["log"]) == ("ana", {"k": "v"}, receipt["log"])
            assert shown[1]["incarnation"] == str(shown[1]["incarnation"])
            raw = ("--since", "all", "-C", "2", "-g", us, "--format", "raw")
            assert (await run("sub", "room/1", *raw))[0] == b'hello{"a": 1}'

            (about,) = objects((await run("status", "--json", "-g", us))[0])
            assert (about["region"], about["records"], len(about["peers"])) == ("us", 2, 1)  # type: ignore[arg-type]
            text = (await run("status", "-g", us))[0].decode()
            assert " in us at " in text and "2 messages in 1 log," in text and " eu " in text

    play(work)


def test_history_counts_turns_and_bounds(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            await run("pub", "log/a", "--lines", "-g", gateway, stdin=b"one\ntwo\r\nthree\n\nlast")
            await run("pub", "other", "x", "-g", gateway)

            every = ("history", "log/#", "-g", gateway, "--format", "raw")
            assert (await run(*every))[0] == b"one\ntwo\r\nthree\n\nlast"
            assert (await run(*every, "-n", "2"))[0] == b"\nlast"
            assert (await run(*every, "-n", "2", "--oldest"))[0] == b"one\ntwo\r\n"
            assert (await run(*every, "--all", "--since", "1h", "--oldest"))[0] == b"one\ntwo\r\nthree\n\nlast"
            assert (await run(*every, "--until", "1h"))[0] == b""
            assert (await run("history", "log/a", "-n", "1", "-g", gateway))[0] == b"log/a last\n"
            (last,) = objects((await run("history", "log/a", "-n", "1", "-g", gateway, "--json"))[0])
            assert (last["channel"], last["position"]) == ("log/a", 5)

    play(work)


def test_pub_reads_standard_input_whole_by_lines_or_in_pieces(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            more = {"GOSSAMER_PUB_GATEWAY": mesh.nodes[0].ready["gateway"]}
            await run("pub", "whole", "-", stdin=b"a\nb", **more)
            await run("pub", "whole", stdin=b"c", **more)
            out, words = await run("pub", "lines", "--lines", stdin=b"a\nb", **more)
            assert (out, words) == (b"", "2 published, each local\n")
            counted, _ = await run("pub", "pieces", "--chunk", "4", "--json", "--rate", "1000", stdin=b"a" * 10, **more)
            assert objects(counted) == [{"published": 3}]

            gateway = ("-g", more["GOSSAMER_PUB_GATEWAY"], "--json")
            found = objects((await run("history", "#", *gateway))[0])
            sizes: dict[object, list[object]] = {}
            for message in found:
                sizes.setdefault(message["channel"], []).append(message.get("text", message.get("base64")))
            assert [len(each) for each in sizes.values()] == [2, 2, 3]

    play(work)


def test_a_cursor_file_goes_on_where_it_was_on_any_node(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu", "us") as mesh:
            eu, us = (node.ready["gateway"] for node in mesh.nodes)
            keep = ("--cursor-file", str(tmp_path / "cursor"))
            await run("pub", "a", "--lines", "-d", "copies:2", "-g", eu, stdin=b"1\n2\n3\n")
            first, _ = await run("sub", "a", "--since", "all", "-C", "2", "-f", "raw", "-g", eu, *keep)
            rest, _ = await run("sub", "a", "--since", "all", "-C", "1", "-f", "raw", "-g", us, *keep)
            again, _ = await run("sub", "a", "-W", "0.5", "-f", "raw", "-g", us, *keep, status=3)

            assert (first, rest, again) == (b"1\n2\n", b"3\n", b"")
            assert (tmp_path / "cursor").read_text().startswith("gsc1-")

    play(work)


def test_waiting_too_long_ends_with_3_and_says_what_was_reached(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = ("-g", mesh.nodes[0].ready["gateway"])
            _, words = await run("pub", "a", "x", "-d", "copies:2", "-W", "0.3", *gateway, status=3)
            assert words.startswith(f"gossamer: {Code.WAIT_TIMED_OUT} copies:2 was not reached in 0.3 s, but 1 copies")
            assert words.endswith(EXPLANATIONS[Code.WAIT_TIMED_OUT].remedy + "\n")
            more = ("--lines", "-d", "copies:2", "-W", "0.3")
            _, words = await run("pub", "a", *more, *gateway, stdin=b"1\n2\n", status=3)
            assert f"gossamer: {Code.WAIT_TIMED_OUT} 2 of 2 did not reach copies:2 in time." in words
            out, _ = await run("sub", "a", "-W", "0.2", *gateway, status=3)
            assert out == b""
            assert (await run("history", "a", "-f", "raw", *gateway))[0] == b"x1\n2\n", "what timed out stays"

    play(work)


WRONG: list[tuple[tuple[str, ...], int, Code, str]] = [
    (("pub", "a/+", "x", "-g", NOWHERE), 2, Code.CHANNEL_INVALID, "holds no + or #"),
    (("pub", "a", "x", "-d", "lots"), 2, Code.FIELD_INVALID, "durability is local, copies:N or regions:N"),
    (("sub", "a/#/b"), 2, Code.PATTERN_INVALID, "# stands alone, as the last level"),
    (("sub", "a", "--since", "yesterday"), 2, Code.FIELD_INVALID, "from where is a span"),
    (("sub", "a", "--since", "gsc1-xx"), 2, Code.FIELD_INVALID, "a cursor"),
    (("history", "a", "--since", "yesterday"), 2, Code.FIELD_INVALID, "from where is a span"),
    (("pub", "a"), 1, Code.RECORD_TOO_LARGE, "1048576"),
    (("pub", "a", "--lines"), 1, Code.LINE_TOO_LONG, "line 1 has more than"),
]


def test_what_is_asked_wrongly_is_said_in_one_line(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            for arguments, status, code, why in WRONG:
                given = arguments if "-g" in arguments else (*arguments, "-g", mesh.nodes[0].ready["gateway"])
                out, words = await run(*given, stdin=b"x" * (1 << 20) + b"y" * 9, status=status)

                assert out == b""
                assert words.count("\n") == 1, words
                assert words.startswith(f"gossamer: {code} ") and why in words, words
                assert words.endswith(EXPLANATIONS[code].remedy + "\n")

    play(work)


@pytest.mark.parametrize(
    "arguments",
    [
        ("pub",),
        ("sub",),
        ("pub", "a", "x", "--lines"),
        ("pub", "a", "--lines", "--chunk", "9"),
        ("pub", "a", "x", "-H", "novalue"),
        ("sub", "a", "--format", "xml"),
        ("sub", "a", "-C", "0"),
        ("dev", "--regions", ","),
        ("mesh", "invite", "--folder", "nowhere-at-all"),
    ],
    ids="-".join,
)
def test_misuse_ends_with_2(arguments: tuple[str, ...]) -> None:
    out, words = called(*arguments, status=2)

    assert out == b"" and words


def test_a_gateway_that_does_not_answer_is_said_with_the_reason() -> None:
    verbs = [("pub", "a", "x"), ("sub", "a"), ("history", "a"), ("status",)]
    with ThreadPoolExecutor() as pool:  # each looks for ten seconds
        said = [words for _, words in pool.map(lambda verb: gossamer(*verb, "-g", NOWHERE, status=1), verbs)]

    for words in said:
        assert words.startswith(f"gossamer: {Code.GATEWAY_UNREACHABLE} ws://{NOWHERE}: ")
        assert "refused" in words or "Connect call failed" in words
        assert words.endswith(EXPLANATIONS[Code.GATEWAY_UNREACHABLE].remedy + "\n")


def test_doctor_finds_a_gateway_that_was_named_and_does_not_answer() -> None:
    out, _ = gossamer("doctor", "--json", "-g", NOWHERE, status=1)

    (found,) = [finding for finding in objects(out) if finding["subject"] == "node"]
    assert (found["state"], found["code"]) == ("bad", Code.GATEWAY_UNREACHABLE)
    assert found["remedy"] == EXPLANATIONS[Code.GATEWAY_UNREACHABLE].remedy


def test_doctor_says_how_node_and_mesh_are(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu", "us") as mesh:
            out, _ = await run("doctor", "--json", "-g", mesh.nodes[1].ready["gateway"])
            text, _ = await run("doctor", "-g", mesh.nodes[1].ready["gateway"])

            found = {finding["subject"]: finding for finding in objects(out)}
            assert (found["node"]["state"], found["links"]["state"]) == ("good", "good")
            assert str(found["node"]["text"]).endswith(" in us answers, version 0.1.0")
            assert found["links"]["text"] == "1 peer, in eu"
            assert "✓ links            1 peer, in eu" in text.decode()

    play(work)


def test_a_closed_pipe_ends_sub_quietly(tmp_path: Path) -> None:
    async def work() -> None:
        async with mesh_of(tmp_path, "eu") as mesh:
            gateway = mesh.nodes[0].ready["gateway"]
            await run("pub", "a", "--lines", "-g", gateway, stdin=b"line\n" * 20_000)
            command = [*COMMAND, "sub", "a", "--since", "all", "-g", gateway]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
                assert reader.stdout is not None and reader.stderr is not None
                line = await asyncio.to_thread(reader.stdout.readline)
                reader.stdout.close()
                status = await asyncio.to_thread(reader.wait, 20)
                words = reader.stderr.read()

            assert (line, status, words) == (b"a line\n", 0, b"")

    play(work)


def test_dev_says_what_to_try_and_ends_in_good_order(tmp_path: Path) -> None:
    with closing(Ports()) as ports:
        _dev_says_what_to_try(ports.draw(socket.SOCK_STREAM, count=2), tmp_path)


def _dev_says_what_to_try(port: int, tmp_path: Path) -> None:
    command = [*COMMAND, "dev", "--json", "-n", "2", "-r", "eu,us", "--port", str(port), "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as dev:
        assert dev.stdout is not None and dev.stderr is not None
        nodes = [json.loads(dev.stdout.readline()) for _ in range(2)]
        gossamer("pub", "room/1", "hello", "-g", f"localhost:{port}", "-d", "regions:2", "-W", "20", status=0)
        out, _ = gossamer("sub", "room/#", "--since", "all", "-C", "1", "-g", f"localhost:{port + 1}", status=0)
        _, words = gossamer("dev", "-n", "1", "--port", str(port), status=1)
        dev.send_signal(signal.SIGINT)
        status = dev.wait(15)

    assert [(node["region"], node["gateway"]) for node in nodes] == [
        ("eu", f"ws://127.0.0.1:{port}"),
        ("us", f"ws://127.0.0.1:{port + 1}"),
    ]
    assert out == b"room/1 hello\n"
    assert words.startswith(
        f"gossamer: {Code.PORT_TAKEN} the node node-1 did not start: cannot listen on 127.0.0.1:{port}"
    )
    assert words.count(EXPLANATIONS[Code.PORT_TAKEN].remedy) == 1
    assert status == 0
    for node in nodes:
        with pytest.raises(ProcessLookupError):
            os.kill(node["pid"], 0)


def test_mesh_init_and_invite_say_what_they_made(tmp_path: Path) -> None:
    folder = ("--folder", str(tmp_path / "mesh"))

    (founded,) = objects(called("mesh", "init", "ships", *folder, "--json", status=0)[0])
    (invited,) = objects(
        gossamer("mesh", "invite", *folder, "--json", "-r", "eu", "--seed", "10.0.0.1:7421", status=0)[0]
    )
    _, words = called("mesh", "init", "ships", *folder, status=1)
    text, _ = called("mesh", "init", "ships", "--folder", str(tmp_path / "other"), status=0)

    assert (founded["name"], founded["folder"], len(str(founded["mesh"]))) == ("ships", folder[1], 64)
    assert str(invited["ticket"]).startswith("gsm1-")
    assert words.startswith(f"gossamer: {Code.CONFIG_INVALID} {tmp_path / 'mesh'}: there is a mesh already.")
    assert f"gossamer mesh invite --folder {tmp_path / 'other'} --region eu" in text.decode()
