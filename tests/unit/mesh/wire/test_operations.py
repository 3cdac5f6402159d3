"""Operations on the wire: what a client may get wrong is refused in words, and nothing else happens."""

import msgpack
import pytest

from mesh import operations as o
from mesh.errors import DecodeError
from mesh.log.record import CONTENT_MASK
from mesh.types import LogId
from mesh.wire.operations import (
    DRAFTS_MAX,
    OPERATION_BYTES_MAX,
    PATTERNS_MAX,
    decode_client,
    decode_node,
    encode_operation,
    moment,
    policy_of,
)
from tests.samples import ANA, record

LOG = LogId(ANA, 5)
LOG_PARTS = [ANA, 5, ""]
RECORD = [*record(1)[:10]]


def client(*parts: object) -> o.ClientOperation | None:
    return decode_client(msgpack.packb(parts))


def node(*parts: object) -> o.NodeOperation | None:
    return decode_node(msgpack.packb(parts))


def test_an_unknown_operation_is_none_and_each_side_has_its_own() -> None:
    assert client(99, 1) is None
    assert client(21, ANA, "eu", "1") is None
    assert node(7, 1) is None
    for packed in (b"\x90", b"\x01", msgpack.packb([None]), b""):
        for decode in (decode_client, decode_node):
            with pytest.raises(DecodeError):
                decode(packed)


def test_missing_trailing_elements_take_their_default_and_surplus_ones_are_ignored() -> None:
    draft = ["a", 1, b"x"]
    assert client(1, "me", 5) == o.Attach("me", 5)
    assert client(1, "me", 5, "token", "later") == o.Attach("me", 5, "token")
    assert client(2, [draft]) == o.Publish((o.Draft("a", 1, b"x"),))
    assert client(2, [[*draft, 2, 9, {"k": "v"}, "later"]], 2) == o.Publish(
        (o.Draft("a", 1, b"x", 2, 9, {"k": "v"}),), 2
    )
    assert client(3, 1, ["#"]) == o.Subscribe(1, ("#",))
    assert client(3, 1, ["#"], None, 7) == o.Subscribe(1, ("#",), None, 7)
    assert client(3, 1, ["#"], None, None, "latest", 5) == o.Subscribe(
        1, ("#",), policy=o.SlowPolicy.LATEST, credit_messages=5
    )
    assert client(6, 1, ["#"]) == o.History(1, ("#",))
    assert client(6, 1, ["#"], 5, 6) == o.History(1, ("#",), 5, 6)
    assert node(21, ANA, "eu", "1") == o.Attached(ANA, "eu", "1")
    assert node(21, ANA, "eu", "1", ["ws://a"]) == o.Attached(ANA, "eu", "1", ("ws://a",))


def test_empty_headers_are_none_and_only_the_content_type_is_the_publisher_s() -> None:
    assert client(2, [["a", 1, b"x", 255, 0, {}]]) == o.Publish((o.Draft("a", 1, b"x", CONTENT_MASK),))


@pytest.mark.parametrize(
    "parts",
    [
        (1, "me"),
        (1, "x" * 1_025, 5),
        (1, "me", -1),
        (1, "me", 5, b"token"),
        (2, []),
        (2, "x"),
        (2, [["a", 1]]),
        (2, [["a", 1, b"x", *range(62)]]),
        (2, [["a", 1, "x"]]),
        (2, [["a", 1, "x", 1]]),
        (2, [["a", -1, b"x", 1]]),
        (2, [["a", 1, b"x", -1]]),
        (2, [[b"a", 1, b"x"]]),
        (2, [["a", True, b"x"]]),
        (2, [["a", 1, b"x", 1, 0, []]]),
        (2, [["a", 1, b"x", 1, -1]]),
        (2, [["a", 1, b"x"]], -1),
        (2, [["a", 1, b"x"]], 1, None),
        (3, 1, []),
        (3, 1, ["#"] * (PATTERNS_MAX + 1)),
        (3, 1, [b"#"]),
        (3, True, ["#"]),
        (3, 1, ["#"], 5),
        (3, 1, ["#"], None, 1 << 47),
        (3, 1, ["#"], None, "1h"),
        (3, 1, ["#"], None, None, "fast"),
        (3, 1, ["#"], None, None, []),
        (3, 1, ["#"], None, None, "all", -1),
        (4, None),
        (5, 1, 2),
        (6, 1, ["#"], 5, 1 << 47),
        (6, 1, ["#"], 5, 0, (1 << 47) + 1),
        (6, 1, ["#"], 5, 0, 1, 1),
        (6, 1, ["#"], 5, 0, 1, True, 1),
        (6, 1, ["#"], 5, 0, 1, True, None, 1),
        (7, "1"),
    ],
)
def test_what_a_client_cannot_mean_is_refused(parts: tuple[object, ...]) -> None:
    with pytest.raises(DecodeError):
        client(*parts)


@pytest.mark.parametrize(
    "parts",
    [
        (21, ANA[1:], "eu", "1"),
        (21, ANA, "eu", "1", [1]),
        (22, 2, 1, 1, 1, LOG_PARTS, 1),
        (23, "code", "text", 0, 0, 0, 1 << 63),
        (23, "code", "text", 0, 0, 0, -(1 << 63)),
        (23, "code", "text", 0, 0, 0, True),
        (24, 1, None),
        (25, 1, LOG_PARTS, 5, 9, [0], [], []),
        (25, 1, LOG_PARTS, 5, 9, [0, 0], [RECORD, RECORD], []),
        (25, 1, LOG_PARTS, 5, 9, [1, 0], [RECORD, RECORD], []),
        (25, 1, LOG_PARTS, 5, 9, [5], [RECORD], []),
        (25, 1, LOG_PARTS, 5, 5, [], [RECORD, RECORD], []),
        (25, 1, LOG_PARTS, 9, 5, [], [], []),
        (25, 1, LOG_PARTS, 5, 9, [0], [RECORD[:9]], []),
        (25, 1, LOG_PARTS, 5, 9, [0], [RECORD], [-1]),
        (26, 1, LOG_PARTS, 5, 6, "boredom", True),
        (26, 1, LOG_PARTS, 5, 6, "lost", 1),
        (27, 1, [], [[LOG_PARTS]], [], None),
        (28, 1, []),
        (29, [b"ws://"], 5),
        (30, "code", None),
    ],
)
def test_what_a_node_cannot_say_is_refused(parts: tuple[object, ...]) -> None:
    with pytest.raises(DecodeError):
        node(*parts)


def test_an_operation_that_lacks_elements_says_how_many() -> None:
    with pytest.raises(DecodeError, match="operation 5 needs 3 elements, found 2"):
        client(5, 1, 2)


def test_the_limits_themselves_are_within() -> None:
    drafts = tuple(o.Draft("a", n, b"") for n in range(1, DRAFTS_MAX + 1))
    largest = o.Publish((o.Draft("a", 1, bytes(OPERATION_BYTES_MAX - 15)),))
    assert len(encode_operation(largest)) == OPERATION_BYTES_MAX

    assert decode_client(encode_operation(o.Publish(drafts))) == o.Publish(drafts)
    assert decode_client(encode_operation(largest)) == largest
    assert client(3, 1, ["#"] * PATTERNS_MAX) == o.Subscribe(1, ("#",) * PATTERNS_MAX)
    assert node(23, "c", "t", 0, 0, 0, -(1 << 63) + 1) == o.Refused("c", "t", 0, 0, 0, -(1 << 63) + 1)
    with pytest.raises(DecodeError, match="larger than 4194304 bytes"):
        decode_client(encode_operation(o.Publish((o.Draft("a", 1, bytes(OPERATION_BYTES_MAX - 14)),))))


def test_a_node_may_say_twice_as_much_as_a_client() -> None:
    assert node(28, 1, {"x": bytes(OPERATION_BYTES_MAX)}) == o.Status(1, {"x": bytes(OPERATION_BYTES_MAX)})
    with pytest.raises(DecodeError, match="larger than 8388608 bytes"):
        node(28, 1, {"x": bytes(2 * OPERATION_BYTES_MAX)})


@pytest.mark.parametrize("count", [0, 1, 15, 16, 4_096])
def test_records_are_spliced_in_as_they_are(count: int) -> None:
    records = tuple(record(n) for n in range(1, count + 1))
    message = o.Messages(1, LOG, 5, 5 + 4_096, tuple(range(6, 6 + count)), records)

    packed = encode_operation(message)

    assert b"".join(one.raw for one in records) in packed
    decoded = decode_node(packed)
    assert decoded == o.Messages(1, LOG, 5, 5 + 4_096, message.positions, tuple(r._replace(raw=b"") for r in records))


def test_a_time_is_in_milliseconds_since_1970() -> None:
    """Later than any stamp: shifted into one, it would be a number that no store takes."""
    assert moment((1 << 47) - 1) == (1 << 47) - 1
    assert moment(o.UNTIL_ALWAYS_MS, o.UNTIL_ALWAYS_MS) == o.UNTIL_ALWAYS_MS
    for late, last in ((1 << 47, (1 << 47) - 1), ((1 << 47) + 1, 1 << 47)):
        with pytest.raises(DecodeError, match="a time is in ms since 1970"):
            moment(late, last)


def test_a_policy_that_is_none_is_told_which_there_are() -> None:
    assert policy_of("drop-oldest") is o.SlowPolicy.DROP_OLDEST
    with pytest.raises(DecodeError, match="a policy is one of all, drop-oldest, latest, disconnect"):
        policy_of("fast")


def test_a_cursor_has_so_many_logs_and_runs_at_most() -> None:
    page = [[LOG_PARTS, [edge for number in range(1, 4_001, 2) for edge in (number, number)]]]

    assert isinstance(client(3, 1, ["a"], [page] * 32), o.Subscribe)
    with pytest.raises(DecodeError, match="a cursor has at most 65536 logs and runs"):
        client(3, 1, ["a"], [page] * 33)
