"""Every kind of frame that a report draws has a color, and can be hidden."""

from importlib.resources import files

import pytest

from sim.report.lanes import SHOWN


@pytest.mark.parametrize("kind", SHOWN)
def test_a_kind_of_frame_has_a_color_and_a_switch(kind: str) -> None:
    style = files("sim.report").joinpath("page.css").read_text()

    assert f".k-{kind}{{--k:var(--{kind.lower()})}}" in style
    assert f"--{kind.lower()}:" in style
    assert f".trace:has(.t-{kind}:not(:checked)) g.k-{kind}" in style


@pytest.mark.parametrize(
    "rule", [".first-alone :is(th,td):first-child,", ".last-alone :is(th,td):last-child{grid-column:1/-1}"]
)
def test_cell_that_stands_alone_has_the_whole_width_on_a_narrow_screen_only(rule: str) -> None:
    style = files("sim.report").joinpath("page.css").read_text()

    wide, _, narrow = style.partition("@media (max-width:640px){")
    assert rule in narrow
    assert "-alone" not in wide


def test_legend_of_a_dashed_line_is_dashed() -> None:
    style = files("sim.report").joinpath("page.css").read_text()

    assert ".legend .dash{" in style
