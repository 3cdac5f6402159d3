"""Packets: what comes out is what went in, and what is no packet is refused."""

import base64
from typing import Any

import msgpack
import pytest

from mesh.errors import DecodeError
from sim.maelstrom.packets import Entry, Kind, Target, pack, unpack

ENTRIES = [
    Entry(Kind.OPEN, 3, patient=False, targets=(Target(0, 3, 1, 0),), body=b"nonce"),
    Entry(Kind.FRAME, 3, patient=True, targets=(Target(0, 3, 1, 9), Target(2, 3, 4, 7)), body=b"\x00\xff"),
]


def packed(thing: Any) -> str:
    return base64.b64encode(msgpack.packb(thing)).decode()


def test_a_packet_comes_out_as_it_went_in() -> None:
    assert unpack(pack(ENTRIES)) == ENTRIES
    assert unpack(pack([])) == []


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "not base64!",
        "AAAA====",
        base64.b64encode(b"\xc1").decode(),
        base64.b64encode(b"\x91" * 5_000).decode(),
        packed({}),
        packed([[]]),
        packed([[0, 1, False, []]]),
        packed([[4, 1, False, [], b""]]),
        packed([[-1, 1, False, [], b""]]),
        packed([[2, 1, 0, [], b""]]),
        packed([[2, True, False, [], b""]]),
        packed([[2, 1, False, [[1, 2, 3]], b""]]),
        packed([[2, 1, False, [[1, 2, 3, 1 << 53]], b""]]),
        packed([[2, 1, False, [], "text"]]),
    ],
)
def test_what_is_no_packet_is_refused(text: object) -> None:
    with pytest.raises(DecodeError):
        unpack(text)
