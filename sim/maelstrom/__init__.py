"""Maelstrom: the real node under somebody else's test bench.

Maelstrom (by Kyle Kingsbury) runs programs as nodes, passes their JSON messages over a simulated network with latency and
partitions, and holds what clients saw against what was promised. `gossamer sim maelstrom` is such a program: one
`mesh.node.Node` in a host that speaks Maelstrom's protocol over stdin and stdout (`adapter`). `runner` is a small bench of
our own that speaks the same protocol, for machines without Maelstrom.
"""
