"""A tree of patterns finds what asking each pattern finds, whatever comes and goes."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.engines.delivery.patterns import Patterns
from mesh.types import channel_fault, pattern_fault, pattern_matches

PARTS = ("a", "b", "+")
CHANNELS = st.lists(st.sampled_from(PARTS[:2]), min_size=1, max_size=4).map("/".join)
PATTERNS = (
    st.tuples(st.lists(st.sampled_from(PARTS), max_size=4), st.booleans())
    .filter(any)
    .map(lambda drawn: "/".join([*drawn[0], *(["#"] if drawn[1] else [])]))
)
CHANGES = st.lists(st.tuples(st.booleans(), PATTERNS, st.integers(0, 3)), max_size=20)


@given(CHANGES, st.lists(CHANNELS, min_size=1, max_size=5))
def test_the_tree_finds_what_asking_each_finds(changes: list[tuple[bool, str, int]], channels: list[str]) -> None:
    tree: Patterns[int] = Patterns()
    held: set[tuple[str, int]] = set()
    for is_new, pattern, whose in changes:
        assert not pattern_fault(pattern)
        if is_new:
            tree.add(pattern, whose)
            held.add((pattern, whose))
        else:
            tree.remove(pattern, whose)
            held.discard((pattern, whose))

    for channel in channels:
        assert not channel_fault(channel)
        assert tree.matching(channel) == {whose for pattern, whose in held if pattern_matches(pattern, channel)}
    assert bool(tree) == bool(held)
