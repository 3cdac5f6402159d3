"""The codec: what is written is read again; what was cut, changed or made up raises `DecodeError` and nothing else."""

import json
from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from mesh import frames as f
from mesh import operations as o
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.errors import DecodeError
from mesh.log.batch import Batch
from mesh.types import Address, LogId
from mesh.wire.frames import FRAME_BYTES_MAX, WALL_MS_MAX, decode_frame, encode_frame
from mesh.wire.framing import FrameReader, FrameWriter, FramingError
from mesh.wire.operations import decode_client, decode_node, encode_operation
from mesh.wire.text import decode_client_text, encode_node_text
from tests.samples import ANA, BEN, CY, Writer, record
from tests.vectors.examples import FRAMES, OPERATIONS

counts = st.integers(0, (1 << 63) - 1)
clocks = st.integers(0, WALL_MS_MAX - 1)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
nodes = st.sampled_from([ANA, BEN, CY])
logs = st.builds(LogId, nodes, counts, words)
runs = st.tuples(st.integers(1, 99), st.integers(0, 50)).map(lambda run: (run[0], run[0] + run[1]))
ranges = st.lists(st.builds(lambda log, run: (log, *run), logs, runs), max_size=4).map(tuple)
names = st.binary(min_size=32, max_size=32)
proofs = st.binary(min_size=64, max_size=64)
addresses = st.builds(Address, words.filter(bool), st.integers(1, 65_535))
vectors = st.lists(st.tuples(logs, st.lists(runs, max_size=4).map(IntervalSet)), max_size=4).map(VersionVector)
heads = st.builds(lambda run, head: (*run, head), runs, st.just(b"") | names)
states = st.builds(f.LogState, logs, counts, st.lists(heads, max_size=3).map(tuple))
batches: st.SearchStrategy[Batch] = st.builds(
    lambda count, payload, bare: (
        Writer().write(count, payload=payload).stripped() if bare else Writer().write(count, payload=payload)
    ),
    st.integers(1, 3),
    st.binary(max_size=400),
    st.booleans(),
)

frames: st.SearchStrategy[f.Frame] = st.one_of(
    st.builds(f.Hello, counts, names, st.binary(max_size=50), counts, clocks, proofs, st.none() | addresses),
    st.builds(f.Alive, clocks),
    st.builds(f.Credit, counts),
    st.builds(
        f.Members,
        st.lists(st.binary(max_size=9), max_size=3).map(tuple),
        st.lists(st.tuples(nodes, addresses), max_size=3).map(tuple),
    ),
    st.builds(f.Push, batches),
    *[st.builds(kind, ranges) for kind in (f.IHave, f.Graft, f.NotFound, f.Want)],
    st.builds(f.Stored, nodes, words, ranges),
    st.builds(f.RepairHello, counts, st.integers(0, (1 << 64) - 1)),
    st.builds(f.RepairEqual, counts),
    st.builds(f.Vector, counts, st.lists(states, max_size=3).map(tuple), st.booleans(), st.booleans()),
    st.builds(f.Busy, ranges, counts),
    st.builds(lambda one, other: f.Forked(one.stripped(), other.stripped()), batches, batches),
)

headers = st.none() | st.dictionaries(words, words, min_size=1, max_size=3)
drafts = st.builds(o.Draft, words, counts, st.binary(max_size=20), st.integers(0, 7), counts, headers)
patterns = st.lists(words, min_size=1, max_size=3).map(tuple)
moments = st.integers(0, o.UNTIL_ALWAYS_MS - 1)
client_operations: st.SearchStrategy[o.ClientOperation] = st.one_of(
    st.builds(o.Attach, words, counts, words),
    st.builds(o.Publish, st.lists(drafts, min_size=1, max_size=3).map(tuple), counts, counts),
    st.builds(
        o.Subscribe,
        counts,
        patterns,
        st.none() | vectors,
        st.none() | moments,
        st.sampled_from(o.SlowPolicy),
        counts,
        counts,
    ),
    st.builds(o.Unsubscribe, counts),
    st.builds(o.CreditGrant, counts, counts, counts),
    st.builds(
        o.History,
        counts,
        patterns,
        counts,
        moments,
        moments,
        st.booleans(),
        st.none() | vectors,
        st.none() | vectors,
    ),
    st.builds(o.Inspect, counts),
)
records = st.builds(
    lambda n, payload, headers: record(n, payload, headers=headers)._replace(
        raw=record(n, payload, headers=headers).raw
    ),
    st.integers(1, 99),
    st.binary(max_size=20),
    headers,
)


@st.composite
def deliveries(draw: st.DrawFn) -> o.Messages:
    found = tuple(draw(st.lists(records, max_size=4)))
    first = draw(st.integers(1, 99))
    places = sorted(draw(st.sets(st.integers(first, first + 9), min_size=len(found), max_size=len(found))))
    last = max([first, *places]) + draw(st.integers(0, 3))
    late = tuple(n for n in range(len(found)) if draw(st.booleans()))
    return o.Messages(draw(counts), draw(logs), first, last, tuple(places), found, late)


node_operations: st.SearchStrategy[o.NodeOperation] = st.one_of(
    st.builds(o.Attached, nodes, words, words, st.lists(words, max_size=3).map(tuple)),
    st.builds(lambda run, *rest: o.Receipt(*run, *rest), runs, counts, counts, logs, counts),
    st.builds(o.Refused, words, words, counts, counts, counts, st.integers(-1, 1 << 40)),
    st.builds(o.Subscribed, counts, vectors),
    deliveries(),
    st.builds(
        lambda number, log, run, *rest: o.Gap(number, log, *run, *rest),
        counts,
        logs,
        runs,
        st.sampled_from(o.GapReason),
        st.booleans(),
    ),
    st.lists(st.tuples(st.tuples(logs, counts), records), max_size=3).flatmap(
        lambda found: st.builds(
            o.HistoryPage,
            counts,
            vectors,
            st.just(tuple(place for place, _ in found)),
            st.just(tuple(one for _, one in found)),
            st.none() | vectors,
            vectors,
        )
    ),
    st.builds(o.Status, counts, st.dictionaries(words, counts | words | st.lists(counts, max_size=2), max_size=3)),
    st.builds(o.GoAway, st.lists(words, max_size=3).map(tuple), counts),
    st.builds(o.Goodbye, words, words),
)


@given(frames)
def test_a_frame_is_read_as_it_was_written(frame: f.Frame) -> None:
    assert decode_frame(encode_frame(frame)) == frame


@given(client_operations)
def test_what_a_client_says_is_read_as_it_was_said(operation: o.ClientOperation) -> None:
    assert decode_client(encode_operation(operation)) == operation


@given(node_operations)
def test_what_a_node_says_is_read_as_it_was_said_and_is_json_too(operation: o.NodeOperation) -> None:
    decoded = decode_node(encode_operation(operation))

    if isinstance(operation, o.Messages | o.HistoryPage):
        fields = {name: getattr(operation, name) for name in operation.__slots__}
        fields["records"] = tuple(one._replace(raw=b"") for one in operation.records)
        operation_seen: o.NodeOperation = type(operation)(**fields)
    else:
        operation_seen = operation
    assert decoded == operation_seen
    assert json.loads(encode_node_text(operation))["op"]


# --- what nobody wrote -----------------------------------------------------------------------------------------------

samples = [encode_frame(frame) for frame in FRAMES.values()] + [encode_operation(one) for one in OPERATIONS.values()]
jsons = [encode_node_text(one) for one in OPERATIONS.values() if isinstance(one, o.NodeOperation.__args__)]  # type: ignore[attr-defined]
json_samples = [
    *jsons,
    '{"op":"attach","client":"me","incarnation":"5"}',
    '{"op":"publish","messages":[{"channel":"a","sequence":1,"json":[1e3]},{"channel":"b","sequence":2,"base64":"AP8="}]}',
    '{"op":"subscribe","subscription":1,"patterns":["#"],"cursor":{"x":"1-5"},"policy":"all"}',
]
KEYS = (
    *("client", "incarnation", "token", "messages", "copies", "subscription", "patterns", "cursor", "since_ms"),
    *("policy", "bytes", "request", "limit", "backwards", "cut", "after"),
)
jsonable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.integers(0, 99).map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> Any:
    """A sample that was cut short, or in which a few elements were replaced, put in or left out."""
    sample = draw(st.sampled_from(whole))
    if draw(st.booleans()):
        return sample[: draw(st.integers(0, len(sample)))]
    for _ in range(draw(st.integers(1, 3))):
        at, to = draw(st.integers(0, len(sample))), draw(st.integers(0, 2))
        new = draw(st.binary(max_size=2)) if isinstance(sample, bytes) else draw(st.text(max_size=2))
        sample = sample[:at] + new + sample[at + to :]
    return sample


def must_not_raise_anything_else(packed: bytes) -> None:
    for decode in (decode_frame, decode_client, decode_node):
        try:
            found = decode(packed)
        except DecodeError as error:
            assert 0 <= error.offset <= len(packed)  # noqa: PT017 - either outcome is right
            continue
        if isinstance(found, f.Push):
            records_of(found.batch)


def records_of(batch: Batch) -> None:
    try:
        batch.records()
    except DecodeError:
        return


@given(damaged(samples))
def test_damaged_bytes_are_refused_and_nothing_else_happens(packed: bytes) -> None:
    must_not_raise_anything_else(packed)


@given(st.binary(max_size=60))
def test_bytes_that_somebody_made_up_are_refused_and_nothing_else_happens(packed: bytes) -> None:
    must_not_raise_anything_else(packed)


@given(st.integers(1, 31), st.lists(anything, max_size=9))
def test_values_that_somebody_made_up_are_refused_and_nothing_else_happens(kind: int, parts: list[object]) -> None:
    must_not_raise_anything_else(msgpack.packb([kind, *parts]))


@given(damaged(json_samples) | st.text(max_size=40))
def test_damaged_json_is_refused_and_nothing_else_happens(text: str) -> None:
    try:
        decode_client_text(text)
    except DecodeError as error:
        assert 0 <= error.offset <= len(text)  # noqa: PT017 - either outcome is right


@given(
    st.sampled_from(["attach", "publish", "subscribe", "unsubscribe", "credit", "history", "inspect"]),
    st.dictionaries(
        st.sampled_from(KEYS),
        jsonable,
        max_size=8,
    ),
)
def test_json_that_somebody_made_up_is_refused_and_what_passes_can_be_said_in_bytes(
    op: str, fields: dict[str, object]
) -> None:
    try:
        operation = decode_client_text(json.dumps({"op": op, **fields}))
    except DecodeError:
        return
    assert operation is not None
    assert decode_client(encode_operation(operation)) == operation


@given(
    st.lists(st.tuples(st.sampled_from(f.Lane), st.integers(1, 100_000)), max_size=6),
    st.lists(st.integers(1, 80_000), min_size=1, max_size=8),
    st.lists(st.integers(1, 50_000), min_size=1, max_size=8),
)
def test_frames_come_out_whole_and_in_the_order_of_their_lane(
    wished: list[tuple[f.Lane, int]], takes: list[int], feeds: list[int]
) -> None:
    writer, reader = FrameWriter(), FrameReader()
    reader.greeted = True
    sent = [(lane, bytes([index]) * size) for index, (lane, size) in enumerate(wished)]
    for lane, frame in sent:
        writer.put(frame, lane)

    stream, got, turn = b"", [], 0
    while writer.waiting:
        stream += writer.take(takes[turn % len(takes)])
        turn += 1
    while stream:
        size = feeds[turn % len(feeds)]
        got += reader.feed(stream[:size])
        stream = stream[size:]
        turn += 1

    assert sorted(got) == sorted(frame for _, frame in sent)
    for lane in f.Lane:
        mine = [frame for to, frame in sent if to is lane]
        assert [frame for frame in got if frame in mine] == mine


@given(st.binary(max_size=40), st.booleans())
def test_a_stream_that_somebody_made_up_gives_frames_or_breaks(stream: bytes, greeted: bool) -> None:
    reader = FrameReader()
    reader.greeted = greeted
    try:
        found = reader.feed(stream)
    except FramingError:
        return
    assert all(0 < len(frame) <= FRAME_BYTES_MAX for frame in found)
