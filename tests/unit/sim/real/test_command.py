"""`gossamer sim run --engine real`, where it is refused before anything starts."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import sim


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["halves", "--save", "tape.json"], "a run on real processes"),
        (["bit-rot"], "the real engine cannot play 'Bits flip on one disk', whose engines are heap"),
        (["halves", "--without", "intervals-with-rows"], "the real engine cannot turn off intervals-with-rows"),
    ],
)
def test_what_real_processes_cannot_do_is_status_2_and_leaves_nothing(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(sim, ["run", *arguments, "--engine", "real"])

    assert done.exit_code == 2
    assert said in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[[client]]\nname = 'a'\nhistory = [\n  {},\n]", "9: client.0.history: the real engine cannot read the past"),
        (
            "[[client]]\nname = 'a'\nsubscribe = [\n  {},\n  { since = '5s' },\n]",
            "11: client.0.subscribe.1.since: the real engine cannot begin a subscription 5s ago",
        ),
        (
            "[[client]]\nname = 'a'\n[[timeline]]\nat = '1s'\nunsubscribe = { client = 'a', to = '#' }",
            "11: timeline.0.unsubscribe: the real engine cannot play the verb unsubscribe",
        ),
        ("[random]\nfaults = ['wipe']\nquiet = 0", "8: random.faults: the real engine cannot play the verb wipe"),
        (
            "[config]\n'delivery.recent-bytes' = 16777216",
            "8: config.delivery.recent-bytes: the real engine cannot set delivery.recent-bytes",
        ),
    ],
)
def test_what_real_processes_cannot_do_names_the_line_that_asks_for_it(table: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    head = "title = 'Two'\npromise = 'They agree.'\nengines = ['heap', 'real']\n"
    path.write_text(f"{head}[[topology.node]]\nname = 'ana'\n\n{table}\n", encoding="utf-8")

    done = CliRunner().invoke(sim, ["run", str(path), "--engine", "real"])

    assert done.exit_code == 2
    assert f"two.toml:{said}" in done.output
    assert done.output.endswith("; expected what real processes can do (docs/internals/testing.md), or --engine heap\n")


def test_what_a_python_scenario_asks_for_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "two.py"
    topology = {"node": [{"name": "ana"}], "links": "ring"}
    tables = {"title": "Two", "promise": "They agree.", "engines": ["real"], "topology": topology}
    path.write_text(f"scenario = {tables!r}\n", encoding="utf-8")

    done = CliRunner().invoke(sim, ["run", str(path), "--engine", "real"])

    assert (done.exit_code, "two.py: topology.links: the real engine cannot keep nodes" in done.output) == (2, True)
