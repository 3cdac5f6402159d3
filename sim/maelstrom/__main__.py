"""`python -m sim.maelstrom`: be one node under Maelstrom; with `--test` run the bench of our own instead."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from mesh.errors import ConfigError
from sim.maelstrom.process import main
from sim.maelstrom.runner import Bench, Trial


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def test(arguments: list[str]) -> int:
    """Run a trial, print its figures; 1 if something was lost, doubled or invented. What makes no sense ends with 2."""
    parser = argparse.ArgumentParser(prog="python -m sim.maelstrom --test")
    for name, value in asdict(Trial()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    asked = vars(parser.parse_args(arguments))
    try:
        trial = Trial(**asked)
    except ConfigError as error:
        parser.error(str(error))
    found = Bench(trial, tell=_say).run()
    _say(found.table())
    sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")
    return 0 if found.kept else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--test"]:
        try:
            sys.exit(test(sys.argv[2:]))
        except KeyboardInterrupt:
            _say("stopped; all nodes have ended, and there are no figures.")
            sys.exit(130)
    main()
