"""What the layers of ``gluon.nn`` compose from symbols: a row a layer, and functions for the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from symgluon.errors import AttributeValueError
from symgluon.gluon import nn
from symgluon.gluon.nn.activations import Activation
from symgluon.gluon.nn.conv_layers import _Conv
from symgluon.gluon.nn.norm_layers import _BatchNorm
from symgluon.gluon.nn.pool_layers import _Pooling
from symgluon.gluon.symbol_block import SymbolBlock
from symgluon.gluon.symbolic import composes
from symgluon.symbol.node import from_records, substitute

Attrs = Callable[[Any], dict[str, Any]]


def _one_operator(op: str, operands: Iterable[str], attrs: Attrs, name: str | None) -> Any:
    """Return the composer of a layer that is one operator and an activation, where it has one."""
    names = list(operands)

    def compose(block: Any, F: Any, x: Any, *given: Any, **params: Any) -> Any:
        known = [n for n in names if n not in params]
        if len(given) > len(known):
            raise TypeError(
                f"{type(block).__name__} takes one symbol, received {1 + len(given) - len(known)}"
            )
        found = dict(zip(known, given, strict=False))
        found.update({n: p for n, p in params.items() if n in names})
        function = F
        for part in op.split("."):
            function = getattr(function, part)
        # an operand of another name than the operator's goes by position
        values = [found[n] for n in names if found.get(n) is not None]
        kwargs = attrs(block)
        if "no_bias" in kwargs:
            kwargs["no_bias"] = found.get("bias") is None
        out = function(x, *values, **kwargs, **({} if name is None else {"name": name}))
        act = getattr(block, "act", None)
        return out if act is None else act(out)

    return compose


def _leaky(act_type: str, slope: bool = False) -> Attrs:
    def attrs(block: Any) -> dict[str, Any]:
        return {"act_type": act_type, **({"slope": block._alpha} if slope else {})}

    return attrs


def _embedding(block: Any) -> dict[str, Any]:
    sparse = block.weight.grad_stype == "row_sparse"
    return {"input_dim": block._input_dim, "output_dim": block._output_dim,
            "dtype": block.weight.dtype, "sparse_grad": sparse}  # fmt: skip


def _dense(block: Any) -> dict[str, Any]:
    return {"no_bias": False, "num_hidden": block._units, "flatten": block._flatten}


def _dropout(block: Any) -> dict[str, Any]:
    return {"p": block._rate, "axes": block._axes, "cudnn_off": False}


def _kwargs(block: Any) -> dict[str, Any]:
    return dict(block._kwargs)


_WEIGHTS = ("weight", "bias")
_AFFINE = ("gamma", "beta")
_STATISTICS = (*_AFFINE, "running_mean", "running_var")
_FWD = "fwd"

#: class -> operator, parameters that are operands, attributes, name (None: an automatic one)
ROWS: dict[type, tuple[str, tuple[str, ...], Attrs, str | None]] = {
    nn.Dense: ("FullyConnected", _WEIGHTS, _dense, _FWD),
    nn.Embedding: ("Embedding", ("weight",), _embedding, _FWD),
    nn.Flatten: ("flatten", (), lambda b: {}, None),
    nn.ReflectionPad2D: ("pad", (), lambda b: {"mode": "reflect", "pad_width": b._padding}, None),
    Activation: ("Activation", (), lambda b: {"act_type": b._act_type}, _FWD),
    nn.LeakyReLU: ("LeakyReLU", (), _leaky("leaky", slope=True), _FWD),
    nn.PReLU: ("LeakyReLU", ("alpha",), _leaky("prelu"), _FWD),
    nn.ELU: ("LeakyReLU", (), _leaky("elu", slope=True), None),
    nn.SELU: ("LeakyReLU", (), _leaky("selu"), _FWD),
    nn.GELU: ("LeakyReLU", (), _leaky("gelu"), _FWD),
    _Pooling: ("Pooling", (), _kwargs, _FWD),
    _BatchNorm: ("BatchNorm", _STATISTICS, _kwargs, _FWD),
    nn.BatchNormReLU: ("contrib.BatchNormWithReLU", _STATISTICS, _kwargs, _FWD),
    nn.LayerNorm: ("LayerNorm", _AFFINE, lambda b: {"axis": b._axis, "eps": b._epsilon}, None),
    nn.GroupNorm: (
        "GroupNorm", _AFFINE, lambda b: {"num_groups": b._num_groups, "eps": b._epsilon}, None,
    ),
}  # fmt: skip

for _cls, _row in ROWS.items():
    composes(_cls)(_one_operator(*_row))

_convolution = _one_operator("Convolution", _WEIGHTS, _kwargs, _FWD)
_deconvolution = _one_operator("Deconvolution", _WEIGHTS, _kwargs, _FWD)
_instance_norm = _one_operator("InstanceNorm", _AFFINE, lambda b: {"eps": b._epsilon}, _FWD)
_drop = _one_operator("Dropout", (), _dropout, _FWD)


@composes(_Conv)
def _conv(block: Any, F: Any, x: Any, *given: Any, **params: Any) -> Any:
    rule = _deconvolution if block._transposed else _convolution
    return rule(block, F, x, *given, **params)


@composes(nn.Dropout)
def _dropped(block: Any, F: Any, x: Any) -> Any:
    return _drop(block, F, x) if block._rate > 0 else F.identity(x)


@composes(nn.InstanceNorm)
def _normalised(block: Any, F: Any, x: Any, *given: Any, **params: Any) -> Any:
    axis = block._axis
    if axis == 1:
        return _instance_norm(block, F, x, *given, **params)
    moved = F.swapaxes(x, dim1=1, dim2=axis)
    return F.swapaxes(_instance_norm(block, F, moved, *given, **params), dim1=1, dim2=axis)


@composes(nn.SyncBatchNorm)
def _synchronised(block: Any, F: Any, x: Any, *given: Any, **params: Any) -> Any:
    shared = {k: v for k, v in block._kwargs.items() if k != "axis"}
    attrs = {**shared, "ndev": block._num_devices or 1, "key": block.prefix}
    rule = _one_operator("contrib.SyncBatchNorm", _STATISTICS, lambda b: attrs, _FWD)
    return rule(block, F, x, *given, **params)


@composes(nn.Swish, nn.SiLU)
def _swish(block: Any, F: Any, x: Any) -> Any:
    return x * F.sigmoid(getattr(block, "_beta", 1.0) * x, name=_FWD)


@composes(nn.Identity)
def _identity(block: Any, F: Any, x: Any) -> Any:
    return x


@composes(nn.HybridLambda)
def _lambda(block: Any, F: Any, x: Any, *args: Any) -> Any:
    if block._takes_f:
        return block._func(F, x, *args)
    return getattr(F, block._func_name)(x, *args)


@composes(nn.HybridSequential)
def _sequential(block: Any, F: Any, x: Any, *args: Any) -> Any:
    return block._run(x, args)


@composes(nn.HybridConcatenate)
def _concatenated(block: Any, F: Any, x: Any) -> Any:
    parts = [child(x) for child in block._children.values()]
    if not parts:
        raise AttributeValueError(
            f"{type(block).__name__} has no children, so there is nothing to concatenate"
        )
    return F.concat(*parts, dim=block.axis)


# ---- deformable convolutions -----------------------------------------------------------------------
@composes(nn.DeformableConvolution, nn.ModulatedDeformableConvolution)
def _deformed(block: Any, F: Any, x: Any, **params: Any) -> Any:
    weight, bias = params["deformable_conv_weight"], params.get("deformable_conv_bias")
    learned = [params[n] for n in ("offset_weight", "offset_bias") if n in params]
    offset = F.Convolution(x, *learned, cudnn_off=True, **_offset_attrs(block))
    operands = {"data": x, "offset": offset, "weight": weight}
    op = F.contrib.DeformableConvolution
    if block._per_place == 3:
        split = 2 * block._places
        operands["offset"] = F.slice_axis(offset, axis=1, begin=0, end=split)
        rest = F.slice_axis(offset, axis=1, begin=split, end=None)
        operands["mask"] = F.sigmoid(rest) * 2
        op = F.contrib.ModulatedDeformableConvolution
    if bias is not None:
        operands["bias"] = bias
    return block._finish(op(**operands, name=_FWD, **block._attrs, layout="NCHW"))


def _offset_attrs(block: Any) -> dict[str, Any]:
    return {**block._offset_attrs, "layout": "NCHW"}


# ---- pixels of channels ----------------------------------------------------------------------------
_KEEP, _REST, _MERGE, _SPLIT = 0, -1, -3, -4  # codes of sym.reshape


@composes(nn.PixelShuffle1D)
def _shuffle_1d(block: Any, F: Any, x: Any) -> Any:
    (f,) = block._factors
    x = F.reshape(x, (_KEEP, _SPLIT, _REST, f, _KEEP))
    return F.reshape(F.transpose(x, (0, 1, 3, 2)), (_KEEP, _KEEP, _MERGE))


@composes(nn.PixelShuffle2D)
def _shuffle_2d(block: Any, F: Any, x: Any) -> Any:
    f, g = block._factors
    x = F.reshape(x, (_KEEP, _SPLIT, _REST, f * g, _KEEP, _KEEP))
    x = F.reshape(x, (_KEEP, _KEEP, _SPLIT, f, g, _KEEP, _KEEP))
    return F.reshape(F.transpose(x, (0, 1, 4, 2, 5, 3)), (_KEEP, _KEEP, _MERGE, _MERGE))


@composes(nn.PixelShuffle3D)
def _shuffle_3d(block: Any, F: Any, x: Any) -> Any:
    """One axis after the other: its factor is moved behind it, and merged into it."""
    product = list(itertools.accumulate(reversed(block._factors), lambda a, b: a * b))[::-1]
    x = F.reshape(x, (_KEEP, _SPLIT, _REST, product[0], _KEEP, _KEEP, _KEEP))
    for i, factor in enumerate(block._factors):
        x = F.swapaxes(x, dim1=2 + i, dim2=3 + i)
        after = [_KEEP] * (2 - i)
        if i < 2:
            x = F.reshape(x, (*[_KEEP] * (3 + i), _SPLIT, factor, product[i + 1], *after))
        x = F.reshape(x, (*[_KEEP] * (2 + i), _MERGE, *([_KEEP] if i < 2 else []), *after))
    return x


# ---- symbols as blocks -----------------------------------------------------------------------------
@composes(SymbolBlock)
def _substituted(block: Any, F: Any, *args: Any, **params: Any) -> Any:
    names = block._input_names
    if len(args) != len(names):
        raise ValueError(f"the symbol has inputs {', '.join(names)}; received {len(args)} symbols")
    given = dict(zip(names, args, strict=True))

    heads = substitute(from_records(block._program.records), given)
    outs = [type(args[0])([head]) for head in heads]
    return outs[0] if len(outs) == 1 else outs
