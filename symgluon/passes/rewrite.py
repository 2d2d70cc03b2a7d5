"""Rewriting: what the passes share to read a graph, and the sweep that applies rules.

A rule is a function ``(edit, node) -> value or None``: the value that takes the place of the
node's result.  A sweep visits the nodes once in order, so a chain of rewrites costs a linear time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.ir.op import Op
from symgluon.ops.families import Binary, Unary
from symgluon.passes.manager import count, explain, explaining

COMMUTATIVE = frozenset(
    (
        "add", "multiply", "maximum", "minimum", "fmax", "fmin", "equal", "not_equal",
        "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor",
        "gcd", "lcm", "hypot", "logaddexp",
    )
)  # fmt: skip

#: elementwise operators that are no members of the families
_ELEMENTWISE = frozenset(
    (
        "around", "cast", "clip", "elu", "gelu", "hard_sigmoid", "identity", "invert",
        "leaky_relu", "mish", "nan_to_num", "polygamma", "selu", "smooth_l1", "stop_gradient",
        "where",
    )
)  # fmt: skip


# ---- reading -----------------------------------------------------------------------------------
def is_elementwise(op: Op) -> bool:
    """Whether each number of the result of `op` depends on one number of each (broadcast) operand."""
    return isinstance(op, Unary | Binary) or op.name in _ELEMENTWISE


def producer(value: Value | None, *names: str) -> Node | None:
    """Return the node that makes `value` if its operator has one of the `names`."""
    node = value.producer if value is not None else None
    return node if node is not None and node.op.name in names else None


_pure: WeakKeyDictionary[Graph, bool] = WeakKeyDictionary()


def is_pure(op: Op) -> bool:
    """Whether `op`, bodies included, has no effects: it may be dropped, merged, folded."""
    if op.effects:
        return False
    return all(_body_is_pure(body) for body in bodies(op))


def _body_is_pure(body: Graph) -> bool:
    found = _pure.get(body)
    if found is None:
        stack, seen = [body], {body}
        found = True
        while stack and found:
            for node in stack.pop().nodes:
                found = found and not node.op.effects
                inner = [b for b in bodies(node.op) if b not in seen]
                seen.update(inner)
                stack += inner
        _pure[body] = found
    return found


def with_bodies(op: Op, copies: Mapping[int, Graph]) -> Op:
    """Return an operator with other bodies.

    Parameters
    ----------
    op : Op
        The operator.
    copies : mapping of int to Graph
        New bodies by the ``id`` of the old ones.

    Returns
    -------
    Op
        `op` itself where nothing changes.
    """
    changes = {
        key: copies[id(value)]
        for key, value in op.attrs().items()
        if isinstance(value, Graph) and copies.get(id(value), value) is not value
    }
    return op.replace(**changes) if changes else op


def constant(value: Value | None) -> np.ndarray | None:
    """Return the array of `value` if it is a constant, else None."""
    return value.data if value is not None else None


def number(value: Value | None) -> Any:
    """Return the number of `value`, a constant of one element, as a Python number; else None."""
    data = constant(value)
    if data is None or data.size != 1 or data.dtype.kind not in "fiuV":
        return None
    item = data.reshape(-1)[0]
    return float(item) if data.dtype.kind == "V" else item.item()


def origins(*nodes: Node) -> tuple[Any, ...]:
    """Return the origins of all `nodes`, each once: a new node has those of what it replaces."""
    return tuple(dict.fromkeys([o for node in nodes for o in node.origin]))


def leave(node: Node, reason: str) -> Value | None:
    """Note why a rule leaves a candidate alone.

    Parameters
    ----------
    node : Node
        The candidate.
    reason : str
        Why.

    Returns
    -------
    None
        As that rule does.
    """
    if explaining():
        explain(f"%{node.output.name}: {reason}")
    return None


# ---- writing -----------------------------------------------------------------------------------
class Edit:
    """A graph being rewritten; knows its outputs as a set.

    Parameters
    ----------
    graph : Graph
        It is changed.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.outputs = set(graph.outputs)
        self.count = 0
        self._made: set[Value] = set()
        #: what patterns found out about products, and the count at which it was true
        self.products: tuple[int, dict[Node, Any]] = (0, {})

    def single_use(self, value: Value) -> bool:
        """Whether one operand of one node reads `value`, and nobody else."""
        return len(value.uses) == 1 and value not in self.outputs

    def put(self, op: Op, inputs: Sequence[Value | None], node: Node, *others: Node) -> Value:
        """Add an operator before a node, for its result.

        Parameters
        ----------
        op : Op
            The operator.
        inputs : sequence of Value or None
            Its operands.
        node : Node
            Gives type, name and origin.
        *others : Node
            Give origins too.

        Returns
        -------
        Value
            The result.
        """
        value = self.graph.add(
            op,
            inputs,
            node.output.type,
            name=node.output.name,
            origin=origins(*others, node),
            before=node,
        ).output
        self._made.add(value)
        return value

    def constant(self, value: Any, dtype: Any, name: str = "const") -> Value:
        """Return a constant.

        Parameters
        ----------
        value : number or nested list of numbers
            Its content.
        dtype : dtype
            Of the constant.
        name : str
            Of the value.

        Returns
        -------
        Value
            The constant.
        """
        return self.graph.add_constant(np.asarray(value, dtype), name)

    def take_place(self, node: Node, value: Value) -> None:
        """Let a value stand for the one result of a node, which goes away.

        A new value takes the name of the old one, and so does one that becomes an output.

        Parameters
        ----------
        node : Node
            Goes away.
        value : Value
            Stands for its result.
        """
        old = node.output
        shown = old in self.outputs
        if value in self._made or (shown and value.kind == "node" and value not in self.outputs):
            value.name, old.name = old.name, value.name
        self.graph.replace_all_uses(old, value)
        if shown:
            self.outputs.discard(old)
            self.outputs.add(value)
        self.graph.remove(node)
        self.count += 1


Rule = Callable[[Edit, Node], Value | None]


def sweep(graph: Graph, rules: Mapping[str, Sequence[Rule]]) -> int:
    """Visit the nodes in order; the first rule of its operator that has a value replaces a node.

    Parameters
    ----------
    graph : Graph
        It is changed.
    rules : mapping
        Operator name to its rules; those under ``*`` are tried on every node, first.

    Returns
    -------
    int
        Number of nodes replaced.  A value of another type than the node's result is not taken.
    """
    edit = Edit(graph)
    always = tuple(rules.get("*", ()))
    for node in graph.nodes:
        for rule in (*always, *rules.get(node.op.name, ())):
            value = rule(edit, node)
            if value is not None and value.type == node.output.type:
                edit.take_place(node, value)
                count(node.op.name)
                break
    return edit.count


def replace_values(graph: Graph, rule: Callable[[Node], Value | None]) -> int:
    """Replace the result of each node by the value that a rule gives for it.

    Parameters
    ----------
    graph : Graph
        It is changed.
    rule : callable
        Node to a value, or None.

    Returns
    -------
    int
        Number of nodes replaced.
    """
    return sweep(graph, {"*": (lambda edit, node: rule(node),)})
