"""Whatever somebody does to a scenario file, it is read, or it is one error in one line."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.scenario.reading import SHIPPED, read

FILES = [
    path.read_text(encoding="utf-8") for path in sorted(SHIPPED.glob("*.toml")) if "include" not in path.read_text()
]
VALUES = [
    "0", "-1", "true", "1.5", "nan", "inf", '""', '"#"', '"a/{n}"', "[]", "{}", "[[]]", '"99999h"', '"1us"', '"0bit/s"',
    '"100%"', '"16MiB"', "999999999999", '"@eu"', '"*"', '["*"]', '[["*"], ["*"]]', "2020-01-01", '"\\u0000"', "[1, 2, 3]",
    "{ a = 1 }", '"random"', '"empirical"', '["1ms", "2ms"]', '["eu-*", 7]', "9" * 5_000, "[" * 500,
]  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A file that ships, with up to three lines that say something else, are gone, or hold a stray mark."""
    lines = draw(st.sampled_from(FILES)).splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        match draw(st.integers(0, 4)):
            case 0 | 1 | 2:
                lines[at] = f"{line.partition('=')[0]}= {draw(st.sampled_from(VALUES))}" if "=" in line else line
            case 3:
                lines[at] = ""
            case _:
                place = draw(st.integers(0, len(line)))
                lines[at] = line[:place] + draw(st.sampled_from(list("[]{}=\"'.,#\\\x01"))) + line[place + 1 :]
    return "\n".join(lines)


@given(spoilt())
def test_a_spoilt_file_is_read_or_is_one_error(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "spoilt.toml")
        path.write_text(text, encoding="utf-8")
        try:
            read(path)
        except ScenarioError as error:
            found = error
        else:
            return

    assert found.path == str(path)
    assert found.expected
    assert "\n" not in str(found)
    assert len(str(found)) < 1_000
