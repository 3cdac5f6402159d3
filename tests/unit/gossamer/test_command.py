"""The command finds its verbs without importing them, and says plainly what it does not have."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

import gossamer
from gossamer.command import VERBS, LazyGroup, Verb, command


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> LazyGroup:
    """A group of two verbs: `wave`, which is there, and `sing`, which is not."""
    module = ModuleType("gossamer_waving")

    @click.command()
    @click.option("--rate", type=int, default=1)
    def wave(rate: int) -> None:
        click.echo(f"waving {rate}")

    module.wave = wave  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gossamer_waving", module)
    monkeypatch.setattr(Verb, "is_built", lambda self: self.module == "gossamer_waving")
    verbs = {"wave": Verb("gossamer_waving:wave", "Wave."), "sing": Verb("gossamer_singing:sing", "Sing.")}
    return LazyGroup("group", verbs=verbs, context_settings={"auto_envvar_prefix": "GOSSAMER"})


def test_a_verb_is_imported_and_run(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["wave"])

    assert (result.exit_code, result.output) == (0, "waving 1\n")


def test_every_flag_has_an_environment_twin(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["wave"], env={"GOSSAMER_WAVE_RATE": "7"})

    assert result.output == "waving 7\n"


def test_a_flag_wins_over_its_environment_twin(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["wave", "--rate", "2"], env={"GOSSAMER_WAVE_RATE": "7"})

    assert result.output == "waving 2\n"


def test_a_verb_that_is_not_built_fails_and_says_so(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["sing"])

    assert result.exit_code == 1
    assert result.output == "Error: This verb is planned: this version has no gossamer_singing yet.\n"


def test_help_says_which_verbs_are_planned(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["--help"])

    assert "wave  Wave.\n" in result.output
    assert "sing  Sing. (planned)\n" in result.output


def test_an_unknown_verb_is_misuse_and_gets_a_suggestion() -> None:
    result = CliRunner().invoke(command, ["statsu"])

    assert result.exit_code == 2
    assert "No such command 'statsu'. Did you mean 'status'?" in result.output


def test_an_unknown_flag_is_misuse() -> None:
    assert CliRunner().invoke(command, ["--vresion"]).exit_code == 2


def test_version_is_that_of_the_distribution() -> None:
    result = CliRunner().invoke(command, ["--version"])

    assert (result.exit_code, result.output) == (0, f"gossamer {gossamer.__version__}\n")


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_of_the_table_is_a_command_or_is_not_built(name: str) -> None:
    verb = VERBS[name]

    if verb.is_built():
        assert verb.load().name == name
    else:
        with pytest.raises(click.ClickException, match="planned"):
            verb.load()


def test_a_module_that_is_there_counts_as_built() -> None:
    assert Verb("gossamer.command:command", "").is_built()
    assert Verb("gossamer:command", "").is_built()
    assert not Verb("gossamer.nothing:command", "").is_built()
    assert not Verb("gossamer_nothing:command", "").is_built()


def test_completion_offers_the_verbs_without_importing_them() -> None:
    items = command.shell_complete(click.Context(command), "do")

    assert [(item.value, item.help) for item in items] == [("doctor", VERBS["doctor"].summary)]


def test_help_loads_neither_nodes_nor_a_network_stack() -> None:
    code = (
        "import sys\nfrom gossamer.command import command\n"
        "command(['--help'], standalone_mode=False)\n"
        "heavy = {'nodes', 'sim', 'mesh', 'asyncio', 'aioquic', 'zeroconf', 'cryptography', 'websockets', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr == "[]\n"


@pytest.mark.parametrize("none", [{"COLUMNS": "0"}, {"COLUMNS": "00", "LINES": "0"}], ids=str)
def test_a_terminal_without_a_width_is_one_that_nobody_knows(none: dict[str, str]) -> None:
    known = CliRunner(env={"COLUMNS": "80"}).invoke(command, ["sim", "topology", "halves"])

    found = CliRunner(env=none).invoke(command, ["sim", "topology", "halves"])

    assert (found.exit_code, found.output) == (0, known.output)
    assert "3 nodes in 3 regions" in found.output


def test_importing_gossamer_never_fails_and_loads_nothing() -> None:
    code = "import gossamer, sys; print('nodes' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_a_name_that_gossamer_never_had_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'conect'"):
        _ = gossamer.conect


def test_a_twin_is_named_as_the_flag_is_and_not_as_the_parameter(group: LazyGroup) -> None:
    @click.group()
    def wave() -> None:
        pass

    @wave.command()
    @click.option("--no-rain", "-n", "dry", is_flag=True)
    @click.option("--kept", "value", envvar="KEPT")
    @click.option("--setting", allow_from_autoenv=False)
    def twice(dry: bool, value: str, setting: str) -> None:
        click.echo(f"{dry} {value} {setting}")

    sys.modules["gossamer_waving"].wave = wave  # type: ignore[attr-defined]
    variables = {"GOSSAMER_WAVE_TWICE_NO_RAIN": "1", "KEPT": "2", "GOSSAMER_WAVE_TWICE_SETTING": "3"}
    variables |= {"GOSSAMER_WAVE_TWICE_KEPT": "4", "GOSSAMER_WAVE_TWICE_DRY": "0", "GOSSAMER_WAVE_TWICE_VALUE": "5"}

    result = CliRunner().invoke(group, ["wave", "twice"], env=variables)

    assert result.output == "True 2 None\n"


def test_several_values_of_a_flag_are_parted_by_commas_in_its_twin(group: LazyGroup) -> None:
    @click.command()
    @click.option("--text", "texts", multiple=True)
    @click.option("--path", "paths", multiple=True, type=click.Path(path_type=Path))
    @click.option("--one")
    def wave(texts: tuple[str, ...], paths: tuple[Path, ...], one: str) -> None:
        click.echo(f"{texts} {[str(path) for path in paths]} {one}")

    sys.modules["gossamer_waving"].wave = wave  # type: ignore[attr-defined]
    variables = {"GOSSAMER_WAVE_TEXT": "a b,c", "GOSSAMER_WAVE_PATH": "d:e,f", "GOSSAMER_WAVE_ONE": "g,h"}

    assert CliRunner().invoke(group, ["wave"], env=variables).output == "('a b', 'c') ['d:e', 'f'] g,h\n"
    assert CliRunner().invoke(group, ["wave", "--text", "i,j"]).output == "('i,j',) [] None\n"
    assert click.STRING.envvar_list_splitter is None, "what click shares is left as it is"


def test_ctrl_c_while_the_flags_before_a_verb_are_read_is_130() -> None:
    def pressed(_ctx: click.Context, _param: click.Parameter, _value: object) -> None:
        raise KeyboardInterrupt

    flag = click.Option(["--early"], is_eager=True, callback=pressed)
    group = LazyGroup("gossamer", verbs={}, params=[flag])

    told = CliRunner().invoke(group, ["--early", "1", "sim"])

    assert (told.exit_code, told.stderr) == (130, "gossamer: stopped.\n")


def test_ctrl_c_while_a_verb_is_imported_is_130(group: LazyGroup, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(verb: Verb) -> click.Command:
        raise KeyboardInterrupt

    monkeypatch.setattr(Verb, "load", pressed)

    told = CliRunner().invoke(group, [next(iter(group.verbs))])

    assert (told.exit_code, told.stderr) == (130, "gossamer: stopped.\n")
