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


def _static(shape: Sequence[Any], what: str) -> tuple[int, ...]:
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
    """An array of one number; MXNet's forms need numbers for its shape, so that free dimensions
    come from counting along the input that has them.
    """
    number = _scalar(ins[0])
    free = [i for i, n in enumerate(op.shape) if isinstance(n, Dim)]
    if free and number is not None:
        return _full_free(w, op.shape, free, number, node)
    shape = _static(op.shape, "the shape of a new array")
    if number is None:
        return w.node("_npi_broadcast_to", w.entry(ins[0]), shape=shape)
    dtype = node.outputs[0].dtype
    if number == 0:
        return w.node("_npi_zeros", shape=shape, dtype=dtype)
    if number == 1:
        return w.node("_npi_ones", shape=shape, dtype=dtype)
    return w.node("_full", shape=shape, value=float(number), dtype=dtype)


def _full_free(
    w: SymbolWriter, shape: Sequence[Any], free: Sequence[int], number: Any, node: Node
) -> Entry:
    """Zeros counted along an input's axis, broadcast against the rest."""
    dtype = node.outputs[0].dtype
    rest = tuple(1 if i in free else n for i, n in enumerate(shape))
    result = w.node("_full", shape=rest, value=float(number), dtype=dtype)
    for i in free:
        source = _input_axis(node, shape[i])
        counted = w.node("_npx_arange_like", w.entry(source[0]), axis=source[1])
        zeros = w.node("_npi_multiply_scalar", w.cast(counted, dtype), scalar=0.0, is_int=False)
        place = tuple(-1 if j == i else 1 for j in range(len(shape)))
        column = w.node("_npx_reshape", zeros, newshape=place)
        result = w.node("_npi_add", result, column)
    return result


def _input_axis(node: Node, dim: Any) -> tuple[Value, int]:
    """Input of the graph, and its axis, that has the size `dim`."""
    for value in node.outputs[0].graph.inputs:
        for axis, n in enumerate(value.type.shape or ()):
            if isinstance(n, Dim) and same(n, dim):
                return value, axis
    raise UnsupportedOpError(
        f"the shape of a new array depends on {dim}, which is the size of no input",
        hint="export with dynamic_batch=False",
    )


@rule("arange")
def arange(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A range of numbers."""
    start, stop = (0, op.start) if op.stop is None else (op.start, op.stop)
    _static((start, stop, op.step), "a range")
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
    _static(sizes, "what is broadcast to")
    if lead:
        entry = w.node("_npx_reshape", entry, newshape=(*(1,) * lead, -4))
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
            _static([v for v in (item.start, item.stop) if v is not None], "a slice")
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
    return w.node("tile", w.entry(ins[0]), reps=_static(op.reps, "a number of repeats"))


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


# ---- layers -------------------------------------------------------------------------------------
@rule("dense")
def dense(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A fully connected layer."""
    return w.node(
        "FullyConnected", *w.entries(ins), hint=node.outputs[0].name, num_hidden=op.num_hidden,
        flatten=op.flatten, no_bias=len(w.entries(ins)) < 3,
    )  # fmt: skip


_LAYOUT = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


@rule("convolution", "deconvolution")
def convolution(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A convolution or its transpose."""
    entries = w.entries(ins)
    attrs = {
        "kernel": op.kernel_shape, "stride": op.stride, "pad": op.pad, "dilate": op.dilate,
        "num_filter": op.num_filter, "num_group": op.num_group, "no_bias": len(entries) < 3,
        "layout": _LAYOUT[len(op.kernel_shape)],
    }  # fmt: skip
    if op.name == "deconvolution" and op.adj:
        attrs["adj"] = op.adj
    name = "Convolution" if op.name == "convolution" else "Deconvolution"
    return w.node(name, *entries, hint=node.outputs[0].name, **attrs)


@rule("pooling")
def pooling(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Pooling of windows."""
    attrs = {
        "kernel": op.kernel_shape, "stride": op.stride, "pad": op.pad, "pool_type": op.mode,
        "pooling_convention": "full" if op.ceil else "valid", "global_pool": False,
    }  # fmt: skip
    if op.mode == "avg":
        attrs["count_include_pad"] = op.count_include_pad
    if op.mode == "lp":
        attrs["p_value"] = op.p_value
    return w.node("Pooling", w.entry(ins[0]), hint=node.outputs[0].name, **attrs)


@rule("global_pooling")
def global_pooling(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Pooling of all of the spatial axes."""
    rank = node.outputs[0].type.rank - 2
    attrs = {"p_value": op.p_value} if op.mode == "lp" else {}
    return w.node(
        "Pooling", w.entry(ins[0]), hint=node.outputs[0].name, kernel=(1,) * rank,
        pool_type=op.mode, global_pool=True, **attrs,
    )  # fmt: skip


@rule("adaptive_avg_pool")
def adaptive_pool(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Average pooling to a given size."""
    return w.node("_contrib_AdaptiveAvgPooling2D", w.entry(ins[0]), output_size=op.output_size)


@rule("bilinear_resize")
def bilinear_resize(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Bilinear resizing."""
    return w.node(
        "_contrib_BilinearResize2D", w.entry(ins[0]), height=op.height, width=op.width,
        align_corners=op.align_corners, mode="size",
    )  # fmt: skip


@rule("upsampling")
def upsampling(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Nearest-neighbour upsampling."""
    return w.node("UpSampling", w.entry(ins[0]), scale=op.scale, sample_type="nearest", num_args=1)


@rule("batch_norm_inference")
def batch_norm(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Batch normalisation with running statistics."""
    return w.node(
        "BatchNorm", *w.entries(ins), hint=node.outputs[0].name, axis=op.axis, eps=op.eps,
        fix_gamma=False, momentum=0.9, output_mean_var=False, use_global_stats=False,
    )  # fmt: skip


@rule("layer_norm")
def layer_norm(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Layer normalisation."""
    return w.node(
        "LayerNorm", *w.entries(ins), hint=node.outputs[0].name, axis=op.axis, eps=op.eps
    )


@rule("group_norm")
def group_norm(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Group normalisation."""
    return w.node(
        "GroupNorm", *w.entries(ins), hint=node.outputs[0].name, num_groups=op.num_groups,
        eps=op.eps,
    )  # fmt: skip


@rule("instance_norm")
def instance_norm(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Instance normalisation (channels on axis 1, as MXNet has it)."""
    if op.axis != 1:
        return NotImplemented
    return w.node("InstanceNorm", *w.entries(ins), hint=node.outputs[0].name, eps=op.eps)


@rule("softmax", "log_softmax")
def softmax(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Softmax, with or without a logarithm."""
    attrs = {} if op.temperature is None else {"temperature": op.temperature}
    return w.node(op.name, w.entry(ins[0]), hint=node.outputs[0].name, axis=op.axis, **attrs)


@rule("embedding")
def embedding(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Rows of a table."""
    return w.node(
        "Embedding", *w.entries(ins), hint=node.outputs[0].name, input_dim=op.input_dim,
        output_dim=op.output_dim, dtype=node.outputs[0].dtype,
    )  # fmt: skip


@rule("take")
def take(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Elements at places along an axis."""
    if op.axis is None:
        return NotImplemented
    return w.node("take", *w.entries(ins), axis=op.axis, mode=op.mode)


@rule("matmul")
def matmul(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Entry:
    """A matrix product."""
    return w.node("_npi_matmul", *w.entries(ins), hint=node.outputs[0].name)


# ---- recurrent nets, boxes, heads ---------------------------------------------------------------
@rule("rnn")
def rnn(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A fused recurrent net; the states are results too."""
    data, params, hidden, cell, length, masks = (*ins, *(None,) * (6 - len(ins)))
    if masks is not None:
        raise UnsupportedOpError("dropout between layers belongs to training")
    lstm = op.mode == "lstm"
    entry = w.node(
        "RNN", *w.entries((data, params, hidden, cell, length)), hint=node.outputs[0].name,
        mode=op.mode, state_size=op.state_size, num_layers=op.num_layers,
        bidirectional=op.bidirectional, state_outputs=True, p=0.0,
        projection_size=op.projection_size, use_sequence_length=length is not None,
        lstm_state_clip_min=op.clip_min if lstm else None,
        lstm_state_clip_max=op.clip_max if lstm else None, lstm_state_clip_nan=op.clip_nan,
    )  # fmt: skip
    return w.outputs(entry, len(node.outputs))


@rule("box_nms")
def box_nms(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Non-maximum suppression; where rows came from is not a result in MXNet."""
    if node.outputs[1].uses:
        raise UnsupportedOpError("the places of the rows that survive are not a result in MXNet")
    return w.node("_contrib_box_nms", *w.entries(ins), hint=node.outputs[0].name, **op.attrs())


@rule("multibox_detection", "multibox_target", "roi_pooling")
def boxes(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Operators on boxes with the same attributes."""
    name = {
        "multibox_detection": "_contrib_MultiBoxDetection",
        "multibox_target": "_contrib_MultiBoxTarget",
        "roi_pooling": "ROIPooling",
    }[op.name]
    entry = w.node(name, *w.entries(ins), hint=node.outputs[0].name, **op.attrs())
    if op.name == "roi_pooling" or len(node.outputs) == 1:
        return entry
    return w.outputs(entry, len(node.outputs))


@rule(
    "linear_regression_output", "mae_regression_output", "logistic_regression_output", "svm_output"
)
def regression(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """What a training head predicts: the label and the gradient are left out."""
    if op.name.startswith("logistic"):
        return w.node("Activation", w.entry(ins[0]), act_type="sigmoid")
    return w.entry(ins[0])


@rule("loss_scale")
def loss_scale(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A factor of the gradient: nothing in prediction."""
    return w.entry(ins[0])


# ---- compositions -------------------------------------------------------------------------------
@rule("euclidean_norm")
def euclidean_norm(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """The root of the sum of squares."""
    axes = normalize_axes(op.axis, node.inputs[0].type.rank)  # type: ignore[union-attr]
    square = w.node("_npi_square", w.entry(ins[0]))
    total = w.node(
        "_npi_sum", square, axis=axes, keepdims=op.keepdims, dtype=node.outputs[0].dtype
    )
    return w.node("_npi_sqrt", total)


@rule("logsumexp")
def logsumexp(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """``max + log(sum(exp(x - max)))``."""
    axes = normalize_axes(op.axis, node.inputs[0].type.rank)  # type: ignore[union-attr]
    x, dtype = w.entry(ins[0]), node.outputs[0].dtype
    top = w.node("_npi_max", x, axis=axes, keepdims=True)
    powers = w.node("_npi_exp", w.node("_npi_subtract", x, top))
    total = w.node("_npi_log", w.node("_npi_sum", powers, axis=axes, keepdims=True, dtype=dtype))
    result = w.node("_npi_add", top, total)
    return result if op.keepdims else w.node("_npi_squeeze", result, axis=axes)


@rule("exp2")
def exp2(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Powers of two."""
    return w.node("_npi_rpower_scalar", w.entry(ins[0]), scalar=2.0, is_int=False)


@rule("rsqrt", "rcbrt")
def inverse_root(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Inverse roots, under their 1.x names."""
    return w.node(op.name, w.entry(ins[0]), hint=node.outputs[0].name)


@rule("set_index")
def set_index(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A write to a basic index: the value in the shape of the part, ints kept as axes of size 1."""
    shape = _static(node.outputs[0].type.known_shape, "the array written to")
    begin, end, step, sizes, part = [], [], [], [], []
    axes = iter(shape)
    for item in op.item:
        if item is None:
            part.append(1)
            continue
        n = next(axes)
        bounds = item if isinstance(item, slice) else slice(item, item + 1 or None)
        begin.append(bounds.start)
        end.append(bounds.stop)
        step.append(bounds.step)
        sizes.append(len(range(n)[bounds]))
        if isinstance(item, slice):
            part.append(sizes[-1])
    rest = tuple(axes)
    value = w.node("_npi_broadcast_to", w.entry(ins[1]), shape=(*part, *rest))
    value = w.node("_npx_reshape", value, newshape=(*sizes, *rest))
    if not begin:
        return value
    return w.node(
        "_slice_assign", w.entry(ins[0]), value, begin=tuple(begin), end=tuple(end),
        step=tuple(step),
    )  # fmt: skip


@rule("take_along_axis")
def take_along_axis(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Picks along the last axis, where there is one place a row."""
    places = node.inputs[1].type.known_shape  # type: ignore[union-attr]
    axis = op.axis % len(places)
    if places[axis] != 1:
        raise UnsupportedOpError("MXNet picks one place a row only")
    index = w.node("_npi_squeeze", w.entry(ins[1]), axis=(axis,))
    return w.node("pick", w.entry(ins[0]), index, axis=axis, keepdims=True, mode="clip")


# ---- draws --------------------------------------------------------------------------------------
@rule("random_uniform", "random_normal")
def draw(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Draws of standard distributions."""
    shape = _static(op.shape, "the shape of a draw")
    if op.name == "random_uniform":
        return w.node("_random_uniform", low=0.0, high=1.0, shape=shape, dtype=op.dtype)
    return w.node("_random_normal", loc=0.0, scale=1.0, shape=shape, dtype=op.dtype)


@rule("random_randint")
def randint(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Draws of integers."""
    shape = _static(op.shape, "the shape of a draw")
    return w.node("_random_randint", low=op.low, high=op.high, shape=shape, dtype=op.dtype)
