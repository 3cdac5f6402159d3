"""How far apart the two farthest nodes of a mesh are, also when some of it is lost: many losses are asked about, of one mesh.

From each node a tree of shortest ways is kept (Dijkstra 1959). When something is lost, only what hung on it in a tree lies
farther away than before; all else of that tree stands. So a loss costs what it touches, and not a mesh anew.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass

Near = list[list[tuple[int, int]]]
"""For each node, by its number, those that it is linked to, with the length of the link."""
Ends = tuple[int, int]
FEW = 8
"""Nodes that are looked at one by one sooner than a way round is looked for."""


@dataclass(slots=True)
class _Tree:
    """The shortest ways from one node."""

    dist: list[int]
    parent: list[int]
    order: list[int]
    """The nodes so that each stands before what hangs on it, all of that right behind it ..."""
    at: list[int]
    """... where each stands there ..."""
    size: list[int]
    """... and how many hang on it, with itself."""
    far: list[int]
    """The nodes, the farthest first."""
    deep: list[int]
    """How far the farthest is of what hangs on each."""


class Distances:
    """The distances in a mesh in one part."""

    def __init__(self, near: Near) -> None:
        """Find all shortest ways."""
        self._near = near
        self._trees = [_tree(near, start) for start in range(len(near))]
        self._links = sum(map(len, near)) // 2

    def farthest(self, nodes: Collection[int] = (), links: Collection[Ends] = ()) -> int:
        """How far apart the two farthest nodes are without these, where what is left is in one part."""
        gone = {*links, *((other, one) for one, other in links)}
        if self._is_tree_without(nodes, gone):
            return self._across_tree(nodes, gone)
        detours: dict[Ends, int] = {}
        found = 0 if nodes else max(tree.deep[start] for start, tree in enumerate(self._trees))  # nothing comes nearer
        for start, tree in enumerate(self._trees):
            if start not in nodes:
                found = max(found, self._from(tree, nodes, gone, found, detours))
        return found

    def _is_tree_without(self, nodes: Collection[int], gone: set[Ends]) -> bool:
        """Whether one way alone joins any two, as where a ring has lost something."""
        lost = sum(other not in nodes or other < node for node in nodes for other, _ in self._near[node])
        lost += sum(one not in nodes and other not in nodes for one, other in gone) // 2
        return self._links - lost == len(self._near) - len(nodes) - 1

    def _across_tree(self, nodes: Collection[int], gone: set[Ends]) -> int:
        """The farthest of any node is an end of the longest way (Handler 1973): two looks, where else each node has one."""
        end, far = next(node for node in range(len(self._near)) if node not in nodes), 0
        for _ in range(2):
            todo = [(0, end, -1)]
            end, far = todo[0][1], 0
            while todo:
                here, node, before = todo.pop()
                end, far = (node, here) if here > far else (end, far)
                todo += [
                    (here + length, other, node)
                    for other, length in self._near[node]
                    if other != before and other not in nodes and (node, other) not in gone
                ]
        return far

    def _from(self, tree: _Tree, nodes: Collection[int], gone: set[Ends], enough: int, detours: dict[Ends, int]) -> int:
        """How far the farthest node is from the root of a tree; what is not farther than `enough` need not be exact."""
        roots = [*nodes, *(child for parent, child in gone if tree.parent[child] == parent)]
        is_large = len(roots) == 1 and tree.size[roots[0]] > FEW
        if is_large and self._bound(tree, roots[0], nodes, gone, detours) <= enough:
            return enough
        touched: set[int] = set()
        for root in roots:
            at = tree.at[root]
            touched.update(tree.order[at : at + tree.size[root]])
        still = next((tree.dist[node] for node in tree.far if node not in touched), 0)
        touched.difference_update(nodes)
        if not touched:
            return still
        heap: list[tuple[int, int]] = []
        for node in touched:
            ways = [
                tree.dist[other] + length
                for other, length in self._near[node]
                if other not in touched and other not in nodes and (other, node) not in gone
            ]
            if ways:
                heap.append((min(ways), node))
        heapq.heapify(heap)
        while heap and touched:
            here, node = heapq.heappop(heap)
            if node not in touched:
                continue
            touched.remove(node)
            still = max(still, here)
            for other, length in self._near[node]:
                if other in touched and (node, other) not in gone:
                    heapq.heappush(heap, (here + length, other))
        assert not touched, "what is left is in one part"
        return max(still, enough)

    def _bound(self, tree: _Tree, root: int, nodes: Collection[int], gone: set[Ends], detours: dict[Ends, int]) -> int:
        """How far the farthest node is at most when one node or link is lost: what hung on it goes a way round it."""
        above = tree.parent[root]
        hung = [root] if root not in nodes else [child for child, _ in self._near[root] if tree.parent[child] == root]
        most = next((tree.dist[node] for node in tree.far if node not in nodes), 0)
        for child in hung:
            ends = (above, child)
            if ends not in detours:
                detours[ends] = detours[child, above] = self._detour(above, child, nodes, gone)
            most = max(most, tree.deep[child] - tree.dist[child] + tree.dist[above] + detours[ends])
        return most

    def _detour(self, start: int, end: int, nodes: Collection[int], gone: set[Ends]) -> int:
        """The shortest way between two nodes without what is lost."""
        done: set[int] = set()
        heap = [(0, start)]
        while heap:
            here, node = heapq.heappop(heap)
            if node == end:
                return here
            if node not in done:
                done.add(node)
                for other, length in self._near[node]:
                    if other not in done and other not in nodes and (node, other) not in gone:
                        heapq.heappush(heap, (here + length, other))
        raise AssertionError("what is left is in one part")


def _tree(near: Near, start: int) -> _Tree:
    count = len(near)
    dist, parent, far = [-1] * count, [-1] * count, []
    heap = [(0, start, start)]
    while heap:
        here, node, before = heapq.heappop(heap)
        if dist[node] >= 0:
            continue
        dist[node] = here
        parent[node] = before if node != start else -1
        far.append(node)
        for other, length in near[node]:
            if dist[other] < 0:
                heapq.heappush(heap, (here + length, other, node))
    size = [1] * count
    below: list[list[int]] = [[] for _ in near]
    deep = list(dist)
    for node in reversed(far):
        if node != start:
            size[parent[node]] += size[node]
            deep[parent[node]] = max(deep[parent[node]], deep[node])
            below[parent[node]].append(node)
    order, todo = [], [start]
    while todo:
        node = todo.pop()
        order.append(node)
        todo += below[node]
    at = [0] * count
    for place, node in enumerate(order):
        at[node] = place
    far.reverse()
    return _Tree(dist, parent, order, at, size, far, deep)
