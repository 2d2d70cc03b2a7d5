"""The table that `Block.summary` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symgluon.errors import SymgluonError
from symgluon.ops.array import Array

if TYPE_CHECKING:
    from symgluon.gluon.block import Block


class HybridizedError(SymgluonError, AssertionError, ValueError):
    """What is asked for needs a block that is not hybridized: an AssertionError in MXNet."""


def print_summary(block: Block, inputs: Sequence[Any]) -> None:
    """Call a block and print layers, output shapes and parameters.

    Parameters
    ----------
    block : Block
        The block.
    inputs : sequence of array
        Arguments of the call.
    """
    print(summary_text(block, inputs))


def summary_text(block: Block, inputs: Sequence[Any]) -> str:
    """Return the table; parameters that are shared are counted once.

    Rows are numbered in the order in which layers finish.  Containers (`Sequential` and its kin) have
    no row of their own, unless they have parameters of their own.

    Parameters
    ----------
    block : Block
        The block.
    inputs : sequence of array
        The block is called on them.

    Returns
    -------
    str
        A line a call of a layer, and totals.

    Raises
    ------
    HybridizedError
        If a block in the tree is hybridized; it is an AssertionError and a ValueError.
    """
    from symgluon.gluon.nn.basic_layers import HybridSequential, Sequential

    for part in block._blocks():
        flags = getattr(part, "_flags", None)
        if flags is not None and flags.active:
            raise HybridizedError(
                f"{type(part).__name__} is hybridized; a summary is made of an un-hybridized block",
                hint="call summary() before hybridize(), or hybridize(False) first",
            )
    rows: list[tuple[str, str, list[Any]]] = [("Input", _shapes(inputs), [])]
    handles = []

    def watch(part: Block) -> None:
        if isinstance(part, Sequential | HybridSequential) and not part._reg_params:
            return

        def hook(me: Block, _: Any, out: Any) -> None:
            name = f"{type(me).__name__}-{len(rows)}"
            rows.append((name, _shapes(out), list(me._reg_params.values())))

        handles.append(part.register_forward_hook(hook))

    block.apply(watch)
    try:
        block(*inputs)
    finally:
        for handle in handles:
            handle.detach()
    return _table(rows)


def _shapes(tree: Any) -> str:
    """Shapes of nested results; the outermost list is written without brackets."""
    shown = _nested(tree)
    return shown[1:-1] if isinstance(tree, list | tuple) else shown


def _nested(tree: Any) -> str:
    if isinstance(tree, Array):
        return str(tuple(tree.shape))
    if isinstance(tree, list | tuple):
        return "[" + ", ".join(_nested(item) for item in tree) + "]"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{k!r}: {_nested(v)}" for k, v in tree.items()) + "}"
    return str(tree)


def _table(rows: Sequence[tuple[str, str, list[Any]]]) -> str:
    total = trainable = shared = 0
    seen: set[int] = set()
    lines = ["-" * 80, f"{'Layer (type)':>20}  {'Output Shape':>42} {'Param #':>15}", "=" * 80]
    for name, shape, parameters in rows:
        count = 0
        for p in parameters:
            size = 1
            for n in p.shape:
                size *= int(n)
            count += size
            if id(p) in seen:
                shared += size
                continue
            seen.add(id(p))
            total += size
            trainable += size if p.grad_req != "null" else 0
        lines.append(f"{name:>20}  {shape:>42} {count:>15}")
    lines += [
        "=" * 80,
        "Parameters in forward computation graph, duplicate included",
        f"   Total params: {total + shared}",
        f"   Trainable params: {trainable + shared}",
        f"   Non-trainable params: {total - trainable}",
        f"Shared params in forward computation graph: {shared}",
        f"Unique parameters in model: {total}",
        "-" * 80,
    ]
    return "\n".join(lines)
