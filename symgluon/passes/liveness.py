"""How long values live, and which of them lie in one buffer.

A *class* is a set of values in one buffer: a fresh result, the views of it (operators whose kernel
may return a view), and results written over it in place.  Classes of graph inputs, parameters and
constants belong to the caller: nothing is written there.
"""

from __future__ import annotations

from typing import NamedTuple

from symgluon.ir.graph import Graph, Node, Value, bodies

_SAME_BYTES = ("reshape", "expand_dims", "squeeze")
FOREVER = 1 << 60


class Interval(NamedTuple):
    """First and last position (in node order) at which a buffer is in use."""

    start: int
    end: int


class Classes:
    """Buffers of a graph, built node by node in order.

    Attributes
    ----------
    root : dict of Value to Value
        The value whose buffer each value lies in.
    owned : set of Value
        Roots that are results of nodes.
    interval : dict of Value to Interval
        Of each owned root.
    dense : set of Value
        Values that fill their buffer in order: no views with steps, parts or permuted axes.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.root: dict[Value, Value] = {}
        self.owned: set[Value] = set()
        self.interval: dict[Value, Interval] = {}
        self.dense: set[Value] = set()
        self._last = self._last_uses()
        for value in (*graph.operands(), *graph.constants):
            self.root[value] = value
            self.dense.add(value)

    def _last_uses(self) -> dict[Value, int]:
        last: dict[Value, int] = {}
        for i, node in enumerate(self.nodes):
            for value in (*node.inputs, *node.outputs):
                if value is not None:
                    last[value] = i
        last.update(dict.fromkeys(self.graph.outputs, FOREVER))
        return last

    def last_use(self, value: Value) -> int:
        """Position after which nobody reads the buffer that `value` lies in, as known so far."""
        root = self.root[value]
        return self.interval[root].end if root in self.owned else FOREVER

    def step(self, i: int, node: Node, inplace: dict[Value, Value]) -> None:
        """Take in node number `i`; `inplace` says which results go over which operands."""
        if bodies(node.op) and node.op.name != "fused":
            self._opaque(i, node)
            return
        for value in node.outputs:
            over = inplace.get(value)
            source = over if over is not None else self._viewed(node)
            if source is None:
                self._fresh(i, value)
                continue
            self._join(value, source)
            if over is not None or self._stays_dense(node, source):
                self.dense.add(value)

    def _viewed(self, node: Node) -> Value | None:
        """The operand that the results of `node` look into."""
        if not node.op.aliases or not node.inputs:
            return None
        source = node.inputs[0]
        if source is not None and node.op.name in _SAME_BYTES and source not in self.dense:
            # the kernel has to copy, or may still return a view: keep the operand that long
            for value in node.outputs:
                self._extend(source, self._last[value])
            return None
        return source

    def _stays_dense(self, node: Node, source: Value) -> bool:
        return node.op.name in _SAME_BYTES and source in self.dense

    def _fresh(self, i: int, value: Value) -> None:
        self.root[value] = value
        self.owned.add(value)
        self.dense.add(value)
        self.interval[value] = Interval(i, self._last[value])

    def _join(self, value: Value, source: Value) -> None:
        self.root[value] = self.root[source]
        self._extend(source, self._last[value])

    def _extend(self, value: Value, end: int) -> None:
        root = self.root[value]
        if root in self.owned:
            known = self.interval[root]
            self.interval[root] = Interval(known.start, max(known.end, end))

    def _opaque(self, i: int, node: Node) -> None:
        """A node with bodies may return any operand: they all stay until the end."""
        for value in node.inputs:
            if value is not None:
                self._extend(value, FOREVER)
        for value in node.outputs:
            self._fresh(i, value)
            self._extend(value, FOREVER)


def classes(graph: Graph) -> Classes:
    """Return the buffers of `graph` under its in-place marks."""
    found = Classes(graph)
    for i, node in enumerate(found.nodes):
        found.step(i, node, graph.inplace)
    return found
