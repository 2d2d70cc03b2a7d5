"""How operators of the IR are spelt in MXNet 2.0, where a name with attributes does not do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import UnsupportedOpError
from symgluon.formats.symbol_write import Entry, SymbolWriter, rule
from symgluon.ir.dims import Dim, same
from symgluon.ir.graph import Node, Value
from symgluon.ir.types import normalize_axes


def _scalar(operand: Any) -> Any:
    """Return the number of a 0-d constant operand, None for anything else."""
    if isinstance(operand, Value) and operand.data is not None and operand.data.ndim == 0:
        return operand.data[()]
    return None


def static(shape: Sequence[Any], what: str) -> tuple[int, ...]:
    """Return `shape` if it holds numbers only.

    Raises
    ------
    UnsupportedOpError
        If it holds a free dimension.
    """
    if any(isinstance(n, Dim) for n in shape):
        raise UnsupportedOpError(
            f"{what} depends on a free dimension", hint="export with dynamic_batch=False"
        )
    return tuple(shape)


# ---- arithmetic ---------------------------------------------------------------------------------
#: operator -> (two arrays, array with number, number with array)
_BINARY = {
    "add": ("_npi_add", "_npi_add_scalar", "_npi_add_scalar"),
    "subtract": ("_npi_subtract", "_npi_subtract_scalar", "_npi_rsubtract_scalar"),
    "multiply": ("_npi_multiply", "_npi_multiply_scalar", "_npi_multiply_scalar"),
    "true_divide": ("_npi_true_divide", "_npi_true_divide_scalar", "_npi_rtrue_divide_scalar"),
    "floor_divide": ("_npi_floor_divide", "_npi_floor_divide_scalar",
                     "_npi_rfloor_divide_scalar"),
    "mod": ("_npi_mod", "_npi_mod_scalar", "_npi_rmod_scalar"),
    "power": ("_npi_power", "_npi_power_scalar", "_npi_rpower_scalar"),
    "maximum": ("_npi_maximum", "_npi_maximum_scalar", "_npi_maximum_scalar"),
    "minimum": ("_npi_minimum", "_npi_minimum_scalar", "_npi_minimum_scalar"),
    "equal": ("_npi_equal", "_npi_equal_scalar", "_npi_equal_scalar"),
    "not_equal": ("_npi_not_equal", "_npi_not_equal_scalar", "_npi_not_equal_scalar"),
    "less": ("_npi_less", "_npi_less_scalar", "_npi_greater_scalar"),
    "less_equal": ("_npi_less_equal", "_npi_less_equal_scalar", "_npi_greater_equal_scalar"),
    "greater": ("_npi_greater", "_npi_greater_scalar", "_npi_less_scalar"),
    "greater_equal": ("_npi_greater_equal", "_npi_greater_equal_scalar",
                      "_npi_less_equal_scalar"),
}  # fmt: skip


@rule(*_BINARY)
def binary(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Two arrays, or an array and a number."""
    arrays, right, left = _BINARY[op.name]
    a, b = ins
    number, name, other = _scalar(b), right, a
    if number is None:
        number, name, other = _scalar(a), left, b
    hint = node.outputs[0].name
    if number is None or number.dtype.kind == "b" or not np.isfinite(number):
        return w.node(arrays, w.entry(a), w.entry(b), hint=hint)
    whole = number.dtype.kind in "iu"
    return w.node(name, w.entry(other), hint=hint, scalar=float(number), is_int=whole)


@rule("cast")
def cast(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A change of dtype."""
    return w.cast(w.entry(ins[0]), op.dtype)


@rule("identity")
def identity(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A copy: the operand itself."""
    return w.entry(ins[0])


@rule("stop_gradient")
def stop_gradient(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A cut of the gradient."""
    return w.node("BlockGrad", w.entry(ins[0]))


@rule("relu", "sigmoid", "tanh", "softplus", "softsign", "log_sigmoid", "mish")
def activation(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """The functions that `Activation` knows."""
    kind = {"softplus": "softrelu"}.get(op.name, op.name)
    return w.node("Activation", w.entry(ins[0]), hint=node.outputs[0].name, act_type=kind)


@rule("leaky_relu", "elu", "selu", "gelu", "prelu")
def leaky(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """The functions that `LeakyReLU` knows."""
    if getattr(op, "approximation", False):
        return NotImplemented
    kind = {"leaky_relu": "leaky"}.get(op.name, op.name)
    attrs = {"slope": getattr(op, "slope", getattr(op, "alpha", 0.25))}
    return w.node("LeakyReLU", *w.entries(ins), hint=node.outputs[0].name, act_type=kind, **attrs)


@rule("where")
def where(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A choice between two arrays, or an array and a number."""
    condition, a, b = ins
    first, second = _scalar(a), _scalar(b)
    if first is None and second is None:
        return w.node("_npi_where", *w.entries(ins))
    if first is not None and second is not None:
        return w.node("_npi_where", *w.entries(ins))
    name, number, other = (
        ("_npi_where_lscalar", first, b) if second is None else ("_npi_where_rscalar", second, a)
    )
    return w.node(name, w.entry(condition), w.entry(other), scalar=float(number))


@rule("clip")
def clip(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Limits, also one alone."""
    low = -3.0e38 if op.a_min is None else op.a_min
    high = 3.0e38 if op.a_max is None else op.a_max
    return w.node("clip", w.entry(ins[0]), a_min=float(low), a_max=float(high))


# ---- filled -------------------------------------------------------------------------------------
@rule("full")
def full(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """An array of one number.

    MXNet's forms need numbers for its shape: free dimensions come from counting along the input
    that has them.
    """
    number = _scalar(ins[0])
    free = [i for i, n in enumerate(op.shape) if isinstance(n, Dim)]
    if free and number is not None:
        return _full_free(w, op.shape, free, number, node)
    shape = static(op.shape, "the shape of a new array")
    if number is None:
        return w.node("_npi_broadcast_to", w.entry(ins[0]), shape=shape)
    dtype = node.outputs[0].dtype
    if number == 0:
        return w.node("_npi_zeros", shape=shape, dtype=dtype)
    if number == 1:
        return w.node("_npi_ones", shape=shape, dtype=dtype)
    return w.node("_full", shape=shape, value=float(number), dtype=dtype)


#: how many times the size of an input a new array may be long in a file
_MOST_TIMES = 256


def _full_free(
    w: SymbolWriter, shape: Sequence[Any], free: Sequence[int], number: Any, node: Node
) -> Entry:
    """Zeros counted along an input's axis, broadcast against the rest."""
    dtype = node.outputs[0].dtype
    rest = tuple(1 if i in free else n for i, n in enumerate(shape))
    result = w.node("_full", shape=rest, value=float(number), dtype=dtype)
    for i in free:
        value, axis, times = _input_axis(node, shape[i])
        counted = w.node("_npx_arange_like", w.entry(value), axis=axis)
        if times > 1:
            counted = w.node("_npi_tile", counted, reps=(times,))
        zeros = w.node("_npi_multiply_scalar", w.cast(counted, dtype), scalar=0.0, is_int=False)
        place = tuple(-1 if j == i else 1 for j in range(len(shape)))
        column = w.node("_npx_reshape", zeros, newshape=place)
        result = w.node("_npi_add", result, column)
    return result


def _input_axis(node: Node, dim: Any) -> tuple[Value, int, int]:
    """Input of the graph and its axis of which `dim` is a multiple, and how many times."""
    for value in node.outputs[0].graph.inputs:
        for axis, n in enumerate(value.type.shape or ()):
            if not isinstance(n, Dim):
                continue
            for times in range(1, _MOST_TIMES + 1):
                if same(n * times, dim):
                    return value, axis, times
    raise UnsupportedOpError(
        f"the shape of a new array depends on {dim}, which is no multiple of the size of an input",
        hint="export with dynamic_batch=False",
    )


@rule("arange")
def arange(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A range of numbers."""
    start, stop = (0, op.start) if op.stop is None else (op.start, op.stop)
    static((start, stop, op.step), "a range")
    return w.node("_npi_arange", start=start, stop=stop, step=op.step, dtype=op.dtype)


# ---- shapes -------------------------------------------------------------------------------------
@rule("reshape")
def reshape(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Another shape; free dimensions are copied, merged or inferred by codes."""
    source = node.inputs[0].type.known_shape  # type: ignore[union-attr]
    target = node.outputs[0].type.known_shape
    if len(target) == 2 and len(source) > 2 and same(source[0], target[0]):
        return w.node("Flatten", w.entry(ins[0]), hint=node.outputs[0].name)
    codes: Any = target
    if any(isinstance(n, Dim) for n in target):
        codes = reshape_codes(tuple(source), tuple(target))
        if codes is None:
            raise UnsupportedOpError(
                f"no reshape code gives {target} from {source}",
                hint="export with dynamic_batch=False",
            )
    return w.node(
        "_npx_reshape", w.entry(ins[0]), hint=node.outputs[0].name, newshape=tuple(codes)
    )


def reshape_codes(
    source: tuple[Any, ...], target: tuple[Any, ...], free: bool = True
) -> list[int] | None:
    """Codes of ``npx.reshape`` (-1 infer, -2 copy, -5 merge, -6 split) for symbolic shapes.

    `free`: -1 has not been used yet.  None: no sequence of codes gives the target.
    """
    if not target:
        return []
    want, rest = target[0], target[1:]
    if isinstance(want, int):
        found = reshape_codes(source[1:], rest, free)
        return None if found is None else [want, *found]
    options: list[tuple[list[int], tuple[Any, ...], tuple[Any, ...], bool]] = []
    if source and same(source[0], want):
        options.append(([-2], source[1:], rest, free))
    if len(source) > 1 and same(source[0] * source[1], want):
        options.append(([-5], source[2:], rest, free))
    if source and rest and isinstance(rest[0], int) and same(source[0], want * rest[0]):
        options.append(([-6, -1, rest[0]], source[1:], rest[1:], free))
    if free:
        options.append(([-1], source[1:], rest, False))
    for codes, left, after, still in options:
        found = reshape_codes(left, after, still)
        if found is not None:
            return [*codes, *found]
    return None


@rule("broadcast_to")
def broadcast_to(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Repetition along axes of size 1."""
    source = node.inputs[0].type.known_shape  # type: ignore[union-attr]
    if not any(isinstance(n, Dim) for n in op.shape):
        return w.node("_npi_broadcast_to", w.entry(ins[0]), shape=tuple(op.shape))
    lead = len(op.shape) - len(source)
    entry = w.entry(ins[0])
    axes, sizes = [], []
    for i, want in enumerate(op.shape):
        have = source[i - lead] if i >= lead else 1
        if same(have, want):
            continue
        axes.append(i)
        sizes.append(want)
    if lead:
        entry = w.node("_npx_reshape", entry, newshape=(*(1,) * lead, -4))
    if any(isinstance(n, Dim) for n in sizes) and node.outputs[0].dtype.kind in "fiu":
        free = [i for i, n in enumerate(op.shape) if i in axes and isinstance(n, Dim)]
        grown = tuple(n if i in axes else 1 for i, n in enumerate(op.shape))
        zeros = _full_free(w, grown, free, np.zeros((), node.outputs[0].dtype)[()], node)
        return w.node("_npi_add", entry, zeros)
    static(sizes, "what is broadcast to")
    return w.node("broadcast_axis", entry, axis=tuple(axes), size=tuple(sizes)) if axes else entry


@rule("transpose")
def transpose(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Permuted axes."""
    attrs = {} if op.axes is None else {"axes": op.axes}
    return w.node("_npi_transpose", w.entry(ins[0]), hint=node.outputs[0].name, **attrs)


@rule("swapaxes")
def swapaxes(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Two axes exchanged."""
    return w.node("SwapAxis", w.entry(ins[0]), dim1=op.axis1, dim2=op.axis2)


@rule("expand_dims")
def expand_dims(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """New axes, one at a time."""
    entry = w.entry(ins[0])
    for axis in sorted(normalize_axes(op.axis, node.outputs[0].type.rank)):
        entry = w.node("expand_dims", entry, axis=axis)
    return entry


@rule("squeeze")
def squeeze(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Axes of size 1 dropped."""
    axis = (op.axis,) if isinstance(op.axis, int) else op.axis
    return w.node("_npi_squeeze", w.entry(ins[0]), axis=axis)


@rule("concatenate")
def concatenate(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Arrays joined along an axis."""
    if op.axis is None:
        return NotImplemented
    return w.node(
        "Concat", *w.entries(ins), hint=node.outputs[0].name, dim=op.axis, num_args=len(ins)
    )


@rule("stack")
def stack(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Arrays joined along a new axis."""
    return w.node("stack", *w.entries(ins), axis=op.axis, num_args=len(ins))


@rule("split")
def split(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Parts along an axis."""
    indices = () if op.sections else (0, *op.indices)
    entry = w.node(
        "_split_v2", w.entry(ins[0]), axis=op.axis, indices=indices, sections=op.sections,
        squeeze_axis=op.squeeze,
    )  # fmt: skip
    return w.outputs(entry, len(node.outputs))


@rule("index")
def index(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A basic index: slices, then axes of ints dropped, new ones added."""
    begin, end, step, dropped, added = [], [], [], [], []
    axis = out = 0
    for item in op.item:
        if item is None:
            added.append(out)
            out += 1
            continue
        if isinstance(item, slice):
            static([v for v in (item.start, item.stop) if v is not None], "a slice")
            begin.append(item.start)
            end.append(item.stop)
            step.append(item.step)
            out += 1
        else:
            begin.append(item)
            end.append(None if item == -1 else item + 1)
            step.append(None)
            dropped.append(axis)
        axis += 1
    entry = w.entry(ins[0])
    if any(v is not None for v in (*begin, *end, *step)):
        entry = w.node(
            "slice", entry, hint=node.outputs[0].name, begin=tuple(begin), end=tuple(end),
            step=tuple(step),
        )  # fmt: skip
    if dropped:
        entry = w.node("_npi_squeeze", entry, axis=tuple(dropped))
    for place in added:
        entry = w.node("expand_dims", entry, axis=place)
    return entry


@rule("tile")
def tile(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """The whole array repeated."""
    return w.node("tile", w.entry(ins[0]), reps=static(op.reps, "a number of repeats"))


@rule("repeat")
def repeat(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Each element repeated."""
    return w.node("_npi_repeats", w.entry(ins[0]), repeats=op.repeats, axis=op.axis)


@rule("flip")
def flip(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Axes reversed."""
    axes = normalize_axes(op.axis, node.outputs[0].type.rank)
    return w.node("_npi_flip", w.entry(ins[0]), axis=axes)


@rule("pad")
def pad(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Elements added around an array."""
    pairs = [list(p) for p in op.pairs(node.outputs[0].type.rank)]
    widths = "[" + ",".join(f"[{a},{b}]" for a, b in pairs) + "]"
    return w.node(
        "_npi_pad", w.entry(ins[0]), pad_width=widths, mode=op.mode,
        constant_values=op.constant_value, reflect_type="even",
    )  # fmt: skip


# ---- reductions ---------------------------------------------------------------------------------
@rule("sum", "prod", "mean", "max", "min", "var", "std")
def reduction(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A reduction: the axes as a tuple, the dtype of the result stated."""
    axis = (op.axis,) if isinstance(op.axis, int) else op.axis
    if axis == ():
        return NotImplemented
    attrs: dict[str, Any] = {"axis": axis, "keepdims": op.keepdims}
    if op.name not in ("max", "min"):
        attrs["dtype"] = node.outputs[0].dtype
    if getattr(op, "initial", None) is not None:
        attrs["initial"] = op.initial
    if op.name in ("var", "std"):
        attrs["ddof"] = op.ddof
    return w.node(f"_npi_{op.name}", w.entry(ins[0]), hint=node.outputs[0].name, **attrs)


@rule("argsort")
def argsort(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Places that sort an axis."""
    return w.node(
        "argsort", w.entry(ins[0]), axis=op.axis, is_ascend=op.is_ascend,
        dtype=node.outputs[0].dtype,
    )  # fmt: skip


@rule("top_k")
def top_k(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """The largest or smallest elements and their places."""
    entry = w.node(
        "topk", w.entry(ins[0]), axis=op.axis, k=op.k, ret_typ="both", is_ascend=not op.largest,
        dtype=node.outputs[1].dtype,
    )  # fmt: skip
    return w.outputs(entry, 2)


@rule("top_places")
def top_places(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """The places of the largest or smallest elements."""
    return w.node(
        "topk", w.entry(ins[0]), axis=op.axis, k=op.k, ret_typ="indices",
        is_ascend=not op.largest, dtype=node.outputs[0].dtype,
    )  # fmt: skip
