"""What `sub` prints: lines for people, objects for programs, bytes for files."""

import json

import pytest

from mesh.log.record import CONTENT_JSON, CONTENT_TEXT
from mesh.operations import GapReason
from mesh.types import log_text
from nodes.cli.sub import FORMATS, gap_object
from nodes.sdk.messages import Gap, Message
from tests.samples import ANA, WALL_MS, Writer, record

LOG = Writer(ANA).log


def message(payload: bytes, flags: int = 0, *, late: bool = False) -> Message:
    return Message(LOG, 4, record(3, payload, flags=flags, headers={"k": "v"}), late)


@pytest.mark.parametrize(
    ("payload", "flags", "line"),
    [
        (b"hello", CONTENT_TEXT, b"room/1 hello\n"),
        (b"a line\n", CONTENT_TEXT, b"room/1 a line\n"),
        (b"a line\r\n", 0, b"room/1 a line\n"),
        (b"two\nlines\n\n", CONTENT_TEXT, b"room/1 two\\nlines\\n\n"),
        (b"\x1b[2J\ttab", CONTENT_TEXT, b"room/1 \\x1b[2J\ttab\n"),
        ("ä".encode(), CONTENT_TEXT, "room/1 ä\n".encode()),
        (b"\xff", CONTENT_TEXT, b"room/1 \\xff\n"),
        (b"\x00\xff", 0, b"room/1 \\x00\\xff\n"),
        (b"", 0, b"room/1 \n"),
    ],
)
def test_a_line_for_people_holds_nothing_that_moves_their_cursor(payload: bytes, flags: int, line: bytes) -> None:
    assert FORMATS["text"](message(payload, flags)) == line


def test_a_late_message_is_marked() -> None:
    assert FORMATS["text"](message(b"x", late=True)) == b"room/1 x  (late)\n"
    assert json.loads(FORMATS["json"](message(b"x", late=True)))["late"] is True


def test_an_object_holds_all_that_the_message_has() -> None:
    assert json.loads(FORMATS["json"](message(b'{"a":1}', CONTENT_JSON))) == {
        "channel": "room/1",
        "publisher": "pub",
        "incarnation": "7",
        "sequence": 3,
        "time_ms": WALL_MS,
        "log": log_text(LOG),
        "position": 4,
        "json": {"a": 1},
        "headers": {"k": "v"},
    }


def test_raw_is_the_payload_and_nothing_else() -> None:
    assert FORMATS["raw"](message(b"\x00\n")) == b"\x00\n"


def test_a_gap_is_an_object_of_its_own() -> None:
    gap = Gap(log_text(LOG), 5, 6, GapReason.MISSING, may_fill=True)

    place = {"log": log_text(LOG), "first": 5, "last": 6}
    assert gap_object(gap) == {"gap": {**place, "reason": "missing", "may_fill": True}}
