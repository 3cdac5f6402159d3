"""How long a message lives that does not say so: as long as the node says that takes it, and nodes may differ."""

from typing import Any

import pytest

from sim.heap import Play
from sim.outcome import Outcome
from sim.scenario.reading import from_tables
from sim.units import MILLION

KEY = "intake.ttl-default-ms"


def played(taker_ms: int, others_ms: int, **publish: Any) -> tuple[Play, Outcome]:
    """One message is published at a node, and its only reader, at the other, is away from 6 s to 21 s."""
    client = [
        {"name": "pub", "at": ["ana"], "gateways": ["ana"]},
        {"name": "sub", "at": ["ben"], "gateways": ["ben"], "subscribe": [{"to": "#"}]},
    ]
    play = Play(
        from_tables(
            {
                "title": "Nodes differ",
                "promise": "Each says how long what it takes lives.",
                "duration": "20s",
                "settle": "5s",
                "config": {KEY: others_ms},
                "topology": {"node": [{"name": "ana", "profile": {KEY: taker_ms}}, {"name": "ben"}]},
                "client": client,
                "timeline": [
                    {"at": "1s", "for": "15s", "offline": "sub"},
                    {"at": "3s", "publish": {"client": "pub", "channel": "room/1", "count": 1} | publish},
                ],
            }
        ),
        1,
    )
    return play, play.run()


@pytest.mark.parametrize(
    ("taker_ms", "others_ms", "ttl", "lives_ms"),
    [
        (5_000, 604_800_000, None, 5_000),
        (604_800_000, 5_000, None, 604_800_000),
        (5_000, 5_000, None, 5_000),
        (5_000, 604_800_000, "30m", 1_800_000),
        (604_800_000, 5_000, "6s", 6_000),
    ],
)
def test_a_message_lives_as_long_as_it_says_or_as_who_took_it_says(
    taker_ms: int, others_ms: int, ttl: str | None, lives_ms: int
) -> None:
    play, outcome = played(taker_ms, others_ms, **({"ttl": ttl} if ttl else {}))
    ((name, entry),) = play.apps["pub"].ledger.items()
    assert outcome.breaches == []
    assert entry.expires_us - entry.at_us == lives_ms * 1_000
    ((diary,),) = [app.diaries.values() for app in play.apps.values() if app.name == "sub"]
    assert (name in diary.seen) == (lives_ms > 15_000), "its reader was away for fifteen seconds"


def test_what_is_lost_that_another_node_would_have_let_die_is_not_excused() -> None:
    found: dict[bool, list[tuple[str, bool]]] = {}
    for taker_ms in (5_000, 604_800_000):
        play, _ = played(taker_ms, 609_800_000 - taker_ms)
        ((_, entry),) = play.apps["pub"].ledger.items()
        for app in play.apps.values():
            for diary in app.diaries.values():
                diary.seen.clear()
                play.watch.nothing_lost(diary)
        found[taker_ms > 5_000] = [(each.promise, "never shown to sub" in each.about) for each in play.watch.breaches]
        assert entry.is_acknowledged
    assert found == {False: [], True: [("nothing lost", True)]}


def test_one_that_two_nodes_took_is_owed_while_it_lives_in_both() -> None:
    play, _ = played(604_800_000, 5_000)
    app = play.apps["pub"]
    ((name, entry),) = app.ledger.items()
    ben = play.world.machines["ben"]
    runs = ben.node.holdings.names.find(*name)
    assert [run.log.node for run in runs] == [play.world.machines["ana"].node_id]
    app.ttls_us = {ben.node_id: 7 * MILLION, runs[0].log.node: 9 * MILLION}
    entry.expires_us = entry.at_us + 8 * MILLION
    for _ in range(2):
        app._dated(name, entry, ben)
        assert entry.expires_us == entry.at_us + 8 * MILLION
    app.ttls_us = {ben.node_id: 7 * MILLION, runs[0].log.node: 6 * MILLION}
    app._dated(name, entry, ben)
    assert entry.expires_us == entry.at_us + 6 * MILLION
