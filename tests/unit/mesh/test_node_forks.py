"""A node whose peers show it two histories of one log: what it reports, tells, and believes."""

from dataclasses import replace

from mesh import effects as e
from mesh import frames as f
from mesh import operations as o
from mesh.codes import Code
from mesh.config import sim
from mesh.effects import Count, Report
from mesh.log.batch import seal
from mesh.types import LogId
from tests.engine_samples import TO_BEN, TO_CY
from tests.node_samples import BINDING, ME, about, ben, hello, linked, sent
from tests.samples import received, record


def test_a_fork_is_reported_once_and_the_log_takes_nothing_more() -> None:
    host = linked()
    ours, theirs = ben(), ben()
    ours.write()
    theirs.write(payload=b"other")
    theirs.write()
    host.frame(f.Push(received(ours.batches[0])))

    first = host.frame(f.Push(received(theirs.batches[0])))
    second = host.frame(f.Push(received(theirs.batches[1])))
    third = host.tick(ms=host.ms + 100)

    refused = Count("batches_refused_total/forked")
    assert first == [refused, Report(Code.LOG_FORKED, about(ours.log, position=1))]
    assert second == [refused]
    proof = sorted((ours.batches[0].stripped(), theirs.batches[0].stripped()), key=lambda batch: batch.name)
    assert third[0] == sent(f.Forked(*proof))


def test_a_fork_of_what_only_the_disk_holds_is_found_there() -> None:
    host = linked(replace(sim(), delivery=replace(sim().delivery, recent_bytes=0)))
    ours, theirs = ben(), ben()
    for writer in (ours, theirs):
        writer.write()
    ours.write(payload=b"one")
    theirs.write(payload=b"other")
    host.frame(*(f.Push(received(batch)) for batch in ours.batches))
    host.stored()

    first = host.frame(f.Push(received(theirs.batches[1])))
    second = host.tick(e.Loaded(4, tuple(map(received, ours.batches))))

    assert first[-1] == e.Load(4, e.Ranges(ours.log, ((1, 3),)), 4 << 20)
    assert second == [Report(Code.LOG_FORKED, about(ours.log, position=2))]


def test_a_proof_of_a_fork_is_believed_and_a_false_one_costs_its_teller_the_link() -> None:
    host = linked()
    ours, theirs = ben(), ben()
    ours.write()
    theirs.write(payload=b"other")
    proof = f.Forked(ours.batches[0].stripped(), theirs.batches[0].stripped())
    nothing = f.Forked(ours.batches[0].stripped(), ours.batches[0].stripped())

    assert host.frame(proof) == [Report(Code.LOG_FORKED, about(ours.log, position=1))]
    assert host.frame(proof) == []
    assert host.frame(f.Push(received(ours.batches[0])))[0] == Count("batches_refused_total/forked")
    assert host.frame(nothing)[0] == e.Hangup(TO_BEN, Code.BATCH_INVALID, "two batches that contradict nothing")


def test_who_comes_up_is_told_of_all_forks_and_a_link_that_is_gone_of_none() -> None:
    host = linked()
    ours, theirs = ben(), ben()
    ours.write()
    theirs.write(payload=b"other")
    proof = f.Forked(ours.batches[0].stripped(), theirs.batches[0].stripped())
    host.frame(proof)

    host.tick(e.LinkUp(TO_CY, BINDING, None))
    host.frame(hello("cy"), link=TO_CY)
    told = host.tick(ms=host.ms + 100)
    host.tick(e.LinkDown(TO_CY, "gone"))

    assert sent(proof, link=TO_CY) in told
    assert host.node.forks.untold == {}


def test_what_was_rescued_and_could_not_be_written_is_rescued_again_when_there_is_room() -> None:
    host = linked()
    host.attach()
    for sequence in (1, 2):
        host.say(o.Publish((o.Draft("room/1", sequence, b"own %d" % sequence),)))
        host.stored()
    intake = host.node.intake
    assert intake.epoch is not None and intake.signer is not None
    log = LogId(ME.node, intake.epoch.number)
    first, second = (host.node.holdings.at_hand(log, position) for position in (1, 2))
    assert first is not None and second is not None
    stamp = second.head.stamp + 1
    clones = seal(log, 2, first.name, [record(1, b"clone's", publisher="x", stamp=stamp)], intake.signer, intake.epoch)

    def reads(effects: list[e.Effect]) -> list[e.Load]:
        return [one for one in effects if isinstance(one, e.Load)]

    def payloads(appends: list[e.Append]) -> list[list[bytes]]:
        return [[each.payload for batch in append.batches for each in batch.records()] for append in appends]

    (load,) = reads(host.frame(f.Push(received(clones))))
    host.tick(e.Loaded(load.request, (second,)), e.FrameReceived(TO_BEN, f.Push(received(clones)), 500))
    assert payloads(host.appends) == [[b"own 2", b"clone's"]]
    host.tick(e.StoreFailed(host.appends.pop().append, "the disk is full", 1 << 40))
    assert not host.appends

    (again,) = reads(host.tick(ms=host.ms + 1_000))
    host.tick(e.Loaded(again.request, (second,)), e.FrameReceived(TO_BEN, f.Push(received(clones)), 500))

    assert payloads(host.appends) == [[b"own 2", b"clone's"]]
    host.stored()
    assert {len(held.positions) for held in host.node.holdings.stored.values()} == {1}
