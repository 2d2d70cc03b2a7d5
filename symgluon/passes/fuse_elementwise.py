"""A layer and the elementwise operators after it become one operator; so do elementwise chains.

Given    %a = convolution(%x, @w, @b)   %c = add(%a, %shortcut)   %y = relu(%c)
Result   %y = fused[@convolution_add_relu](%x, @w, @b, %shortcut)

For the NumPy interpreter: inside, results are written over dead operands, and there is one call
instead of three.  Intermediate values have one use, so the set is convex; all results have one
shape, so nothing is computed twice.  ONNX Runtime does this by itself: not in its pipeline.
"""

from __future__ import annotations

from symgluon.ir.attrs import has_dims
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.types import same_shape
from symgluon.ops.fused import Fused
from symgluon.passes.manager import count, explain, explaining, graph_pass
from symgluon.passes.mark_inplace import mark
from symgluon.passes.rewrite import Edit, is_elementwise, is_pure, origins

_LAYERS = frozenset(("convolution", "deconvolution", "dense", "matmul", "batch_norm_inference"))
_MOST = 64  # operators in one group: a bound for error messages and printed bodies


def _may_join(node: Node) -> bool:
    if len(node.outputs) != 1 or not is_pure(node.op) or not node.inputs:
        return False
    if any(has_dims(a) for a in node.op.attrs().values()):
        return False
    return is_elementwise(node.op) or node.op.name in _LAYERS


def _group(edit: Edit, root: Node, taken: set[Node]) -> list[Node]:
    """Nodes that are computed with `root`: what only it reads, through values of its shape."""
    found = {root: None}
    layers = 0
    shape = root.output.type.shape or ()
    stack = [root]
    while stack and len(found) < _MOST:
        node = stack.pop()
        if node.op.name in _LAYERS:
            continue
        for value in node.inputs:
            inner = value.producer if value is not None else None
            if inner is None or inner in taken or inner in found or not _may_join(inner):
                continue
            layer = inner.op.name in _LAYERS
            reason = None
            if not edit.single_use(inner.output):
                reason = "is read elsewhere too"
            elif not same_shape(inner.output.type.shape or (), shape):
                reason = "has another shape"
            elif layers and layer:
                reason = "is a second layer"
            if reason is not None:
                if explaining():
                    explain(f"%{root.output.name}: without %{inner.output.name}, which {reason}")
                continue
            layers += layer
            found[inner] = None
            stack.append(inner)
    return sorted(found, key=lambda n: n.order)


def _body(nodes: list[Node]) -> tuple[Graph, list[Value | None]]:
    """The nodes as a graph of their own, and the values it is applied to."""
    body = Graph("_".join([n.op.name for n in nodes[:4]]) + ("_etc" if len(nodes) > 4 else ""))
    env: dict[Value, Value] = {}
    operands: list[Value | None] = []
    inside = {n.output for n in nodes}
    for value in dict.fromkeys([v for n in nodes for v in n.inputs if v is not None]):
        if value in inside:
            continue
        if value.data is not None and value.data.size == 1:
            env[value] = body.add_constant(value.data, value.name)
        else:
            env[value] = body.add_input(value.name, value.type)
            operands.append(value)
    for node in nodes:
        inputs = [None if v is None else env[v] for v in node.inputs]
        made = body.add(
            node.op, inputs, node.output.type, name=node.output.name, origin=node.origin
        )
        env[node.output] = made.output
    body.set_outputs([env[nodes[-1].output]])
    mark(body)
    return body, operands


@graph_pass("fuse_elementwise", needs=("simplify_algebra", "fuse_patterns"))
def fuse_elementwise(graph: Graph) -> int:
    """Compute a layer and the elementwise operators after it, or a chain of those, in one go."""
    edit = Edit(graph)
    taken: set[Node] = set()
    bodies: dict[str, Graph] = {}
    for root in reversed(graph.nodes):
        if root in taken or not is_elementwise(root.op) or not _may_join(root):
            continue
        nodes = _group(edit, root, taken)
        if len(nodes) < 2:
            continue
        taken.update(nodes)
        body, operands = _body(nodes)
        body = bodies.setdefault(body.fingerprint(), body)
        made = graph.add(
            Fused(body),
            operands,
            root.output.type,
            name=root.output.name,
            origin=origins(*nodes),
            before=root,
        )
        taken.add(made)
        edit.take_place(root, made.output)
        count(" + ".join([n.op.name for n in nodes[:4]]) + (" + ..." if len(nodes) > 4 else ""))
        for node in reversed(nodes[:-1]):
            graph.remove(node)
    return edit.count
