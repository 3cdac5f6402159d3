"""Settings: each key from file, environment and flag; what is no key; what makes no sense."""

from pathlib import Path

import pytest

from mesh.codes import Code
from mesh.errors import HostError
from nodes.settings import Origin, Settings, gather, json_schema, keys, read_environment, read_file


def refusal(environment: dict[str, str]) -> tuple[str, str]:
    with pytest.raises(HostError) as caught:
        read_environment(environment)
    return caught.value.code, str(caught.value)


def test_without_anything_all_is_default() -> None:
    settings, origins = gather(None, {}, {})

    assert settings == Settings()
    assert {origin.source for origin in origins.values()} == {"default"}
    assert list(origins) == list(keys())


def test_a_flag_wins_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[node]\nregion = "file"\ndata = "file"\nlisten = "file:1"\n')
    environment = {"GOSSAMER_NODE_REGION": "environment", "GOSSAMER_NODE_DATA": "environment"}

    settings, origins = gather(path, environment, {"node.region": "flag", "node.mdns": None})

    assert (settings.node.region, settings.node.data, settings.node.listen) == ("flag", "environment", "file:1")
    assert origins["node.region"] == Origin("flag", "flag")
    assert origins["node.mdns"] == Origin(value=True, source="default")


def test_a_flag_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(HostError, match=r"flag: node.mdns takes true or false, found 'x'"):
        gather(None, {}, {"node.mdns": "x"})


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("TRUE", True), ("on", True), ("0", False), ("no", False), ("Off", False)]
)
def test_yes_and_no_are_read_from_the_environment(text: str, value: bool) -> None:
    assert read_environment({"GOSSAMER_NODE_MDNS": text}) == {"node.mdns": value}


def test_a_list_is_parted_by_commas() -> None:
    assert read_environment({"GOSSAMER_NODE_SEEDS": " a:1, ,b:2,"}) == {"node.seeds": ("a:1", "b:2")}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("GOSSAMER_NODE_MDNS", "maybe", "node.mdns takes true or false, found 'maybe'"),
        ("GOSSAMER_NODE_RETENTION_MS", "1h", "node.retention_ms takes a whole number, found '1h'"),
        ("GOSSAMER_NODE_RETENTION_MS", "0", "node.retention_ms is at least 1, found 0"),
        ("GOSSAMER_LOG_FORMAT", "xml", "log.format is one of auto, console, json, found 'xml'"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(name: str, text: str, why: str) -> None:
    assert refusal({name: text}) == (Code.CONFIG_INVALID, f"{name}: {why}")


def test_a_variable_of_no_key_is_refused_and_one_of_another_verb_is_not() -> None:
    code, text = refusal({"GOSSAMER_GATEWAY_LISTN": "x"})

    assert code == Code.CONFIG_UNKNOWN_KEY
    assert text == "the environment: there is no GOSSAMER_GATEWAY_LISTN; did you mean GOSSAMER_GATEWAY_LISTEN?"
    assert read_environment({"GOSSAMER_PUB_RATE": "1", "GOSSAMER_NODE_JOIN": "gsm1-", "HOME": "/"}) == {}


def test_a_key_that_is_like_none_gets_the_list(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text("[log]\nqqq = 1\n")

    with pytest.raises(HostError, match=r"there is no log.qqq; there are log.level, log.format") as caught:
        read_file(path)

    assert caught.value.code == Code.CONFIG_UNKNOWN_KEY


@pytest.mark.parametrize("written", ["[node]\nretention_ms = true\n", "[node]\nmdns = 1\n", "[node]\nseeds = 'a'\n"])
def test_types_are_not_mixed_up(tmp_path: Path, written: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(written)

    with pytest.raises(HostError) as caught:
        read_file(path)

    assert caught.value.code == Code.CONFIG_INVALID


def test_a_section_that_is_a_value_is_told_to_be_a_table(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text("node = 1\n")

    with pytest.raises(HostError) as caught:
        read_file(path)

    assert caught.value.code == Code.CONFIG_INVALID
    assert str(caught.value) == f"{path}: [node] is a table with keys, found node = 1"


def test_the_schema_has_type_default_limit_and_choices() -> None:
    schema = json_schema()["properties"]

    assert schema["log"]["properties"]["level"]["enum"] == ["debug", "info", "warning", "error"]
    datagram = schema["node"]["properties"]["datagram_bytes"]
    assert (datagram["type"], datagram["default"], datagram["minimum"]) == ("integer", 1_452, 1_200)
    seeds = schema["node"]["properties"]["seeds"]
    assert (seeds["type"], seeds["items"], seeds["default"]) == ("array", {"type": "string"}, [])
    assert schema["node"]["properties"]["retention_ms"]["maximum"] == 34_560_000_000


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"node.listen": "x"}, "node.listen is host:port, found 'x'"),
        ({"node.advertise": "x"}, "node.advertise is host:port, found 'x'"),
        ({"node.seeds": ["a:1", "x"]}, "each of node.seeds is host:port, found 'x'"),
        ({"gateway.listen": "x"}, "gateway.listen is host:port, found 'x'"),
        ({"gateway.listen": "0.0.0.0:1"}, "gateway.listen is 0.0.0.0:1, which others can reach; "),
        ({"gateway.advertise": "http://a"}, "gateway.advertise is host, host:port, ws://… or wss://…, "),
    ],
)
def test_addresses_that_no_node_can_start_with_are_refused(flags: dict[str, object], said: str) -> None:
    with pytest.raises(HostError) as caught:
        gather(None, {}, flags)

    assert caught.value.code == Code.CONFIG_INVALID
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("more", [{"gateway.open": True}, {"gateway.enabled": False}])
def test_a_gateway_that_others_reach_is_open_or_off(more: dict[str, object]) -> None:
    settings, _ = gather(None, {}, {"gateway.listen": ":1", **more})

    assert settings.gateway.listen == ":1"
