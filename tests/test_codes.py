"""Every code that can reach a person is provoked, or explained, by a test that names it."""

import re
from pathlib import Path

from mesh.codes import Code

FOLDER = Path(__file__).parent


def test_every_code_is_named_by_a_test() -> None:
    files = [path for path in FOLDER.rglob("*.py") if path != Path(__file__)]

    named = {name for path in files for name in re.findall(r"\bCode\.([A-Z][A-Z0-9_]*)\b", path.read_text())}

    assert {code.name for code in Code} - named == set()
    assert named - {code.name for code in Code} == set(), "a test names a code that does not exist"
