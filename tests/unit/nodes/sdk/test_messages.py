"""What an application gets: content as it was given, levels, errors."""

import math

import msgpack
import pytest

from mesh.codes import Code
from mesh.log.record import CONTENT_JSON, CONTENT_MSGPACK, CONTENT_TEXT
from mesh.types import log_text, node_text
from nodes.sdk.messages import GossamerError, Message, Receipt, WaitTimedOutError, level_of, payload_of
from tests.samples import ANA, WALL_MS, Writer, record

LOG = Writer(ANA).log


def message(payload: bytes, flags: int) -> Message:
    return Message(LOG, 4, record(3, payload, flags=flags, headers={"k": "v"}))


@pytest.mark.parametrize(
    ("given", "payload", "flags"),
    [
        (b"\xff", b"\xff", 0),
        (bytearray(b"a"), b"a", 0),
        (memoryview(b"a"), b"a", 0),
        ("ä", "ä".encode(), CONTENT_TEXT),
        ({"a": [1, None]}, b'{"a":[1,null]}', CONTENT_JSON),
        (None, b"null", CONTENT_JSON),
    ],
)
def test_what_is_published_comes_back_as_it_was(given: object, payload: bytes, flags: int) -> None:
    assert payload_of(given) == (payload, flags)
    assert message(payload, flags).data == given


@pytest.mark.parametrize("given", [{1, 2}, object(), math.nan])
def test_what_is_no_json_is_the_callers_error(given: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        payload_of(given)


@pytest.mark.parametrize(
    ("payload", "flags", "content", "found"),
    [
        (msgpack.packb([1]), CONTENT_MSGPACK, "msgpack", [1]),
        (b"\xc1", CONTENT_MSGPACK, "msgpack", b"\xc1"),
        (b"{", CONTENT_JSON, "json", b"{"),
        (b"\xff", CONTENT_TEXT, "text", b"\xff"),
        (b"[" * 100_000, CONTENT_JSON, "json", b"[" * 100_000),
        (b"x", 7, "bytes", b"x"),
    ],
)
def test_a_payload_that_is_not_what_it_says_comes_as_bytes(
    payload: bytes, flags: int, content: str, found: object
) -> None:
    arrived = message(payload, flags)

    assert (arrived.content, arrived.data) == (content, found)


def test_a_message_says_where_it_stands() -> None:
    arrived = message(b"hello", CONTENT_TEXT)

    assert (arrived.channel, arrived.publisher, arrived.sequence, arrived.position) == ("room/1", "pub", 3, 4)
    assert (arrived.name, arrived.headers, arrived.time_ms) == (("pub", 7, 3), {"k": "v"}, WALL_MS)
    assert (arrived.node, arrived.log, arrived.late) == (node_text(ANA), log_text(LOG), False)


@pytest.mark.parametrize(
    ("text", "level"), [("local", (1, 1)), ("copies:3", (3, 1)), ("regions:2", (2, 2)), ("copies:1", (1, 1))]
)
def test_a_level_is_copies_and_regions(text: str, level: tuple[int, int]) -> None:
    assert level_of(text) == level


@pytest.mark.parametrize(
    "text", ["", "Local", "local:1", "copies", "copies:0", "copies:-1", "copies:x", "nodes:2", "copies:٣"]
)
def test_a_level_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(GossamerError) as caught:
        level_of(text)

    assert caught.value.code == Code.FIELD_INVALID


def test_errors_carry_their_code_and_what_was_reached() -> None:
    receipt = Receipt(1, 2, 1, "log")

    error = WaitTimedOutError("too slow", receipt)

    assert (error.code, error.text, str(error)) == (Code.WAIT_TIMED_OUT, "too slow", "GSM-5102 too slow")
    assert error.receipt == receipt


def test_a_message_is_shown_in_a_line_and_in_part_if_it_is_long() -> None:
    assert repr(message(b"hello", CONTENT_TEXT)) == "<Message room/1 from pub: 'hello'>"
    assert repr(Message(LOG, 4, record(3, b"x" * 999, flags=0), late=True)) == (
        "<Message room/1 from pub: b'" + "x" * 198 + "…, late>"
    )
