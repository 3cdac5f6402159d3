"""`gossamer status` for people."""

from typing import Any

import pytest

from nodes.cli.status import _show

PEER = {"node": "p" * 26, "region": "region-" * 5, "address": "[2001:db8::1]:65535", "missing": 7, "behind": True}
ABOUT: dict[str, Any] = {
    "node": "n" * 26,
    "region": "region-" * 5,
    "version": "0.1.0",
    "draining": True,
    "records": 1_234_567,
    "missing": 7,
    "logs": 1,
    "digest": "0" * 16,
    "sessions": 1,
    "subscriptions": 2,
    "behind": 3,
    "clock_trusted": False,
    "disk_free_bytes": 1 << 30,
    "forked": 0,
    "peers": [PEER | {"silent": True}],
}


def test_lines_in_a_pipe_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    _show("ws://127.0.0.1:7420", ABOUT)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["n" * 12, "stored", "clients", "disk", "peer", "p" * 12]
    assert lines[0].endswith(" at ws://127.0.0.1:7420, version 0.1.0, draining")
    assert lines[-1].split()[1:] == ["region-" * 5, "[2001:db8::1]:65535", "7", "behind", "silent"]
