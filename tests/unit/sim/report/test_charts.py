"""Charts: ticks are round, points are few, and what is empty is drawn, too."""

import re

import pytest

from sim.report.charts import (
    COLOURS,
    POINTS_MAX,
    Axis,
    bar_chart,
    cumulative,
    decades,
    line_chart,
    matrix,
    nice,
    spread,
)


@pytest.mark.parametrize(("step", "expected"), [(0.7, 1), (1, 1), (1.1, 2), (3, 5), (6, 10), (0.012, 0.02), (0, 1)])
def test_step_is_one_two_or_five_times_a_power_of_ten(step: float, expected: float) -> None:
    assert nice(step) == pytest.approx(expected)


def test_ticks_of_a_plain_axis_are_round_and_within_it() -> None:
    assert Axis("", 0, 57.2, str).ticks() == [0, 20, 40]
    assert Axis("", 0, 1, str).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_ticks_of_a_logarithmic_axis_are_powers_of_ten() -> None:
    axis = Axis("", 1, 1000, str, log=True)

    assert axis.ticks() == [1, 10, 100, 1000]
    assert axis.at(1) == 0
    assert axis.at(1000) == 1
    assert axis.at(0) == 0, "what is below the axis lies at its foot"


def test_decades_are_never_the_same() -> None:
    assert decades([3, 40]) == (1, 100)
    assert decades([0]) == (1, 10)
    assert decades([100]) == (100, 1000)


def test_axis_is_logarithmic_only_where_values_differ_much() -> None:
    assert not spread("", [40, 50], str).log
    assert spread("", [1, 50], str).log
    assert not spread("", [0], str).log


def test_distribution_rises_from_nothing_to_all() -> None:
    assert cumulative([20, 10]) == [(10, 0), (10, 0.5), (20, 1)]


def test_line_of_many_points_is_drawn_with_few_and_keeps_its_ends() -> None:
    x, y = Axis("x", 0, 99_999, str), Axis("y", 0, 1, str)

    chart = line_chart("Many", {"one": [(at, 0.0) for at in range(100_000)]}, x, y)

    path = next(part for part in chart.split('d="') if 'class="line' in part).partition('"')[0]
    assert path.count("L") == POINTS_MAX - 1
    assert path.startswith("M58.0 210.0")
    assert path.endswith("L536.0 210.0")


def test_steps_go_right_and_then_up() -> None:
    x, y = Axis("x", 0, 2, str), Axis("y", 0, 1, str)

    chart = line_chart("Steps", {"one": [(0, 0), (1, 1), (2, 1)]}, x, y, steps=True)

    assert 'd="M58.0 210.0H297.0V12.0H536.0"' in chart


def test_one_line_needs_no_legend_and_two_do() -> None:
    x, y = Axis("x", 0, 2, str), Axis("y", 0, 1, str)

    assert "legend" not in line_chart("One", {"<a>": [(0, 0)]}, x, y)
    assert "&lt;a&gt;</li>" in line_chart("Two", {"<a>": [(0, 0)], "b": [(0, 0)]}, x, y)


def test_bars_say_their_values() -> None:
    chart = bar_chart("Bars", [("0", 0), ("1", 1_200)], "x", "y")

    assert "<title>0: 0</title>" in chart
    assert "<title>1: 1,200</title>" in chart


def test_matrix_shades_the_largest_most() -> None:
    shown = matrix("Bytes", ["a", "b"], ["a", "b"], lambda row, column: 6 if (row, column) == ("a", "b") else 0, str)

    assert '<tr><th scope="row">a</th><td class="n h0">–</td><td class="n h6">6</td></tr>' in shown


def test_legend_shows_each_line_as_it_is_drawn_also_where_colours_come_again() -> None:
    x, y = Axis("x", 0, 2, str), Axis("y", 0, 1, str)

    chart = line_chart("Many", {str(number): [(0, 0)] for number in range(COLOURS + 1)}, x, y)

    drawn, told = re.findall(r'class="line ([^"]+)"', chart), re.findall(r'<i class="([^"]+)">', chart)
    assert drawn == told
    assert len(set(told)) == COLOURS + 1
