"""Maelstrom's lines: what is a message, what is none, how one is answered."""

import json

import pytest

from mesh.errors import RemoteError
from sim.maelstrom.protocol import ErrorCode, Message, answer, line, parse, refuse

READ = Message("c1", "read", 7, {"type": "read", "msg_id": 7})


def test_a_line_is_a_source_a_kind_a_number_and_a_body() -> None:
    assert parse(b'{"src": "c1", "dest": "n1", "body": {"type": "read", "msg_id": 7}}') == READ


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "a line is a JSON object"),
        (b"{", "a line is a JSON object"),
        (b"\xff", "a line is a JSON object"),
        (b"[" * 100_000, "a line is a JSON object"),
        (b'{"src": "c1", "body": {"type": "broadcast", "message": NaN}}', "NaN is no number"),
        (b'{"src": "c1", "body": {"type": "broadcast", "message": -Infinity}}', "-Infinity is no number"),
        (b'{"src": "c1", "body": {"type": "broadcast", "message": -1e999}}', "-1e999 is no number"),
        (b"[]", "a message has a body"),
        (b'{"src": "c1", "body": 3}', "a message has a body"),
        (b'{"src": 1, "body": {"type": "read"}}', "which are strings"),
        (b'{"src": "c1", "body": {"type": null}}', "which are strings"),
        (b'{"src": "c1", "body": {"type": "read", "msg_id": "7"}}', "msg_id is an integer"),
        (b'{"src": "c1", "body": {"type": "read", "msg_id": true}}', "msg_id is an integer"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(raw: bytes, complaint: str) -> None:
    with pytest.raises(RemoteError, match=complaint):
        parse(raw)


def test_an_answer_names_the_request_and_is_one_line() -> None:
    (raw,) = answer("n1", READ, "read_ok", messages=[1, "two\n"])

    assert raw.count(b"\n") == 1 and raw.endswith(b"\n")
    body = {"type": "read_ok", "in_reply_to": 7, "messages": [1, "two\n"]}
    assert json.loads(raw) == {"src": "n1", "dest": "c1", "body": body}


def test_a_refusal_has_a_code_and_a_text() -> None:
    body = {"type": "error", "in_reply_to": 7, "code": 10, "text": "no"}

    assert refuse("n1", READ, ErrorCode.NOT_SUPPORTED, "no") == [line("n1", "c1", body)]


def test_what_has_no_number_wants_no_answer() -> None:
    assert answer("n1", Message("c1", "read", None, {}), "read_ok") == []
