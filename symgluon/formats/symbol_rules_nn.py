"""How layers, recurrent nets, boxes, heads and draws are spelt in MXNet 2.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgluon.errors import UnsupportedOpError
from symgluon.formats.symbol_rules import _scalar as scalar
from symgluon.formats.symbol_rules import static
from symgluon.formats.symbol_write import Entry, SymbolWriter, rule
from symgluon.ir.graph import Node
from symgluon.ir.types import normalize_axes, same_shape
from symgluon.ops.core import index_shape


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
    filled: list[Any] = [*ins, *[None] * (6 - len(ins))]
    data, params, hidden, cell, length, masks = filled
    if masks is not None:
        raise UnsupportedOpError("dropout between layers belongs to training")
    lstm = op.mode == "lstm"
    given = [x for x in (data, params, hidden, cell, length) if x is not None]
    entry = w.node(
        "RNN", *w.entries(given), hint=node.outputs[0].name,
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
    if len(node.outputs) == 1:
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
    """A write to a basic index: the value in the shape of the part, ints as axes of size 1."""
    if not node.outputs[0].type.is_static:
        return _set_index_free(w, op, ins, node)
    shape = static(node.outputs[0].type.known_shape, "the array written to")
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


def _set_index_free(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """A write to an array with a free axis: the value must have the shape of the part."""
    target, value = (v.type.known_shape for v in node.inputs)  # type: ignore[union-attr]
    items = [i for i in op.item if i is not None]
    bounds = [i if isinstance(i, slice) else slice(i, i + 1 or None) for i in items]
    attrs: dict[str, Any] = {
        "begin": tuple(b.start for b in bounds), "end": tuple(b.stop for b in bounds),
        "step": tuple(b.step for b in bounds),
    }  # fmt: skip
    number = scalar(ins[1])
    if number is not None:
        return w.node("_slice_assign_scalar", w.entry(ins[0]), scalar=float(number), **attrs)
    part = index_shape(target, op.item)
    if len(items) != len(op.item) or not same_shape(part, value):
        raise UnsupportedOpError(
            "a value is broadcast to a part of free size", hint="export with dynamic_batch=False"
        )
    entry = w.entry(ins[1])
    for axis, item in enumerate(items):
        if not isinstance(item, slice):
            entry = w.node("_npi_expand_dims", entry, axis=axis)
    return w.node("_slice_assign", w.entry(ins[0]), entry, **attrs)


@rule("take_along_axis")
def take_along_axis(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Picks along the last axis, where there is one place a row."""
    places = node.inputs[1].type.known_shape  # type: ignore[union-attr]
    axis = op.axis % len(places)
    if places[axis] != 1:
        raise UnsupportedOpError("MXNet picks one place a row only")
    index = w.node("_npi_squeeze", w.entry(ins[1]), axis=(axis,))
    return w.node("pick", w.entry(ins[0]), index, axis=axis, keepdims=True, mode="clip")


# ---- windows, regions ---------------------------------------------------------------------------
@rule("im2col", "col2im")
def columns(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Windows as columns, and back."""
    attrs = {
        "kernel": op.kernel_shape, "stride": op.stride, "dilate": op.dilate, "pad": op.pad,
    }  # fmt: skip
    if op.name == "col2im":
        attrs["output_size"] = static(op.output_size, "the size of the image")
    return w.node(op.name, w.entry(ins[0]), hint=node.outputs[0].name, **attrs)


@rule("deformable_convolution")
def deformable(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Deformable convolution, with or without a mask."""
    data, offset, weight, bias, mask = ins
    name = (
        "_npx_deformable_convolution" if mask is None else "_npx_modulated_deformable_convolution"
    )
    order = (data, offset, weight, bias) if mask is None else (data, offset, mask, weight, bias)
    attrs = {
        "kernel": op.kernel_shape, "stride": op.stride, "pad": op.pad, "dilate": op.dilate,
        "num_filter": op.num_filter, "num_group": op.num_group,
        "num_deformable_group": op.num_deformable_group, "no_bias": bias is None,
    }  # fmt: skip
    return w.node(name, *w.entries(order), hint=node.outputs[0].name, **attrs)


@rule("proposal")
def proposal(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Regions that a region proposal network proposes."""
    entry = w.node(
        "_contrib_MultiProposal", *w.entries(ins), hint=node.outputs[0].name, output_score=True,
        **op.attrs(),
    )  # fmt: skip
    return w.outputs(entry, 2)


# ---- draws --------------------------------------------------------------------------------------
@rule("random_uniform", "random_normal")
def draw(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Draws of standard distributions."""
    shape = static(op.shape, "the shape of a draw")
    if op.name == "random_uniform":
        return w.node("_random_uniform", low=0.0, high=1.0, shape=shape, dtype=op.dtype)
    return w.node("_random_normal", loc=0.0, scale=1.0, shape=shape, dtype=op.dtype)


@rule("random_randint")
def randint(w: SymbolWriter, op: Any, ins: Sequence[Any], node: Node) -> Any:
    """Draws of integers."""
    shape = static(op.shape, "the shape of a draw")
    return w.node("_random_randint", low=op.low, high=op.high, shape=shape, dtype=op.dtype)
