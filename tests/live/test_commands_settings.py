"""What the command says without a node: settings, codes, help; and what it imports for that."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest

from gossamer.command import VERBS, command
from mesh.codes import EXPLANATIONS, Code
from nodes.settings import keys
from tests.live.programs import called

HEAVY = {"aioquic", "zeroconf", "cryptography"}


def refused(code: Code, *arguments: str, status: int = 2, **environment: str) -> str:
    """Run a command that has to end with one line: a code, what is wrong, and the remedy."""
    out, words = called(*arguments, status=status, **environment)

    assert out == b""
    assert words.count("\n") == 1, words
    assert words.startswith(f"gossamer: {code} "), words
    assert words.endswith(f"{EXPLANATIONS[code].remedy}\n"), words
    return words


def shown(*arguments: str, **environment: str) -> dict[str, tuple[object, str]]:
    """What `config show` says of each key: its value and where it comes from."""
    out, _ = called("config", "show", "--json", *arguments, status=0, **environment)
    return {about["key"]: (about["value"], about["source"]) for about in map(json.loads, out.splitlines())}


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [("config", "check"), ("node",)])
@pytest.mark.parametrize(
    ("written", "code", "why"),
    [
        (None, Code.CONFIG_UNREADABLE, "No such file"),
        ("[node\n", Code.CONFIG_UNREADABLE, "line 1"),
        ("\xff", Code.CONFIG_UNREADABLE, "decode"),
        ('[node]\nregoin = "eu"\n', Code.CONFIG_UNKNOWN_KEY, "no node.regoin; did you mean node.region?"),
        ('[nodes]\nregion = "eu"\n', Code.CONFIG_UNKNOWN_KEY, "no nodes; did you mean node?"),
        ('region = "eu"\n', Code.CONFIG_UNKNOWN_KEY, "there is no region"),
        ("[node]\nregion = 7\n", Code.CONFIG_INVALID, "node.region takes text, found 7"),
        ("[node]\nseeds = [1]\n", Code.CONFIG_INVALID, "node.seeds takes a list of texts"),
        ('[log]\nlevel = "loud"\n', Code.CONFIG_INVALID, "log.level is one of debug, info, warning, error"),
        ("[node]\ndatagram_bytes = 1199\n", Code.CONFIG_INVALID, "node.datagram_bytes is at least 1200"),
        ("node = 5\n", Code.CONFIG_INVALID, "[node] is a table with keys, found node = 5"),
        ("[node]\nretention_ms = 34560000001\n", Code.CONFIG_INVALID, "node.retention_ms is at most 34560000000"),
    ],
)
def test_settings_that_are_wrong_are_misuse_and_say_where(
    tmp_path: Path, verb: tuple[str, ...], written: str | None, code: Code, why: str
) -> None:
    path = tmp_path / "node.toml"
    if written is not None:
        path.write_text(written, encoding="latin-1")

    said = refused(code, *verb, "--config", str(path))

    assert str(path) in said
    assert why in said


def test_doctor_finds_what_is_wrong_with_settings_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[gateway]\nlisten = "nowhere"\n')

    out, _ = called("doctor", "--json", "--config", str(tmp_path / "missing.toml"), status=1)
    other, _ = called("doctor", "--json", "--config", str(path), status=1)

    (missing,) = map(json.loads, out.splitlines())
    assert (missing["subject"], missing["code"]) == ("config", Code.CONFIG_UNREADABLE)
    bad = [finding for finding in map(json.loads, other.splitlines()) if finding["state"] == "bad"]
    assert [finding["code"] for finding in bad] == [Code.CONFIG_INVALID]
    assert "gateway.listen is host:port, found 'nowhere'" in bad[0]["text"]


def test_the_environment_is_stronger_than_the_file_and_weaker_than_a_flag(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[node]\nregion = "file"\nretention_ms = 5\n')

    settings = shown("--config", str(path), GOSSAMER_NODE_REGION="environment")

    assert settings["node.region"] == ("environment", "environment")
    assert settings["node.retention_ms"] == (5, "file")
    assert settings["node.mdns"] == (True, "default")
    assert list(settings) == list(keys())


def test_every_key_has_a_variable(tmp_path: Path) -> None:
    samples = {bool: ("no", False), int: ("1400", 1400), str: ("debug", "debug")}
    written = {key: samples.get(key.kind, ("a:1, b:2", ["a:1", "b:2"])) for key in keys().values()}
    written |= {keys()["log.format"]: ("json", "json")}
    written |= {keys()[f"{section}.listen"]: ("a:1", "a:1") for section in ("node", "gateway")}
    written |= {keys()["node.advertise"]: ("a:1", "a:1"), keys()["gateway.advertise"]: ("ws://a", "ws://a")}

    settings = shown(**{key.environment: text for key, (text, _) in written.items()})

    assert settings == {key.path: (value, "environment") for key, (_, value) in written.items()}


def test_a_variable_that_is_no_key_is_refused_with_a_suggestion() -> None:
    said = refused(Code.CONFIG_UNKNOWN_KEY, "config", "check", GOSSAMER_NODE_REGOIN="eu")

    assert "the environment: there is no GOSSAMER_NODE_REGOIN; did you mean GOSSAMER_NODE_REGION?" in said


def test_settings_that_are_good_are_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[node]\nregion = "eu"\nseeds = ["a:1"]\nmdns = false\n')

    plain, _ = called("config", "check", "--config", str(path), status=0)
    as_json, _ = called("config", "check", "--config", str(path), "--json", status=0)

    assert plain.decode() == f"{path}: good\n"
    assert json.loads(as_json) == {"checked": str(path), "good": True}


def test_what_show_prints_is_a_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[node]\nregion = "e\\"u"\nseeds = ["a:1", "b:2"]\nmdns = false\n')
    out, _ = called("config", "show", "--config", str(path), status=0)
    path.write_bytes(out)

    again = shown("--config", str(path))

    assert {source for _, source in again.values()} == {"file"}
    assert again["node.region"][0] == 'e"u'
    assert again["node.seeds"][0] == ["a:1", "b:2"]


def test_the_schema_is_one_line_and_describes_every_key() -> None:
    out, _ = called("config", "schema", "--json", status=0)
    text, _ = called("config", "schema", status=0)

    (schema,) = map(json.loads, out.splitlines())
    described = [f"{s}.{name}" for s, table in schema["properties"].items() for name in table["properties"]]
    assert described == list(keys())
    assert not schema["additionalProperties"]
    assert all(f"{key.path} = " in text.decode() and key.environment in text.decode() for key in keys().values())


# --- codes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["GSM-1101", "gsm-1101", "1101", "gsm1101"])
def test_a_code_is_explained_however_it_is_written(written: str) -> None:
    out, _ = called("explain", written, "--json", status=0)

    about = EXPLANATIONS[Code.PORT_TAKEN]
    assert json.loads(out) == {
        "code": "GSM-1101",
        "title": about.title,
        "cause": about.cause,
        "remedy": about.remedy,
        "page": "docs/reference/errors.md#gsm-1101",
    }


def test_an_explanation_for_people_has_cause_remedy_and_page() -> None:
    out, _ = called("explain", "GSM-1101", status=0)

    about = EXPLANATIONS[Code.PORT_TAKEN]
    assert out.decode().splitlines() == [
        f"GSM-1101: {about.title}",
        "",
        about.cause,
        "",
        f"What to do: {about.remedy}",
        "",
        "Page: docs/reference/errors.md#gsm-1101",
    ]


def test_without_a_code_all_are_listed() -> None:
    out, _ = called("explain", status=0)
    as_json, _ = called("explain", "--json", status=0)

    assert [line.split()[0] for line in out.decode().splitlines()] == list(Code)
    assert [json.loads(line)["code"] for line in as_json.splitlines()] == list(Code)


def test_a_code_that_is_none_is_misuse() -> None:
    _, words = called("explain", "9999", status=2)

    assert words == "gossamer: there is no code 9999; `gossamer explain` lists them all\n"


# --- help, flags, imports --------------------------------------------------------------------------------------------


def verbs(found: click.Command, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
    """A verb and those below it."""
    if not isinstance(found, click.Group):
        return [(path, found)]
    return [each for name, verb in found.commands.items() for each in verbs(verb, (*path, name))]


def all_verbs() -> list[tuple[tuple[str, ...], click.Command]]:
    """Every verb that is built, as the command gives it."""
    context = click.Context(command, auto_envvar_prefix="GOSSAMER")
    found = [(name, command.get_command(context, name)) for name, verb in VERBS.items() if verb.is_built()]
    return [each for name, verb in found if verb is not None for each in verbs(verb, (name,))]


def test_every_flag_has_an_environment_twin_named_as_it_is_written() -> None:
    settings = {key.environment for key in keys().values()}
    count = 0
    for path, verb in all_verbs():
        for option in verb.params:
            if not isinstance(option, click.Option):
                continue
            flag = max(option.opts, key=len).removeprefix("--").replace("-", "_")
            twin = "_".join(("GOSSAMER", *path, flag)).upper()
            count += 1

            assert option.envvar == twin or twin in settings, (path, option.opts, option.envvar)

    assert count > 40


def test_every_verb_that_prints_can_print_json() -> None:
    protocol = [("sim", "maelstrom")]  # what it prints is somebody else's protocol, which is JSON
    without = [path for path, verb in all_verbs() if not any("--json" in option.opts for option in verb.params)]
    without = [path for path in without if path not in protocol]

    assert without == []


def imported(*calls: tuple[str, ...]) -> set[str]:
    """Which packages, of those that are slow to import, are loaded after these calls in one process."""
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom gossamer.command import command\n"
        f"for call in {calls!r}:\n    CliRunner().invoke(command, list(call))\n"
        f"print(*sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    return set(done.stdout.split())


def test_help_of_every_verb_imports_no_network_stack() -> None:
    calls = [(*path, "--help") for path, _ in all_verbs()]

    assert len(calls) > 12
    assert imported(("--help",), *calls) == set()


def test_clients_never_import_what_only_nodes_need() -> None:
    verbs = [("pub", "a", "b"), ("sub", "a"), ("history", "a"), ("status",)]
    with ThreadPoolExecutor() as pool:  # each looks for a gateway for ten seconds
        found = list(pool.map(lambda verb: imported((*verb, "-g", "127.0.0.1:1")), verbs))

    assert found == [set()] * len(verbs)


def test_the_test_of_imports_notices_them(tmp_path: Path) -> None:
    assert imported(("mesh", "init", "name", "--folder", str(tmp_path / "mesh"))) == {"cryptography"}
