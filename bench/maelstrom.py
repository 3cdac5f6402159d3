"""`python -m bench.maelstrom`: Maelstrom's broadcast challenge with 25 real processes, by the bench of our own.

It prints a table for each trial and writes `bench/maelstrom.json`. The real Maelstrom is run as docs/howto/maelstrom.md says.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

from bench.machine import in_words, machine
from sim.maelstrom.runner import Bench
from sim.maelstrom.trial import Trial

RESULTS = Path(__file__).parent / "maelstrom.json"
TRIALS = {
    "100 operations/s": Trial(),
    "200 operations/s, 100 of them broadcasts": Trial(rate=200),
    "100 operations/s, four cuts of 5 s": Trial(seconds=60, partitions=4, cut_s=5, settle_s=15),
}
MESSAGES_MAX, MEDIAN_MS_MAX, WORST_MS_MAX = 8, 350, 600


def main() -> None:
    """Measure and report."""
    about = machine()
    print(in_words(about))
    trials = {}
    for name, trial in TRIALS.items():
        before = os.times()
        found = Bench(trial).run()
        after = os.times()
        cpu_s = round(after.children_user + after.children_system - before.children_user - before.children_system, 1)
        print(f"\n{name}: {trial.nodes} nodes, {trial.latency_ms} ms, {trial.seconds} s; {cpu_s} s of CPU in all nodes")
        print(found.table())
        print("kept" if found.kept else "BROKEN")
        trials[name] = {"trial": asdict(trial), "figures": asdict(found), "cpu_s": cpu_s}
        if not trial.partitions:
            latencies = found.stable_latencies_ms
            fine = found.messages_per_operation <= MESSAGES_MAX and latencies["0.5"] <= MEDIAN_MS_MAX
            fine = fine and latencies["1.0"] <= WORST_MS_MAX
            print(
                f"{'within' if fine else 'MISSED'}: {MESSAGES_MAX} messages, median {MEDIAN_MS_MAX}, worst {WORST_MS_MAX} ms"
            )
    RESULTS.write_text(json.dumps({"machine": about, "trials": trials}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
