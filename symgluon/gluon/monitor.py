"""Calls that `register_op_hook` watches: the unfused graph, run on the interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgluon.gluon.structure import unflatten
from symgluon.gluon.trace import Entry, call_key
from symgluon.ir.dims import Dim, evaluate
from symgluon.ir.graph import Node, Value
from symgluon.ops.apply import apply
from symgluon.ops.array import Array, wrap
from symgluon.ops.region import outside
from symgluon.passes import run_pipeline


def run_monitored(block: Any, args: Sequence[Any]) -> Any:
    """Run `block` operator by operator and report each result to its hooks.

    The compiled entry stays untouched.  Names are ``node_output`` and, with ``monitor_all``,
    ``node_operand`` for the operands before it.
    """
    leaves: list[Array] = []
    call_key(args, leaves)
    traced = block._trace(args)

    def prepare(graph: Any) -> None:
        run_pipeline(graph, ["lift_random"])

    entry = Entry(traced, None, prepare)
    device = leaves[0]._device if leaves else None
    graph, env = traced.graph, entry.env(leaves)
    # handles, not contents: under `record` each operator is recorded, so gradients go on as ever
    known: dict[Value, Any] = dict(
        zip(graph.operands(), entry.operands(leaves, device), strict=True)
    )
    known.update({v: wrap(array) for v, array in graph.constants.items()})
    for node in graph.nodes:
        inputs = [None if v is None else known[v] for v in node.inputs]
        op = node.op.map_dims(lambda d: evaluate(d, env) if isinstance(d, Dim) else d)
        results = apply(op, *inputs)
        results = results if isinstance(results, tuple) else (results,)
        known.update(zip(node.outputs, results, strict=True))
        with outside():
            _report(block._op_hooks, node, inputs, results)
    for index, source in traced.writes:
        entry._assign(source, known[graph.outputs[index]], leaves, device)
    outs = []
    for kind, index, cls in traced.out_leaves:
        if kind == "arg":
            outs.append(leaves[index])
            continue
        handle = known[graph.outputs[index]]
        out = wrap(handle._content(), cls)
        out._node, out._out, out._device = handle._node, handle._out, device
        outs.append(out)
    return unflatten(traced.out_spec, iter(outs))


def _report(
    hooks: Sequence[tuple[Any, bool]], node: Node, inputs: Sequence[Any], results: Sequence[Any]
) -> None:
    from symgluon.numpy import ndarray

    block = node.origin[0].block if node.origin else ""
    name = f"{block}_{node.op.name}" if block else node.op.name
    for callback, monitor_all in hooks:
        if monitor_all:
            for param, array in zip(node.op.operands(), inputs, strict=False):
                if array is not None:
                    callback(f"{name}_{param.name}", node.op.name, _shown(array, ndarray))
        for i, array in enumerate(results):
            suffix = "output" if len(results) == 1 else f"output{i}"
            callback(f"{name}_{suffix}", node.op.name, _shown(array, ndarray))


def _shown(handle: Array, cls: type[Array]) -> Array:
    """What a hook is given: an array of its own, so that a write to it changes nothing."""
    return wrap(handle._content(), cls)
