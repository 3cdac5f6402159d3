"""What the analysis claims of random graphs, held against what one finds by taking things away."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from sim.topology import Graph, analyse
from sim.topology.analysis import say
from sim.topology.graph import link
from sim.topology.report import Kind

NAMES = "abcdefg"


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to seven nodes in up to three regions, with any links."""
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    regions = {name: draw(st.sampled_from(["eu", "us", "ap"])) for name in names}
    pairs = [pair for pair in combinations(names, 2) if draw(st.booleans())]
    return Graph(regions, tuple(link(*pair, draw(st.integers(0, 300_000))) for pair in pairs))


def parts(graph: Graph, lost: set[str] = frozenset(), links: set[tuple[str, str]] = frozenset()) -> set[frozenset[str]]:  # type: ignore[assignment]
    """Who can reach whom, by spreading a label until nothing changes."""
    label = {node: node for node in graph.regions if node not in lost}
    changed = True
    while changed:
        changed = False
        for one, other in (each.pair for each in graph.links if each.pair not in links):
            if one in label and other in label and label[one] != label[other]:
                label[one] = label[other] = min(label[one], label[other])
                changed = True
    return {frozenset(node for node in label if label[node] == each) for each in label.values()}


@given(graphs())
def test_parts_are_those_that_can_reach_one_another(graph: Graph) -> None:
    assert {frozenset(part) for part in graph.parts()} == parts(graph)


@given(graphs())
def test_a_node_is_a_cut_node_exactly_if_taking_it_away_makes_more_parts(graph: Graph) -> None:
    cut = set(analyse(graph).cut_nodes)

    assert cut == {node for node in graph.regions if len(parts(graph, {node})) > len(parts(graph))}


@given(graphs())
def test_a_link_is_a_cut_link_exactly_if_taking_it_away_makes_more_parts(graph: Graph) -> None:
    cut = set(analyse(graph).cut_links)

    found = {say(each.pair) for each in graph.links if len(parts(graph, links={each.pair})) > len(parts(graph))}
    assert cut == found


@given(graphs())
def test_every_loss_leaves_the_parts_that_it_names(graph: Graph) -> None:
    links = {say(each.pair): each.pair for each in graph.links}

    for loss in analyse(graph).losses:
        match loss.kind:
            case Kind.NODE:
                left = parts(graph, set(loss.what))
            case Kind.REGION:
                left = parts(graph, {node for node, region in graph.regions.items() if region == loss.what[0]})
            case _:
                left = parts(graph, links={links[name] for name in loss.what})
        assert {frozenset(part) for part in loss.parts} == left


@given(graphs())
def test_two_links_are_told_exactly_if_they_split_a_mesh_that_neither_splits_alone(graph: Graph) -> None:
    if len(parts(graph)) > 1:
        return
    pairs = sorted(each.pair for each in graph.links)
    alone = {pair for pair in pairs if len(parts(graph, links={pair})) > 1}

    told = {loss.what for loss in analyse(graph).losses if loss.kind is Kind.LINKS}
    assert told == {
        (say(one), say(other))
        for one, other in combinations(pairs, 2)
        if not alone & {one, other} and len(parts(graph, links={one, other})) > 1
    }


@given(graphs())
def test_the_least_cuts_split_and_nothing_smaller_does(graph: Graph) -> None:
    found = analyse(graph)
    links = {say(each.pair): each.pair for each in graph.links}

    if found.least_nodes is not None:
        assert len(parts(graph, set(found.least_nodes))) > 1
        fewer = combinations(sorted(graph.regions), len(found.least_nodes) - 1)
        assert all(len(parts(graph, set(nodes))) == 1 for nodes in fewer)
    if found.least_links is not None:
        assert len(parts(graph, links={links[name] for name in found.least_links})) > 1
        some = combinations(sorted(links.values()), len(found.least_links) - 1)
        assert all(len(parts(graph, links=set(lost))) == 1 for lost in some)


def tells(graph: Graph | None, count: int, *, of_regions: bool) -> bool:
    """Whether anybody is linked with so many, itself among them: nodes, or regions."""
    for node in graph.regions if graph is not None else ():
        near = {node, *(end for each in graph.links if node in each.pair for end in each.pair)}
        if len({graph.regions[each] for each in near} if of_regions else near) >= count:
            return True
    return False


@given(graphs())
def test_a_level_stays_if_somebody_can_be_told_whatever_single_thing_is_lost(graph: Graph) -> None:
    left = [graph.without(nodes=[node]) for node in graph.nodes]
    left += [graph.without(nodes=graph.nodes_of(region)) for region in set(graph.regions.values())]
    left += [graph.without(links=[each.pair]) for each in graph.links]

    for level in analyse(graph).levels:
        kind, _, count = level.name.partition(":")
        assert level.stays_reachable == all(tells(one, int(count or 1), of_regions=kind == "regions") for one in left)


@given(graphs())
def test_levels_survive_the_worst_place_for_their_copies(graph: Graph) -> None:
    nodes = sorted(graph.regions)
    near = {node: {node, *(end for each in graph.links if node in each.pair for end in each.pair)} for node in nodes}

    for level in analyse(graph).levels:
        kind, _, count = level.name.partition(":")
        if kind == "regions":
            at = [node for node in nodes if len({graph.regions[each] for each in near[node]}) >= int(count)]
            assert list(level.at) == at
            continue
        copies = int(count or 1)
        spread = min(len({graph.regions[node] for node in chosen}) for chosen in combinations(nodes, copies))
        assert (level.disks_survived, level.regions_survived) == (copies - 1, spread - 1)
        assert list(level.at) == [node for node in nodes if len(near[node]) >= copies]
        assert level.reachable == bool(level.at)
