"""The checks of `doctor` that ask no machine: what they make of what they are told."""

import socket
from pathlib import Path
from typing import Any

from mesh.codes import Code
from mesh.types import Address
from nodes.checks import Finding, check_clock, check_disk, check_folder, check_node, check_port, check_python
from nodes.settings import NodeSettings, Settings

ABOUT: dict[str, Any] = {
    "node": "abcdefghijklmnop",
    "region": "eu",
    "version": "0.1.0",
    "peers": [{"node": "ponmlkjihgfedcba", "region": "us", "silent": False}],
    "missing": 0,
    "clock_trusted": True,
    "forked": 0,
    "draining": False,
    "disk_free_bytes": 64 << 20,
}
ANSWERS = Finding("node", "good", "abcdefghijkl in eu answers, version 0.1.0")


def test_a_node_in_good_order() -> None:
    assert list(check_node(ABOUT, Settings())) == [ANSWERS, Finding("links", "good", "1 peer, in us")]


def test_everything_that_a_node_can_say_is_found() -> None:
    peer = {"node": "ponmlkjihgfedcba", "region": "us", "silent": True}
    about = ABOUT | {"peers": [peer, peer | {"silent": False}], "missing": 3, "forked": 1}
    about |= {"draining": True, "clock_trusted": False, "disk_free_bytes": (64 << 20) - 1}

    assert list(check_node(about, Settings())) == [
        ANSWERS,
        Finding("links", "good", "2 peers, in us"),
        Finding("links", "note", "silent: ponmlkjihgfe", Code.LINK_SILENT),
        Finding("repair", "note", "3 messages are being fetched from peers"),
        Finding("clock", "bad", "the node doubts its clock", Code.CLOCK_DOUBTED),
        Finding("disk", "bad", "the node refuses publishes: 64 MiB free, 64 are kept in reserve", Code.DISK_RESERVED),
        Finding("logs", "bad", "1 have two histories", Code.LOG_FORKED),
        Finding("node", "note", "it is draining", Code.NODE_STOPPING),
    ]


def test_a_node_alone_is_told_what_to_look_at() -> None:
    seeded = Settings(node=NodeSettings(seeds=("a:1",)))

    (_, without) = check_node(ABOUT | {"peers": []}, Settings())
    (_, having) = check_node(ABOUT | {"peers": []}, seeded)

    assert (without.state, having.state) == ("note", "note")
    assert "it has no seed" in without.text and "its seeds do not answer" in having.text


def test_a_clock_before_2020_is_bad() -> None:
    assert check_clock(1_577_836_799_999) == Finding("clock", "bad", "the clock shows 2019-12-31", Code.CLOCK_UNSET)
    assert check_clock(1_577_836_800_000).state == "good"


def test_python_is_named() -> None:
    assert check_python().state == "good"


def test_a_disk_under_its_reserve_is_bad(tmp_path: Path) -> None:
    short = check_disk(tmp_path / "not" / "there" / "yet", 1 << 60)

    assert (short.state, short.code) == ("bad", Code.DISK_RESERVED)
    assert check_disk(tmp_path, 0).state == "good"


def test_a_directory_without_a_mesh_is_a_note(tmp_path: Path) -> None:
    missing, _ = check_folder(tmp_path / "none", 0, ours=False)
    empty, _ = check_folder(tmp_path, 0, ours=False)

    assert (missing.state, missing.code) == ("note", "")
    assert (empty.state, empty.code) == ("note", Code.TICKET_INVALID)


def test_a_port_that_our_own_node_has_is_good() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        address = Address("127.0.0.1", sock.getsockname()[1])

        ours = check_port(address, "TCP", ours=True)
        foreign = check_port(address, "TCP", ours=False)

    assert ours.state == "good"
    assert (foreign.state, foreign.code) == ("bad", Code.PORT_TAKEN)
    assert foreign.text == f"cannot listen on {address} (TCP): Address already in use"
