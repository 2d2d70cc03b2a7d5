"""The table that `Block.summary` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symgluon.gluon.structure import flatten
from symgluon.ops.array import Array

if TYPE_CHECKING:
    from symgluon.gluon.block import Block


def print_summary(block: Block, inputs: Sequence[Any]) -> None:
    """Run `block` on `inputs` and print layers, output shapes and parameters."""
    print(summary_text(block, inputs))


def summary_text(block: Block, inputs: Sequence[Any]) -> str:
    """Return the table; parameters that are shared are counted once.

    Raises
    ------
    ValueError
        If a block in the tree is hybridized.
    """
    for part in block._blocks():
        flags = getattr(part, "_flags", None)
        if flags is not None and flags.active:
            raise ValueError(
                f"{type(part).__name__} is hybridized; call summary() before hybridize(), or "
                "hybridize(False) first"
            )
    rows: list[tuple[str, str, list[Any]]] = [("Input", _shapes(list(inputs)), [])]
    handles = []
    names: dict[str, int] = {}

    def watch(part: Block) -> None:
        kind = type(part).__name__
        number = names.setdefault(kind, 0)
        names[kind] += 1

        def hook(me: Block, _: Any, out: Any) -> None:
            rows.append((f"{kind}-{number}", _shapes(out), list(me._reg_params.values())))

        handles.append(part.register_forward_hook(hook))

    block.apply(watch)
    try:
        block(*inputs)
    finally:
        for handle in handles:
            handle.detach()
    return _table(rows)


def _shapes(tree: Any) -> str:
    leaves: list[Array] = []
    flatten(tree, leaves)
    shown = [str(tuple(leaf.shape)) for leaf in leaves]
    return shown[0] if len(shown) == 1 else "[" + ", ".join(shown) + "]"


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
