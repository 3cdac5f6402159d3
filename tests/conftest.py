"""What all tests share: the Hypothesis profiles, and `--update` for transcripts."""

import os

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

# In CI the same commit tries the same examples, so that a red run is red again. Elsewhere each run tries new ones.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None, print_blob=True)
# A mutant has to be caught by few examples, the same for each, and without the example database of its siblings.
settings.register_profile("mutation", derandomize=True, deadline=None, max_examples=20, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="Write the transcripts again from what happens now.")


@pytest.fixture
def update_transcripts(request: pytest.FixtureRequest) -> bool:
    """Whether a transcript that differs is to be rewritten rather than reported."""
    return bool(request.config.getoption("--update"))
