"""Operations as JSON: what people type, in numbers that JSON can hold, and payloads that come out as they went in."""

import base64
import json
from typing import Any

import pytest

from mesh import operations as o
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.errors import DecodeError
from mesh.log.record import CONTENT_BYTES, CONTENT_JSON, CONTENT_MSGPACK, CONTENT_TEXT
from mesh.types import LogId, log_text
from mesh.wire.operations import OPERATION_BYTES_MAX
from mesh.wire.text import decode_client_text, encode_node_text, payload_parts, vector_from_text, vector_text
from tests.samples import ANA, BEN, record

LOG, OTHER = LogId(ANA, 1 << 60), LogId(BEN, 5, "s")
VECTOR = VersionVector([(LOG, IntervalSet([(1, 5), (7, 7)])), (OTHER, IntervalSet([(3, 3)]))])
CURSOR = {log_text(LOG): "1-5,7-7", log_text(OTHER): "3-3"}


def said(**fields: object) -> o.ClientOperation | None:
    return decode_client_text(json.dumps(fields))


def published(**message: object) -> o.Draft:
    operation = said(op="publish", messages=[{"channel": "a", "sequence": 1, **message}])
    assert isinstance(operation, o.Publish)
    return operation.drafts[0]


# --- operations ------------------------------------------------------------------------------------------------------


def test_every_operation_of_a_client_can_be_typed() -> None:
    assert said(op="attach", client="me", incarnation="9223372036854775807", token="t") == o.Attach(
        "me", (1 << 63) - 1, "t"
    )
    assert said(op="attach", client="me", incarnation=5) == o.Attach("me", 5)
    assert said(
        op="publish", messages=[{"channel": "a", "sequence": "2", "text": "hi", "ttl_ms": 5, "headers": {"k": "v"}}]
    ) == o.Publish((o.Draft("a", 2, b"hi", CONTENT_TEXT, 5, {"k": "v"}),))
    assert said(
        op="publish", copies=2, regions=3, messages=[{"channel": "a", "sequence": 1, "text": "", "headers": {}}]
    ) == o.Publish((o.Draft("a", 1, b"", CONTENT_TEXT),), 2, 3)
    assert said(op="subscribe", subscription=1, patterns=["#"]) == o.Subscribe(1, ("#",))
    assert said(
        op="subscribe",
        subscription=1,
        patterns=["#"],
        cursor=CURSOR,
        since_ms="5",
        policy="latest",
        credit_messages=6,
        credit_bytes=7,
    ) == o.Subscribe(1, ("#",), VECTOR, 5, o.SlowPolicy.LATEST, 6, 7)
    assert said(op="unsubscribe", subscription=1) == o.Unsubscribe(1)
    assert said(op="credit", subscription=1, messages=2, bytes=3) == o.CreditGrant(1, 2, 3)
    assert said(op="history", request=1, patterns=["#"]) == o.History(1, ("#",))
    assert said(
        op="history",
        request=1,
        patterns=["#"],
        limit=5,
        since_ms=6,
        until_ms=str(o.UNTIL_ALWAYS_MS),
        backwards=True,
        cut=CURSOR,
        after={},
        missing=CURSOR,
    ) == o.History(
        1, ("#",), 5, 6, o.UNTIL_ALWAYS_MS, backwards=True, cut=VECTOR, after=VersionVector(), missing=VECTOR
    )
    assert said(op="inspect", request=1) == o.Inspect(1)
    assert said(op="sing") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        '{"op": 1}',
        "{}",
        '{"op": "inspect", "request": NaN}',
        '{"op": "inspect", "request": 1, "request": 2}',
        '{"op": "inspect", "request": 1.5}',
        '{"op": "inspect", "request": true}',
        '{"op": "inspect", "request": -1}',
        '{"op": "inspect", "request": ' + "1" * 5_000 + "}",
        '{"op": "inspect"}',
        '{"op": "x", "y": ' + "[" * 5_000 + "]" * 5_000 + "}",
        '{"op": "x", "y": ' + "[" * 64 + "]" * 64 + "}",
        '{"op": "attach", "client": 5, "incarnation": 1}',
        '{"op": "attach", "client": "me", "incarnation": "x"}',
        '{"op": "attach", "client": "me", "incarnation": "' + "1" * 21 + '"}',
        '{"op": "attach", "client": "me", "incarnation": "\u0663"}',
        '{"op": "attach", "client": "\\ud800", "incarnation": 1}',
        '{"op": "attach", "client": "me", "incarnation": 1, "token": "\\udfff"}',
        '{"op": "subscribe", "subscription": 1}',
        '{"op": "subscribe", "subscription": 1, "patterns": [1]}',
        '{"op": "subscribe", "subscription": 1, "patterns": ["#"], "policy": "fast"}',
        '{"op": "subscribe", "subscription": 1, "patterns": ["#"], "since_ms": 140737488355328}',
        '{"op": "history", "request": 1, "patterns": ["#"], "since_ms": 140737488355328}',
        '{"op": "history", "request": 1, "patterns": ["#"], "until_ms": 140737488355329}',
        '{"op": "history", "request": 1, "patterns": ["#"], "backwards": 1}',
        '{"op": "publish", "messages": []}',
        '{"op": "publish", "messages": [1]}',
        '{"op": "publish", "messages": [{"sequence": 1, "text": "x"}]}',
        '{"op": "publish", "messages": [{"channel": "a", "text": "x"}]}',
    ],
)
def test_what_a_client_cannot_mean_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_client_text(text)


def test_the_offset_is_the_character_at_which_json_ends() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_client_text('{"op": !}')

    assert caught.value.offset == 7


def test_an_operation_has_its_largest_size_and_depth() -> None:
    shell = len(json.dumps({"op": "x", "y": ""}))

    assert said(op="x", y="z" * (OPERATION_BYTES_MAX - shell)) is None
    assert decode_client_text('{"op": "x", "y": ' + "[" * 63 + "]" * 63 + "}") is None
    with pytest.raises(DecodeError, match="larger than 4194304 characters"):
        said(op="x", y="z" * (OPERATION_BYTES_MAX - shell + 1))


# --- payloads --------------------------------------------------------------------------------------------------------


def test_a_payload_is_given_as_text_json_or_base64() -> None:
    assert published(text="ä\0")[2:4] == ("ä\0".encode(), CONTENT_TEXT)
    assert published(json={"b": [1, None, "ä"], "a": 1.5})[2:4] == (b'{"b":[1,null,"\xc3\xa4"],"a":1.5}', CONTENT_JSON)
    assert published(json=None)[2:4] == (b"null", CONTENT_JSON)
    assert published(base64="AP8=")[2:4] == (b"\x00\xff", CONTENT_BYTES)
    assert published(base64="AP8=", content="msgpack")[2:4] == (b"\x00\xff", CONTENT_MSGPACK)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"text": "x", "json": 1},
        {"text": 5},
        {"text": "\ud800"},
        {"base64": "AP8"},
        {"base64": "A P8="},
        {"base64": "é"},
        {"base64": 5},
        {"base64": "AP8=", "content": "image"},
        {"text": "x", "headers": []},
        {"text": "x", "headers": {"k": 1}},
        {"text": "x", "headers": {"k": "\ud800"}},
        {"text": "x", "headers": {"\udc00": "v"}},
        {"text": "x", "channel": 5},
    ],
)
def test_a_payload_or_header_that_is_none_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(DecodeError):
        published(**message)


def test_a_number_that_is_infinite_is_refused_and_not_raised_out_of_the_encoder() -> None:
    with pytest.raises(DecodeError, match="a number is too large"):
        decode_client_text('{"op": "publish", "messages": [{"channel": "a", "sequence": 1, "json": [1e999]}]}')


def test_half_a_surrogate_pair_in_a_json_payload_stays_an_escape() -> None:
    payload, content = published(json={"x": "\ud800"})[2:4]

    assert (payload, content) == (b'{"x":"\\ud800"}', CONTENT_JSON)
    assert payload_parts(payload, content) == {"content": "json", "base64": base64.b64encode(payload).decode()}


def bytes_again(parts: dict[str, Any]) -> bytes:
    return published(**parts).payload


@pytest.mark.parametrize(
    ("payload", "flags", "under"),
    [
        ("ä".encode(), CONTENT_TEXT, "text"),
        (b"\xff", CONTENT_TEXT, "base64"),
        (b'{"a":1}', CONTENT_JSON, "json"),
        (b'{"a": 1}', CONTENT_JSON, "base64"),
        (b'{"a":1,"a":1}', CONTENT_JSON, "base64"),
        (b"[NaN]", CONTENT_JSON, "base64"),
        (b"[1e999]", CONTENT_JSON, "base64"),
        (b"[" * 5_000, CONTENT_JSON, "base64"),
        (b"{", CONTENT_JSON, "base64"),
        (b"1" * 5_000, CONTENT_JSON, "base64"),
        ('"ä"'.encode("utf-16"), CONTENT_JSON, "base64"),
        (b"\x93\x01\x02\x03", CONTENT_MSGPACK, "base64"),
        (b"hello", CONTENT_BYTES, "base64"),
        (b"hello", 7, "base64"),
        (b"hello", CONTENT_TEXT | 8, "text"),
    ],
)
def test_whatever_a_payload_says_that_it_is_its_bytes_come_out(payload: bytes, flags: int, under: str) -> None:
    parts = payload_parts(payload, flags)

    assert under in parts
    assert bytes_again(json.loads(json.dumps(parts))) == payload


# --- vectors ---------------------------------------------------------------------------------------------------------


def test_a_cursor_is_written_and_read_again_in_any_order_and_with_single_numbers() -> None:
    assert vector_text(VECTOR) == CURSOR
    assert vector_from_text(CURSOR) == VECTOR
    assert vector_from_text({log_text(LOG): "7,3-5,1,2-4", log_text(OTHER): "3"}) == VECTOR
    assert vector_from_text({log_text(LOG): ""}) == vector_from_text({}) == VersionVector()


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "1-5",
        {"ana": "1-5"},
        {log_text(LOG): 5},
        {log_text(LOG): "5-1"},
        {log_text(LOG): "0-1"},
        {log_text(LOG): "1-"[::-1]},
        {log_text(LOG): "1,,2"},
        {log_text(LOG): "1-2-3"},
        {log_text(LOG): "x"},
        {log_text(LOG) + "\ud800": "1-5"},
        {"x" * 2_000: "1-5"},
    ],
)
def test_what_is_no_cursor_is_refused(value: object) -> None:
    with pytest.raises(DecodeError):
        vector_from_text(value)


@pytest.mark.parametrize(
    "cursor",
    [dict.fromkeys(map(str, range(65_537)), ""), {log_text(LOG): "1," * 65_536}],
    ids=["logs", "runs"],
)
def test_a_cursor_names_at_most_65_536_logs_and_runs(cursor: dict[str, str]) -> None:
    with pytest.raises(DecodeError, match="a cursor has at most 65536 logs and runs"):
        vector_from_text(cursor)


# --- what a node says ------------------------------------------------------------------------------------------------


def test_messages_name_their_place_and_say_what_is_late_and_what_shares_its_name() -> None:
    plain, full = record(1), record(2, b"\xff", headers={"k": "v"}, flags=0)

    text = encode_node_text(o.Messages(1, LOG, 5, 9, (5, 8), (plain, full), (1,), (0,)))

    place = {"log": log_text(LOG), "publisher": "pub", "incarnation": "7", "channel": "room/1", "ttl_ms": plain.ttl_ms}
    assert json.loads(text) == {
        "op": "messages",
        "subscription": 1,
        "log": log_text(LOG),
        "first": 5,
        "last": 9,
        "messages": [
            {**place, "sequence": 1, "stamp": str(plain.stamp), "position": 5, "text": "hello", "conflict": True},
            {
                **place,
                "sequence": 2,
                "stamp": str(full.stamp),
                "position": 8,
                "content": "bytes",
                "base64": "/w==",
                "headers": {"k": "v"},
                "late": True,
            },
        ],
    }
