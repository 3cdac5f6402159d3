"""Addresses as people write them."""

import pytest

from mesh.codes import Code
from mesh.errors import HostError
from mesh.types import Address
from nodes.addresses import gateway_url, is_loopback, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:7421", Address("10.0.0.1", 7421)),
        (" host:1 ", Address("host", 1)),
        (":7421", Address("0.0.0.0", 7421)),
        ("[::1]:7421", Address("::1", 7421)),
        ("h:0", Address("h", 0)),
        ("h:65535", Address("h", 65_535)),
    ],
)
def test_host_and_port_are_read(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["host", "", "host:", "host:x", "host:65536", "host:-1", "::1", "host:٣"])
def test_what_has_no_port_is_refused_and_shown(text: str) -> None:
    with pytest.raises(HostError) as caught:
        parse_address(text, what="--seed")

    assert caught.value.code == Code.CONFIG_INVALID
    assert str(caught.value) == f"--seed is host:port, found {text!r}"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("h", False)],
)
def test_only_this_machine_reaches_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("localhost", "ws://localhost:7420"),
        ("10.0.0.1:80", "ws://10.0.0.1:80"),
        ("[::1]:80", "ws://[::1]:80"),
        ("[::1]", "ws://[::1]:7420"),
        ("wss://a.example", "wss://a.example"),
        ("ws://[::1]:1/path", "ws://[::1]:1/path"),
    ],
)
def test_a_gateway_becomes_a_url(written: str, url: str) -> None:
    assert gateway_url(written) == url


@pytest.mark.parametrize(
    "written",
    [
        "",
        "::1",
        ":7420",
        "a:0",
        "a:65536",
        "a:99999",
        "a:x",
        "a b",
        "http://a",
        "ws://",
        "ws://a:99999",
        "http://[::1",
        "\udcff",
    ],
)
def test_a_gateway_that_nobody_can_reach_is_refused_and_shown(written: str) -> None:
    with pytest.raises(HostError) as caught:
        gateway_url(written)

    assert caught.value.code == Code.CONFIG_INVALID
    said = f"a gateway is host, host:port, ws://… or wss://…, the port 1 to 65535; found {written!r}"
    assert str(caught.value) == said
