"""Patterns in a tree: what is asked is bounded by the levels of a channel, not by how many patterns there are."""

import pytest

from mesh.engines.delivery.patterns import Patterns


@pytest.mark.parametrize(
    ("pattern", "matched", "missed"),
    [
        ("a", ["a"], ["a/b", "b"]),
        ("a/+", ["a/b", "a/c"], ["a", "a/b/c", "b/c"]),
        ("a/#", ["a", "a/b", "a/b/c"], ["b"]),
        ("+/b", ["a/b"], ["a", "$a/b"]),
        ("#", ["a", "a/b"], ["$a", "$a/b"]),
        ("$a/#", ["$a", "$a/b"], ["a"]),
    ],
)
def test_wildcards_match_as_they_should(pattern: str, matched: list[str], missed: list[str]) -> None:
    tree: Patterns[int] = Patterns()
    tree.add(pattern, 7)

    assert [tree.matching(channel) for channel in matched] == [{7}] * len(matched)
    assert [tree.matching(channel) for channel in missed] == [set()] * len(missed)


def test_what_is_removed_leaves_nothing_behind_and_what_was_never_there_is_not_missed() -> None:
    tree: Patterns[int] = Patterns()
    for pattern in ("a/b/c", "a/+", "a/#", "#"):
        tree.add(pattern, 1)
        tree.add(pattern, 1)
    tree.add("a/b", 2)

    for pattern in ("a/b/c", "a/+", "a/#", "#", "x/y", "a/b/c/d"):
        tree.remove(pattern, 1)
        tree.remove(pattern, 3)

    assert (tree.matching("a/b"), tree.matching("a/b/c"), bool(tree)) == ({2}, set(), True)
    tree.remove("a/b", 2)
    assert not tree and not tree._top.below


def test_a_hundred_times_the_patterns_are_not_looked_at_for_one_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    class Below(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            looked.append(key)
            return super().get(key, default)

    tree: Patterns[int] = Patterns()
    for number in range(10_000):
        tree.add(f"site/{number}/+", number)
    for level in (tree._top, tree._top.below["site"], tree._top.below["site"].below["77"]):
        monkeypatch.setattr(level, "below", Below(level.below))

    assert tree.matching("site/77/heat") == {77}
    assert looked == ["site", "+", "77", "+", "heat", "+"]


def test_whose_patterns_match_is_found_without_hashing_it_again() -> None:
    """A group is known by all of its patterns; hashing 256 of them for each that matches took most of a look-up."""

    class Counted:
        hashed = 0

        def __hash__(self) -> int:
            Counted.hashed += 1
            return 7

    tree: Patterns[Counted] = Patterns()
    ana, ben = Counted(), Counted()
    for pattern in ("a/b", "a/+", "+/b", "+/+", "a/#", "#"):
        tree.add(pattern, ana)
        tree.add(pattern, ben)
    Counted.hashed = 0

    found = tree.matching("a/b")

    assert Counted.hashed == 0
    assert found == {ana, ben}
