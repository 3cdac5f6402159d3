"""Names beside damaged rows: what does not fit into one answer of the disk is asked for again."""

from mesh import effects as e
from mesh.config import sim
from mesh.log.log import Log
from mesh.node import Node
from tests.node_samples import ME, Host
from tests.samples import BEN, SUITE, Writer


def test_names_that_did_not_fit_into_the_answer_are_asked_for_as_long_as_any_come() -> None:
    writer = Writer(BEN)
    batches = [writer.write(1) for _ in range(5)]
    host, whole = Host(Node(sim(), ME, SUITE)), Log(writer.log)
    for batch in batches:
        whole.add(batch)
    marks = e.LogMarks(writer.log, tuple(whole.runs), whole.stamp, whole.expires_ms)
    host.tick(e.Started(e.Recovered((marks,), (), (ME.certificate_raw,)), b"e" * 32))
    host.tick(e.RowsCorrupt(((writer.log, 2, 2), (writer.log, 4, 4))))

    assert host.tick(e.Loaded(0, (batches[0],), complete=False)) == [
        e.Load(0, e.Ranges(writer.log, ((3, 3), (5, 5))), host.node.config.repair.want_bytes)
    ]
    assert host.tick(e.Loaded(0, (batches[0],), complete=False)) == [], "nothing new came"
    assert host.tick(e.Loaded(0, ())) == []
    assert host.tick(e.Loaded(0, (batches[2], batches[4]))) == []
    assert host.node.holdings.stored[writer.log].unnamed() == []
    host.tick(e.RowsCorrupt(((writer.log, 1, 5),)))
    assert host.tick(e.Loaded(0, (batches[4],))) == [], "nothing is left of the log"
