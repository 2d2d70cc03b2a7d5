"""MXNet's operators with gradients of their own, attention helpers, and further names."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ir.attrs import Shape
from symgluon.ir.op import MX_NAMES, Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops import legacy_nn, legacy_scalar, legacy_shape  # noqa: F401  (names aliased here)
from symgluon.ops.apply import F
from symgluon.ops.mx import mx_function

# ---- further names ------------------------------------------------------------------------------
#: names of files written by NNVM before MXNet 0.9, and aliases of 1.x and 2.x
ALIASES = {
    "__add_scalar__": "_plus_scalar",
    "__sub_scalar__": "_minus_scalar",
    "__rsub_scalar__": "_rminus_scalar",
    "__mul_scalar__": "_mul_scalar",
    "__div_scalar__": "_div_scalar",
    "__rdiv_scalar__": "_rdiv_scalar",
    "__pow_scalar__": "_power_scalar",
    "__rpow_scalar__": "_rpower_scalar",
    "_npx_sync_batch_norm": "BatchNorm",
    "_np_repeat": "repeat",
    "_sparse_stop_gradient": "BlockGrad",
}
for _new, _old in ALIASES.items():
    MX_NAMES.setdefault(_new, MX_NAMES[_old])


@mx_function("_np_reshape")
def np_reshape(a: Any, *, newshape: Shape, order: str = "C") -> Any:
    """Another shape, by NumPy's rules."""
    if order != "C":
        raise AttributeValueError(f"reshape: order={order!r}; only C order is supported")
    return F.reshape(a, shape=newshape)


# ---- gradients of their own ---------------------------------------------------------------------
@op()
class SvmOutput(Op):
    """The scores; their gradient is that of a hinge loss of the labels."""

    margin: float = 1.0
    regularization: float = 1.0
    linear: bool = False

    def infer(self, data: TensorType, label: TensorType) -> TensorType:
        return data

    def kernel(self, data: Any, label: Any) -> Any:
        return data.copy()

    def grad(self, ct: Any, y: Any, data: Any, label: Any) -> Any:
        hit = F.one_hot(label, depth=data.shape[1], dtype=data.dtype)
        sign = F.subtract(F.multiply(hit, 2.0), 1.0)  # 1 at the label, -1 elsewhere
        gap = F.subtract(self.margin, F.multiply(sign, data))
        inside = F.cast(F.greater(gap, 0.0), dtype=data.dtype)
        slope = inside if self.linear else F.multiply(F.multiply(gap, 2.0), inside)
        return F.multiply(F.multiply(F.negative(sign), slope), self.regularization), None

    def onnx(self, g: Any, data: Any, label: Any) -> Any:
        return g.Identity(data)

    samples = [S((2, 3), np.array([0, 2])), S((1, 4), np.array([3]), linear=True)]


@mx_function("SVMOutput")
def svm_output(
    data: Any,
    label: Any = None,
    *,
    margin: float = 1.0,
    regularization_coefficient: float = 1.0,
    use_linear: bool = False,
) -> Any:
    """The scores; in training the gradient of a hinge loss."""
    if label is None:
        return F.identity(data)
    return F.svm_output(
        data,
        label,
        margin=margin,
        regularization=regularization_coefficient,
        linear=use_linear,
    )


# ---- softmax ------------------------------------------------------------------------------------
def _hidden(data: Any, mask: Any, temperature: float) -> Any:
    """Scores, with those that `mask` hides far below all others."""
    scores = data if temperature == 1.0 else F.true_divide(data, temperature)
    low = -6.0e4 if data.dtype == np.float16 else -1.0e30
    return F.where(mask, scores, np.asarray(low, data.dtype))


def _as_bool(mask: Any) -> Any:
    return mask if mask.dtype == bool else F.not_equal(mask, 0)


@mx_function("masked_softmax _npx_masked_softmax")
def masked_softmax(
    data: Any,
    mask: Any,
    *,
    axis: int = -1,
    temperature: float | None = 1.0,
    normalize: bool | None = True,
) -> Any:
    """Softmax of the elements that `mask` shows; 0 for the others."""
    mask = _as_bool(mask)
    found = F.softmax(_hidden(data, mask, temperature or 1.0), axis=axis)
    return F.multiply(found, F.cast(mask, dtype=data.dtype))


@mx_function("masked_log_softmax _npx_masked_log_softmax")
def masked_log_softmax(
    data: Any,
    mask: Any,
    *,
    axis: int = -1,
    temperature: float | None = 1.0,
    normalize: bool | None = True,
) -> Any:
    """Logarithm of the masked softmax; -inf for hidden elements."""
    mask = _as_bool(mask)
    found = F.log_softmax(_hidden(data, mask, temperature or 1.0), axis=axis)
    return F.where(mask, found, np.asarray(-np.inf, data.dtype))


@mx_function("softmax_cross_entropy")
def softmax_cross_entropy(data: Any, label: Any) -> Any:
    """Sum over rows of ``-log softmax(data)`` at the label."""
    picked = F.pick(F.log_softmax(data, axis=-1), label, axis=-1)
    return F.reshape(F.negative(F.sum(picked)), shape=(1,))


# ---- attention on interleaved projections -------------------------------------------------------
def _heads(x: Any, heads: int, parts: int, which: int) -> Any:
    """Part `which` of (L, B, heads * parts * D) as (B * heads, L, D)."""
    length, batch, width = x.shape
    depth = width // (heads * parts)
    split = F.reshape(x, shape=(length, batch, heads, parts, depth))
    part = F.index(split, index=(slice(None), slice(None), slice(None), which))
    return F.reshape(F.transpose(part, axes=(1, 2, 0, 3)), shape=(batch * heads, length, depth))


def _scores(queries: Any, keys: Any) -> Any:
    scale = 1.0 / float(int(queries.shape[-1])) ** 0.5
    return F.batch_dot(F.multiply(queries, scale), keys, transpose_b=True)


def _joined(attention: Any, values: Any, heads: int) -> Any:
    """Values weighted by attention, as (L, B, heads * D)."""
    found = F.batch_dot(attention, values)
    rows, length, depth = found.shape
    split = F.reshape(found, shape=(rows // heads, heads, length, depth))
    moved = F.transpose(split, axes=(2, 0, 1, 3))
    return F.reshape(moved, shape=(length, rows // heads, heads * depth))


@mx_function("_contrib_interleaved_matmul_selfatt_qk _npx_interleaved_matmul_selfatt_qk")
def selfatt_qk(queries_keys_values: Any, *, heads: int) -> Any:
    """Scaled products of queries and keys, (B * heads, L, L)."""
    x = queries_keys_values
    return _scores(_heads(x, heads, 3, 0), _heads(x, heads, 3, 1))


@mx_function("_contrib_interleaved_matmul_selfatt_valatt _npx_interleaved_matmul_selfatt_valatt")
def selfatt_valatt(queries_keys_values: Any, attention: Any, *, heads: int) -> Any:
    """Values weighted by attention, (L, B, heads * D)."""
    return _joined(attention, _heads(queries_keys_values, heads, 3, 2), heads)


@mx_function("_contrib_interleaved_matmul_encdec_qk _npx_interleaved_matmul_encdec_qk")
def encdec_qk(queries: Any, keys_values: Any, *, heads: int) -> Any:
    """Scaled products of queries and keys of another sequence."""
    return _scores(_heads(queries, heads, 1, 0), _heads(keys_values, heads, 2, 0))


@mx_function("_contrib_interleaved_matmul_encdec_valatt _npx_interleaved_matmul_encdec_valatt")
def encdec_valatt(keys_values: Any, attention: Any, *, heads: int) -> Any:
    """Values of another sequence weighted by attention."""
    return _joined(attention, _heads(keys_values, heads, 2, 1), heads)


@mx_function("cast_storage _sparse_cast_storage")
def cast_storage(data: Any, *, stype: str) -> Any:
    """The operand: all arrays are dense."""
    if stype != "default":
        raise AttributeValueError(
            f"cast_storage: storage type {stype!r} is not supported", expected="default (dense)"
        )
    return F.identity(data)
