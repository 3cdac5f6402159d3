"""What can be wrong with a machine: the node says it in one line with its remedy, and `doctor` says the same."""

import asyncio
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.codes import EXPLANATIONS, Code
from nodes.processes import NodeProcess
from nodes.sdk.client import connect
from nodes.sdk.messages import GossamerError
from tests.live.programs import COMMAND, called, gossamer, play

pytestmark = pytest.mark.live
PATCHED = "{patch}\nfrom gossamer.command import main\nmain()"
WAY_BACK = "import time\ntime.time_ns = lambda: 1_000_000_000 * 10**9"
SYNC_FAILS = """
import sqlite3
from mesh.io.store.writing import Writer

def append(self, append):
    if append.batches:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

Writer.append = append
"""
"""No disk here fails on demand: what SQLite raises when an fsync fails is raised in its place."""
CHILD = "{patch}\nfrom nodes.processes import run_child\nrun_child()"


@pytest.fixture
def ticket(tmp_path: Path) -> str:
    """A ticket of a mesh, for any region."""
    return ticket_of(tmp_path / "mesh")


def ticket_of(folder: Path, *more: str) -> str:
    if not folder.exists():
        called("mesh", "init", folder.name, "--folder", str(folder), status=0)
    return called("mesh", "invite", "--folder", str(folder), *more, status=0)[0].decode().strip()


def node_arguments(folder: Path, ticket: str = "") -> list[str]:
    arguments = ["--data", str(folder), "--listen", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--no-mdns"]
    return [*arguments, "--join", ticket] if ticket else arguments


def refused(code: Code, *arguments: str, status: int = 1, **environment: str) -> str:
    """Run a command that has to end with one line that begins with a code and ends with its remedy."""
    out, words = gossamer(*arguments, status=status, **environment)

    said = [line for line in words.splitlines() if not line.startswith("{")]  # the log is JSON
    assert out == b""
    assert len(said) == 1, words
    assert said[0].startswith(f"gossamer: {code} "), words
    assert said[0].endswith(EXPLANATIONS[code].remedy), words
    return said[0]


def findings(*arguments: str, status: int, **environment: str) -> dict[str, dict[str, str]]:
    """What `doctor` found, by subject; other programs of this machine may hold the usual ports."""
    usual = {"GOSSAMER_NODE_LISTEN": "127.0.0.1:0"}
    if "GOSSAMER_GATEWAY_LISTEN" not in environment:
        usual["GOSSAMER_GATEWAY_ENABLED"] = "no"
    out, words = called("doctor", "--json", *arguments, status=status, **{**usual, **environment})
    assert words == ""
    return {finding["subject"]: finding for finding in map(json.loads, out.splitlines())}


def is_bad(finding: dict[str, str], code: Code) -> bool:
    return (finding["state"], finding["code"], finding["remedy"]) == ("bad", code, EXPLANATIONS[code].remedy)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a node that has joined, has a message, and has ended; beside the mesh's."""
    folder = tmp_path_factory.mktemp("joined")

    async def work() -> None:
        node = NodeProcess("node", node_arguments(folder / "node", ticket_of(folder / "mesh")))
        await node.start()
        async with connect(node.ready["gateway"]) as client:
            await client.publish("a", "kept")
        assert await node.stop() == 0

    play(work)
    return folder


@pytest.fixture
def member(joined: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    shutil.copytree(joined, tmp_path, dirs_exist_ok=True)
    return tmp_path / "node"


# --- ports and addresses ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["UDP", "TCP"])
def taken(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A port that another process has: its kind and address."""
    with socket.socket(type=socket.SOCK_DGRAM if request.param == "UDP" else socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        if request.param == "TCP":
            sock.listen()
        yield request.param, f"127.0.0.1:{sock.getsockname()[1]}"


def test_a_port_that_is_taken_is_said_with_its_address(tmp_path: Path, ticket: str, taken: tuple[str, str]) -> None:
    kind, address = taken
    flag = "--listen" if kind == "UDP" else "--gateway"
    variable = "GOSSAMER_NODE_LISTEN" if kind == "UDP" else "GOSSAMER_GATEWAY_LISTEN"

    said = refused(Code.PORT_TAKEN, "node", *node_arguments(tmp_path / "node", ticket), flag, address)
    found = findings(status=1, **{variable: address})

    assert f"cannot listen on {address} ({kind}): Address already in use" in said
    assert is_bad(found[f"port {address.rpartition(':')[2]} ({kind})"], Code.PORT_TAKEN)


@pytest.mark.parametrize("flag", ["--listen", "--gateway"])
def test_an_address_of_another_machine_is_no_port_that_is_taken(tmp_path: Path, ticket: str, flag: str) -> None:
    arguments = [*node_arguments(tmp_path / "node", ticket), "--open", flag, "192.0.2.1:0"]

    assert "Cannot assign requested address" in refused(Code.CONFIG_INVALID, "node", *arguments, status=2)


def test_a_gateway_that_others_reach_has_to_be_opened(tmp_path: Path, ticket: str) -> None:
    arguments = [*node_arguments(tmp_path / "node", ticket), "--gateway", "0.0.0.0:0"]

    assert "gateway.open = true" in refused(Code.CONFIG_INVALID, "node", *arguments, status=2)


def in_namespace(setup: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a network of its own, that `setup` (a shell's words) has changed."""
    enter = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    probe = subprocess.run([*enter, "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"{' '.join(enter)} true: {probe.stderr.decode().strip()}")
    script = f'{setup}; exec "$@"'
    return subprocess.run(
        [*enter, "sh", "-ec", script, "sh", *COMMAND, *arguments], capture_output=True, timeout=30, check=False
    )


NO_IPV6 = "ip link set lo up; echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6"


@pytest.mark.parametrize("flag", ["--listen", "--gateway"])
def test_missing_ipv6_is_said(tmp_path: Path, ticket: str, flag: str) -> None:
    done = in_namespace(NO_IPV6, "node", *node_arguments(tmp_path / "node", ticket), flag, "[::1]:0")

    assert done.returncode == 1, done.stderr
    assert done.stderr.decode().startswith(f"gossamer: {Code.NO_IPV6} cannot listen on [::1]:0 ")
    assert done.stderr.decode().endswith(EXPLANATIONS[Code.NO_IPV6].remedy + "\n")


def test_doctor_notes_missing_ipv6_and_finds_fault_with_missing_multicast() -> None:
    done = in_namespace(NO_IPV6, "doctor", "--json")

    found = {finding["subject"]: finding for finding in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1, done.stderr
    assert (found["ipv6"]["state"], found["ipv6"]["code"]) == ("note", Code.NO_IPV6)
    assert is_bad(found["multicast"], Code.NO_MULTICAST)


def test_seeds_make_missing_multicast_no_fault(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text('[node]\nseeds = ["192.0.2.1:7421"]\n')

    done = in_namespace("ip link set lo up", "doctor", "--json", "--config", str(config))

    found = {finding["subject"]: finding for finding in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, done.stdout
    assert (found["multicast"]["state"], found["multicast"]["code"]) == ("note", Code.NO_MULTICAST)


def test_a_node_without_any_interface_says_so_and_runs(tmp_path: Path, ticket: str) -> None:
    arguments = node_arguments(tmp_path / "node", ticket)
    arguments.remove("--no-mdns")
    once_ready = "import signal, nodes.daemon as d; ready = d.Daemon._ready\n"
    once_ready += "d.Daemon._ready = lambda *all: (ready(*all), signal.raise_signal(signal.SIGTERM))"
    program = [sys.executable, "-c", PATCHED.format(patch=once_ready)]

    enter = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    done = subprocess.run([*enter, *program, "node", *arguments], capture_output=True, timeout=30, check=False)

    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [event["event"] for event in events] == [EXPLANATIONS[Code.NO_MULTICAST].title, "ready", "draining"]
    assert events[0]["code"] == Code.NO_MULTICAST
    assert events[0]["remedy"] == EXPLANATIONS[Code.NO_MULTICAST].remedy


# --- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["node", "doctor"])
def test_a_clock_before_2020_is_said(tmp_path: Path, ticket: str, verb: str) -> None:
    arguments = node_arguments(tmp_path / "node", ticket) if verb == "node" else ["--data", str(tmp_path / "none")]

    program = [sys.executable, "-c", PATCHED.format(patch=WAY_BACK), verb, *arguments]
    done = subprocess.run(program, capture_output=True, timeout=30, check=False)

    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 1
    assert Code.CLOCK_UNSET in said and "the clock shows 2001-09-09" in said
    assert EXPLANATIONS[Code.CLOCK_UNSET].remedy in said
    assert not (tmp_path / "node").exists()


# --- the data directory ----------------------------------------------------------------------------------------------


def test_a_member_in_good_order_is_found_so(member: Path) -> None:
    found = findings("--data", str(member), status=0)

    assert {subject: found[subject]["state"] for subject in ("key", "store", "data", "disk")} == dict.fromkeys(
        ("key", "store", "data", "disk"), "good"
    )


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def change_a_digit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[20] = ord("0") if content[20] != ord("0") else ord("1")
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (cut_off, "it is damaged"),
        (change_a_digit, "it is damaged"),
        (lambda path: path.write_bytes(b""), "it is damaged"),
        (lambda path: path.chmod(0o640), "others may read it (mode 0640)"),
        (lambda path: path.unlink(), "No such file"),
    ],
)
def test_a_key_that_is_not_usable_stops_the_node_and_is_not_replaced(member: Path, spoil: object, why: str) -> None:
    key = member / "node.key"
    assert callable(spoil)
    spoil(key)
    before = (key.read_bytes(), key.stat().st_mode) if key.exists() else None

    said = refused(Code.KEY_CORRUPT, "node", *node_arguments(member))
    found = findings("--data", str(member), status=1)

    assert why in said
    assert is_bad(found["key"], Code.KEY_CORRUPT) and why in found["key"]["text"]
    assert ((key.read_bytes(), key.stat().st_mode) if key.exists() else None) == before


def test_the_secret_of_a_mesh_that_others_may_read_makes_no_ticket(tmp_path: Path, ticket: str) -> None:
    (tmp_path / "mesh" / "mesh.key").chmod(0o644)

    assert "others may read it" in refused(Code.KEY_CORRUPT, "mesh", "invite", "--folder", str(tmp_path / "mesh"))


def test_keys_are_for_their_owner_alone(tmp_path: Path, member: Path) -> None:
    for path in (tmp_path / "mesh" / "mesh.key", member / "node.key", member / "store.sqlite3"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_data_directory_in_use_is_left_alone(tmp_path: Path, ticket: str) -> None:
    folder = tmp_path / "node"

    async def work() -> None:
        node = NodeProcess("node", node_arguments(folder, ticket))
        await node.start()
        try:
            refused(Code.DATA_IN_USE, "node", *node_arguments(folder))
            found = await asyncio.to_thread(findings, "--data", str(folder), status=1)
            assert is_bad(found["data"], Code.DATA_IN_USE)
            ours = ("--data", str(folder), "--gateway", node.ready["gateway"])
            assert (await asyncio.to_thread(findings, *ours, status=0))["data"]["state"] == "good"
            assert node.is_running
        finally:
            await node.stop()

    play(work)


def damage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 500)


def age(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value=99 WHERE key='format'")
    connection.close()


def give_away(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value=x'00' WHERE key='mesh'")
    connection.close()


def empty(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE meta(key TEXT, value BLOB)")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (damage, Code.STORE_UNREADABLE),
        (empty, Code.STORE_UNREADABLE),
        (age, Code.STORE_NEWER),
        (give_away, Code.STORE_FOREIGN),
    ],
)
def test_a_store_that_cannot_be_used_stops_the_node(member: Path, spoil: object, code: Code) -> None:
    store = member / "store.sqlite3"
    assert callable(spoil)
    for path in (member / "store.sqlite3-wal", member / "store.sqlite3-shm"):
        path.unlink(missing_ok=True)
    spoil(store)
    before = store.read_bytes()

    refused(code, "node", *node_arguments(member))
    found = findings("--data", str(member), status=1)

    assert is_bad(found["store"], code)
    assert store.read_bytes() == before


def test_a_failed_fsync_ends_the_process_and_acknowledges_nothing(tmp_path: Path, ticket: str) -> None:
    log = tmp_path / "node.log"

    async def work() -> None:
        arguments = node_arguments(tmp_path / "node", ticket)
        node = NodeProcess("node", arguments, stderr=log, launcher=CHILD.format(patch=SYNC_FAILS))
        await node.start()
        async with connect(node.ready["gateway"]) as client:
            with pytest.raises(GossamerError) as caught:
                await client.publish("a", "never durable", timeout=2)
            assert node.process is not None
            assert await node.process.wait() == 1

        assert caught.value.code == Code.WAIT_TIMED_OUT

    play(work)
    last = log.read_text().splitlines()[-1]
    assert last.startswith(f"gossamer: {Code.SYNC_FAILED} ") and last.endswith(EXPLANATIONS[Code.SYNC_FAILED].remedy)


# --- tickets ---------------------------------------------------------------------------------------------------------


def bad_tickets(folder: Path) -> dict[str, str]:
    """Tickets that do not hold, by what is said of them."""
    good = ticket_of(folder)
    other = "A" if good[40] != "A" else "B"
    expired = [sys.executable, "-c", PATCHED.format(patch=WAY_BACK.replace("1_000_000_000 *", "1_700_000_000 *"))]
    expired += ["mesh", "invite", "--folder", str(folder)]
    return {
        "a ticket begins with gsm1-": "hello",
        "its checksum does not hold": good[:40] + other + good[41:],
        "damaged or incomplete": good[:-4],
        "it holds characters that are none of it": good[:40] + "!" + good[41:],
        "does not allow the region eu": ticket_of(folder, "--region", "us"),
        "it has expired": subprocess.run(expired, capture_output=True, check=True).stdout.decode().strip(),
    }


def test_a_ticket_that_does_not_hold_is_refused_and_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "node"

    for why, bad in bad_tickets(tmp_path / "mesh").items():
        said = refused(Code.TICKET_INVALID, "node", *node_arguments(folder, bad), "--region", "eu")
        found = findings("--join", bad, "--data", str(folder), status=1, GOSSAMER_NODE_REGION="eu")

        assert why in said
        assert is_bad(found["ticket"], Code.TICKET_INVALID) and why in found["ticket"]["text"]
        assert not folder.exists()


def test_a_ticket_that_holds_is_found_so(tmp_path: Path, ticket: str) -> None:
    assert findings("--join", ticket, "--data", str(tmp_path / "node"), status=0)["ticket"]["state"] == "good"


def test_without_a_ticket_a_new_directory_joins_nothing(tmp_path: Path) -> None:
    assert "no ticket was given" in refused(Code.TICKET_INVALID, "node", *node_arguments(tmp_path / "node"))
    assert not (tmp_path / "node").exists()


def test_a_ticket_of_another_mesh_is_not_passed_over(tmp_path: Path, member: Path) -> None:
    foreign = ticket_of(tmp_path / "other")

    refused(Code.STORE_FOREIGN, "node", *node_arguments(member, foreign))
    found = findings("--join", foreign, "--data", str(member), status=1)

    assert is_bad(found["ticket"], Code.STORE_FOREIGN)


def test_a_node_that_starts_again_without_its_ticket_knows_the_seeds(tmp_path: Path) -> None:
    async def work() -> None:
        folder = tmp_path / "mesh"
        first = NodeProcess("first", node_arguments(tmp_path / "first", ticket_of(folder)))
        await first.start()
        seeded = ticket_of(folder, "--seed", first.ready["listen"])
        second = NodeProcess("second", node_arguments(tmp_path / "second", seeded))
        try:
            await second.start()
            await second.stop()
            second.arguments = node_arguments(tmp_path / "second")
            await second.start()
            async with connect(second.ready["gateway"]) as client:
                receipt = await client.publish("a", "b", durability="copies:2", timeout=20)
        finally:
            await first.stop()
            await second.stop()

        assert receipt.copies == 2

    play(work)


# --- files that cannot be written ------------------------------------------------------------------------------------


def test_a_data_directory_that_cannot_be_written_is_said(tmp_path: Path, ticket: str) -> None:
    (tmp_path / "node" / "seeds").mkdir(parents=True)
    (tmp_path / "file").touch()

    said = refused(Code.STORE_UNREADABLE, "node", *node_arguments(tmp_path / "node", ticket))
    beneath = refused(Code.STORE_UNREADABLE, "node", *node_arguments(tmp_path / "file" / "node", ticket))
    init = refused(Code.STORE_UNREADABLE, "mesh", "init", "m", "--folder", str(tmp_path / "file" / "mesh"))

    assert "seeds cannot be written: Is a directory" in said
    assert "Not a directory" in beneath
    assert "Not a directory" in init


def test_an_output_without_room_and_a_cursor_file_without_a_folder_are_said(tmp_path: Path, ticket: str) -> None:
    async def work() -> None:
        node = NodeProcess("node", node_arguments(tmp_path / "node", ticket))
        await node.start()
        try:
            gateway = ("-g", node.ready["gateway"])
            await asyncio.to_thread(gossamer, "pub", "a", "x", *gateway, status=0)
            for verb in (("history", "a"), ("sub", "a", "--since", "all", "-C", "1")):
                with Path("/dev/full").open("wb") as full:
                    done = await asyncio.to_thread(
                        subprocess.run, [*COMMAND, *verb, *gateway], stdout=full, stderr=subprocess.PIPE, timeout=30
                    )
                assert (done.returncode, done.stderr) == (1, b"gossamer: No space left on device\n")
            nowhere = str(tmp_path / "none" / "cursor")
            more = ("--since", "all", "-C", "1", "--cursor-file", nowhere, *gateway)
            _, words = await asyncio.to_thread(gossamer, "sub", "a", *more, status=1)
            assert words == f"gossamer: No such file or directory: {nowhere}.new\n"
        finally:
            await node.stop()

    play(work)


@pytest.mark.parametrize("gateway", ["localhost:99999", "http://[::1", "\udcff"])
@pytest.mark.parametrize("verb", [["pub", "r/1", "x"], ["sub", "r"], ["history", "r"], ["status"], ["doctor"]])
def test_a_gateway_that_nobody_can_reach_is_refused_before_it_is_looked_for(verb: list[str], gateway: str) -> None:
    said = called(*verb, "-g", gateway, status=2)[1]

    assert said.startswith(f"gossamer: {Code.CONFIG_INVALID} a gateway is host, host:port, ") and said.count("\n") == 1
    assert said.endswith(f"found {gateway!r}. {EXPLANATIONS[Code.CONFIG_INVALID].remedy}\n")
