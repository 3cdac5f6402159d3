"""The simulator: many nodes, one thread, one seed.

It runs the node that the daemon runs, on an event heap with seeded faults, and checks the delivery contract as it
goes. Only its `loop`, `real`, `proxy` and `demo` modules may know the programs in `nodes`.
"""
