"""Topology: what a mesh can lose before it splits, and how long it takes to converge (`analyse`), of a graph (`Graph`)."""

from sim.topology.analysis import analyse as analyse
from sim.topology.files import read_graph as read_graph
from sim.topology.graph import Graph as Graph
from sim.topology.graph import Link as Link
from sim.topology.picture import svg as svg
from sim.topology.report import Report as Report
