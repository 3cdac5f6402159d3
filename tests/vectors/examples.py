"""One frame and one operation of every kind, with every field set and with as few as may be: what the golden bytes show.

Everything is spelled out or derived from fixed seeds, so that nothing but the codec decides the bytes.
"""

from __future__ import annotations

from mesh import frames as f
from mesh import operations as o
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.codes import Code
from mesh.types import Address, LogId
from tests.samples import ANA, BEN, Writer, record

LOG, OTHER = LogId(ANA, 117_000_000_000, ""), LogId(BEN, (1 << 63) - 1, "orders")
NAME, SIGNATURE = b"n" * 32, b"s" * 64
RANGES = ((LOG, 1, 5), (OTHER, 7, (1 << 53) - 1))
VECTOR = VersionVector([(LOG, IntervalSet([(1, 5), (7, 9)])), (OTHER, IntervalSet([(3, 3)]))])
RECORDS = (record(1, b"hello"), record(2, b"\x00\xff" * 40, headers={"k": "v"}, flags=0))
BATCH = Writer(ANA, 117_000_000_000).write(2)

FRAMES: dict[str, f.Frame] = {
    "hello": f.Hello(1, NAME, b"certificate", 5, 1_800_000_000_000, SIGNATURE, Address("::1", 7)),
    "hello-undialable": f.Hello(1, NAME, b"certificate", 5, 1_800_000_000_000, SIGNATURE),
    "alive": f.Alive(1_800_000_000_000),
    "credit": f.Credit(4 << 20),
    "members": f.Members((b"one", b"two"), ((BEN, Address("eu.example", 65_535)),)),
    "members-none": f.Members(()),
    "push": f.Push(BATCH),
    "push-stripped": f.Push(BATCH.stripped()),
    "ihave": f.IHave(RANGES),
    "graft": f.Graft(RANGES),
    "not-found": f.NotFound(()),
    "stored": f.Stored(BEN, "eu", RANGES),
    "repair-hello": f.RepairHello(3, (1 << 64) - 1),
    "repair-equal": f.RepairEqual(3),
    "vector": f.Vector(
        3, (f.LogState(LOG, 99, ((1, 5, NAME), (7, 9, b""))), f.LogState(OTHER, 0, ())), more=True, answer=True
    ),
    "vector-empty": f.Vector(3, ()),
    "want": f.Want(RANGES),
    "busy": f.Busy(RANGES, 250),
    "forked": f.Forked(BATCH.stripped(), Writer(ANA, 117_000_000_000).write(1).stripped()),
}

OPERATIONS: dict[str, o.ClientOperation | o.NodeOperation] = {
    "attach": o.Attach("till-7", 12, "token"),
    "publish": o.Publish((o.Draft("room/1", 1, b"hi", 1, 5, {"k": "v"}), o.Draft("room/2", 2, b"")), 2, 3),
    "subscribe": o.Subscribe(1, ("room/#", "+/x"), VECTOR, None, o.SlowPolicy.LATEST, 5, 6),
    "subscribe-now": o.Subscribe(1, ("room/#",)),
    "subscribe-since": o.Subscribe(1, ("#",), None, 1_800_000_000_000, o.SlowPolicy.DROP_OLDEST),
    "unsubscribe": o.Unsubscribe(1),
    "credit-grant": o.CreditGrant(1, 10, 1_000),
    "history": o.History(1 << 20, ("room/#",), 5, 6, 7, backwards=True, cut=VECTOR, after=VersionVector()),
    "history-on-past-missing": o.History(5, ("#",), cut=VECTOR, after=VECTOR, missing=VECTOR),
    "history-all": o.History(1 << 20, ("#",)),
    "inspect": o.Inspect(5),
    "attached": o.Attached(ANA, "eu", "0.1.0", ("ws://a", "ws://b"), 604_800_000),
    "receipt": o.Receipt(1, 9, 2, 1, LOG, 40),
    "refused": o.Refused(Code.OVERLOADED, "too much", 0, 3, 9, 1_000),
    "refused-for-good": o.Refused(Code.PATTERN_INVALID, "no", 4),
    "subscribed": o.Subscribed(1, VECTOR),
    "messages": o.Messages(1, LOG, 5, 9, (5, 8), RECORDS, (1,)),
    "messages-dense": o.Messages(1, LOG, 5, 6, (5, 6), RECORDS),
    "messages-conflict": o.Messages(1, LOG, 5, 6, (5, 6), RECORDS, (), (1,)),
    "messages-none": o.Messages(1, LOG, 5, 6, (), ()),
    "gap": o.Gap(1, OTHER, 5, 6, o.GapReason.MISSING, may_fill=True),
    "gap-for-good": o.Gap(1, OTHER, 5, 6, o.GapReason.EXPIRED),
    "history-page": o.HistoryPage(5, VECTOR, ((LOG, 1), (OTHER, 3)), RECORDS, VECTOR),
    "history-missing": o.HistoryPage(5, VECTOR, (), (), None, VECTOR),
    "history-last": o.HistoryPage(5, VECTOR, (), (), None),
    "status": o.Status(5, {"logs": 1, "peers": [{"node": "ana"}]}),
    "go-away": o.GoAway(("ws://b",), 3_000),
    "goodbye": o.Goodbye(Code.DRAINING, "the node is stopping"),
}
