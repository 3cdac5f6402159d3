"""Names of nodes, logs, channels and patterns: what is written is read again, and nothing else is."""

import pytest

from mesh import types
from mesh.errors import RemoteError
from mesh.types import (
    Address,
    LogId,
    NodeId,
    channel_fault,
    log_from_text,
    log_text,
    node_from_text,
    node_short,
    node_text,
    pattern_fault,
    pattern_matches,
)
from tests.samples import ANA

TEXT = node_text(ANA)


def test_an_address_is_host_and_port_with_brackets_around_ipv6() -> None:
    assert str(Address("eu.example", 7)) == "eu.example:7"
    assert str(Address("::1", 7)) == "[::1]:7"


def test_a_node_is_written_as_52_lower_case_characters_and_read_again() -> None:
    assert len(TEXT) == 52
    assert TEXT.lower() == TEXT
    assert node_short(ANA) == TEXT[:8]
    assert node_from_text(TEXT) == node_from_text(TEXT.upper()) == ANA


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 8,
        TEXT[:-1],
        TEXT + "a",
        TEXT[:-1] + "1",
        TEXT[:-1] + "é",
        TEXT + "====",
        TEXT[:-1] + ("b" if TEXT[-1] == "a" else chr(ord(TEXT[-1]) + 1)),  # the spare bits of the last character
        "\u017f" + TEXT[1:],  # its upper case is a plain S
    ],
)
def test_what_is_no_node_is_refused(text: str) -> None:
    with pytest.raises(RemoteError, match="a node's identity is 52 base32 characters"):
        node_from_text(text)


@pytest.mark.parametrize("log", [LogId(ANA, 0), LogId(ANA, (1 << 63) - 1, "orders"), LogId(ANA, 5, "a.b.c")])
def test_a_log_is_written_and_read_again(log: LogId) -> None:
    assert log_text(log) == f"{TEXT}.{log.epoch}.{log.space}"
    assert log_from_text(log_text(log)) == log


@pytest.mark.parametrize(
    "rest", ["", ".", "1", ".1", ".x.", ".-1.", ".٣.", f".{1 << 63}.", "." + "9" * 5_000 + ".", ".1_0."]
)
def test_what_is_no_log_is_refused(rest: str) -> None:
    with pytest.raises(RemoteError, match=r"a log is written node\.epoch\.space"):
        log_from_text(TEXT + rest)


def test_a_log_of_no_node_is_refused() -> None:
    with pytest.raises(RemoteError, match="a node's identity"):
        log_from_text("ana.1.")


FAULTS = [
    ("", "a {} is not empty"),
    ("/a", "a {} has no empty level"),
    ("a//b", "a {} has no empty level"),
    ("a/", "a {} has no empty level"),
    ("a\x00", "a {} has no control characters"),
    ("a\x1f", "a {} has no control characters"),
    ("a\x7f", "a {} has no control characters"),
    ("a\x9f", "a {} has no control characters"),
    ("\ud800", "a {} is valid UTF-8"),
    ("é" * 128, "a {} has at most 255 bytes, found 256"),
    ("x" * 256, "a {} has at most 255 bytes, found 256"),
    ("/".join("a" * 17), "a {} has at most 16 levels, found 17"),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_channels_and_patterns_have_their_levels_in_common(text: str, fault: str) -> None:
    assert channel_fault(text) == fault.format("channel")
    assert pattern_fault(text) == fault.format("pattern")


@pytest.mark.parametrize(
    "channel", ["a", " ", "é\xa0", "x" * 255, "é" * 127, "/".join("a" * 16), "a$", "a/$b", "a b/~/c"]
)
def test_sound_channels_pass(channel: str) -> None:
    assert channel_fault(channel) == pattern_fault(channel) == ""


def test_a_channel_is_no_pattern_and_not_the_mesh_s_own() -> None:
    assert channel_fault("$mesh") == "a channel does not begin with $ (reserved)"
    for wildcard in ("a/+", "#", "a+", "a#b"):
        assert channel_fault(wildcard) == "a channel holds no + or # (they are wildcards)"


@pytest.mark.parametrize("pattern", ["#", "+", "+/+", "a/#", "+/b/#", "$mesh/#", "a/+/c"])
def test_sound_patterns_pass(pattern: str) -> None:
    assert pattern_fault(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("a+", "+ stands for one whole level"),
        ("a/+b", "+ stands for one whole level"),
        ("a#", "# stands alone, as the last level"),
        ("#/a", "# stands alone, as the last level"),
        ("a/#/b", "# stands alone, as the last level"),
    ],
)
def test_wildcards_stand_alone(pattern: str, fault: str) -> None:
    assert pattern_fault(pattern) == fault


def test_no_cache_keeps_a_name_that_is_too_long() -> None:
    """Names come from strangers, of any length: 65,536 of 4 MiB each must not stay in memory."""
    before = types._channel_fault.cache_info().currsize, types._pattern_fault.cache_info().currsize

    for long in ("x" * 300, "y" * 1_000_000):
        assert channel_fault(long)
        assert pattern_fault(long)

    after = types._channel_fault.cache_info().currsize, types._pattern_fault.cache_info().currsize
    assert after == before


@pytest.mark.parametrize(
    ("pattern", "channel", "matches"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "a/b", False),
        ("a/b", "a", False),
        ("+", "a", True),
        ("+", "a/b", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("+/b", "a/b", True),
        ("+/b", "a/c", False),
        ("#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("a/+/#", "a/b", True),
        ("a/+/#", "a", False),
        ("#", "$mesh/x", False),
        ("+/x", "$mesh/x", False),
        ("$mesh/#", "$mesh/x", True),
        ("a/+", "a/$b", True),
    ],
)
def test_patterns_match_as_in_mqtt(pattern: str, channel: str, matches: bool) -> None:
    assert pattern_matches(pattern, channel) is matches


def test_a_node_is_32_bytes() -> None:
    assert len(ANA) == types.NODE_ID_BYTES
    with pytest.raises(RemoteError):
        node_from_text(node_text(NodeId(ANA + b"x")))
