"""The page of a sweep."""

from pathlib import Path

import pytest

from sim.checkers import PROMISES
from sim.errors import SimError
from sim.report import write_sweep
from sim.report.seeds import render
from sim.seeds import seeds_of
from sim.sweep import Result, Tally
from tests.report_samples import HOSTILE, Page, scenario

COMMAND = "gossamer sim run two-nodes"


def tally(*results: Result) -> Tally:
    made = Tally(scenario())
    for result in results:
        made.add(result)
    return made


def result(seed: int, *broken: str, converged_us: int = 250_000) -> Result:
    evaluated = {**dict.fromkeys(PROMISES, 1), "once": 6, "in order": 6, "nothing lost": 3, "quiet": 1}
    figures = {"converged_us": converged_us, "median_us": 45_000, "p99_us": -1}
    return Result(
        seed, list(broken), "it was shown twice" if broken else "", ["1.0 s: shown"], "", 1_000, 10_000_000, 0.5,
        {"frame/Push": 4, "timeline/1": 1}, evaluated, figures,
    )  # fmt: skip


def test_failed_seed_comes_with_its_witness_and_its_command() -> None:
    page = Page(render(tally(result(0), result(7, "once")), COMMAND))

    assert page.unbalanced == page.open_tags == []
    assert "| ✗ broken | 1 of 2 seeds broke a promise. |" in page.rows("")
    assert f"| 7 | once | it was shown twice | 1.0 s: shown | {COMMAND} --seed 7" in page.rows("failures")
    assert "| once | ✗ broken | 12 | 1 |" in page.rows("contract")
    assert "| in order | ✓ kept | 12 |" in page.rows("contract")


def test_measures_are_told_over_all_seeds_with_the_seed_of_the_worst() -> None:
    page = Page(
        render(
            tally(
                result(0), result(1, converged_us=500_000), result(2, converged_us=-1), result(3, converged_us=500_000)
            ),
            COMMAND,
        )
    )

    assert "| converged after the last fault | 3 | 250 ms | 500 ms | 500 ms | 1 |" in page.rows("measures")
    assert "p99 delivery" not in page.rows("measures"), "there was nothing to measure"
    assert "| seeds | 4 | 0 failed | events | 4,000 | events a second | 2,000 |" in page.rows("")


def test_gate_that_stays_shut_fails_the_sweep_unless_gates_are_not_asked_for() -> None:
    swept = tally(result(0))
    del swept.evaluated["quiet"]

    asked, unasked = Page(render(swept, COMMAND)), Page(render(swept, COMMAND, gates=False))

    assert "but 1 gates stay shut" in asked.rows("")
    assert "| promise/quiet | ✗ shut | 0 | quiet was never looked at" in asked.rows("gates")
    assert "All 1 seeds kept every promise." in unasked.rows("")
    assert "They were not asked for here." in unasked.rows("gates")


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([], "○ not whole | The sweep was interrupted after 0 of 31 seeds. Nothing was played."),
        (
            [result(0), result(1)],
            "○ not whole | The sweep was interrupted after 2 of 31 seeds. The 2 seeds that were played kept every promise.",
        ),
        (
            [result(0), result(1, "once")],
            "✗ broken | The sweep was interrupted after 2 of 31 seeds. 1 of 2 seeds broke a promise.",
        ),
    ],
)
def test_interrupted_sweep_says_after_how_many_seeds_and_is_not_kept(results: list[Result], said: str) -> None:
    swept = tally(*results)
    swept.interrupted, swept.missing = True, seeds_of(f"{len(results)}..30")

    page = Page(render(swept, COMMAND))

    assert f"| {said} |" in page.rows("")
    assert "✓ kept" not in page.rows("")
    assert "They are not judged: seeds are missing that could open them." in page.rows("gates")


def test_page_asks_for_nothing_and_hostile_words_stay_words() -> None:
    swept = tally(result(0, HOSTILE))
    swept.failed[0].about, swept.failed[0].witness = HOSTILE, [HOSTILE]
    swept.coverage[HOSTILE] = 1

    page = Page(render(swept, HOSTILE))

    assert page.unbalanced == page.open_tags == []
    assert page.asks_for() == []
    assert sum(tag == "script" for tag, _ in page.tags) == 1


def test_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(SimError, match="expected a file that can be written"):
        write_sweep(tally(), tmp_path / "missing" / "out.html", COMMAND)
