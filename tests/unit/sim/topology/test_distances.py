"""Distances after losses are those of the mesh that is left, reckoned anew."""

import itertools
import random
import time

import networkx as nx
import pytest

from sim.topology.distances import Distances


def near_of(net: nx.Graph) -> list[list[tuple[int, int]]]:
    return [[(other, about["length"]) for other, about in net.adj[node].items()] for node in sorted(net)]


def anew(net: nx.Graph) -> int:
    """The greatest of all shortest distances."""
    lengths = dict(nx.all_pairs_dijkstra_path_length(net, weight="length"))
    return max(length for row in lengths.values() for length in row.values())


def mesh(seed: int, nodes: int, links: int) -> nx.Graph:
    rng = random.Random(seed)
    net = nx.gnm_random_graph(nodes, links, seed=seed)
    net.add_edges_from((node, rng.randrange(node)) for node in range(1, nodes))
    for one, other in net.edges:
        net.edges[one, other]["length"] = rng.choice((0, 1, 2, 5, 9, 40))
    return net


@pytest.mark.parametrize(("seed", "nodes"), [*((seed, 9) for seed in range(8)), *((seed, 40) for seed in range(8))])
def test_whatever_one_or_two_things_are_lost(seed: int, nodes: int) -> None:
    net = mesh(seed, nodes, 6 + 2 * seed)
    distances = Distances(near_of(net))

    assert distances.farthest() == anew(net)
    things = [*((node, None) for node in net), *((None, link) for link in net.edges)]
    pairs = itertools.islice(itertools.combinations(things, 2), 300)
    for some in (*((each,) for each in things), *pairs):
        lost = {node for node, _ in some if node is not None}
        links = [link for _, link in some if link is not None]
        left = net.copy()
        left.remove_edges_from(links)
        left.remove_nodes_from(lost)
        if len(left) and nx.is_connected(left):
            assert distances.farthest(lost, links) == anew(left), (lost, links)


@pytest.mark.parametrize("seed", range(8))
def test_of_a_ring_with_branches_a_tree_is_left(seed: int) -> None:
    net = nx.cycle_graph(7)
    rng = random.Random(seed)
    net.add_edges_from((node, rng.randrange(node)) for node in range(7, 11))
    for one, other in net.edges:
        net.edges[one, other]["length"] = rng.choice((0, 1, 2, 5, 9, 40))
    distances = Distances(near_of(net))

    found, left = [], []
    for node, link in [*((None, link) for link in net.edges), *((node, None) for node in net)]:
        less = net.copy()
        less.remove_edges_from([link] if link is not None else [])
        less.remove_nodes_from([node] if node is not None else [])
        if nx.is_connected(less):
            assert nx.is_tree(less) or node is not None
            found.append(distances.farthest([] if node is None else [node], [] if link is None else [link]))
            left.append(anew(less))

    assert found == left and len(found) >= 7


def test_a_mesh_of_hundreds_is_asked_about_every_loss_in_seconds() -> None:
    net = nx.convert_node_labels_to_integers(nx.grid_2d_graph(15, 20), ordering="sorted")
    rng = random.Random(1)
    nx.set_edge_attributes(net, {link: rng.randint(5, 150) for link in net.edges}, "length")
    began_s = time.process_time()

    distances = Distances(near_of(net))
    farthest = [distances.farthest(links=[link]) for link in net.edges]
    farthest += [distances.farthest([node]) for node in net]

    assert min(farthest) > 0
    assert time.process_time() - began_s < 30
