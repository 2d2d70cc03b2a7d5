"""Training heads of the symbolic API: their gradient is that of a loss, whatever arrives.

The forward is a prediction (softmax, sigmoid, identity); the backward ignores the cotangent and gives
the derivative of the loss with respect to the data, as MXNet documents each of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.mx import cast_to, mx_function


class _Head(Op):
    """A training head: `grad` is the loss's own."""

    grad_scale: float = 1.0

    def infer(self, data: TensorType, label: TensorType) -> TensorType:
        return data

    def per_sample(self, data: Any, label: Any) -> Any:
        """Number of outputs a sample, by which regression gradients are divided."""
        count: Any = 1
        for n in label.shape[1:]:
            count = count * n
        return count


def _divide(x: Any, count: Any) -> Any:
    if isinstance(count, int):
        return x / float(count) if count > 1 else x
    return x / cast_to(F.dim_value(dim=count), x.dtype)


class _Regression(_Head):
    """Regression heads; the label has the elements of the data."""

    def error(self, y: Any, label: Any) -> Any:
        """Derivative of the loss with respect to the data before scaling."""
        return y - label

    def grad(self, ct: Any, y: Any, data: Any, label: Any) -> Any:
        target = F.reshape(cast_to(label, data.dtype), shape=data.shape)
        return _divide(self.error(y, target) * self.grad_scale, self.per_sample(data, label)), None

    samples = [S((2, 3), (2, 3)), S((4, 1), (4,)), S((2, 3), (2, 3), grad_scale=0.5)]


@op()
class LinearRegressionOutput(_Regression):
    """The data; its gradient is that of half the squared error."""

    def kernel(self, data: Any, label: Any) -> Any:
        return data.copy()

    def onnx(self, g: Any, data: Any, label: Any) -> Any:
        return g.Identity(data)


@op()
class MaeRegressionOutput(_Regression):
    """The data; its gradient is that of the absolute error."""

    def kernel(self, data: Any, label: Any) -> Any:
        return data.copy()

    def error(self, y: Any, label: Any) -> Any:
        return F.sign(y - label)

    def onnx(self, g: Any, data: Any, label: Any) -> Any:
        return g.Identity(data)


@op()
class LogisticRegressionOutput(_Regression):
    """Sigmoid of the data; its gradient is that of the cross-entropy."""

    def kernel(self, data: Any, label: Any) -> Any:
        from symgluon.ir.op import OPS

        return type(OPS["sigmoid"]()).kernel(OPS["sigmoid"](), data)

    def onnx(self, g: Any, data: Any, label: Any) -> Any:
        return g.Sigmoid(data)


@op()
class SoftmaxOutput(_Head):
    """Softmax of the data; its gradient is that of the cross-entropy with the label.

    Attributes
    ----------
    multi_output : bool
        Classes lie on axis 1, labels on the others; otherwise on the last axis of the data as
        (N, everything else).
    normalization : str
        ``null``, ``batch`` or ``valid``: what the gradient is divided by.
    """

    ignore_label: float = -1.0
    multi_output: bool = False
    use_ignore: bool = False
    preserve_shape: bool = False
    normalization: str = "null"
    out_grad: bool = False
    smooth_alpha: float = 0.0

    def axis(self, rank: int) -> int:
        """Axis of the classes."""
        return 1 if self.multi_output else rank - 1

    def decompose(self, data: Any, label: Any) -> Any:
        if self.multi_output or self.preserve_shape or data.ndim <= 2:
            return F.softmax(data, axis=self.axis(data.ndim))
        flat = F.reshape(data, shape=(data.shape[0], -1))
        return F.reshape(F.softmax(flat, axis=-1), shape=data.shape)

    def grad(self, ct: Any, y: Any, data: Any, label: Any) -> Any:
        axis = self.axis(data.ndim)
        if tuple(label.shape) == tuple(data.shape):
            slope = (y - cast_to(label, y.dtype)) * self.grad_scale
        else:
            slope = self._against_classes(y, label, axis)
        if self.out_grad:
            slope = slope * ct
        return slope, None

    def _against_classes(self, y: Any, label: Any, axis: int) -> Any:
        shape = tuple(n for i, n in enumerate(y.shape) if i != axis)
        index = F.reshape(cast_to(label, np.dtype("int64")), shape=shape)
        classes = y.shape[axis]
        hot = F.one_hot(index, depth=classes, axis=axis, dtype=y.dtype)
        if self.smooth_alpha:
            other = self.smooth_alpha / (int(classes) - 1)
            hot = hot * (1.0 - self.smooth_alpha - other) + other
        slope = y - hot
        keep = None
        if self.use_ignore:
            keep = F.not_equal(index, np.asarray(int(self.ignore_label), np.int64))
            mask = F.reshape(keep, shape=(*shape[:axis], 1, *shape[axis:]))
            slope = slope * cast_to(mask, y.dtype)
        return self._normalised(slope * self.grad_scale, keep, shape)

    def _normalised(self, slope: Any, keep: Any, shape: Any) -> Any:
        total: Any = 1
        for n in shape:
            total = total * n
        if self.normalization == "batch":
            return _divide(slope, shape[0] if shape else 1)
        if self.normalization == "valid":
            if keep is None:
                return _divide(slope, total)
            count = F.sum(cast_to(keep, slope.dtype))
            return slope / F.maximum(count, np.asarray(1, slope.dtype))
        if self.multi_output:
            inner: Any = 1
            for n in shape[1:]:
                inner = inner * n
            return _divide(slope, inner)
        return slope

    samples = [
        S((3, 4), lambda rng: np.array([0.0, 3.0, 1.0])),
        S((2, 3, 2), lambda rng: np.array([[0.0, 2.0], [1.0, 1.0]]), multi_output=True),
    ]


def _label(data: Any, label: Any) -> Any:
    """The label, or zeros in its place: prediction does not read it."""
    return np.zeros((1,), data.dtype) if label is None else label


@mx_function("LinearRegressionOutput _sparse_LinearRegressionOutput")
def linear_regression_output(data: Any, label: Any = None, *, grad_scale: float = 1.0) -> Any:
    """Head of least-squares regression."""
    return F.linear_regression_output(data, _label(data, label), grad_scale=grad_scale)


@mx_function("MAERegressionOutput _sparse_MAERegressionOutput")
def mae_regression_output(data: Any, label: Any = None, *, grad_scale: float = 1.0) -> Any:
    """Head of regression by absolute error."""
    return F.mae_regression_output(data, _label(data, label), grad_scale=grad_scale)


@mx_function("LogisticRegressionOutput _sparse_LogisticRegressionOutput")
def logistic_regression_output(data: Any, label: Any = None, *, grad_scale: float = 1.0) -> Any:
    """Head of logistic regression."""
    return F.logistic_regression_output(data, _label(data, label), grad_scale=grad_scale)


@mx_function("SoftmaxOutput Softmax")
def softmax_output(
    data: Any,
    label: Any = None,
    *,
    grad_scale: float = 1.0,
    ignore_label: float = -1.0,
    multi_output: bool = False,
    use_ignore: bool = False,
    preserve_shape: bool = False,
    normalization: str = "null",
    out_grad: bool = False,
    smooth_alpha: float = 0.0,
) -> Any:
    """Head of classification."""
    if normalization not in ("null", "batch", "valid"):
        raise AttributeValueError(
            f"SoftmaxOutput: normalization={normalization!r}; known: null, batch, valid"
        )
    return F.softmax_output(
        data,
        _label(data, label),
        grad_scale=grad_scale,
        ignore_label=ignore_label,
        multi_output=multi_output,
        use_ignore=use_ignore,
        preserve_shape=preserve_shape,
        normalization=normalization,
        out_grad=out_grad,
        smooth_alpha=smooth_alpha,
    )


@op()
class LossScale(Op):
    """The data; its gradient is a number, whatever arrives (``MakeLoss``)."""

    grad_scale: float = 1.0

    def infer(self, data: TensorType) -> TensorType:
        return data

    def kernel(self, data: Any) -> Any:
        return data.copy()

    def grad(self, ct: Any, y: Any, data: Any) -> Any:
        return F.full(np.asarray(self.grad_scale, data.dtype), shape=data.shape)

    def onnx(self, g: Any, data: Any) -> Any:
        return g.Identity(data)

    samples = [S((2, 3)), S((1,), grad_scale=2.0)]


@mx_function("MakeLoss")
def make_loss_head(
    data: Any,
    *,
    grad_scale: float = 1.0,
    valid_thresh: float = 0.0,
    normalization: str = "null",
) -> Any:
    """Let the data be a loss."""
    scaled = F.loss_scale(data, grad_scale=grad_scale)
    if normalization == "null":
        return scaled
    if normalization == "batch":
        return F.loss_scale(data, grad_scale=grad_scale / int(data.shape[0]))
    raise AttributeValueError(
        f"MakeLoss: normalization={normalization!r}; 'null' and 'batch' are supported"
    )


@mx_function("make_loss _sparse_make_loss")
def make_loss(data: Any) -> Any:
    """Let the data be a loss."""
    return F.loss_scale(data)
